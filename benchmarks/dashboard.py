"""(d) The dashboard's answer to a changed selection, with 100,000 rows of scores: server time, no browser."""

import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from benchmarks.ratio import Ratio
from evaluation.results.figures import FIGURES
from evaluation.results.table import Results, Run
from evaluation.ui.evaluate import result_handlers
from evaluation.ui.evaluate.board import Asked, Board
from evaluation.ui.evaluate.run_folders import Opened, coded

CHECKPOINTS, CASES, CLASSES = 5, 10_000, 2
LIMIT_S = 0.5


def measure(*, rounds: int) -> Ratio:
    """The slowest of all selections counts, each as the median of the rounds."""
    board = Board(opened=_opened())
    seconds = {name: _median(partial(result_handlers.ask, board, asked), rounds) for name, asked in _asked()}
    slowest = max(seconds, key=lambda name: seconds[name])
    return Ratio(
        f"(d) changed selection, {CHECKPOINTS * CASES * CLASSES:,} rows",
        f"{seconds[slowest]:.2f} s ({slowest})",
        "–",
        seconds[slowest],
        "at most",
        LIMIT_S,
    )


def _asked() -> list[tuple[str, Asked]]:
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


def _opened() -> Opened:
    """Generated scores with misses, failed cases, empty masks and a column to group by."""
    random = np.random.default_rng(0)
    shape = (CHECKPOINTS, CASES, CLASSES)
    net, case, label = (axis.ravel() for axis in np.indices(shape))
    failed = np.broadcast_to(random.random((CHECKPOINTS, CASES, 1)) < 0.001, shape).ravel()
    empty = np.broadcast_to(random.random((1, CASES, CLASSES)) < 0.02, shape).ravel()
    scores = {
        "dice": np.clip(random.beta(8, 2, shape).ravel() - 0.01 * net, 0, 1),
        "hd95": np.where(random.random(net.size) < 0.01, np.inf, random.gamma(2, 3, net.size)),
        "reference_volume": np.broadcast_to(random.lognormal(3, 1, (1, CASES, CLASSES)), shape).ravel(),
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
    runs = tuple(Run(f"net-{number}", "generated") for number in range(CHECKPOINTS))
    results = Results(table, runs, ("site",), tuple(scores))
    return Opened((), coded(results), {(run.test_set, run.checkpoint): (run, None) for run in runs})
