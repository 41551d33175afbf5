"""What a million rows cost on their way: store, table, files, statistics, page; and what one case costs.

``python -m benchmarks.scale rows [ROWS]`` generates scores of five methods and two classes and sends them along the
way of a run, without networks; ``python -m benchmarks.scale case CHECKPOINT TEST_SET`` takes the steps of a case apart.
Both print a Markdown table for ``docs/scale.md``: seconds of processor and by the clock, memory so far, bytes on disk.
"""

import argparse
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TypeVar

from benchmarks.dashboard import CHECKPOINTS, CLASSES, generated, opened, selections
from evaluation.metrics.score import score_case
from evaluation.results.answers import Question, answer
from evaluation.results.table import CaseResult, Results, collect, read_results, write_results
from evaluation.runs.cases import read_case
from evaluation.runs.predictions import keep_prediction
from evaluation.runs.store import CaseScores, ScoreKey, ScoreStore
from evaluation.ui.evaluate import result_handlers
from evaluation.ui.evaluate.board import Board

Answer = TypeVar("Answer")
METRICS = ("dice", "hd95", "reference_volume", "predicted_volume")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("rows").add_argument("rows", type=int, nargs="?", default=1_000_000)
    case = parts.add_parser("case")
    case.add_argument("checkpoint")
    case.add_argument("test_set", type=Path)
    case.add_argument("--cases", type=int, default=40)
    options = parser.parse_args()
    if options.part == "rows":
        rows(options.rows)
    else:
        one_case(options.checkpoint, options.test_set, options.cases)


def rows(number: int) -> None:
    """A run's way with generated scores."""
    print("| Step | Seconds of processor | By the clock | Memory so far, MB | On the disk |\n|---|---|---|---|---|")
    results = generated(CHECKPOINTS, number // (CHECKPOINTS * CLASSES), CLASSES)
    with tempfile.TemporaryDirectory(prefix="medseg-") as name:
        folder = Path(name)
        cases = list(_cases(results))
        with ScoreStore.open(folder) as store:
            with _told(f"store: {len(cases):,} cases, each durable", folder / "scores.sqlite"):
                for at, (_, scores) in enumerate(cases):
                    store.put(_key(at), scores)
            with _told("store → table"):
                found = [
                    CaseResult(
                        "generated", identity[0], identity[1], store.get(_key(at)) or scores, {"site": identity[2]}
                    )
                    for at, (identity, scores) in enumerate(cases)
                ]
                table = collect(found, results.runs)
        del cases, found
        with _told("table → `scores.csv`", folder / "scores.csv"):
            write_results(table, folder)
        del table
        with _told("`scores.csv` → table"):
            read = read_results(folder)
        with _told("table → Parquet", folder / "scores.parquet"):
            read.table.to_parquet(folder / "scores.parquet")
        with _told("the statistics of all checkpoints"):
            answer(read, Question("generated"))
        board = Board(opened=opened(read))
        for what, asked in selections():
            with _told(f"page: a changed selection, {what}"):
                result_handlers.ask(board, asked)


def _cases(results: Results) -> Iterator[tuple[tuple[str, str, str], CaseScores]]:
    """Checkpoint, case and site of each case, with its scores as a run stores them."""
    columns = ["checkpoint", "case_id", "site", "class_name", "status", "error", *METRICS]
    records = results.table[columns].to_numpy()
    for at in range(0, len(records), CLASSES):
        own = records[at : at + CLASSES]
        classes = tuple(
            {"class_name": row[3], **dict(zip(METRICS, row[6:], strict=True)), "distance_unit": "mm", "size_unit": "ml"}
            for row in own
        )
        yield tuple(own[0][:3]), CaseScores(own[0][4], own[0][5], classes)


def _key(number: int) -> ScoreKey:
    return ScoreKey(f"{number:064x}", f"{number:064x}", "settings")


@contextmanager
def _told(what: str, file: Path | None = None) -> Iterator[None]:
    processor, clock = time.process_time(), time.perf_counter()
    yield
    processor, clock = time.process_time() - processor, time.perf_counter() - clock
    size = f"{file.stat().st_size / 1e6:.0f} MB" if file else ""
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3
    print(f"| {what} | {processor:.1f} | {clock:.1f} | {held:.0f} | {size} |", flush=True)


def one_case(checkpoint: str, test_set: Path, cases: int) -> None:
    """Medians over cases of a test set: reading, network, scoring; bytes of a row and of a kept label map."""
    from evaluation.runs.preflight import read_test_sets
    from medseg_demo import load_checkpoint
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.segmenting.options import SegmentOptions
    from medseg_demo.settings import Settings

    settings = Settings(device="cpu")
    network, engine = load_checkpoint(checkpoint), Engine(settings)
    (found,) = read_test_sets([test_set], split="val")
    names = network.card.class_names
    labels = dict(enumerate(names, 1))
    reading, running, scoring, kept = [], [], [], []
    with tempfile.TemporaryDirectory(prefix="medseg-") as name:
        for case in found.cases[:cases]:
            data = _timed(reading, partial(read_case, case, class_names=names, settings=settings))
            result = _timed(running, partial(engine.segment, data.image, network, options=SegmentOptions()))
            label_map = result.label_map
            arrays = data.reference.labels, label_map.labels
            _timed(scoring, partial(score_case, *arrays, labels=labels, spacing=data.spacing_mm))
            path = keep_prediction(label_map, Path(name), found.name, checkpoint, case.case_id)
            kept.append(path.stat().st_size)
    print(f"| {checkpoint} on {found.name}, {len(kept)} cases | Median |\n|---|---|")
    for what, values in (("reading", reading), ("network", running), ("scoring", scoring)):
        print(f"| {what} | {1000 * statistics.median(values):.1f} ms |")
    print(f"| a kept label map | {statistics.median(kept):.0f} bytes |")


def _timed(seconds: list[float], work: Callable[[], Answer]) -> Answer:
    start = time.perf_counter()
    found = work()
    seconds.append(time.perf_counter() - start)
    return found


if __name__ == "__main__":
    main()
