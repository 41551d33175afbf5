"""A simulated video to try things on: nuclei that drift past, with noise of its own in every frame, and their masks."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from medseg_demo.test_sets.simulated import simulate_field
from medseg_demo.writing.video import video_writer

SIDE, FRAMES, RATE = 256, 125, 25.0
ROOM = 128  # px by which the field is wider than the window
PHOTONS = 45.0  # as in the noisy half of the simulated test set
SEED = 7


def drift(seed: int, speed: float, frames: int, photons: float = PHOTONS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """A window that moves over a simulated field by whole pixels, there and back.

    Args:
        seed: Of the field and of the noise, which each frame has for itself.
        speed: Pixels a frame.
        frames: How many.
        photons: Of a nucleus of usual brightness; the fewer, the more noise.

    Yields:
        A picture, uint8 (SIDE, SIDE), and the mask of its nuclei, boolean.
    """
    image, mask = _field(seed)
    random = np.random.default_rng([seed, 1])
    for index in range(frames):
        place = round(speed * index) % (2 * ROOM)
        place = min(place, 2 * ROOM - place)
        part = (slice(0, SIDE), slice(place, place + SIDE))
        full = 2.4 * photons  # the exposure of the simulated test set
        counted = random.poisson(image[part] / 255 * full) / full
        yield np.round(np.clip(counted, 0, 1) * 255).astype(np.uint8), mask[part]


def write_film(path: Path) -> Path:
    """Write five seconds of it, if the file is not there yet.

    Raises:
        OptionError: PyAV is not installed.
        OutputError: It cannot be written.
    """
    if not path.is_file():
        with video_writer(path) as video:
            for index, (picture, _) in enumerate(drift(SEED, 1, FRAMES)):
                video.add(np.repeat(picture[..., None], 3, axis=-1), index / RATE)
    return path


def _field(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A field that the window has room in, with little noise, and its mask."""
    for attempt in range(100):
        field = simulate_field("film", "medium", "low", np.random.default_rng([seed, attempt]))
        if field.image.shape[1] - SIDE >= ROOM:
            break
    return field.image, field.mask
