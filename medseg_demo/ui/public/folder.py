"""The one temporary folder of a server: closed to other users, deleted at the end, or by the next start.

A server that was killed leaves its folder behind. Each holds a file that its server keeps locked as long as it lives,
however it ends and whatever number its process had; a folder whose lock is free belongs to nobody.
"""

import contextlib
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

PREFIX = "medseg-server-"
LOCK = ".lock"
PATIENCE_S = 1.5  # for files that are written while the folder is deleted


@contextlib.contextmanager
def server_folder() -> Iterator[Path]:
    """A temporary folder in which everything of this server lies, what libraries write included."""
    sweep_dead()
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    lock = (folder / LOCK).open("w")
    _lock(lock)
    os.environ["GRADIO_TEMP_DIR"] = tempfile.tempdir = str(folder)
    try:
        yield folder
    finally:
        tempfile.tempdir = None
        _delete(folder)
        lock.close()
        _delete(folder)  # Windows keeps a locked file


def sweep_dead() -> None:
    """Delete the folders of servers that do not live any more, this user's only."""
    for folder in Path(tempfile.gettempdir()).glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            if folder.is_symlink() or not _is_own(folder):
                continue
            with (folder / LOCK).open("r+") as lock:
                if _lock(lock):
                    shutil.rmtree(folder, ignore_errors=True)


def _is_own(folder: Path) -> bool:
    return not hasattr(os, "getuid") or folder.lstat().st_uid == os.getuid()


def _delete(folder: Path) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while folder.exists() and time.monotonic() < deadline:
        shutil.rmtree(folder, ignore_errors=True)
        if folder.exists():
            time.sleep(0.05)


def _lock(file: IO[str]) -> bool:
    """Lock a file until it is closed or the process ends; whether that could be done."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
