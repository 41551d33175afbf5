"""What the Evaluate tab shows as code: the run on the page, and the case that is open."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from evaluation.metrics import METRICS
from evaluation.results.origins import find_test_set
from evaluation.stress.cases import stress_of, stressed_name
from evaluation.ui.evaluate.board import Board
from evaluation.ui.evaluate.places import place_of
from evaluation.ui.evaluate.run_folders import Opened
from medseg_demo.errors import MedsegError
from medseg_demo.settings import Settings
from medseg_demo.ui.code import Code, program, shell
from medseg_demo.ui.code_view import code_updates

DEFAULT_METRICS = [name for name, metric in METRICS.items() if metric.default]


@dataclass(frozen=True)
class Shown:
    """What a page of results was made with.

    Attributes:
        test_set: Its name.
        split: Of every case; empty where there are several, or none.
        checkpoints: Those that were segmented and scored.
        scored: Predictions that were made elsewhere and scored.
        imported: Results that another program scored.
        metrics: Names, where they are not the usual ones.
        tolerance: Of the surface Dice.
        stress: Corruptions and degrees, where images were made worse; None otherwise.
    """

    test_set: str
    split: str = ""
    checkpoints: tuple[str, ...] = ()
    scored: tuple[str, ...] = ()
    imported: tuple[str, ...] = ()
    metrics: tuple[str, ...] = ()
    tolerance: float | Mapping[str, float] = 1.0
    stress: tuple[tuple[str, ...], tuple[int, ...]] | None = None


def board_code(board: Board, settings: Settings, address: str) -> dict[str, object]:
    """The parts of the page that hold the code of what it shows; empty without results."""
    if board.opened is None or board.answer is None:
        return code_updates(None)
    shown = shown_of(board.opened, board.answer.question.test_set)
    case = board.case.case_id if board.case else ""
    command = "\n".join([*run_lines(shown), *(case_lines(shown, case, settings) if case else [])])
    link = f"{address}?{urlencode(place_of(board).parameters, safe='/,')}"
    return code_updates(Code(command, _program(shown, address), link))


def shown_of(opened: Opened, test_set: str) -> Shown:
    """What the opened runs on one test set were made with."""
    runs = [run for run, _ in opened.runs_on(test_set).values()]
    table = opened.results.table
    splits = {str(name) for name in table.loc[(table["test_set"] == test_set).to_numpy()].get("split", ())}
    by_source = {
        source: tuple(dict.fromkeys(run.checkpoint for run in runs if run.source == source))
        for source in ("run", "score", "import")
    }
    first: Mapping[str, Any] = next((run.settings for run in runs if run.source != "import"), {})
    metrics = [str(name) for name in first.get("metrics", ())]
    said = stress_of(first)
    return Shown(
        test_set=said[0] if said else test_set,
        split=splits.pop() if len(splits) == 1 else "",
        checkpoints=by_source["run"],
        scored=by_source["score"],
        imported=by_source["import"],
        metrics=() if set(metrics) <= set(DEFAULT_METRICS) else tuple(metrics),
        tolerance=first.get("nsd_tolerance", 1.0),
        stress=said[1:] if said else None,
    )


def _tolerances(setting: float | Mapping[str, float]) -> list[str]:
    if not isinstance(setting, Mapping):
        return [f"{setting:g}"]
    return [f"{name}={value:g}" if name else f"{value:g}" for name, value in setting.items()]


def run_lines(shown: Shown) -> list[str]:
    """One command for the checkpoints, and one for each set of predictions; imported results are only named."""
    where: list[object] = ["--test-set", shown.test_set, *(["--split", shown.split] if shown.split else [])]
    how: list[object] = [
        *(["--metrics", *shown.metrics] if shown.metrics else []),
        *(["--tolerance", *_tolerances(shown.tolerance)] if shown.tolerance != 1 else []),
    ]
    lines = []
    if shown.checkpoints:
        output = shown.test_set
        if shown.stress is not None:
            how += ["--stress", *shown.stress[0], "--stress-degrees", *map(str, shown.stress[1])]
            output = stressed_name(output)
        words = ["run", *where, "--checkpoint", *shown.checkpoints, *how, "--output", f"results/{output}"]
        lines.append(shell("evaluation", words))
    for name in shown.scored:
        words = ["score", *where, "--predictions", name, "--name", name, *how, "--output", f"results/{name}"]
        lines.append(shell("evaluation", words))
    return [*lines, *(f"# {name}: imported results; see `python -m evaluation import`" for name in shown.imported)]


def case_lines(shown: Shown, case_id: str, settings: Settings) -> list[str]:
    """The comparison of one case with its reference; nothing where the case is not on this computer."""
    try:
        test_set = find_test_set(shown.test_set, settings)
    except MedsegError:
        return []
    case = next((case for case in test_set.cases if case.case_id == case_id), None)
    if case is None or not shown.checkpoints or not case.mask_path.exists():  # such as a part of an array
        return []
    *images, reference = (_below(path, settings) for path in case.files)
    channels = ["--channels"] if len(case.channel_names) > 1 else []
    words = ["compare", *images, *channels, "--checkpoint", *shown.checkpoints[:3], "--reference", reference]
    return [shell("evaluation", [*words, "--output", f"results/{case_id}"])]


def _program(shown: Shown, address: str) -> str:
    if not shown.checkpoints or shown.stress is not None:
        return ""
    arguments: dict[str, object] = {"checkpoints": list(shown.checkpoints), "test_set": shown.test_set}
    arguments |= {"split": shown.split} if shown.split else {}
    return program(address, ("scores", "csv"), arguments, "/evaluate")


def _below(path: Path, settings: Settings) -> str:
    """A file of the test-sets folder as it is named from the project's folder."""
    root = settings.test_sets_dir
    return str(Path(root.name) / path.relative_to(root)) if path.is_relative_to(root) else path.name
