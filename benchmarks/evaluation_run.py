"""``python -m benchmarks.evaluation_run``: ``evaluation run`` as a whole program, per image, and its memory.

(d) against a plain loop (float32, MONAI's metrics), both as whole processes, and without their start-up; (c) images per
second against the bare forward pass of what the network was given, in the same precision; growth of memory over many
generated cases.
"""

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import torch

from benchmarks.forward import bare_network
from benchmarks.programs import seconds_of
from benchmarks.ratio import Ratio, machine, table
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting import windows as inference
from medseg_demo.segmenting.windows import choose_compute
from medseg_demo.settings import ROOT, Settings
from medseg_demo.test_sets.simulated import ensure_simulated_nuclei
from medseg_demo.test_sets.test_set import TestSet, read_test_set

BATCH_SIZES = (1, 2, 4)  # the bare network is given the one that suits it best
MEMORY_CASES = 5000
MOST_DIFFERENCE = 0.01  # of the mean Dice of the two sides, whose precision differs


def whole_program(test_set: Path, split: str | None, checkpoint: Path, *, rounds: int) -> Iterator[Ratio]:
    """(d).

    Raises:
        AssertionError: If the two sides disagree on the cases or on their Dice.
    """
    with tempfile.TemporaryDirectory() as folder:
        output, plain = Path(folder) / "run", Path(folder) / "plain.csv"
        one = first_case(read_test_set(test_set, split=split), Path(folder) / "one" / test_set.name)
        seconds = [
            (
                run_program(test_set, split, checkpoint, output),
                _loop(test_set, split, checkpoint, plain),
                run_program(one, None, checkpoint, Path(folder) / "run_of_one"),
                _loop(one, None, checkpoint, Path(folder) / "one.csv"),
            )
            for _ in range(rounds + 1)  # the first fills disk caches
        ]
        _check_equal(_dice(output / "scores.csv"), _dice(plain))
    ours_s, loop_s, our_start, loop_start = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
    name = f"(d) `evaluation run`, {test_set.name}, {checkpoint.name}"
    yield Ratio(name, f"{ours_s:.1f} s", f"{loop_s:.1f} s plain loop", loop_s / ours_s, "at least", 2.2)
    ours_s, loop_s = ours_s - our_start, loop_s - loop_start
    yield Ratio(f"{name}, start-up apart", f"{ours_s:.1f} s", f"{loop_s:.1f} s", loop_s / ours_s, "at least", 4)


def first_case(test_set: TestSet, folder: Path) -> Path:
    """A copy of a test set with its first case alone, for what a run takes however many cases there are."""
    case = test_set.cases[0]
    for name, paths in (("images", case.image_paths), ("masks", (case.mask_path,))):
        (folder / name).mkdir(parents=True)
        for path in paths:
            shutil.copy(path, folder / name)
    description = test_set.folder / "dataset.json"
    if description.is_file():
        shutil.copy(description, folder)
    return folder


def run_program(test_set: Path, split: str | None, checkpoint: Path, output: Path, *, project: Path = ROOT) -> float:
    """The seconds of an ``evaluation run``, of another checkout where ``project`` names one."""
    shutil.rmtree(output, ignore_errors=True)
    chosen = [] if split is None else ["--split", split]
    arguments = ["evaluation", "run", "--test-set", test_set, *chosen, "--checkpoint", checkpoint, "--output", output]
    return seconds_of(["-m", *arguments], project)


def _loop(test_set: Path, split: str | None, checkpoint: Path, output: Path) -> float:
    return seconds_of(["-m", "benchmarks.plain_evaluation", test_set, checkpoint, output, *([split] if split else [])])


def _dice(path: Path) -> dict[str, float]:
    with path.open(newline="", encoding="utf-8") as file:
        return {row["case_id"]: float(row["dice"] or "nan") for row in csv.DictReader(file)}


def _check_equal(ours: dict[str, float], theirs: dict[str, float]) -> None:
    assert ours.keys() == theirs.keys()
    both = [(ours[case], theirs[case]) for case in ours if ours[case] == ours[case] and theirs[case] == theirs[case]]
    means = [statistics.mean(column) for column in zip(*both, strict=True)]
    assert abs(means[0] - means[1]) <= MOST_DIFFERENCE, means


def images_per_second(test_set: TestSet, checkpoint: Checkpoint, *, rounds: int) -> Ratio:
    """(c): a run over one case holds what is the same for any number of cases; the difference is the others' time."""
    settings = Settings.from_environment()
    inputs = _network_inputs(test_set, checkpoint, settings)
    few, others = replace(test_set, cases=test_set.cases[:1]), len(test_set.cases) - 1
    seconds = []
    for _ in range(rounds + 1):
        ours = (_run(test_set, checkpoint, settings) - _run(few, checkpoint, settings)) / others
        bare = [_forward(checkpoint, inputs, size, settings) / len(test_set.cases) for size in BATCH_SIZES]
        seconds.append((ours, *bare))
    ours_s, *bare_s = (statistics.median(column) for column in zip(*seconds[1:], strict=True))
    best = min(bare_s)
    batch = BATCH_SIZES[bare_s.index(best)]
    name = f"(c) `evaluation run`, {test_set.name}, {checkpoint.name}"
    bare_text = f"{1 / best:.1f} images/s forward in batches of {batch}"
    return Ratio(name, f"{1 / ours_s:.1f} images/s", bare_text, best / ours_s, "at least", 0.65)


def _run(test_set: TestSet, checkpoint: Checkpoint, settings: Settings) -> float:
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        outcome = run([test_set], [checkpoint], Path(folder), options=RunOptions(), settings=settings)
        seconds = time.perf_counter() - start
    assert outcome.failures == (), outcome.failures
    return seconds


def _network_inputs(test_set: TestSet, checkpoint: Checkpoint, settings: Settings) -> Counter[tuple[int, ...]]:
    """How many inputs of which shape the network is given for the whole test set."""
    shapes: Counter[tuple[int, ...]] = Counter()

    views = inference._views

    def counting(*arguments: object) -> Iterator[torch.Tensor]:
        for view in views(*arguments):
            shapes[tuple(view.shape[1:])] += len(view)
            yield view

    with mock.patch.object(inference, "_views", counting):
        _run(test_set, checkpoint, settings)
    return shapes


def _forward(checkpoint: Checkpoint, inputs: Counter[tuple[int, ...]], size: int, settings: Settings) -> float:
    compute = choose_compute(settings)
    seconds = 0.0
    for shape, total in inputs.items():
        given = -(-total // size) * size
        seconds += bare_network(checkpoint, compute, size, shape)(given) * total / given
    return seconds


def memory(cases: int) -> Ratio:
    """Growth of memory."""
    program = [sys.executable, "-m", "benchmarks.evaluation_memory", str(cases)]
    printed = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    growth = float(printed)
    return Ratio(f"memory over {cases} cases", f"{growth:.1f} MB", "after the first 200", growth, "at most", 30)


def measure(
    *, test_set: Path | None, split: str | None, checkpoint: str, memory_cases: int, rounds: int
) -> Iterator[Ratio]:
    settings = Settings.from_environment()
    folder = (test_set or ensure_simulated_nuclei(settings.test_sets_dir)).resolve()
    loaded = load_checkpoint(checkpoint, settings.checkpoints_dir)
    yield from whole_program(folder, split, settings.checkpoints_dir / loaded.name, rounds=rounds)
    yield images_per_second(read_test_set(folder, split=split), loaded, rounds=rounds)
    if memory_cases:
        yield memory(memory_cases)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test-set", type=Path, metavar="DIR", help="default: the simulated nuclei")
    parser.add_argument("--split", help="default: every case")
    parser.add_argument("--checkpoint", default="nuclei-unet-lite0", metavar="NAME")
    parser.add_argument("--memory-cases", type=int, default=MEMORY_CASES, help="0 leaves the memory out")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation_run", description=__doc__)
    add_arguments(parser)
    parser.add_argument("--rounds", type=int, default=3, help="how often each side runs (medians are shown)")
    print(machine(), flush=True)
    print(table(list(measure(**vars(parser.parse_args())))))


if __name__ == "__main__":
    main()
