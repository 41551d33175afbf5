"""Int8 by NNCF: ranges from calibration images, and layers left in full precision until the worst image is right."""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from medseg_demo.exporting.calibration import Windows
from medseg_demo.models.card import ModelCard
from medseg_demo.models.conversion import import_openvino
from medseg_demo.segmenting.decide import regions_of, to_labels
from medseg_demo.segmenting.windows import activated

if TYPE_CHECKING:
    import openvino

LEAST_OF_ALL = 0.99  # mean Dice of the control images with their masks in full precision
LEAST_OF_ONE = 0.95  # and that of the worst of them
MOST_LEFT_OUT = 12  # layers that stay in full precision
MOST_RANKED = 10  # images by which NNCF finds out what each layer costs: those that suffer most

Masks = list[list[np.ndarray]]


@dataclass(frozen=True, eq=False)
class Quantised:
    """A network in int8.

    Attributes:
        model: As OpenVINO takes it.
        full_precision: Layers that were left in full precision.
        mean: Dice of the control images' masks with those in full precision.
        worst: Of the worst image.
    """

    model: "openvino.Model"
    full_precision: tuple[str, ...]
    mean: float
    worst: float


def quantise(model: "openvino.Model", card: ModelCard, windows: Windows, *, tell: Callable[[str], None]) -> Quantised:
    """Quantise a network, and leave out layers where images suffer.

    A mean hides the one image that is lost, so the mean and the worst image must both stay near full precision
    (LEAST_OF_ALL, LEAST_OF_ONE). The layers that are left out are chosen by NNCF, by what each costs.

    Args:
        model: In full precision; left as it is.
        card: Its model card, for the threshold.
        windows: What to calibrate and to decide on.
        tell: Called with a sentence on each step.
    """
    openvino = import_openvino()
    import nncf

    nncf.set_log_level(logging.ERROR)
    dataset = nncf.Dataset(list(windows.calibration))
    expected = masks_of(_compiled(openvino, model), card, windows.control)
    # Of all calibration images, not of their mean: stains and exposures differ, and the odd image must not be cut off.
    widest = nncf.quantization.range_estimator.RangeEstimatorParametersSet.MINMAX
    options: dict[str, Any] = {
        "subset_size": len(windows.calibration),
        # Ranges without zero in their middle (MIXED) lost a tenth of the nuclei, where symmetric ones lost a hundredth.
        "preset": nncf.QuantizationPreset.PERFORMANCE,
        "fast_bias_correction": True,
    }
    advanced = nncf.AdvancedQuantizationParameters(activations_range_estimator_params=widest)
    quantised = nncf.quantize(model.clone(), dataset, advanced_parameters=advanced, **options)
    mean, worst = agreement(masks_of(_compiled(openvino, quantised), card, windows.control), expected)
    tell(f"all layers in int8: Dice with full precision {mean:.4f}, of the worst image {worst:.4f}")
    if _is_enough(mean, worst):
        return Quantised(quantised, (), mean, worst)

    def validate(compiled: Any, items: Iterable[int]) -> tuple[float, list[float]]:
        chosen = list(items)  # of a ranking, only the images that suffered most
        found = masks_of(compiled, card, [windows.control[index] for index in chosen])
        scores = dice_of_images(found, [expected[index] for index in chosen])
        # One figure that reaches 1 where mean and worst are enough.
        mean, worst = float(np.mean(scores)), min(scores)
        return min(1.0, 2 - (1 - mean) / (1 - LEAST_OF_ALL), 2 - (1 - worst) / (1 - LEAST_OF_ONE)), scores

    quantised = nncf.quantize_with_accuracy_control(
        model.clone(),
        dataset,
        nncf.Dataset(range(len(windows.control))),
        validate,
        max_drop=0.0,
        advanced_quantization_parameters=advanced,
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            max_num_iterations=MOST_LEFT_OUT, ranking_subset_size=min(MOST_RANKED, len(windows.control))
        ),
        **options,
    )
    mean, worst = agreement(masks_of(_compiled(openvino, quantised), card, windows.control), expected)
    left_out = _full_precision_layers(model, quantised)
    tell(f"{len(left_out)} layers left out: Dice with full precision {mean:.4f}, of the worst image {worst:.4f}")
    return Quantised(quantised, left_out, mean, worst)


def masks_of(compiled: Any, card: ModelCard, images: Sequence[Sequence[np.ndarray]]) -> Masks:
    """Label maps of windows, by image; in 2-D and 3-D."""
    return [[_labels(compiled(window)[0], card) for window in image] for image in images]


def agreement(found: Masks, expected: Masks) -> tuple[float, float]:
    """Mean and worst Dice of images."""
    scores = dice_of_images(found, expected)
    return float(np.mean(scores)), min(scores)


def dice_of_images(found: Masks, expected: Masks) -> list[float]:
    """Dice of each image, over all of its windows and classes; 1 where neither shows anything."""
    scores = []
    for ours, theirs in zip(found, expected, strict=True):
        pairs = list(zip(ours, theirs, strict=True))
        common = sum(int(((one == other) & (one > 0)).sum()) for one, other in pairs)
        both = sum(int((one > 0).sum() + (other > 0).sum()) for one, other in pairs)
        scores.append(2 * common / both if both else 1.0)
    return scores


def _labels(logits: np.ndarray, card: ModelCard) -> np.ndarray:
    probabilities = activated(torch.from_numpy(logits), card).numpy().swapaxes(0, 1)
    decided = probabilities[card.has_background :] if card.takes_threshold else probabilities
    return to_labels(decided, threshold=card.threshold or 0.5, regions=regions_of(card))


def _is_enough(mean: float, worst: float) -> bool:
    return mean >= LEAST_OF_ALL and worst >= LEAST_OF_ONE


def _compiled(openvino: Any, model: "openvino.Model") -> Any:
    return openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})


def _full_precision_layers(model: "openvino.Model", quantised: "openvino.Model") -> tuple[str, ...]:
    """The convolutions and products of a network that take no quantised input, by their names."""
    kinds = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
    known = {one.get_friendly_name() for one in model.get_ops() if one.get_type_name() in kinds}
    return tuple(
        one.get_friendly_name()
        for one in quantised.get_ordered_ops()
        if one.get_friendly_name() in known and one.input_value(0).get_node().get_type_name() != "FakeQuantize"
    )
