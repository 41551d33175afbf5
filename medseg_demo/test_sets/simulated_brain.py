"""Simulated slices of the brain in four contrasts of MRI, with lesions; every label is exact.

Grey and white matter of the MNI152 atlas, which nilearn ships, are deformed anew for each subject; a contrast is a
table of tissue means, under a bias field and Rician noise of its own. Lesions, like those of multiple sclerosis, lie in
white matter. Some are seen in all contrasts, others in one alone, and perivascular spaces look like lesions in T2
alone, so that no single contrast tells everything: the set shows what fusing channels is worth, as BrainWeb did.

Source: Cocosco et al. 1997, BrainWeb, NeuroImage 5(4) S425; Fonov et al. 2011, doi:10.1016/j.neuroimage.2010.07.033
(the atlas); Gudbjartsson and Patz 1995, doi:10.1002/mrm.1910340618 (Rician noise).
"""

import csv
import importlib.util
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry
from medseg_demo.test_sets.simulated import make_whole

NAME = "simulated-brain"
SEED = 20252
CASES, FEWEST_CASES = 180, 6
SLICES = 2  # of a subject
SPLITS = ("train", "val", "test", "train", "train", "test", "train", "train", "train")  # of subjects, again and again

SIDE, SPACING_MM = 128, 1.6
FINE = 2  # what is drawn has as many times the pixels along each side, whose mean is the partial-volume effect
HEIGHTS_MM = (0.0, 44.0)  # of a slice's middle in the atlas: from the basal ganglia to the centrum semiovale

CLASSES = ("csf", "grey matter", "white matter", "lesion")
CSF, GREY, WHITE, LESION = range(1, 5)
# Signal of CSF, grey and white matter, the brightest being about 1, and the noise's deviation.
CONTRASTS = {
    "T1": (0.22, 0.62, 0.86, 0.035),
    "T2": (1.00, 0.62, 0.48, 0.045),
    "PD": (0.88, 0.84, 0.70, 0.040),
    "FLAIR": (0.14, 0.64, 0.54, 0.055),
}
# How often a kind of lesion occurs, and what it adds to the signal of white matter in T1, T2, PD and FLAIR.
LESIONS = {
    "usual": (0.50, (-0.22, 0.30, 0.14, 0.36)),
    "flair": (0.20, (0.00, 0.03, 0.00, 0.30)),
    "hole": (0.15, (-0.32, 0.04, 0.00, 0.03)),
    "t2": (0.15, (0.00, 0.32, 0.04, 0.03)),
}
HEALTHY = 0.1  # of the slices have no lesion
LESIONS_MEAN = 5.0
RADIUS_MM, RADIUS_SPREAD = 5.0, 0.35
SPACES_MEAN, SPACE_RADIUS_MM = 8.0, 1.1

README = """# Simulated brain

These images are **simulated**: no scanner and no patient stands behind them. {count} axial slices of {subjects}
subjects in the contrasts {contrasts} were drawn by `medseg_demo/test_sets/simulated_brain.py` (seed {seed}) from the
maps of grey and white matter of the ICBM 152 nonlinear symmetric atlas 2009a, so that the labels are exact: {classes}.
The lesions are drawn; what is measured on them says how channels are fused, and nothing about patients. `cases.csv` has
the split, the subject (`group`) and the number of lesions.

The maps: © Louis Collins, McConnell Brain Imaging Centre, Montreal Neurological Institute, McGill University (Fonov et
al. 2011), free for any use with this notice; packaged by the nilearn contributors.
"""


@dataclass(frozen=True, eq=False)
class SimulatedSlice:
    """One slice of one subject.

    Attributes:
        case_id: Its name.
        subject: Whose slices share deformation and tissue.
        split: "train", "val" or "test", the same for all slices of a subject.
        channels: int16, (4, SIDE, SIDE): a contrast each, in the order of CONTRASTS; axes are y (front to back) and x.
        labels: uint8, (SIDE, SIDE): places in CLASSES, counted from 1.
        lesions: How many were drawn; they may touch.
    """

    case_id: str
    subject: str
    split: str
    channels: np.ndarray
    labels: np.ndarray
    lesions: int


def ensure_simulated_brain(test_sets_dir: Path) -> Path:
    """The folder of the usual set; made, whole or not at all, where it is not there yet.

    Raises:
        OutputError: It cannot be written.
    """
    return make_whole(test_sets_dir / NAME, lambda folder: _write(simulate_brain(), folder, seed=SEED))


def write_simulated_brain(folder: Path, *, cases: int = CASES, seed: int = SEED) -> Path:
    """Make a set of another size or seed.

    Args:
        folder: Must not be there yet.
        cases: Two slices a subject.
        seed: Of all chance.

    Raises:
        OptionError: There are fewer than six cases, of which one split would have none, or the seed is negative.
        OutputError: The folder exists, or cannot be written.
    """
    if cases < FEWEST_CASES or seed < 0:
        raise OptionError(f"{cases} cases, seed {seed}: give at least {FEWEST_CASES} cases, so that every split has "
                          "some, and a seed that is not negative.")  # fmt: skip
    if folder.exists():
        raise OutputError(f"{folder.name} is there already. Choose another folder, or remove it.")
    return make_whole(folder, lambda draft: _write(simulate_brain(cases, seed), draft, seed=seed))


def simulate_brain(cases: int = CASES, seed: int = SEED) -> Iterator[SimulatedSlice]:
    """All slices; the first ones do not depend on how many are wanted."""
    for number in range(cases):
        yield simulate_slice(number // SLICES, number % SLICES, seed)


def simulate_slice(subject: int, place: int, seed: int) -> SimulatedSlice:
    """Draw one slice.

    Args:
        subject: Counted from 0.
        place: Which of its slices; each lies in a part of HEIGHTS_MM of its own.
        seed: Of all chance.
    """
    own, random = np.random.default_rng([seed, subject]), np.random.default_rng([seed, subject, 1 + place])
    low, high = HEIGHTS_MM
    step = (high - low) / SLICES
    points = _points(low + step * (place + random.uniform()), own)
    tissue = _tissue(points, random)
    tissue, shifts, lesions = _draw_lesions(tissue, random)
    channels = [
        _scan(tissue, shift, *CONTRASTS[name], own, random) for name, shift in zip(CONTRASTS, shifts, strict=True)
    ]
    shares = np.stack([_coarse(tissue == value) for value in range(len(CLASSES) + 1)])
    labels = shares.argmax(axis=0).astype(np.uint8)
    name = f"brain_{subject + 1:03}"
    split = SPLITS[subject % len(SPLITS)]
    return SimulatedSlice(f"{name}{'ab'[place]}", name, split, np.stack(channels), labels, lesions)


@cache
def _atlas() -> tuple[np.ndarray, np.ndarray]:
    """Probabilities of CSF, grey and white matter, uint8 (3, Z, Y, X), and the affine from (x, y, z, 1) to LPS mm."""
    from medseg_demo.reading import read_image

    spec = importlib.util.find_spec("nilearn")
    if spec is None or spec.origin is None:
        raise OptionError("The simulated brain needs the atlas in the package nilearn. Run: pip install nilearn")
    data = Path(spec.origin).parent / "datasets" / "data"
    images = {
        kind: read_image(data / f"mni_icbm152_{kind}_tal_nlin_sym_09a_converted.nii.gz") for kind in ("t1", "gm", "wm")
    }
    grey, white = images["gm"].pixels, images["wm"].pixels
    inside = images["t1"].pixels > 0
    csf = np.where(inside, 255 - np.minimum(255, grey.astype(np.int16) + white), 0).astype(np.uint8)
    affine = images["t1"].geometry.affine
    assert affine is not None  # the atlas states where it lies
    return np.stack([csf, grey, white]), affine


def _points(height_mm: float, random: np.random.Generator) -> np.ndarray:
    """Where the slice's fine pixels lie in the atlas, LPS mm, (3, Y, X): turned, tilted, scaled and bent."""
    length = SIDE * FINE
    axis = (np.arange(length) - (length - 1) / 2) * SPACING_MM / FINE
    y, x = np.meshgrid(axis, axis, indexing="ij")
    turn = np.deg2rad(random.uniform(-8, 8))
    tilt = np.tan(np.deg2rad(random.uniform(-5, 5, 2)))
    scale, shift = random.uniform(1.0, 1.12, 2), random.uniform(-4, 4, 2)
    bent = [reach * _smooth(random, 24 * FINE / 2) for reach in (2.5, 2.5, 2.0)]
    across = scale[0] * (np.cos(turn) * x - np.sin(turn) * y) + shift[0] + bent[0]
    along = scale[1] * (np.sin(turn) * x + np.cos(turn) * y) + 18 + shift[1] + bent[1]  # the head's middle in the atlas
    return np.stack([across, along, height_mm + tilt[0] * x + tilt[1] * y + bent[2]])


def _tissue(points: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Values 0 (outside) to WHITE of the fine pixels: the likeliest tissue, moved by chance along its borders."""
    from scipy import ndimage

    maps, affine = _atlas()
    inverse = np.linalg.inv(affine)
    indices = np.tensordot(inverse[:3, :3], points, axes=1) + inverse[:3, 3, np.newaxis, np.newaxis]
    found = np.stack([ndimage.map_coordinates(one, indices[::-1], order=1, output=np.float32) for one in maps]) / 255
    outside = 1 - found.sum(axis=0, keepdims=True).clip(0, 1)
    likely = np.log(np.concatenate([outside, found]) + 0.05)
    likely[1:] += 0.5 * np.stack([_smooth(random, 4 * FINE) for _ in maps])
    tissue = likely.argmax(axis=0)
    tissue[outside[0] > 0.5] = 0
    return tissue


def _draw_lesions(tissue: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """The tissue with spaces and lesions, what lesions add to the signal of each contrast (4, Y, X), their number."""
    from scipy import ndimage

    drawn, shifts = tissue.copy(), np.zeros((len(CONTRASTS), *tissue.shape))
    white = tissue == WHITE
    ragged = _smooth(random, 3 * FINE)
    for _ in range(random.poisson(SPACES_MEAN)):
        drawn[_blob(white, SPACE_RADIUS_MM * random.uniform(0.7, 1.3), np.zeros(white.shape), random)] = CSF
    count = 0 if random.random() < HEALTHY else 1 + random.poisson(LESIONS_MEAN - 1)
    odds, kinds = zip(*LESIONS.values(), strict=True)
    for _ in range(count):
        blob = _blob(white, RADIUS_MM * random.lognormal(0, RADIUS_SPREAD), ragged, random)
        kind = np.array(kinds[random.choice(len(kinds), p=odds)]) * random.uniform(0.7, 1.1)
        soft = ndimage.gaussian_filter(blob.astype(float), 0.5 * FINE)
        shifts = np.where(blob & (drawn != LESION), kind[:, np.newaxis, np.newaxis] * soft, shifts)
        drawn[blob] = LESION
    return drawn, shifts, count


def _blob(white: np.ndarray, radius_mm: float, ragged: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """A ragged ellipse around a place within white matter, cut where white matter ends."""
    from scipy import ndimage

    places = np.argwhere(ndimage.binary_erosion(white, iterations=FINE))
    if not len(places):
        return np.zeros_like(white)
    middle = places[random.integers(len(places))]
    y, x = np.indices(white.shape) - middle[:, np.newaxis, np.newaxis]
    turn, flat = random.uniform(0, np.pi), random.uniform(0.6, 1.0)
    along, across = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    radius = radius_mm / SPACING_MM * FINE
    return white & (np.hypot(along / radius, across / (flat * radius)) < 1 + 0.2 * ragged)


def _scan(
    tissue: np.ndarray,
    shift: np.ndarray,
    csf: float,
    grey: float,
    white: float,
    noise: float,
    own: np.random.Generator,
    random: np.random.Generator,
) -> np.ndarray:
    """One contrast, int16 (SIDE, SIDE): the subject's tissue means, texture, bias field, partial volume, noise."""
    means = np.array([0, csf, grey, white, white]) * np.array([1, *own.normal(1, 0.04, 3), 1])
    means[LESION] = means[WHITE]
    signal = (means[tissue] + shift) * (1 + 0.02 * _smooth(random, FINE))
    signal = _coarse(signal * np.exp(0.12 * _smooth(random, 40 * FINE)))
    deviation = noise * random.uniform(0.7, 1.4)
    real, imaginary = random.normal(0, deviation, (2, *signal.shape))
    return np.rint(1000 * random.uniform(0.8, 1.2) * np.hypot(signal + real, imaginary)).astype(np.int16)


def _smooth(random: np.random.Generator, sigma: float) -> np.ndarray:
    """Smooth noise of mean 0 and deviation 1 on the fine pixels."""
    from scipy import ndimage

    found = ndimage.gaussian_filter(random.standard_normal((SIDE * FINE, SIDE * FINE)), sigma, mode="reflect")
    return (found - found.mean()) / found.std()


def _coarse(fine: np.ndarray) -> np.ndarray:
    """The mean of each pixel's fine pixels."""
    return fine.reshape(SIDE, FINE, SIDE, FINE).mean(axis=(1, 3))


def _write(slices: Iterator[SimulatedSlice], folder: Path, *, seed: int) -> None:
    """nnU-Net's layout: a file a contrast."""
    from medseg_demo.writing.nifti import write_nifti

    for name in ("imagesTr", "labelsTr"):
        (folder / name).mkdir()
    affine = np.diag([SPACING_MM, SPACING_MM, SPACING_MM, 1.0])
    affine[:2, 3] = -(SIDE - 1) / 2 * SPACING_MM
    geometry = Geometry((SPACING_MM,) * 3, affine)
    rows = []
    for one in slices:
        for number, channel in enumerate(one.channels):
            write_nifti(channel[np.newaxis], geometry, folder / "imagesTr" / f"{one.case_id}_{number:04}.nii.gz")
        write_nifti(one.labels[np.newaxis], geometry, folder / "labelsTr" / f"{one.case_id}.nii.gz")
        rows.append([one.case_id, one.split, one.subject, one.lesions])
    with (folder / "cases.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([["case_id", "split", "group", "lesions"], *rows])
    dataset = {
        "name": NAME,
        "simulated": True,
        "channel_names": {str(number): name for number, name in enumerate(CONTRASTS)},
        "labels": {"background": 0, **{name: value for value, name in enumerate(CLASSES, start=1)}},
    }
    (folder / "dataset.json").write_text(json.dumps(dataset, indent=1) + "\n", encoding="utf-8")
    text = README.format(
        count=len(rows), subjects=len({row[2] for row in rows}), contrasts=", ".join(CONTRASTS), seed=seed,
        classes=", ".join(f"{value} {name}" for value, name in enumerate(CLASSES, start=1)),
    )  # fmt: skip
    (folder / "README.md").write_text(text, encoding="utf-8")
