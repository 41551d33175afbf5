"""(d) The answer to a changed selection, (e) a report, (g) hundreds of methods: server time and memory, no browser.

Each is a process of its own, ``python -m benchmarks.dashboard PART SIZE ROUNDS``, so that its memory is its own.
"""

import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.ratio import Ratio
from evaluation.report.report import ReportOptions, write_report
from evaluation.results.answers import Question, answer
from evaluation.results.figures import FIGURES
from evaluation.results.table import Results, Run, write_results
from evaluation.ui.evaluate import result_handlers
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.run_folders import Opened, coded
from medseg_demo.settings import ROOT

CHECKPOINTS, CLASSES = 5, 2
SELECTIONS = ((100_000, 0.3, None), (1_000_000, 2.0, 1500))  # rows, seconds, MB
REPORT_CASES, REPORT_S, REPORT_MB = 2_000, 5.0, 300
METHODS, METHOD_CASES, METHODS_S = 300, 100, 10.0

Megabytes = float


def measure(*, rounds: int) -> Iterator[Ratio]:
    """The slowest of all selections counts, each as the median of the rounds."""
    for rows, limit_s, limit_mb in SELECTIONS:
        slowest, seconds, megabytes = _apart("selection", rows, rounds)
        name = f"(d) changed selection, {rows:,} rows"
        yield Ratio(name, f"{seconds:.2f} s ({slowest})", "–", seconds, "at most", limit_s)
        if limit_mb:
            yield Ratio(f"{name}, memory", f"{megabytes:.0f} MB", "–", megabytes, "at most", limit_mb)
    what, seconds, megabytes = _apart("report", REPORT_CASES, rounds)
    yield Ratio(f"(e) {what}", f"{seconds:.1f} s", "–", seconds, "at most", REPORT_S)
    yield Ratio(f"(e) {what}, memory added", f"{megabytes:.0f} MB", "–", megabytes, "at most", REPORT_MB)
    what, seconds, _ = _apart("methods", METHODS, rounds)
    yield Ratio(f"(g) {what}", f"{seconds:.1f} s", "–", seconds, "at most", METHODS_S)


def _apart(part: str, size: int, rounds: int) -> tuple[str, float, Megabytes]:
    """What was measured, seconds and memory, from a process of its own."""
    program = [sys.executable, "-m", "benchmarks.dashboard", part, str(size), str(rounds)]
    printed = subprocess.run(program, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    what, seconds, megabytes = json.loads(printed)
    return what, seconds, megabytes


def selection(rows: int, rounds: int) -> tuple[str, float, Megabytes]:
    """The slowest selection, and the most memory that the process held."""
    board = Board(opened=opened(generated(CHECKPOINTS, rows // (CHECKPOINTS * CLASSES), CLASSES)))
    seconds = {name: _median(partial(result_handlers.ask, board, asked), rounds) for name, asked in selections()}
    slowest = max(seconds, key=lambda name: seconds[name])
    return slowest, seconds[slowest], _most_held()


def report(cases: int, rounds: int) -> tuple[str, float, Megabytes]:
    """Two methods, three cases a group and a column with as many values as groups; memory is what the report adds."""
    results = generated(2, cases, 1)
    number = results.table["case_id"].str.removeprefix("case_").astype(int) // 3
    table = results.table.assign(group=np.char.add("patient_", number.astype(str).to_numpy(dtype=str)))
    with tempfile.TemporaryDirectory() as folder:
        write_results(replace(results, table=table, metadata=("site", "group")), Path(folder) / "run")
        before = _most_held()
        write = partial(write_report, [Path(folder) / "run"], Path(folder) / "report.html")
        seconds = _median(partial(write, options=ReportOptions(column="group")), rounds)
    what = f"report of {cases:,} cases, {number.nunique()} groups, two methods"
    return what, seconds, _most_held() - before


def methods(number: int, rounds: int) -> tuple[str, float, Megabytes]:
    """Every two of many methods compared, and all of them ranked."""
    results = coded(generated(number, METHOD_CASES, 1))
    seconds = _median(partial(answer, results, Question("generated")), rounds)
    return f"{number} methods, {METHOD_CASES} cases: {number * (number - 1) // 2:,} pairs", seconds, _most_held()


def _most_held() -> Megabytes:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def selections() -> list[tuple[str, Asked]]:
    """Selections as a person makes them: each plot, another metric, policy, class and fewer checkpoints."""
    base = Asked(test_set="generated")
    some = ("net-0", "net-1")
    return [
        *((figure.name, replace(base, plot=figure.name)) for figure in FIGURES),
        ("distances", replace(base, metric="hd95")),
        ("policy", replace(base, empty="one")),
        ("one class", replace(base, class_name="class_1")),
        ("two checkpoints", replace(base, checkpoints=some)),
    ]


def _median(answer: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        answer()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[1:])


def generated(checkpoints: int, cases: int, classes: int) -> Results:
    """Generated scores with misses, failed cases, empty masks and a column to group by."""
    random = np.random.default_rng(0)
    shape = (checkpoints, cases, classes)
    net, case, label = (axis.ravel() for axis in np.indices(shape))
    failed = np.broadcast_to(random.random((checkpoints, cases, 1)) < 0.001, shape).ravel()
    empty = np.broadcast_to(random.random((1, cases, classes)) < 0.02, shape).ravel()
    scores = {
        "dice": np.clip(random.beta(8, 2, shape).ravel() - 0.01 * net, 0, 1),
        "hd95": np.where(random.random(net.size) < 0.01, np.inf, random.gamma(2, 3, net.size)),
        "reference_volume": np.broadcast_to(random.lognormal(3, 1, (1, cases, classes)), shape).ravel(),
        "predicted_volume": random.lognormal(3, 1, net.size),
    }
    for name, values in scores.items():
        absent = 0.0 if name.endswith("volume") else np.nan
        scores[name] = np.where(failed, np.nan, np.where(empty, absent, values))
    table = pd.DataFrame(
        {
            "test_set": "generated",
            "checkpoint": np.char.add("net-", net.astype(str)),
            "case_id": np.char.add("case_", case.astype(str)),
            "class_name": np.char.add("class_", (label + 1).astype(str)),
            "status": np.where(failed, "failed", "ok"),
            "error": np.where(failed, "unreadable", ""),
            "site": np.array(["A", "B", "C"])[case % 3],
            **scores,
            "distance_unit": "mm",
            "size_unit": "ml",
        }
    )
    runs = tuple(Run(f"net-{number}", "generated") for number in range(checkpoints))
    return Results(table, runs, ("site",), tuple(scores))


def opened(results: Results) -> Opened:
    return Opened((), coded(results), {(run.test_set, run.checkpoint): (run, None) for run in results.runs})


if __name__ == "__main__":
    part, size, times = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    print(json.dumps({"selection": selection, "report": report, "methods": methods}[part](size, times)))
