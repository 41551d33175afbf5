"""Five simulated visits to try things on: nine nuclei that grow by known factors, each time seen anew."""

from collections.abc import Collection
from datetime import date, timedelta
from pathlib import Path

import numpy as np
from PIL import Image

from medseg_demo.writing.whole import whole_file

SIDE, FINE = 192, 4  # px, and the parts of a pixel's side that are drawn
GROWTH = (1.0, 1.15, 1.3, 1.5, 1.7)  # of the area
DAYS = (0, 90, 200, 365, 500)
FIRST_DAY = date(2024, 1, 15)
PLACES = 9  # of nuclei in rows of three; a tenth one may be added between them
PHOTONS, READ_NOISE = 260, 3


def draw_visit(
    growth: float, number: int, *, missing: Collection[int] = (), added: bool = False
) -> tuple[np.ndarray, float]:
    """Nuclei grown by a factor and seen once more: shifted by up to 3 px, turned by up to 3°, with noise of their own.

    Args:
        growth: Of the areas.
        number: Of the visit, from 0, which lies straight; seeds position and noise.
        missing: Nuclei, from 0, that are not there.
        added: Whether there is one more.

    Returns:
        A picture, uint8 (SIDE, SIDE), and the true area of all nuclei together in pixels.
    """
    places, scan = np.random.default_rng(7), np.random.default_rng([8, number])
    y, x = np.mgrid[: SIDE * FINE, : SIDE * FINE] / FINE
    angle = np.radians(scan.uniform(-3, 3) * (number > 0))
    centre, shift = SIDE / 2, scan.uniform(-3, 3, 2) * (number > 0)
    y, x = y - centre, x - centre
    y, x = np.cos(angle) * y - np.sin(angle) * x + centre + shift[0], np.sin(angle) * y + np.cos(angle) * x + centre
    light = np.zeros(y.shape)
    for place in range(PLACES + 1):
        row, column = divmod(place, 3)
        wanted = (38 + 58 * row, 38 + 58 * column) if place < PLACES else (67, 67)
        middle = np.add(wanted, places.uniform(-5, 5, 2))
        radius, thin = places.uniform(8, 11) * np.sqrt(growth), places.uniform(0.75, 1)
        turn, brightness = places.uniform(0, np.pi), places.lognormal(0, 0.2)
        if place in missing or (place == PLACES and not added):
            continue
        dy, dx = y - middle[0], x - middle[1] + shift[1]
        along, across = dx * np.cos(turn) + dy * np.sin(turn), dy * np.cos(turn) - dx * np.sin(turn)
        depth = np.clip(1 - (along / radius) ** 2 - (across / (thin * radius)) ** 2, 0, None)
        light = np.maximum(light, brightness * np.sqrt(depth))
    area = float((light > 0).mean() * SIDE**2)
    return _seen(light.reshape(SIDE, FINE, SIDE, FINE).mean((1, 3)), scan), area


def _seen(light: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """What a camera makes of it: blur, haze, Poisson and read noise, as of the simulated test set."""
    from scipy import ndimage

    seen = 0.82 * ndimage.gaussian_filter(light, 1.4) + 0.18 * ndimage.gaussian_filter(light, 14) + 0.05
    counted = random.poisson(PHOTONS * seen) + random.normal(0, READ_NOISE, light.shape)
    return np.round(np.clip(counted / (2.4 * PHOTONS), 0, 1) * 255).astype(np.uint8)


def write_visits(folder: Path | str) -> list[Path]:
    """Write a picture a visit, called by its date, the first one first.

    Raises:
        OutputError: They cannot be written.
    """
    paths = []
    for number, (growth, day) in enumerate(zip(GROWTH, DAYS, strict=True)):
        paths.append(Path(folder) / f"simulated_{FIRST_DAY + timedelta(days=day)}.png")
        with whole_file(paths[-1], make_folder=True) as draft:
            Image.fromarray(draw_visit(growth, number)[0]).save(draft)
    return paths
