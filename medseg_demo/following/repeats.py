"""How much a measurement varies when it is repeated: one study, segmented again under small changes.

The image is put at another place in the network's grid (the border is continued by some pixels) and gets noise as
strong as its own, as a second scan would have; what the class measures then is a repeat. That covers what a network
makes of noise and position. It does not cover what the same patient on another day brings: another position, breath,
contrast agent or scanner, nor errors that all repeats share. Whoever has measured that states it instead.

To the variance of the repeats of a size comes that of counting pixels: the grid lies otherwise on the body next time.

Source: Bland and Altman 1999, doi:10.1177/096228029900800204 (within-subject deviation, 1.96·√2 times which is the
repeatability coefficient); Raunig et al. 2015, doi:10.1177/0962280214537344 (of imaging); Gundersen and Jensen 1987,
doi:10.1111/j.1365-2818.1987.tb02837.x (the variance of counting points, .07 a pixel of the border); Immerkær 1996,
doi:10.1006/cviu.1996.0060 (noise of an image).
"""

from dataclasses import replace

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.measure import ClassMeasurement
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.segmenting.turns import Job

REPEATS, MOST_REPEATS = 4, 20
MOST_SHIFT = 8  # px on each side within a slice
MOST_SLICES = 2  # on each side
SHARPNESS, BLUR_PX = 0.5, 1.0  # share of the difference to a blurred image that is added or taken away
SHADING = 0.1  # at the borders; none where values are calibrated (HU)
SEED = 15
COUNTING = 1 / 12  # variance in pixels of each pixel of the border

Padding = tuple[tuple[int, int], ...]


def repeat(
    result: Segmentation, checkpoint: str | Checkpoint, engine: Engine, *, number: int, job: Job | None = None
) -> tuple[ClassMeasurement, ...]:
    """Measure a segmented image once more.

    Args:
        result: Its segmentation, of the whole image: its options hold no crop box.
        checkpoint: What made it.
        engine: Runs it.
        number: Which repeat it is: all chance comes of it.
        job: What it is a part of.

    Returns:
        One record a class, as ``result.measurements``.
    """
    random = np.random.default_rng([SEED, number])
    image, padding = varied(result.image, random)
    again = engine.segment(image, checkpoint, options=replace(result.options, explain=""), job=job)
    part = tuple(slice(before, length - after) for (before, after), length in zip(padding, image.shape, strict=True))
    probabilities = again.probabilities[(slice(None), *part)]
    label_map = replace(result.label_map, labels=again.label_map.labels[part])
    again = replace(
        again, image=result.image, label_map=label_map, probabilities=probabilities, options=result.options,
        agreement=None, heat=None,
    )  # fmt: skip
    return again.measurements


def varied(image: MedicalImage, random: np.random.Generator) -> tuple[MedicalImage, Padding]:
    """The image as another scan might show it, and by how many pixels each axis was continued on both sides."""
    most = ((MOST_SLICES,) if image.is_volume else ()) + (MOST_SHIFT, MOST_SHIFT)
    padding = tuple((int(random.integers(0, n + 1)), int(random.integers(0, n + 1))) for n in most)
    sharper = random.uniform(-SHARPNESS, SHARPNESS)
    shading = np.ones(image.shape[-2:]) if image.unit == "HU" else _shading(image.shape[-2:], random)
    pixels = np.empty(image.slices.shape, image.pixels.dtype)
    for channel in range(image.channels):
        low = image.windows[channel % len(image.windows)][0]
        for index, plane in enumerate(image.slices[..., channel]):
            pixels[index, ..., channel] = _scanned_again(plane, sharper, shading, low, random)
    pixels = pixels.reshape(image.pixels.shape)
    pixels = np.pad(pixels, [*padding, *([(0, 0)] * (pixels.ndim - len(padding)))], mode="edge")
    return replace(image, pixels=pixels, source_files=(), source_frames=None), padding


def _shading(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Factors (Y, X) around 1 that rise evenly in some direction."""
    angle = random.uniform(0, 2 * np.pi)
    y, x = np.linspace(-1, 1, shape[0])[:, np.newaxis], np.linspace(-1, 1, shape[1])
    return 1 + SHADING * (y * np.sin(angle) + x * np.cos(angle))


def _scanned_again(
    plane: np.ndarray, sharper: float, shading: np.ndarray, low: float, random: np.random.Generator
) -> np.ndarray:
    """One slice (Y, X), sharper or less so, shaded, and with Gaussian noise of its own strength.

    What is flat, such as a filled border, gets no noise.
    """
    from scipy.ndimage import gaussian_filter

    values = plane.astype(np.float64)
    second = _second_differences(values)
    busy = second != 0
    # The filter's weights have a norm of 6; the median of |normal| is .6745. Edges count as noise, on the safe side.
    sigma = float(np.median(np.abs(second[busy]))) / (6 * 0.6745) if busy.any() else 0.0
    values = values + sharper * (values - gaussian_filter(values, BLUR_PX))
    values = low + (values - low) * shading + random.normal(0, sigma, plane.shape) * busy
    if plane.dtype.kind not in "iu":
        return values.astype(plane.dtype)
    limits = np.iinfo(plane.dtype)
    return np.clip(np.rint(values), limits.min, limits.max).astype(plane.dtype)


def _second_differences(plane: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate1d

    weights = [1.0, -2.0, 1.0]
    return correlate1d(correlate1d(plane, weights, axis=0), weights, axis=1)


def counting_variance(mask: np.ndarray) -> float:
    """The variance, in pixels, of how many pixels a region of this shape holds, wherever the grid lies.

    Args:
        mask: Boolean, (Y, X) or (Z, Y, X); empty gives 0.
    """
    from scipy.ndimage import binary_erosion

    return COUNTING * int(np.count_nonzero(mask & ~binary_erosion(mask)))
