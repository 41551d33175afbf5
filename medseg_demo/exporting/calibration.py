"""The windows that a network meets: of images like those that it will be given."""

import random
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.orientation import network_orientation
from medseg_demo.reading import collect_images, read_image
from medseg_demo.segmenting.prepare import check_channels, place, to_tensor, with_neighbours
from medseg_demo.segmenting.windows import windows_of
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import read_case_image
from medseg_demo.test_sets.test_set import read_test_set

MOST_WINDOWS = 300  # to calibrate on, which is NNCF's own number
MOST_OF_ONE = 8  # of one image or volume, so that a large one does not speak for all
MOST_CONTROL = 40  # images that decide which layers stay in full precision
SPLIT = "train"


@dataclass(frozen=True, eq=False)
class Windows:
    """Inputs of a network, (1, C, H, W) or (1, C, D, H, W) float32.

    Attributes:
        calibration: From which the ranges are taken.
        control: By image: on which the result is compared with the original.
        words: Where they are from.
    """

    calibration: tuple[np.ndarray, ...]
    control: tuple[tuple[np.ndarray, ...], ...]
    words: str


def read_windows(card: ModelCard, test_set: Path | None, images: Sequence[Path], *, settings: Settings) -> Windows:
    """Windows of a test set's training images, or of given ones; none of its other splits are looked at.

    Raises:
        OptionError: There is no image.
        MedsegError: The test set cannot be used, or none of the images can.
    """
    with tempfile.TemporaryDirectory(prefix="medseg-") as unpacked:
        return _read_windows(card, test_set, images, settings, Path(unpacked))


def _read_windows(
    card: ModelCard, test_set: Path | None, images: Sequence[Path], settings: Settings, unpacked: Path
) -> Windows:
    openers: list[Callable[[], MedicalImage]]
    if test_set:
        found = read_test_set(test_set, split=SPLIT)
        openers = [lambda case=case: read_case_image(case, settings=settings) for case in found.cases]  # type: ignore[misc]
        words = f"split {SPLIT} of the test set {found.name}"
    else:
        items = collect_images(images, settings=settings, unpack_to=unpacked)
        openers = [lambda item=item: read_image(item, settings=settings) for item in items]  # type: ignore[misc]
        words = f"{len(items)} given image(s)"
    if not openers:
        raise OptionError("There is no image to calibrate on. Give --test-set or --images with some.")
    random.Random(0).shuffle(openers)
    # With few images all of them do both.
    control_count = min(MOST_CONTROL, len(openers) // 3) or len(openers)
    control = [_windows_of(opener(), card, settings) for opener in openers[:control_count]]
    calibration: list[np.ndarray] = []
    for opener in openers[control_count:] or openers:
        if len(calibration) >= MOST_WINDOWS:
            break
        calibration += _windows_of(opener(), card, settings)
    return Windows(tuple(calibration[:MOST_WINDOWS]), tuple(map(tuple, control)), words)


def _windows_of(image: MedicalImage, card: ModelCard, settings: Settings) -> list[np.ndarray]:
    check_channels(image, card)
    if card.is_3d and not image.is_volume:
        raise MedsegError(f"Image {image.name!r} is no volume, but the network takes volumes. Give volumes.")
    spacing_mm = image.geometry.spacing_mm
    if card.is_3d:
        spacing_mm = network_orientation(image.geometry.affine).turn_spacing(spacing_mm)
    tensor = to_tensor(image, card)
    generator = random.Random(0)
    some = None
    if len(tensor) > MOST_OF_ONE:
        some = sorted(generator.sample(range(len(tensor)), MOST_OF_ONE))
        if not card.neighbours:  # which would be needed beside those that are taken
            tensor, some = tensor[some], None
    placed = with_neighbours(place(tensor, card, spacing_mm=spacing_mm)[0], card, some)
    jobs = [(index, window) for index in range(len(placed)) for window in windows_of(placed.shape[2:], card.input_size)]
    chosen = generator.sample(jobs, min(len(jobs), MOST_OF_ONE))
    whole = placed.float().numpy()
    return [np.ascontiguousarray(whole[(slice(index, index + 1), slice(None), *window)]) for index, window in chosen]
