"""The results store: each finished case is written durably, once, under the hashes of what made it.

One SQLite file in WAL mode, ``scores.sqlite``, inside the output folder. The process that holds it open is the only
one that may: a second run into the same folder is told so, and the hold ends with the process, however it ends.
"""

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import numpy as np

from evaluation.errors import DamagedResultsError, ResultsError, ResultsInUseError
from medseg_demo.errors import OptionError, OutputError

STORE_NAME = "scores.sqlite"
FORMAT_VERSION = 1
PAGE_SIZE = 4096

Status = Literal["ok", "failed"]

SCHEMA = f"""
PRAGMA page_size = {PAGE_SIZE};
PRAGMA journal_mode = WAL;
PRAGMA user_version = {FORMAT_VERSION};
CREATE TABLE scores (
    checkpoint_hash TEXT NOT NULL,
    case_hash TEXT NOT NULL,
    settings_hash TEXT NOT NULL,
    scores TEXT NOT NULL,
    PRIMARY KEY (checkpoint_hash, case_hash, settings_hash)
) WITHOUT ROWID;
"""


@dataclass(frozen=True)
class ScoreKey:
    """What made a score. Equal keys mean that the case need not be scored again.

    Attributes:
        checkpoint_hash: Of the weights and the card, or of the prediction file.
        case_hash: Of the case's id, its image and its reference.
        settings_hash: Of everything else that moves a score: metrics, tolerance, precision, threshold.
    """

    checkpoint_hash: str
    case_hash: str
    settings_hash: str


@dataclass(frozen=True)
class CaseScores:
    """What came out of one case.

    Attributes:
        status: "ok", or "failed" where the case could not be scored.
        error: Why it failed, one sentence; empty otherwise.
        rows: One mapping a class, with the keys of `scores.csv`: ``class_name``, the metrics, ``distance_unit`` and
            ``size_unit``. Of a failed case only ``class_name``.
        seconds: That the network took; None where none ran, or where it ran for the first time.
    """

    status: Status
    error: str
    rows: tuple[Mapping[str, object], ...]
    seconds: float | None = None

    @classmethod
    def failed(cls, error: str, class_names: tuple[str, ...]) -> Self:
        """The scores of a case that could not be scored: one row for each class that was to be."""
        one_line = " ".join(error.split())
        return cls("failed", one_line, tuple({"class_name": name} for name in class_names or ("",)))


class ScoreStore:
    """The store of one output folder, held by this process until it is closed.

    May be used by several threads, one at a time.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @classmethod
    def open(cls, folder: Path, *, resume: bool = False) -> Self:
        """Open, or create, the store of an output folder, and hold it.

        Args:
            folder: The output folder; made where it does not exist.
            resume: Whether cases that lie in it already are to be kept and not repeated.

        Raises:
            OptionError: The folder holds a run, and ``resume`` was not asked for.
            ResultsInUseError: Another process holds the store.
            DamagedResultsError: The file is truncated or is no results store.
            OutputError: The folder or the file cannot be written.
        """
        path = folder / STORE_NAME
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _create(path)
        except OSError as error:
            raise OutputError(f"{folder}: cannot be written to ({error.strerror}). Choose another --output.") from error
        store = cls(path, _hold(path))
        if not resume and (len(store) or (folder / "run.json").exists() or (folder / "scores.csv").exists()):
            store.close()
            raise OptionError(f"{folder} already holds a run. Continue it with --resume, or choose another --output.")
        return store

    @classmethod
    def open_finished(cls, folder: Path) -> Self:
        """Open the store of an earlier run, to take results from it (``--reuse``).

        Raises:
            ResultsError: There is none in the folder.
            ResultsInUseError: Another process holds it.
            DamagedResultsError: The file is truncated or is no results store.
        """
        path = folder / STORE_NAME
        if not path.is_file():
            raise ResultsError(f"{folder}: holds no {STORE_NAME}. Name the --output folder of an earlier run.")
        return cls(path, _hold(path))

    def put(self, key: ScoreKey, scores: CaseScores) -> None:
        """Write the scores of a case; they are on the disk when this returns.

        Raises:
            OutputError: They could not be written, such as on a full disk; the cases before are kept.
        """
        record = json.dumps(
            vars(scores) | {"rows": [*map(dict, scores.rows)]}, default=_plain_number, separators=(",", ":")
        )
        with _plain_errors(self._path), self._connection:
            self._connection.execute("INSERT OR REPLACE INTO scores VALUES (?, ?, ?, ?)", (*astuple(key), record))

    def get(self, key: ScoreKey) -> CaseScores | None:
        """The scores of a case, or None where it has not been scored.

        Raises:
            DamagedResultsError: The record cannot be read.
        """
        query = "SELECT scores FROM scores WHERE checkpoint_hash = ? AND case_hash = ? AND settings_hash = ?"
        with _plain_errors(self._path):
            found = self._connection.execute(query, astuple(key)).fetchone()
            if found is None:
                return None
            record = json.loads(found[0])
            return CaseScores(record["status"], record["error"], tuple(record["rows"]), record.get("seconds"))

    def __contains__(self, key: ScoreKey) -> bool:
        return self.get(key) is not None

    def __len__(self) -> int:
        with _plain_errors(self._path):
            return int(self._connection.execute("SELECT COUNT(*) FROM scores").fetchone()[0])

    def close(self) -> None:
        """Let the store go; another process may open it then."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _create(path: Path) -> None:
    """Put an empty store at ``path``, whole or not at all, so that an empty file always means a truncated one."""
    if path.exists():
        return
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    draft.unlink(missing_ok=True)
    try:
        with _plain_errors(path):
            connection = sqlite3.connect(draft)
            connection.executescript(SCHEMA)
            connection.close()
        _publish(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _publish(draft: Path, path: Path) -> None:
    try:
        os.link(draft, path)  # unlike a rename, never replaces the store of a run that started in this instant
    except FileExistsError:
        return
    except OSError:  # a file system without hard links
        draft.rename(path)


def _hold(path: Path) -> sqlite3.Connection:
    if _ends_in_a_page(path):
        raise DamagedResultsError(_damaged(path, "it is truncated"))
    connection = sqlite3.connect(path, timeout=0.2, isolation_level="IMMEDIATE", check_same_thread=False)
    try:
        with _plain_errors(path):
            # Exclusive from the first access on, and released by the operating system when the process dies.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("COMMIT")
            _check(path, connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _ends_in_a_page(path: Path) -> bool:
    """SQLite reads an empty file as a new store, and a missing end as zeros: neither may pass for a result."""
    size = path.stat().st_size
    return size == 0 or (size % PAGE_SIZE > 0 and not path.with_name(f"{path.name}-wal").exists())


def _check(path: Path, connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version != FORMAT_VERSION:
        raise DamagedResultsError(
            f"{path}: is a results store of version {version}; this program reads version {FORMAT_VERSION}. "
            "Open it with the program that made it, or choose another folder."
        )
    finding = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if finding != "ok":
        raise DamagedResultsError(_damaged(path, "its pages do not fit together"))


@contextmanager
def _plain_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and JSON say into what a person can act on."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_FULL:
            raise OutputError(
                f"{path}: the disk is full. Free some space and continue with --resume; finished cases are kept."
            ) from error
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            raise ResultsInUseError(
                f"{path.parent}: another run is writing here. Wait until it ends, or choose another --output."
            ) from error
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR):
            raise DamagedResultsError(_damaged(path, str(error))) from error
        raise OutputError(f"{path}: cannot be written ({error}). Check the folder's permissions and disk.") from error
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise DamagedResultsError(_damaged(path, "a record cannot be read")) from error


def _plain_number(value: np.generic) -> object:
    return value.item()


def _damaged(path: Path, reason: str) -> str:
    return (
        f"{path}: the results store is damaged ({reason}). Move the file away and run again, "
        "or restore it from a copy; scores.csv beside it, where there is one, is still whole."
    )
