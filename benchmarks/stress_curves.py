"""``python -m benchmarks.stress_curves``: the stress curves of the lungs and nuclei checkpoints, as reference runs.

The whole test splits under stress would be some forty thousand segmentations and several megabytes. So every fifth case
of the lungs and every tenth of the nuclei is taken, in the order of their names, which nobody chose by a result; three
metrics are kept, with four digits, and the table is packed. A run that was stopped is continued.
"""

import argparse
import gzip
from dataclasses import replace
from pathlib import Path

from benchmarks.zoo import CHECKPOINTS, RUNS, task_of
from evaluation.metrics.calibration import CALIBRATION
from evaluation.metrics.metric import SHARE
from evaluation.metrics.table import METRICS
from evaluation.results.table import PACKED, TABLE, VOLUME, Results, as_csv, write_results
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from evaluation.statistics.policy import DIAGONAL
from evaluation.stress.cases import Stress, stressed_name
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.test_sets.test_set import read_test_set

EVERY = {"lungs": 5, "nuclei": 10}  # of the cases of the test split, in the order of their names
KEPT = ("dice", "nsd", "hd95")
DIGITS = 4  # after the point of shares; others are rounded to whole pixels and hundredths of these


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.stress_curves", description=__doc__)
    parser.add_argument("--test-sets", type=Path, required=True, metavar="DIR", help="holds a folder of each task")
    parser.add_argument("--work", type=Path, required=True, metavar="DIR", help="keeps the runs, to continue them")
    options = parser.parse_args()
    for task in EVERY:
        results = curves_of(task, options.test_sets / task, options.work)
        write_packed(compact(results), RUNS / stressed_name(task))


def curves_of(task: str, folder: Path, work: Path) -> Results:
    """The scores of all checkpoints of a task on its sample of cases under every corruption that fits."""
    names = sorted(path.name for path in CHECKPOINTS.iterdir() if path.is_dir() and task_of(path.name) == task)
    test_set = read_test_set(folder, split="test")
    cases = sorted(test_set.cases, key=lambda case: case.case_id)[:: EVERY[task]]
    outcome = run(
        [replace(test_set, cases=tuple(cases))],
        [load_checkpoint(name, CHECKPOINTS) for name in names],
        work / stressed_name(task),
        options=RunOptions(metrics=KEPT, workers=1, resume=True, stress=Stress()),
    )
    if outcome.stopped or outcome.failures:
        raise SystemExit(f"{task}: not every case could be scored: {'; '.join(outcome.failures) or 'stopped'}")
    return outcome.results


def compact(results: Results) -> Results:
    """The same with what a curve needs alone, in few digits."""
    metrics = tuple(name for name in results.metrics if name in (*KEPT, VOLUME, DIAGONAL))
    rounded = {name: results.table[name].round(DIGITS if METRICS[name].range == SHARE else 2) for name in metrics}
    dropped = [name for name in results.metrics if name not in metrics] + [CALIBRATION]
    table = results.table.drop(columns=dropped, errors="ignore").assign(**rounded)
    runs = tuple(replace(one, seconds=None) for one in results.runs)  # times of a busy machine say nothing
    return replace(results, table=table, metrics=metrics, runs=runs)


def write_packed(results: Results, folder: Path) -> None:
    """Write results whose table is packed; the same results give the same bytes."""
    write_results(results, folder)
    (folder / TABLE).unlink()
    (folder / PACKED).write_bytes(gzip.compress(as_csv(results.table).encode(), mtime=0))


if __name__ == "__main__":
    main()
