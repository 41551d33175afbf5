"""Test sets that a visitor brings: a zip becomes a folder of the session, and is gone when the page is closed."""

import secrets
import shutil
from collections.abc import Collection
from pathlib import Path

from evaluation.results.origins import own_test_set
from medseg_demo import names
from medseg_demo.errors import OptionError
from medseg_demo.reading import collect_files
from medseg_demo.settings import Settings
from medseg_demo.test_sets.layouts import is_test_set
from medseg_demo.test_sets.test_set import TestSet, read_test_set


def add_test_set(path: Path, root: Path, settings: Settings, taken: Collection[str]) -> TestSet:
    """Unpack the zip of a test-set folder and read it.

    Args:
        path: The zip.
        root: The folder of the visitor's test sets; made if missing.
        settings: Limits of the zip.
        taken: Names of test sets that the page knows, from whose cases and runs the new one's are kept apart.

    Returns:
        The test set under a name that is free: its own, or its own with a number.

    Raises:
        MedsegError: It cannot be unpacked, or is no test set; with every fault that was found.
    """
    draft = root / f".{secrets.token_hex(4)}"
    try:
        found = read_test_set(unpacked(path, settings, draft))
        folder = root / names.free_name(names.storable(found.name), taken)
        found.folder.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return own_test_set(folder)


def unpacked(path: Path, settings: Settings, unpack_to: Path) -> Path:
    """The test-set folder inside a zip: the outermost that looks like one, else the one that holds all files.

    Raises:
        OptionError: The file is no zip.
        MedsegError: It cannot be unpacked.
    """
    collect_files([path], settings=settings, unpack_to=unpack_to)
    inside = sorted(unpack_to.rglob("*"), key=lambda one: (len(one.parts), one)) if unpack_to.is_dir() else []
    folders = [one for one in inside if one.is_dir()]
    if not folders:
        raise OptionError(f"{path.name}: is no zip of a test set. Put images/ and masks/ with the same stems into it.")
    return next(filter(is_test_set, folders), None) or _only(folders[0])


def _only(folder: Path) -> Path:
    """Down to the folder that holds more than one other."""
    inside = list(folder.iterdir())
    return _only(inside[0]) if len(inside) == 1 and inside[0].is_dir() else folder
