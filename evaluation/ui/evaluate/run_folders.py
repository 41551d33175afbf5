"""The folders whose results can be opened: reference runs, those of the command line, and a visitor's own."""

import re
import time
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Literal

import evaluation
from evaluation.results.methods import Method, as_methods, guess_methods, run_of
from evaluation.results.origins import Origins, is_simulated, trace_runs
from evaluation.results.table import Results, Run, merge, read_results
from evaluation.ui.evaluate import texts
from medseg_demo.documents import read_document
from medseg_demo.errors import OptionError
from medseg_demo.settings import Settings

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
            kind = texts.MINE if self.path.name == OWN_RUN else f"{texts.IMPORTED} · {self.path.name}"
            given = self.name_file.read_text(encoding="utf-8").strip() if self.name_file.is_file() else ""
            return " · ".join(filter(None, [given or kind, _day(self.path)]))
        kind = texts.REFERENCE if self.kind == "reference" else texts.EARLIER
        return " · ".join(filter(None, [kind, texts.marked(self.path.name), _day(self.path)]))


def _day(path: Path) -> str:
    """When its latest run was made, as YYYY-MM-DD; empty where it is not known."""
    try:
        document = read_document(path / "run.json")
        return max((str(run.get("moment") or "")[:10] for run in document["runs"]), default="")
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return ""


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


def _finished(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    found = (path for path in root.iterdir() if (path / "run.json").is_file() and (path / "scores.csv").is_file())
    return sorted(found, key=lambda path: (not is_simulated(path.name), path))  # the images of that one are always here


def open_runs(folders: tuple[RunFolder, ...]) -> Opened:
    """Read folders and put them side by side.

    Raises:
        ResultsError: There is none, or one is damaged.
    """
    read = [_read(folder) for folder in folders]
    merged = merge(read)
    found = [(run, folder.path) for folder, results in zip(folders, read, strict=True) for run in results.runs]
    return Opened(folders, coded(merged), trace_runs(merged, found))


def coded(results: Results) -> Results:
    """The same table with its names as categories: a question to many rows is answered several times faster."""
    names = ["test_set", "checkpoint", "case_id", "class_name", "status"]
    return replace(results, table=results.table.astype(dict.fromkeys(names, "category")))


def _read(folder: RunFolder) -> Results:
    if folder.kind == "reference":
        return _read_shared(folder.path, (folder.path / "scores.csv").stat().st_mtime_ns)
    return read_results(folder.path)


@lru_cache(maxsize=32)
def _read_shared(path: Path, changed: int) -> Results:
    """Reference runs are the same for everybody, so they are read once."""
    return read_results(path)


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
