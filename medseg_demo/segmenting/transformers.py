"""The steps of a model of transformers: its image processor, and logits that are brought to the image's own size.

Source: ``post_process_semantic_segmentation`` of transformers, beside which it was run (tests/oracles).
"""

from collections.abc import Iterator
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from medseg_demo.image import MedicalImage
from medseg_demo.models.backends import prepare
from medseg_demo.models.card import Denoise, ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute
from medseg_demo.models.network import Network
from medseg_demo.models.origins.transformers import processor_of
from medseg_demo.models.recipes import TransformersSteps
from medseg_demo.segmenting.decide import EVEN
from medseg_demo.segmenting.prepare import intensities
from medseg_demo.segmenting.windows import FLIPS, Found, Progress, Turn, told


def run(
    image: MedicalImage,
    checkpoint: Checkpoint,
    compute: Compute,
    *,
    flips: bool = False,
    denoise: Denoise | None = None,
    batch_size: int = 0,
    progress: Progress | None = None,
    turn: Turn = nullcontext,
) -> Found:
    """Segment an image, or a volume slice by slice.

    Args:
        image: All of what is segmented. What is no picture of 8 bits is shown to the network by its display window.
        checkpoint: Its card's recipe is of transformers.
        compute: Where to run.
        flips: As for ``windows.predict``; what comes out of the network is averaged.
        denoise: A filter before everything.
        batch_size: Left alone: slices go one by one.
        progress: Called with (slices done, slices in all); what it raises ends the work.
        turn: Held while the network computes.

    Raises:
        InvalidCheckpointError: The network does not take what its image processor makes.
    """
    card = checkpoint.card
    steps = _steps(card)
    with told(checkpoint, compute):
        network = prepare(checkpoint, compute)
        processor = processor_of(steps)
    pictures = _pictures(image, card, denoise)
    labels = np.zeros(pictures.shape[:3], np.uint8)
    probabilities = np.zeros((len(card.class_names), *labels.shape), np.float32)
    for index, picture in enumerate(pictures):
        with told(checkpoint, compute), turn():
            scores = _scores(network, _values(processor, picture), flips=flips)
        scores = F.interpolate(scores, picture.shape[:2], mode="bilinear", align_corners=False)[0]
        found = _activated(scores, steps)
        if len(found) == 1:
            labels[index] = (found[0] > EVEN).numpy()
        else:
            labels[index] = scores.argmax(dim=0).numpy() + (not steps.has_background)
        probabilities[:, index] = (found[1:] if steps.has_background else found).numpy()
        if progress:
            progress(index + 1, len(pictures))
    return Found(labels, probabilities)


def seen(image: MedicalImage, card: ModelCard, index: int, *, denoise: Denoise | None = None) -> np.ndarray:
    """What the network gets of one slice, as a picture from its least to its greatest value: uint8, (H, W, 3)."""
    values = _values(processor_of(_steps(card)), _pictures(image, card, denoise)[index])[0]
    low, high = values.amin(), values.amax()
    return ((values - low) / (high - low).clamp_min(1e-6) * 255).round().to(torch.uint8).permute(1, 2, 0).numpy()


def _steps(card: ModelCard) -> TransformersSteps:
    assert isinstance(card.recipe, TransformersSteps)
    return card.recipe


def _pictures(image: MedicalImage, card: ModelCard, denoise: Denoise | None) -> np.ndarray:
    """uint8, (Z, Y, X, 3)."""
    slices = intensities(image, card, denoise=denoise)
    if slices.dtype == np.uint8:
        return slices
    windows = np.array(image.windows, np.float32).T
    low, high = windows[0], np.maximum(windows[1], windows[0] + 1e-6)
    return (((slices.astype(np.float32) - low) / (high - low)).clip(0, 1) * 255).round().astype(np.uint8)


def _values(processor: Any, picture: np.ndarray) -> torch.Tensor:
    """float32, (1, 3, H, W)."""
    values = processor(images=picture, return_tensors="pt", input_data_format="channels_last")["pixel_values"]
    return torch.as_tensor(values).float()


def _scores(network: Network, values: torch.Tensor, *, flips: bool) -> torch.Tensor:
    """What comes out of the network, (1, K, h, w), averaged over views."""
    axes = FLIPS[2] if flips else ((),)

    def views() -> Iterator[torch.Tensor]:
        for axis in axes:
            yield values.flip(axis) if axis else values

    with torch.inference_mode():
        logits = network.logits(views(), expected=len(axes))
        turned = [one.flip(axis) if axis else one for axis, one in zip(axes, logits, strict=True)]
    return sum(turned[1:], start=turned[0]).cpu() / len(turned)


def _activated(scores: torch.Tensor, steps: TransformersSteps) -> torch.Tensor:
    if steps.are_sums:
        return scores / scores.sum(dim=0, keepdim=True).clamp_min(1e-6)
    return scores.sigmoid() if len(scores) == 1 else scores.softmax(dim=0)
