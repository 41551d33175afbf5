"""What transformers saved: ``config.json`` with a model type, ``model.safetensors`` and ``preprocessor_config.json``.

Nothing is fetched and no code of a checkpoint is run: models, backbones and image processors are looked up in tables
here, weights are tensors alone, and what a configuration names beyond that is refused or left out.
"""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, LARGEST_INPUT, ModelCard, read_card
from medseg_demo.models.network import SavedNetwork
from medseg_demo.models.origins.origin import Described, Loaded, Origin, digest_of, existing, is_converted
from medseg_demo.models.origins.weights import CONFIG_FILE, WEIGHTS_FILE, read_weights
from medseg_demo.models.recipes import TransformersSteps
from medseg_demo.models.soundness import bounded_by, check_weights, parameter_fault

PROCESSOR_FILE = "preprocessor_config.json"


class Kind(NamedTuple):
    """A model of transformers with a semantic head."""

    configuration: str
    processor: str
    are_sums: bool = False


MODELS = {
    "SegformerForSemanticSegmentation": Kind("SegformerConfig", "SegformerImageProcessor"),
    "UperNetForSemanticSegmentation": Kind("UperNetConfig", "SegformerImageProcessor"),
    "Mask2FormerForUniversalSegmentation": Kind("Mask2FormerConfig", "Mask2FormerImageProcessor", are_sums=True),
}
PROCESSORS = (
    "BeitImageProcessor", "ConvNextImageProcessor", "Mask2FormerImageProcessor", "MaskFormerImageProcessor",
    "SegformerImageProcessor", "ViTImageProcessor",
)  # fmt: skip
BACKBONES = ("beit", "convnext", "convnextv2", "focalnet", "maskformer-swin", "resnet", "swin", "swinv2")
# Of a configuration: what would fetch weights or kernels, or names code.
OUTSIDE = ("auto_map", "custom_pipelines", "use_timm_backbone", "use_pretrained_backbone", "trust_remote_code")
IGNORED = (
    "attn_implementation",
    "architectures",
    "transformers_version",
    "torch_dtype",
    "dtype",
    "quantization_config",
)
BACKGROUND = ("background", "bg", "unlabeled", "unlabelled", "void", "none", "nothing")


def processor_of(steps: TransformersSteps) -> Any:
    """The image processor of a card, made of plain values.

    Raises:
        InvalidCheckpointError: transformers is not installed, does not know it, or refuses its settings.
    """
    import_transformers()
    import transformers

    if steps.processor not in PROCESSORS:
        raise InvalidCheckpointError(
            f"The image processor {steps.processor[:80]!r} is none that is taken: {', '.join(PROCESSORS)}."
        )
    try:
        return getattr(transformers, steps.processor)(**steps.settings)
    except Exception as error:  # of many kinds
        raise InvalidCheckpointError(
            f"The image processor {steps.processor} does not take its settings ({_first_line(error)}). Correct "
            f"{PROCESSOR_FILE}."
        ) from None


def import_transformers() -> None:
    """See that transformers is there, and quiet.

    Raises:
        InvalidCheckpointError: It is not.
    """
    try:
        from transformers.utils import logging
    except ImportError:
        raise InvalidCheckpointError(
            'This checkpoint is of transformers, which is not installed. Run: pip install "medseg-demo[transformers]"'
        ) from None
    logging.set_verbosity_error()
    logging.disable_progress_bar()


def _recognises(folder: Path) -> bool:
    path = folder / CONFIG_FILE
    if not path.is_file():
        return False
    try:
        config = read_document(path)
    except ValueError:
        return False
    return (
        isinstance(config, dict)
        and "_model_class" not in config
        and bool({"model_type", "architectures"} & set(config))
    )


def _files(folder: Path) -> tuple[Path, ...]:
    return existing(folder, CONFIG_FILE, PROCESSOR_FILE, CARD_FILE, WEIGHTS_FILE)


def _read(folder: Path, file: str, name: str) -> dict[str, Any]:
    try:
        document = read_document(folder / file)
    except FileNotFoundError:
        return {}
    except (ValueError, OSError) as error:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {file} cannot be read ({error}). Save it again.") from None
    if not isinstance(document, dict):
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {file} is no JSON object. Save it again.")
    return document


def _architecture(config: Mapping[str, Any], name: str) -> str:
    """The model's class.

    Raises:
        InvalidCheckpointError: It is none that is taken, or the configuration names code.
    """
    named = config.get("architectures")
    found = str(named[0]) if isinstance(named, list) and len(named) == 1 else str(config.get("model_type"))
    if found not in MODELS:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {found[:80]!r} is no model of transformers that is taken. Those are "
            f"{', '.join(MODELS)}."
        )
    for key, value in _walk(config):
        if key in OUTSIDE and value:
            raise InvalidCheckpointError(
                f"Checkpoint {name!r}: {key} in {CONFIG_FILE} names code or weights from elsewhere, and neither is run "
                "or fetched. Save the model as one of transformers' own, with its weights."
            )
        if key == "backbone" and value is not None:
            raise InvalidCheckpointError(
                f"Checkpoint {name!r}: the backbone {str(value)[:80]!r} in {CONFIG_FILE} lies outside of the "
                "checkpoint, and nothing is fetched for one. Save the model with backbone_config."
            )
    return found


def _walk(value: object) -> list[tuple[str, Any]]:
    pairs: list[tuple[str, Any]] = []
    if isinstance(value, dict):
        for key, one in value.items():
            pairs += [(str(key), one), *_walk(one)]
    return pairs


def _labels(config: Mapping[str, Any], name: str) -> tuple[list[str], bool]:
    """What each id is called, and whether id 0 is background: its name decides."""
    told = config.get("id2label") or {"0": "LABEL_0", "1": "LABEL_1"}  # transformers' own default
    told = told if isinstance(told, dict) else {}
    names = [told.get(str(index)) for index in range(len(told))]
    if not 1 <= len(names) <= 255 or not all(isinstance(one, str) and one.strip() for one in names):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: id2label in {CONFIG_FILE} names no ids 0, 1, …, at most 255. Correct it."
        )
    shown = [" ".join(str(one).split())[:80] for one in names]
    return shown, len(shown) > 1 and shown[0].casefold().strip(" _-") in BACKGROUND


def _card(folder: Path, config: Mapping[str, Any], architecture: str, name: str) -> ModelCard:
    names, has_background = _labels(config, name)
    given = _read(folder, PROCESSOR_FILE, name)
    kind = MODELS[architecture]
    processor = str(given.get("image_processor_type") or kind.processor).removesuffix("Fast")
    if "auto_map" in given or processor not in PROCESSORS:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the image processor {processor[:80]!r} in {PROCESSOR_FILE} is none that is taken: "
            f"{', '.join(PROCESSORS)}."
        )
    left_out = ("image_processor_type", "feature_extractor_type", "processor_class")
    settings = {key: value for key, value in given.items() if not key.startswith("_") and key not in left_out}
    if fault := parameter_fault(settings):
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {fault}. Correct {PROCESSOR_FILE}.")
    if config.get("num_channels", 3) != 3:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: num_channels is {str(config['num_channels'])[:20]} in {CONFIG_FILE}, and image "
            "processors of transformers take three."
        )
    size = _size(settings, name)
    classes = names[1:] if has_background else names
    steps = TransformersSteps(
        processor=processor,
        settings=settings,
        has_background=has_background,
        are_sums=kind.are_sums,
        any_size=size is None,
    )
    return ModelCard(
        class_names=tuple(one if classes.count(one) == 1 else f"{one} {i + 1}" for i, one in enumerate(classes)),
        in_channels=3,
        input_size=size or (512, 512),
        head="sigmoid" if len(names) == 1 else "softmax",
        recipe=steps,
    )


def _size(settings: Mapping[str, Any], name: str) -> tuple[int, int] | None:
    """Height and width of what the network always gets; None where they depend on the image."""
    size = settings.get("size", 512)
    if isinstance(size, dict) and {"height", "width"} <= size.keys():
        size = size["height"], size["width"]
    elif isinstance(size, int):
        size = size, size
    if settings.get("do_resize") is False or settings.get("do_center_crop") or not isinstance(size, tuple):
        return None
    if not all(isinstance(one, int) and one > 0 for one in size) or size[0] * size[1] > LARGEST_INPUT:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: size in {PROCESSOR_FILE} is {str(size)[:60]}, which is no size of an image."
        )
    return size[0], size[1]


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    config = _read(folder, CONFIG_FILE, name)
    architecture = _architecture(config, name)
    import_transformers()
    _weights(folder, name)
    try:
        card = _card(folder, config, architecture, name)
    except ValueError as error:  # the card's own
        raise InvalidCheckpointError(f"Checkpoint {name!r}: it makes no card ({_first_line(error)}).") from None
    own = read_card(folder, name=name)
    if own is not None:
        card = card.model_copy(update={key: getattr(own, key) for key in {"task", "modality"} & own.model_fields_set})
        if len(own.class_names) == len(card.class_names):
            card = card.model_copy(update={"class_names": own.class_names})
    names, has_background = _labels(config, name)
    meant = "background" if has_background else "a class: none is background"
    note = f"Id 0 is called {names[0]!r} and taken as {meant}."
    return Described(card, architecture, has_card=(folder / PROCESSOR_FILE).is_file(), note=note)


def _weights(folder: Path, name: str) -> Path:
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise InvalidCheckpointError(
            f"Checkpoint {name!r} has no {WEIGHTS_FILE}, and of transformers no other file of weights is read. Save it "
            "again with save_pretrained(), in one file (max_shard_size)."
        )
    check_weights(path, name)
    return path


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    described = _describe(folder, name, cache_dir)
    config = _read(folder, CONFIG_FILE, name)
    path = _weights(folder, name)
    steps = described.card.recipe
    assert isinstance(steps, TransformersSteps)
    processor_of(steps)
    make = partial(_build, config, _architecture(config, name), path, name)
    if cache_dir is None or steps.any_size:
        return Loaded(described, make())
    saved = SavedNetwork(make, path.stat().st_size)
    if not is_converted(digest_of(_files(folder)), described.card, cache_dir):
        _ = saved.module  # what is wrong with it shows now
    return Loaded(described, saved)


def _build(config: Mapping[str, Any], architecture: str, path: Path, name: str) -> nn.Module:
    """The model with its weights; transformers gives older names of weights their places."""
    import transformers

    plain = _plain(config, name)
    weights: dict[str, torch.Tensor] = read_weights(path, name)
    bad = [key for key, value in weights.items() if not torch.isfinite(value).all()]
    try:
        with bounded_by(sum(one.numel() for one in weights.values())):
            made = getattr(transformers, MODELS[architecture].configuration)(**plain)
            network, found = getattr(transformers, architecture).from_pretrained(
                None, config=made, state_dict=weights, output_loading_info=True, local_files_only=True
            )
    except Exception as error:  # transformers' checks are of many kinds
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {architecture} cannot be built from {CONFIG_FILE} ({_first_line(error)})."
        ) from None
    faults = [f"{key} is missing" for key in found["missing_keys"]]
    faults += [f"{key} is not in the network" for key in found["unexpected_keys"]]
    faults += [f"{key[0]} has another shape" for key in found["mismatched_keys"]]
    faults += [f"{key} holds NaN or infinity" for key in bad]
    if faults:
        shown = "; ".join(sorted(faults)[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the weights do not fit the network that {CONFIG_FILE} describes ({shown}). Use the "
            "configuration that the weights were trained with."
        )
    network = network.float()
    return (QueriedNetwork(network) if MODELS[architecture].are_sums else LogitsNetwork(network)).eval()


def _plain(config: Mapping[str, Any], name: str) -> dict[str, Any]:
    """The arguments of a configuration: sizes and switches, without what transformers would look elsewhere for."""
    plain = {key: value for key, value in config.items() if not key.startswith("_") and key not in IGNORED + OUTSIDE}
    inner = plain.get("backbone_config")
    if isinstance(inner, dict):
        if inner.get("model_type") not in BACKBONES:
            raise InvalidCheckpointError(
                f"Checkpoint {name!r}: the backbone {str(inner.get('model_type'))[:80]!r} in {CONFIG_FILE} is none "
                f"that is taken: {', '.join(BACKBONES)}."
            )
        plain["backbone_config"] = _plain(inner, name)
    sizes = {key: value for key, value in plain.items() if key not in ("id2label", "label2id")}
    if fault := parameter_fault(sizes):
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {fault}. Correct {CONFIG_FILE}.")
    return plain


class LogitsNetwork(nn.Module):
    """A model whose output has logits: (N, 3, H, W) → (N, K, h, w)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Logits, of a quarter of the size for SegFormer."""
        return self.model(pixel_values=images).logits


class QueriedNetwork(nn.Module):
    """Mask2Former: its queries' masks and classes, summed to one score for each class.

    Source: ``Mask2FormerImageProcessor.post_process_semantic_segmentation``, which scales masks to 384 × 384.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, 3, H, W) → sums of probabilities, (N, K, 384, 384)."""
        found = self.model(pixel_values=images)
        masks = nn.functional.interpolate(found.masks_queries_logits, (384, 384), mode="bilinear", align_corners=False)
        classes = found.class_queries_logits.softmax(dim=-1)[..., :-1]
        return torch.einsum("bqc,bqhw->bchw", classes, masks.sigmoid())


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:200]


TRANSFORMERS = Origin("transformers", "transformers", _recognises, _files, _describe, _load)
