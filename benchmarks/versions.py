"""(c) Images a second beside another checkout of this project, such as one of version 0.1, by turns.

``python -m benchmarks.versions DIR --test-sets DIR`` measures these alone.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np

from benchmarks.evaluation_run import first_case, run_program
from benchmarks.images import write_chest_images
from benchmarks.programs import seconds_of
from benchmarks.ratio import Ratio, machine, table
from medseg_demo.settings import ROOT
from medseg_demo.test_sets.test_set import read_test_set

IMAGES = 100
VOLUMES, SIDE = 2_000, 24
TEST_SETS = ("lungs", "nuclei", "vessels")
SPLIT = "test"
# (name here, name there, least ratio)
SIBLINGS = (("unet-lite0", "unet-lite0", 1.15), ("unet-tiny-int8", "unet-tiny", 1.4))

# Seconds of many images and of one, in a checkout with a checkpoint.
Program = Callable[[Path, str], tuple[float, float]]


def measure(other: Path, *, test_sets: Path | None, rounds: int) -> Iterator[Ratio]:
    """Both checkouts on the same images, in bfloat16 and with int8 here.

    Args:
        other: The other checkout; it runs with this interpreter.
        test_sets: Where the folders TEST_SETS lie; without it ``evaluation run`` is left out.
        rounds: How often each side runs.
    """
    with tempfile.TemporaryDirectory() as folder:
        images = write_chest_images(Path(folder), IMAGES)
        output = Path(folder) / "output"

        def segment(project: Path, checkpoint: str) -> tuple[float, float]:
            common = ["--checkpoint", checkpoint, "--output", output]
            many, one = (["-m", "medseg_demo", "segment", *paths, *common] for paths in (images, images[:1]))
            return seconds_of(many, project), seconds_of(one, project)

        yield from _siblings(f"`segment` over {IMAGES} images", "lungs", segment, IMAGES, other, rounds)
        yield _score(Path(folder), other, rounds)
        for name in TEST_SETS if test_sets else ():
            yield from _evaluation(test_sets / name, Path(folder) / "one" / name, output, other, rounds)  # type: ignore[operator]


def _score(folder: Path, other: Path, rounds: int) -> Ratio:
    """``evaluation score`` of many small volumes, whole programs by turns."""
    test_set, predictions = _write_volumes(folder / "volumes"), folder / "volumes" / "predictions"
    arguments = ["-m", "evaluation", "score", "--test-set", test_set, "--predictions", predictions, "--name", "made"]
    seconds = []
    for turn in range(rounds + 1):  # the first fills disk caches
        outputs = (folder / f"scored-{turn}-{side}" for side in ("here", "there"))
        sides = zip((ROOT, other), outputs, strict=True)
        seconds.append([seconds_of([*arguments, "--output", output], project) for project, output in sides])
    ours, theirs = (VOLUMES / statistics.median(column) for column in zip(*seconds[1:], strict=True))
    name = f"(c) `evaluation score` of {VOLUMES:,} volumes of {SIDE}³"
    return Ratio(name, f"{ours:.0f} cases/s", f"{theirs:.0f} cases/s there", ours / theirs, "at least", 1.3)


def _write_volumes(folder: Path) -> Path:
    """A test set of balls, and predictions that lie a voxel beside them."""
    random, axes = np.random.default_rng(0), np.indices((SIDE, SIDE, SIDE))
    for name in ("set/images", "set/masks", "predictions"):
        (folder / name).mkdir(parents=True)
    for number in range(VOLUMES):
        centre = random.integers(SIDE // 3, 2 * SIDE // 3, 3)
        ball, moved = (
            (((axes - (centre + by)[:, None, None, None]) ** 2).sum(axis=0) < (SIDE // 4) ** 2).astype(np.uint8)
            for by in (0, 1)
        )
        for name, voxels in (("set/images", 100 * ball), ("set/masks", ball), ("predictions", moved)):
            nibabel.save(nibabel.Nifti1Image(voxels, np.eye(4)), folder / name / f"case_{number:04}.nii.gz")
    return folder / "set"


def _evaluation(folder: Path, one: Path, output: Path, other: Path, rounds: int) -> Iterator[Ratio]:
    test_set = read_test_set(folder, split=SPLIT)
    first_case(test_set, one)

    def evaluate(project: Path, checkpoint: str) -> tuple[float, float]:
        network = project / "checkpoints" / checkpoint
        many = run_program(folder.resolve(), SPLIT, network, output, project=project)
        return many, run_program(one, None, network, output, project=project)

    what = f"`evaluation run`, {folder.name}"
    yield from _siblings(what, folder.name, evaluate, len(test_set.cases), other, rounds)


def _siblings(what: str, task: str, program: Program, images: int, other: Path, rounds: int) -> Iterator[Ratio]:
    for here, there, least in SIBLINGS:
        rates: list[tuple[float, float]] = []
        for _ in range(rounds + 1):  # the first fills disk caches and converts networks
            ours, theirs = program(ROOT, f"{task}-{here}"), program(other, f"{task}-{there}")
            rates.append(tuple((images - 1) / (many - one) for many, one in (ours, theirs)))  # type: ignore[arg-type]
        ours_rate, their_rate = (statistics.median(column) for column in zip(*rates[1:], strict=True))
        name = f"(c) {what}, {task}-{here}"
        texts = f"{ours_rate:.1f} images/s", f"{their_rate:.1f} images/s {there} there"
        yield Ratio(name, *texts, ours_rate / their_rate, "at least", least)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.versions", description=__doc__)
    parser.add_argument("other", type=Path, metavar="DIR", help="the other checkout")
    parser.add_argument("--test-sets", type=Path, metavar="DIR", help=f"holds {', '.join(TEST_SETS)}")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(machine(), flush=True)
    print(table(list(measure(options.other.resolve(), test_sets=options.test_sets, rounds=options.rounds))))


if __name__ == "__main__":
    main()
