"""What the images and masks of a test set look like: the figures that a training's configuration is planned from."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medseg_demo.errors import MedsegError, TestSetError
from medseg_demo.image import MedicalImage
from medseg_demo.segmenting.appearance import appearance
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image, read_case_reference

MOST_CASES = 100  # are looked at, evenly spread
MOST_SAMPLES = 20_000  # intensities of a case
SMALL = 256  # px: the longest side of an image that is looked at as a whole
PERCENTILES = (0.5, 99.5)


@dataclass(frozen=True)
class Fingerprint:
    """Figures of the cases that are learned from; of several cases the median.

    Attributes:
        cases: How many there are.
        size: (Y, X), or (Z, Y, X) of volumes.
        spacing_mm: In the same order; None where most images do not say.
        spacing_varies: Whether any axis differs by more than a tenth between cases.
        channels: Of an image.
        is_colour: Whether these are red, green and blue.
        is_8_bit: Whether all images are stored so.
        modality: DICOM's code of most, such as "CT"; empty where no file says so.
        unit: Of the intensities, such as "HU"; empty where there is none.
        lowest: The least intensity.
        black_border: Share of the border that is black in the display window.
        mean: Of each channel in the display window, 0 to 1.
        std: Likewise.
        foreground_range: 0.5th and 99.5th percentile of the intensities in the masks.
        shares: Class → its share of all pixels.
        thin: Share of the foreground that would be at most two pixels wide, were the image shrunk to 256 px.
    """

    cases: int
    size: tuple[int, ...]
    spacing_mm: tuple[float, ...] | None
    spacing_varies: bool
    channels: int
    is_colour: bool
    is_8_bit: bool
    modality: str
    unit: str
    lowest: float
    black_border: float
    mean: tuple[float, ...]
    std: tuple[float, ...]
    foreground_range: tuple[float, float]
    shares: Mapping[str, float]
    thin: float

    @property
    def is_volume(self) -> bool:
        """Whether images have slices."""
        return len(self.size) == 3

    @property
    def foreground(self) -> float:
        """The share of all pixels that is of any class."""
        return sum(self.shares.values())


@dataclass(frozen=True)
class _Look:
    """One case."""

    image: MedicalImage  # without its pixels
    black_border: float
    lowest: float
    mean: np.ndarray
    std: np.ndarray
    inside: np.ndarray
    counts: np.ndarray
    pixels: int
    thin: float


def take_fingerprint(
    cases: Sequence[Case], class_names: Sequence[str], *, settings: Settings | None = None
) -> Fingerprint:
    """Look at the cases, or at a hundred of them.

    Raises:
        TestSetError: With every case that cannot be read, or that has another number of channels or axes than most.
    """
    step = -(-len(cases) // MOST_CASES)
    looks, faults = [], []
    for case in cases[::step]:
        try:
            image = read_case_image(case, settings=settings)
            labels = read_case_reference(case, class_names=class_names, image=image, settings=settings).labels
            if labels.size != image.slices[..., 0].size:
                faults.append(
                    f"Case {case.case_id!r}: image and mask differ in size. Export both from the same series."
                )
            else:
                looks.append((case, _look(image, labels, len(class_names))))
        except MedsegError as error:
            faults.append(f"Case {case.case_id!r}: {error}")
    kinds = Counter((one.image.channels, one.image.is_volume) for _, one in looks)
    usual = kinds.most_common(1)[0][0] if kinds else None
    faults += [
        f"Case {case.case_id!r} has other channels or axes than most ({one.image.channels_in_words}). "
        "Train on cases of one kind."
        for case, one in looks
        if (one.image.channels, one.image.is_volume) != usual
    ]
    if faults:
        raise TestSetError(faults)
    return _summed([one for _, one in looks], len(cases), class_names)


def _look(image: MedicalImage, labels: np.ndarray, classes: int) -> _Look:
    slices = image.slices
    flat = slices.reshape(-1, slices.shape[-1])
    samples = flat[:: max(1, len(flat) // MOST_SAMPLES)].astype(np.float64)
    lows, highs = (np.array(ends) for ends in zip(*image.windows, strict=True))
    shown = np.clip((samples - lows) / (highs - lows), 0, 1)
    inside = slices[labels.reshape(slices.shape[:3]) > 0][:, 0]
    return _Look(
        image=replace(image, pixels=np.broadcast_to(np.zeros((), image.pixels.dtype), image.pixels.shape)),
        black_border=appearance(image)["black_border"],
        lowest=image.intensity_range[0],
        mean=shown.mean(0),
        std=shown.std(0),
        inside=inside[:: max(1, len(inside) // MOST_SAMPLES)],
        counts=np.bincount(labels.ravel(), minlength=classes + 1)[: classes + 1],
        pixels=labels.size,
        thin=_thin(labels.reshape(slices.shape[:3])),
    )


def _thin(labels: np.ndarray) -> float:
    """The share of foreground within a pixel of the shrunken image from background, in the fullest slice."""
    from scipy import ndimage

    plane = labels[np.argmax((labels > 0).sum((1, 2)))] > 0
    distance = ndimage.distance_transform_edt(np.pad(plane, 1))[1:-1, 1:-1]
    shrink = max(1.0, max(plane.shape) / SMALL)
    return float((distance[plane] <= shrink).mean()) if plane.any() else 0.0


def _summed(looks: Sequence[_Look], cases: int, class_names: Sequence[str]) -> Fingerprint:
    first = looks[0].image
    spacings = [one.image.geometry.spacing_mm for one in looks if one.image.geometry.spacing_mm]
    known = len(spacings) * 2 > len(looks)
    middle = np.median(spacings, axis=0) if known else np.ones(1)
    counts, pixels = np.sum([one.counts for one in looks], axis=0), sum(one.pixels for one in looks)
    inside = np.concatenate([one.inside for one in looks])
    low, high = _rounded(np.percentile(inside, PERCENTILES) if len(inside) else np.array([0.0, 1.0]))
    return Fingerprint(
        cases=cases,
        size=tuple(np.median([one.image.shape for one in looks], axis=0).astype(int).tolist()),
        spacing_mm=tuple(np.round(middle, 4).tolist()) if known else None,
        spacing_varies=known and bool((np.abs(np.array(spacings) / middle - 1) > 0.1).any()),
        channels=first.channels,
        is_colour=first.is_colour,
        is_8_bit=all(one.image.pixels.dtype == np.uint8 for one in looks),
        modality=Counter(one.image.modality or "" for one in looks).most_common(1)[0][0],
        unit=Counter(one.image.unit or "" for one in looks).most_common(1)[0][0],
        lowest=float(np.median([one.lowest for one in looks])),
        black_border=float(np.median([one.black_border for one in looks])),
        mean=_rounded(np.mean([one.mean for one in looks], axis=0)),
        std=_rounded(np.mean([one.std for one in looks], axis=0)),
        foreground_range=(low, high),
        shares={name: float(counts[value] / pixels) for value, name in enumerate(class_names, start=1)},
        thin=float(np.median([one.thin for one in looks])),
    )


def _rounded(values: np.ndarray) -> tuple[float, ...]:
    return tuple(round(float(value), 3) for value in values)
