"""The folders whose results can be opened: reference runs, those of the command line, and a visitor's own."""

import json
import re
import time
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import evaluation
from evaluation.results.methods import Method, as_methods, guess_methods, run_of
from evaluation.results.origins import Origins, is_simulated, trace_runs
from evaluation.results.table import Results, Run, merge, read_results, table_file
from evaluation.ui.evaluate import texts
from medseg_demo.documents import read_document
from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings
from medseg_demo.writing.whole import write_text

REFERENCE_RUNS = Path(evaluation.__file__).parent / "reference_runs"
VISITORS = "visitors"
OWN_RUN = "evaluation"
TOKEN = re.compile(r"[0-9a-f]{32}")

Kind = Literal["reference", "earlier", "mine"]


@dataclass(frozen=True)
class RunFolder:
    """A folder with ``scores.csv`` and ``run.json``.

    Attributes:
        path: Where it lies.
        kind: Whose it is.
    """

    path: Path
    kind: Kind

    @property
    def key(self) -> str:
        """What the page calls it; never a path."""
        return f"{self.kind}/{self.path.name}"

    @property
    def name_file(self) -> Path:
        """What its owner calls it, if anything."""
        return self.path / "name.txt"

    @property
    def label(self) -> str:
        """For people: what it is, and when it was made."""
        if self.kind == "mine":
            test_sets, moment = _told(self.path)
            kind = f"{texts.MINE} · {test_sets}" if is_evaluation(self.path) else f"{texts.IMPORTED} · {self.path.name}"
            given = self.name_file.read_text(encoding="utf-8").strip() if self.name_file.is_file() else ""
            return " · ".join(filter(None, [given or kind, moment.replace("T", " ")]))
        kind = texts.REFERENCE if self.kind == "reference" else texts.EARLIER
        return " · ".join(filter(None, [kind, texts.marked(self.path.name), _told(self.path)[1][:10]]))


def is_evaluation(path: Path) -> bool:
    """Whether an own run was evaluated here; others were imported."""
    return re.fullmatch(rf"{OWN_RUN}(-\d+)?", path.name) is not None


def _told(path: Path) -> tuple[str, str]:
    """Its test sets, and the minute in which its latest run was made (YYYY-MM-DDThh:mm); empty where not known."""
    try:
        runs = read_document(path / "run.json")["runs"]
        test_sets = ", ".join(dict.fromkeys(str(run["test_set"]) for run in runs))
        return test_sets, max((str(run.get("moment") or "")[:16] for run in runs), default="")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return "", ""


@dataclass(frozen=True, eq=False)
class Opened:
    """Results on the page, and where each came from.

    Attributes:
        folders: What was opened.
        results: All of it as one table.
        origins: For each (test set, run), its run and the folder that holds it.
        methods: In whose place their runs' rows are merged; empty where each run stands for itself.
        apart: The same with each run for itself; None where it is this one.
    """

    folders: tuple[RunFolder, ...]
    results: Results
    origins: Origins
    methods: tuple[Method, ...] = ()
    apart: "Opened | None" = None

    def runs_in(self, folder: RunFolder) -> list[Run]:
        """The runs that one of the folders holds."""
        return [run for run, path in (self.apart or self).origins.values() if path == folder.path]

    def runs_on(self, test_set: str, case_id: str = "") -> dict[str, tuple[Run, Path | None]]:
        """The runs on one test set, by the checkpoint's name in the table.

        Args:
            test_set: Its name.
            case_id: For whose predictions methods are named, too: each as that of its runs which has the case.
        """
        found = {name: origin for (where, name), origin in self.origins.items() if where == test_set}
        if not case_id or self.apart is None:
            return found
        names = {method.name for method in self.methods if method.test_set == test_set}
        runs = self.apart.results
        return found | {name: found[run_of(runs, self.methods, test_set, name, case_id)] for name in names}

    @cached_property
    def merged(self) -> "Opened":
        """The same with folds and seeds as methods, which the runs' names tell; itself where they tell of none."""
        results, methods = as_methods(self.results, guess_methods(self.results))
        return replace(self, results=coded(results), methods=methods, apart=self) if methods else self

    def with_methods(self, wanted: bool) -> "Opened":
        """With folds and seeds as methods, or with each run for itself."""
        apart = self.apart or self
        return apart.merged if wanted else apart


def visitor_folder(settings: Settings, visitor: str) -> Path:
    """Where a visitor's results lie: under a name that only the visitor's own browser knows.

    Raises:
        OptionError: The name is none that this page gave out.
    """
    if not TOKEN.fullmatch(visitor):
        raise OptionError(texts.EXPIRED)
    return settings.results_dir / VISITORS / visitor


def list_runs(settings: Settings, visitor: str) -> tuple[RunFolder, ...]:
    """Every folder that this visitor may open: reference runs first, then the visitor's own, then earlier ones."""
    own = settings.results_dir / VISITORS / visitor if TOKEN.fullmatch(visitor) else None
    kinds: tuple[tuple[Kind, Path | None], ...] = (
        ("reference", REFERENCE_RUNS), ("mine", own), ("earlier", settings.results_dir)
    )  # fmt: skip
    return tuple(RunFolder(path, kind) for kind, root in kinds if root is not None for path in _finished(root))


def hidden_runs(settings: Settings, visitor: str) -> frozenset[str]:
    """The keys of the runs that a visitor put out of sight."""
    try:
        return frozenset(map(str, read_document(_hidden_file(settings, visitor))))
    except (OSError, ValueError, TypeError, OptionError):
        return frozenset()


def hide_run(settings: Settings, visitor: str, key: str) -> None:
    """Put a run out of a visitor's sight, or bring it back.

    Raises:
        OptionError: The visitor has no name.
        OutputError: It cannot be kept.
    """
    path = _hidden_file(settings, visitor)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps(sorted(hidden_runs(settings, visitor) ^ {key})), kept=True)


def _hidden_file(settings: Settings, visitor: str) -> Path:
    return visitor_folder(settings, visitor) / "hidden.json"


def _finished(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    found = [path for path in root.iterdir() if (path / "run.json").is_file() and table_file(path)]
    simulated = [path for path in found if is_simulated(path.name)]  # their images are always here
    simulated.sort(key=lambda path: (not (path / "predictions").is_dir(), path))  # and their pictures, where kept
    return [*simulated, *sorted(set(found) - set(simulated))]


@dataclass(frozen=True)
class ReferenceRuns:
    """What was read of the reference runs, which are the same for everybody; one for all visitors of a page."""

    read: dict[Path, Results] = field(default_factory=dict)

    def results(self, folder: RunFolder) -> Results:
        """The results of a folder; a reference run is read once."""
        if folder.kind != "reference":
            return read_results(folder.path)
        if folder.path not in self.read:
            self.read[folder.path] = read_results(folder.path)
        return self.read[folder.path]


def open_runs(folders: tuple[RunFolder, ...], references: ReferenceRuns | None = None) -> Opened:
    """Read folders and put them side by side.

    Raises:
        ResultsError: There is none, or one is damaged.
    """
    references = references or ReferenceRuns()
    read = [references.results(folder) for folder in folders]
    merged = merge(read)
    found = [(run, folder.path) for folder, results in zip(folders, read, strict=True) for run in results.runs]
    return Opened(folders, coded(merged), trace_runs(merged, found))


def coded(results: Results) -> Results:
    """The same table with its names as categories: a question to many rows is answered several times faster."""
    names = ["test_set", "checkpoint", "case_id", "class_name", "status"]
    return replace(results, table=results.table.astype(dict.fromkeys(names, "category")))


def forget_old_visitors(settings: Settings, *, days: float = 14) -> None:
    """Delete the folders of visitors who have not evaluated anything for that long."""
    import shutil

    root = settings.results_dir / VISITORS
    limit = time.time() - days * 86400
    for path in root.iterdir() if root.is_dir() else ():
        if TOKEN.fullmatch(path.name) and max(_changes(path), default=limit) < limit:
            shutil.rmtree(path, ignore_errors=True)


def _changes(path: Path) -> list[float]:
    return [path.stat().st_mtime, *(entry.stat().st_mtime for entry in path.glob("*/*") if entry.exists())]
