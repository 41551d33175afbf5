"""A checkpoint folder that was made ready elsewhere → one of the checkpoints folder, whole or not at all.

It is copied beside its place under a hidden name, which no listing shows, and renamed at the end. Where it came from is
kept in ``added.json`` beside its files, which is no part of its hash.
"""

import os
import secrets
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from pydantic import Field, ValidationError

from medseg_demo import names
from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError, OutputError
from medseg_demo.models.recipes import Record
from medseg_demo.settings import BUNDLED, CHECKPOINTS

ADDED_FILE = "added.json"
DRAFT, GONE = ".adding-", ".removing-"  # hidden, so that no listing shows them
OLD_S = 3600.0  # of what a killed server left in the checkpoints folder
TRIES = 100  # others may take a name between choosing and renaming


class Added(Record):
    """Where an added checkpoint came from.

    Attributes:
        source: Names of the uploaded files, a folder's name, or ``owner/name`` of the Hub.
        commit: Of the repository; empty where it came from elsewhere.
    """

    source: str = Field(max_length=400)
    commit: str = Field(default="", max_length=80)


def read_added(folder: Path) -> Added | None:
    """Where a checkpoint came from; None where it was not added by a page, or that cannot be read any more."""
    with suppress(OSError, ValueError, ValidationError):
        return Added.model_validate(read_document(folder / ADDED_FILE))
    return None


def put_in_place(draft: Path, directory: Path, name: str, *, added: Added, taken: tuple[str, ...] = ()) -> str:
    """Copy a checkpoint folder into the checkpoints folder.

    Args:
        draft: The folder, which stays.
        directory: The checkpoints folder, made if missing.
        name: What it shall be called; a number follows where the name is taken.
        added: Where it came from.
        taken: Names of checkpoints that lie elsewhere.

    Returns:
        The name that it got.

    Raises:
        OutputError: The folder cannot be written, or has no room. Nothing is left behind.
    """
    beside: Path | None = None
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _sweep(directory)
        beside = Path(tempfile.mkdtemp(prefix=DRAFT, dir=directory))
        whole = beside / "whole"
        shutil.copytree(draft, whole)
        (whole / ADDED_FILE).write_text(added.model_dump_json(indent=2) + "\n", encoding="utf-8")
        for path in whole.rglob("*"):
            if path.is_file():
                _flush(path)
        return _renamed(whole, directory, name, taken)
    except OSError as error:
        reason = error.strerror or type(error).__name__
        if isinstance(error, shutil.Error) and error.args and error.args[0]:
            reason = str(error.args[0][0][2]).partition(":")[0]  # the first of (from, to, why)
        raise OutputError(
            f"The checkpoint cannot be saved ({reason}), and nothing was left behind. Check that the checkpoints "
            "folder may be written to and has room."
        ) from None
    finally:
        if beside is not None:
            shutil.rmtree(beside, ignore_errors=True)


def is_removable(folder: Path, directory: Path) -> bool:
    """Whether a checkpoint may be removed: it lies in the checkpoints folder, and did not come with the program."""
    if folder.resolve().parent != directory.resolve():
        return False
    is_bundled = folder.resolve().is_relative_to((BUNDLED / CHECKPOINTS).resolve())
    return not is_bundled or (folder / ADDED_FILE).is_file()


def remove(folder: Path, directory: Path) -> None:
    """Remove a checkpoint: at once for everybody, also where its files are still being read.

    Raises:
        InvalidCheckpointError: It came with the program, or lies elsewhere.
        OutputError: The folder may not be written to.
    """
    if not is_removable(folder, directory):
        raise InvalidCheckpointError(
            f"Checkpoint {folder.name!r} came with the program or lies elsewhere, so it stays. Delete its folder by "
            "hand."
        )
    gone = directory / f"{GONE}{secrets.token_hex(8)}"
    try:
        folder.rename(gone)
    except FileNotFoundError:
        return  # somebody else was quicker
    except OSError as error:
        raise OutputError(
            f"Checkpoint {folder.name!r} cannot be removed ({error.strerror}). Check that the checkpoints folder may "
            "be written to."
        ) from None
    shutil.rmtree(gone, ignore_errors=True)


def _renamed(whole: Path, directory: Path, name: str, taken: tuple[str, ...]) -> str:
    error: OSError | None = None
    for _ in range(TRIES):
        free = names.safe_stem(name, [*taken, *(path.name for path in directory.iterdir())])
        try:
            whole.rename(directory / free)
            return free
        except OSError as refused:  # one of that name came meanwhile
            if not (directory / free).exists():
                raise
            error = refused
    raise error or OSError


def _sweep(directory: Path) -> None:
    """Delete what a server left that was killed while it added or removed one."""
    for path in (*directory.glob(f"{DRAFT}*"), *directory.glob(f"{GONE}*")):
        with suppress(OSError):
            if time.time() - path.lstat().st_mtime > OLD_S:
                shutil.rmtree(path, ignore_errors=True)


def _flush(path: Path) -> None:
    """Have a file on the disk before its folder's name is."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
