"""A small test set that the project makes itself: simulated fluorescence nuclei, whose masks are exact.

Nuclei are drawn as bent ellipses that may touch, with chromatin texture and nucleoli; light spreads by a Gaussian
point-spread function and a haze from out of focus; the camera adds Poisson and read noise. In the manner of the
simulated sets of the Broad Bioimage Benchmark Collection.

Source: Lehmussola et al. 2007, doi:10.1109/TMI.2007.896925 (simulation); Ljosa et al. 2012, doi:10.1038/nmeth.2083
(the collection).
"""

import csv
import json
import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from medseg_demo.errors import OutputError

NAME = "simulated-nuclei"
SEED = 20241
REPEATS = 4
DENSITIES = {"sparse": 10, "medium": 24, "dense": 48}  # nuclei on 256 × 256 px
NOISES = {"low": 260.0, "high": 45.0}  # photons of a nucleus of usual brightness
SIDES = (256, 320, 384)

RADIUS_PX, RADIUS_SPREAD = 10.5, 0.18
CLUSTERED = 0.45  # of the nuclei are put beside another one
MOST_OVERLAP = 0.12  # of a nucleus that may lie under its neighbours
BACKGROUND = 0.05  # of a nucleus of usual brightness
READ_NOISE = 3.0  # photons
HAZE, HAZE_SIGMA_PX = 0.18, 14.0

README = """# Simulated nuclei

These images are **simulated**: no microscope and no patient stands behind them. {count} fields of fluorescent nuclei
were drawn by `medseg_demo/test_sets/simulated.py` (seed {seed}), so that the masks are exact: bent ellipses, some
touching, with texture, blurred by a Gaussian point-spread function, with Poisson and read noise. `density` and `noise`
are columns of `cases.csv`. CC0: do with them what you like. The folder may be deleted; it is made again when it is
needed.
"""


@dataclass(frozen=True, eq=False)
class SimulatedField:
    """One field of view.

    Attributes:
        case_id: Its name.
        image: uint8, (Y, X).
        mask: Boolean, (Y, X): the nuclei as they were drawn, before any blur.
        density: A key of DENSITIES.
        noise: A key of NOISES.
        nuclei: How many there are.
    """

    case_id: str
    image: np.ndarray
    mask: np.ndarray
    density: str
    noise: str
    nuclei: int


def ensure_simulated_nuclei(test_sets_dir: Path) -> Path:
    """The folder of the simulated test set; made, whole or not at all, where it is not there yet.

    Raises:
        OutputError: It cannot be written.
    """
    return make_whole(test_sets_dir / NAME, lambda folder: _write(list(simulate_nuclei()), folder))


def make_whole(folder: Path, write: Callable[[Path], None]) -> Path:
    """Make a folder, whole or not at all, where it is not there yet.

    Args:
        folder: The folder.
        write: Fills an empty folder.

    Raises:
        OutputError: It cannot be written.
    """
    if folder.is_dir():
        return folder
    draft = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        draft.mkdir(parents=True, exist_ok=True)
        write(draft)
        if not folder.is_dir():
            draft.rename(folder)
    except OSError as error:
        if not folder.is_dir():  # else another process was faster
            raise OutputError(
                f"The simulated test set cannot be written to {folder.parent} ({error.strerror}). "
                "Free some space, or set MEDSEG_TEST_SETS_DIR to another folder."
            ) from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def simulate_nuclei() -> Iterator[SimulatedField]:
    """All fields, always the same ones."""
    kinds = product(DENSITIES, NOISES, range(REPEATS))
    for number, (density, noise, _) in enumerate(kinds, start=1):
        yield simulate_field(f"simulated_{number:02}", density, noise, np.random.default_rng([SEED, number]))


def simulate_field(case_id: str, density: str, noise: str, random: np.random.Generator) -> SimulatedField:
    """Draw one field of view.

    Args:
        case_id: What it is called.
        density: A key of DENSITIES.
        noise: A key of NOISES.
        random: The source of all chance.
    """
    shape = (int(random.choice(SIDES)), int(random.choice(SIDES)))
    wanted = round(DENSITIES[density] * shape[0] * shape[1] / 256**2)
    light, mask, nuclei = _draw_nuclei(shape, wanted, random)
    image = _photograph(light, NOISES[noise], random)
    return SimulatedField(case_id, image, mask, density, noise, nuclei)


@dataclass(frozen=True, eq=False)
class _Nucleus:
    """One nucleus in its box: ``depth`` is 0 outside, up to 1 in the middle."""

    depth: np.ndarray
    radius: float


def _draw_nuclei(
    shape: tuple[int, int], wanted: int, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, int]:
    """Light before the microscope, the mask, and how many nuclei found room."""
    light, mask = np.zeros(shape), np.zeros(shape, bool)
    placed: list[tuple[float, float, float]] = []
    for _ in range(20 * wanted):
        if len(placed) == wanted:
            break
        nucleus = _shape_nucleus(random)
        centre = _choose_place(shape, placed, nucleus.radius, random)
        box, part = _cut(centre, nucleus.depth, shape)
        inside = part > 0
        if not inside.any() or (mask[box] & inside).sum() > MOST_OVERLAP * inside.sum():
            continue
        brightness = random.lognormal(0, 0.3) * np.sqrt(part) * _chromatin(part.shape, random)
        light[box] = np.where(inside, np.maximum(light[box], brightness), light[box])
        mask[box] |= inside
        placed.append((*centre, nucleus.radius))
    return light, mask, len(placed)


def _shape_nucleus(random: np.random.Generator) -> _Nucleus:
    """An ellipse in any direction, its outline bent by the second to fourth harmonic."""
    long = RADIUS_PX * random.lognormal(0, RADIUS_SPREAD)
    short = long * random.uniform(0.62, 0.98)
    reach = int(np.ceil(long * 1.25))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    turn = random.uniform(0, np.pi)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    angle = np.arctan2(across, along)
    outline = 1 + sum(
        random.normal(0, 0.03) * np.cos(order * angle + random.uniform(0, 2 * np.pi)) for order in (2, 3, 4)
    )
    distance = np.hypot(along / long, across / short) / outline
    return _Nucleus(np.clip(1 - distance**2, 0, None), (long + short) / 2)


def _choose_place(
    shape: tuple[int, int], placed: list[tuple[float, float, float]], radius: float, random: np.random.Generator
) -> tuple[float, float]:
    if placed and random.random() < CLUSTERED:
        y, x, other = placed[random.integers(len(placed))]
        angle, gap = random.uniform(0, 2 * np.pi), (radius + other) * random.uniform(0.88, 1.05)
        return y + gap * np.sin(angle), x + gap * np.cos(angle)
    return random.uniform(0, shape[0]), random.uniform(0, shape[1])


def _cut(
    centre: tuple[float, float], depth: np.ndarray, shape: tuple[int, int]
) -> tuple[tuple[slice, slice], np.ndarray]:
    """Where a nucleus lies in the field, and the part of it that is in the field."""
    field, own = [], []
    for middle, length, side in zip(centre, depth.shape, shape, strict=True):
        start = round(middle) - length // 2
        low, high = min(max(start, 0), side), min(max(start + length, 0), side)
        field.append(slice(low, high))
        own.append(slice(low - start, high - start))
    return (field[0], field[1]), depth[own[0], own[1]]


def _chromatin(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Texture around 1: coarse and fine grains, and a few dark nucleoli."""
    from scipy import ndimage

    texture = np.ones(shape)
    for sigma, strength in ((1.0, 0.10), (3.0, 0.14)):
        grains = ndimage.gaussian_filter(random.standard_normal(shape), sigma)
        texture += strength * grains / max(grains.std(), 1e-9)
    y, x = np.indices(shape)
    for _ in range(random.integers(0, 4)):
        middle = random.uniform(0.3, 0.7, 2) * shape
        spot = np.hypot(y - middle[0], x - middle[1]) / random.uniform(1.2, 2.4)
        texture *= 1 - 0.35 * np.exp(-(spot**2))
    return np.clip(texture, 0.2, None)


def _photograph(light: np.ndarray, photons: float, random: np.random.Generator) -> np.ndarray:
    """What a camera makes of it: uneven lighting, blur, haze, Poisson and read noise, 8 bits."""
    from scipy import ndimage

    height, width = light.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    middle = random.uniform(-0.3, 0.3, 2)
    lighting = 1 - 0.18 * ((y - middle[0]) ** 2 + (x - middle[1]) ** 2) / 2
    sharp = ndimage.gaussian_filter(light, random.uniform(1.0, 1.8))
    haze = ndimage.gaussian_filter(light, HAZE_SIGMA_PX)
    expected = photons * (lighting * ((1 - HAZE) * sharp + HAZE * haze) + BACKGROUND)
    counted = random.poisson(expected) + random.normal(0, READ_NOISE, light.shape)
    top = 2.4 * photons  # a fixed exposure, so that brightness means the same in every field
    return np.round(np.clip(counted / top, 0, 1) * 255).astype(np.uint8)


def _write(fields: list[SimulatedField], folder: Path) -> None:
    from PIL import Image

    for name in ("images", "masks"):
        (folder / name).mkdir(exist_ok=True)
    for field in fields:
        Image.fromarray(field.image).save(folder / "images" / f"{field.case_id}.png")
        Image.fromarray(field.mask.astype(np.uint8) * 255).save(folder / "masks" / f"{field.case_id}.png")
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["case_id", "split", "density", "noise", "nuclei"])
        writer.writerows([field.case_id, "test", field.density, field.noise, field.nuclei] for field in fields)
    dataset = {"name": NAME, "simulated": True, "labels": {"background": 0, "nucleus": 1}}
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1) + "\n", encoding="utf-8")
    (folder / "README.md").write_text(README.format(count=len(fields), seed=SEED), encoding="utf-8")
