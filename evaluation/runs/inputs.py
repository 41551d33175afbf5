"""Test sets that lie at an address (``s3://…``, ``gs://…``, ``hf://…``, whatever fsspec knows), fetched case by case.

A test set is read from the list of its files and from its tables; images and references are fetched where they are
read, into a folder of bounded size. Keys are those of the protocol's own library, from the environment of each machine.
"""

import errno
import hashlib
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from evaluation.errors import CaseError, PassingCaseError
from medseg_demo import names
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.test_set import TestSet, read_test_set

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

FOLDER = "fetched"
MOST_BYTES = 8 * 2**30  # of fetched files that are kept on a machine
READ_AT_ONCE = (".csv", ".tsv", ".json", ".txt")  # what a test set is described by, if it is small
LARGEST_TABLE = 64 * 2**20


def is_address(text: str) -> bool:
    """Whether a test set is named by an address, not by a folder."""
    return "://" in text


def read_remote_test_set(address: str, *, split: str | None = None) -> TestSet:
    """Read a test set of an address, as ``read_test_set`` does a folder.

    Raises:
        OptionError: The address cannot be reached, or the library for its protocol is missing.
        TestSetError: It has faults.
    """
    system, root = _open(address)
    try:
        found = system.find(root, detail=True)
        with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
            outline = Path(folder, names.folder_name(PurePosixPath(root).name or "test set"))
            outline.mkdir()
            for path, about in found.items():
                _outline(system, path, about, outline / _relative(path, root))
            test_set = read_test_set(outline, split=split)
    except TestSetError:
        raise
    except Exception as error:  # each protocol raises its own
        raise _unreachable(address, error) from None
    cases = tuple(
        replace(
            case,
            image_paths=tuple(path.relative_to(outline) for path in case.image_paths),
            mask_path=case.mask_path.relative_to(outline),
            address=address,
        )
        for case in test_set.cases
    )
    return replace(test_set, folder=Path(outline.name), cases=cases)


def _open(address: str) -> "tuple[AbstractFileSystem, str]":
    import fsspec

    try:
        system, root = fsspec.url_to_fs(address)
    except ImportError as error:
        raise OptionError(f"{names.shown(address)}: {error}") from None
    except Exception as error:
        raise _unreachable(address, error) from None
    return system, str(root).rstrip("/")


def _unreachable(address: str, error: Exception) -> OptionError:
    return OptionError(
        f"{names.shown(address)}: cannot be read ({type(error).__name__}). Check the address and the keys for it."
    )


def _relative(path: str, root: str) -> Path:
    relative = PurePosixPath(path.removeprefix(root).lstrip("/"))
    if ".." in relative.parts:
        raise ValueError("a name that leads out of the folder")
    return Path(*relative.parts)


def _outline(system: "AbstractFileSystem", path: str, about: dict, target: Path) -> None:
    """A file of a test set as far as listing it needs: its name, and what is in a table."""
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix.lower() in READ_AT_ONCE and (about.get("size") or 0) <= LARGEST_TABLE:
        system.get_file(path, str(target))
    else:
        target.touch()


@contextmanager
def fetched(case: Case, settings: Settings) -> Iterator[Case]:
    """The case with files of this machine, which are there until the block ends.

    Raises:
        CaseError: One is not at the address any more.
        PassingCaseError: One cannot be fetched now, or the disk is full.
    """
    if not case.address:
        yield case
        return
    cache = settings.cache_dir / FOLDER
    try:
        cache.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=".", dir=cache)
    except OSError as error:
        raise _not_fetched(case, case.mask_path, error) from None
    with folder as own:
        for path in (*case.image_paths, case.mask_path):
            try:
                _fetch_all(case.address, path, cache, Path(own))
            except Exception as error:  # each protocol raises its own, and quotes addresses and keys
                raise _not_fetched(case, path, error) from None
        yield replace(
            case,
            image_paths=tuple(Path(own, path) for path in case.image_paths),
            mask_path=Path(own, case.mask_path),
            address="",
        )


def _not_fetched(case: Case, path: Path, error: Exception) -> CaseError:
    case_id, name = case.case_id, names.shown(path.name)
    if isinstance(error, FileNotFoundError):
        return CaseError(
            f"Case {case_id!r}: {name} is not at its address any more. Put it there, or remove the case from cases.csv."
        )
    if getattr(error, "errno", None) == errno.ENOSPC:
        return PassingCaseError(
            f"Case {case_id!r}: {name} cannot be fetched, since the disk is full. Free some space, and go on with "
            "--resume."
        )
    return PassingCaseError(
        f"Case {case_id!r}: {name} cannot be fetched ({type(error).__name__}). Go on with --resume to try again."
    )


def _fetch_all(address: str, relative: Path, cache: Path, folder: Path) -> None:
    """A file, or those of a series, as links beside each other: what is in use stays when the cache lets it go."""
    system, root = _open(address)
    remote = f"{root}/{relative.as_posix()}"
    files = system.find(remote) if system.isdir(remote) else [remote]
    if not files:
        raise FileNotFoundError
    for path in files:
        target = folder / _relative(path, root)
        target.parent.mkdir(parents=True, exist_ok=True)
        held = cache / hashlib.sha256(f"{address}\0{path}\0{system.ukey(path)}".encode()).hexdigest()
        for _ in range(2):  # another process may let it go between the two steps
            if not held.exists():
                _fetch(system, path, held)
            with suppress(FileNotFoundError):
                _link(held, target)
                break


def _fetch(system: "AbstractFileSystem", path: str, held: Path) -> None:
    draft = held.with_name(f".{secrets.token_hex(8)}")
    try:
        system.get_file(path, str(draft))
        draft.replace(held)
    finally:
        draft.unlink(missing_ok=True)
    _make_room(held)


def _link(held: Path, target: Path) -> None:
    os.utime(held)  # it is the last that was used
    try:
        target.hardlink_to(held)
    except FileNotFoundError:
        raise
    except OSError:  # a file system without hard links
        shutil.copyfile(held, target)


def _make_room(newest: Path) -> None:
    """Let the files go that were not used for longest, until the others fit; the newest stays."""
    kept = []
    for path in newest.parent.iterdir():
        with suppress(FileNotFoundError):
            if not path.name.startswith(".") and path != newest:
                kept.append((path.stat().st_mtime_ns, path.stat().st_size, path))
    total = newest.stat().st_size + sum(size for _, size, _ in kept)
    for _, size, path in sorted(kept):
        if total <= MOST_BYTES:
            return
        path.unlink(missing_ok=True)
        total -= size
