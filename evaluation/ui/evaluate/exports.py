"""Files of what is on the page: the rows, the summaries, a model index, and the report."""

import json
import secrets
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path

import pandas as pd

from evaluation.metrics import METRICS
from evaluation.results import tables
from evaluation.results.answers import GROUP, Answer, answer, select
from evaluation.results.origins import Segment
from evaluation.results.table import Results, as_csv, json_ready
from evaluation.results.tags import COLUMN as TAGS
from evaluation.results.tags import tags_of
from evaluation.ui.evaluate import texts
from evaluation.ui.evaluate.case_handlers import segment_with
from evaluation.ui.evaluate.run_folders import Opened
from medseg_demo.errors import OptionError
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings
from medseg_demo.ui.language import asked_language
from medseg_demo.ui.session import Running
from medseg_demo.writing.whole import write_text


def write(
    kind: str,
    opened: Opened,
    found: Answer,
    folder: Path,
    *,
    engine: Engine,
    settings: Settings,
    running: Running | None = None,
) -> list[Path]:
    """Write one kind of file into a folder of its own.

    Args:
        kind: One of ``WRITERS``.
        opened: The results on the page.
        found: What they say to the question on the page.
        folder: Where the file's own folder is made.
        engine: Makes predictions again that were not kept, for the report.
        settings: Where the test sets lie.
        running: Ends what the engine makes, when the visitor leaves.

    Raises:
        OptionError: The kind is not known.
        OutputError: It cannot be written.
    """
    if kind not in WRITERS:
        raise OptionError(f"There is no format {kind!r}. Choose one of: {', '.join(WRITERS)}.")
    target = folder / secrets.token_hex(4)
    target.mkdir(parents=True, exist_ok=True)
    return [WRITERS[kind](opened, found, target, settings, segment_with(engine, running))]


def _rows(found: Answer) -> pd.DataFrame:
    """The rows as they were scored, with the tags: in ``group`` what the test set says, whatever cases are taken by."""
    if found.question.cluster == GROUP or found.results is None:
        return found.table
    table = select(found.results.table, replace(found.question, cluster=GROUP))
    return table.assign(**{TAGS: found.table[TAGS]}) if TAGS in found.table else table


def _csv(opened: Opened, found: Answer, folder: Path, *_: object) -> Path:
    path = folder / "scores.csv"
    write_text(path, as_csv(_rows(found)))
    return path


def _parquet(opened: Opened, found: Answer, folder: Path, *_: object) -> Path:
    path = folder / "scores.parquet"
    _rows(found).to_parquet(path, index=False)
    return path


def _json(opened: Opened, found: Answer, folder: Path, *_: object) -> Path:
    path = folder / "scores.json"
    document = {
        "question": asdict(found.question),
        "convention": tables.convention(found.question),
        "summaries": [asdict(standing.summary) | {"ranks": standing.ranks} for standing in found.standings],
        "comparisons": [asdict(one) for one in found.comparisons],
        "runs": [asdict(run) for run in opened.results.runs if run.test_set == found.question.test_set],
        "rows": _rows(found).to_dict("records"),
    }
    write_text(path, json.dumps(json_ready(document), indent=1, ensure_ascii=False) + "\n")
    return path


def _yaml(opened: Opened, found: Answer, folder: Path, *_: object) -> Path:
    import yaml

    path = folder / "model-index.yaml"
    index = {"model-index": [_model(opened, found, standing.checkpoint) for standing in found.standings]}
    write_text(path, yaml.safe_dump(index, sort_keys=False, allow_unicode=True))
    return path


def _model(opened: Opened, found: Answer, checkpoint: str) -> dict[str, object]:
    """One checkpoint as the Hub's model-index has it, with the convention of each number in its name."""
    test_set = found.question.test_set
    splits = sorted({split for split in found.table.get("split", []) if split})
    dataset = {"name": texts.marked(test_set), "type": test_set, **({"split": splits[0]} if len(splits) == 1 else {})}
    metrics = [_metric(opened.results, found, checkpoint, name) for name in opened.results.metrics if name in METRICS]
    return {
        "name": checkpoint,
        "results": [
            {
                "task": {"type": "image-segmentation"},
                "dataset": dataset,
                "metrics": [metric for metric in metrics if metric is not None],
            }
        ],
    }


def _metric(results: Results, found: Answer, checkpoint: str, name: str) -> dict[str, object] | None:
    """A metric's mean; its median where there are misses; nothing where no case has a value."""
    if METRICS[name].better is None:
        return None
    question = replace(found.question, metric=name, checkpoints=(checkpoint,))
    own = answer(results, question)
    summary = own.standings[0].summary
    value = summary.median if summary.misses else summary.mean
    if value != value or value in (float("inf"), float("-inf")):
        return None
    of = f"median, {summary.misses} misses" if summary.misses else "mean"
    failed = f", {summary.failed} failed" if summary.failed else ""
    title = f"{tables.title_of(own, name)}, {of} over {summary.n} cases{failed}"
    return {"type": name, "value": round(value, 6), "name": title}


def _report(opened: Opened, found: Answer, folder: Path, settings: Settings, segment: Segment) -> Path:
    from evaluation.report.report import ReportOptions, write_report

    question = found.question
    options = ReportOptions(
        (question.test_set,), question.checkpoints, question.metric, question.policy, question.order,
        methods=None if opened.methods else (), tags=tags_of(found), cluster=question.cluster,
        language=asked_language().code,
    )  # fmt: skip
    return write_report(
        [run.path for run in opened.folders], folder / "report.html", options=options, settings=settings,
        segment=segment, read=((opened.apart or opened).results, opened.origins),
    )  # fmt: skip


WRITERS: dict[str, Callable[[Opened, Answer, Path, Settings, Segment], Path]] = {
    "report": _report,
    "csv": _csv,
    "json": _json,
    "yaml": _yaml,
    "parquet": _parquet,
}
