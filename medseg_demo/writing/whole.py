"""Files that are whole or not there: each is written beside its place under another name, and renamed at the end."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medseg_demo import names
from medseg_demo.errors import MedsegError, OutputError


@contextmanager
def whole_file(path: Path, *, make_folder: bool = False, kept: bool = False) -> Iterator[Path]:
    """A free path in the folder of a file; what is written there takes the file's place once the block ends.

    Whatever ends the block early, Ctrl-C included, leaves the folder as it was: a file of that name stays the old one.

    Args:
        path: The file to write. A link is followed, as by ``open``; a pipe or a device is written right into.
        make_folder: Whether its folder is made if missing.
        kept: Whether the bytes shall be on the disk before the name is, so that a power cut loses neither.

    Yields:
        A short name, which is hidden until then, with the suffix by which libraries choose the format.

    Raises:
        OutputError: Anything but an error of this project was raised in the block, or the name cannot be given.
    """
    draft: Path | None = None
    failure: OutputError
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        place = Path(os.path.realpath(path)) if path.is_symlink() else path
        if place.exists() and not (place.is_file() or place.is_dir()):
            yield place
            return
        draft = place.parent / f".{secrets.token_hex(8)}{names.suffix(place)[:16]}"
        draft.touch(exist_ok=False)  # libraries say less about a folder that is not there, or is full
        yield draft
        if kept:
            _flush(draft)
        draft.replace(place)
        return
    except MedsegError:
        raise
    except Exception as error:
        failure = OutputError(cannot_write(path, error))
    finally:
        if draft is not None:
            draft.unlink(missing_ok=True)
    # What a library raised may quote the image, so neither its words nor the chain of causes is kept.
    raise failure from None


def write_text(path: Path, text: str, *, kept: bool = False) -> None:
    """Write a text file as valid UTF-8, whatever is in the text; its folder is made if missing.

    Args:
        path: The file.
        text: Halves of surrogate pairs, which stand for bytes of a name that is no UTF-8, become ``?``.
        kept: As for ``whole_file``.

    Raises:
        OutputError: It cannot be written, such as on a full disk.
    """
    with whole_file(path, make_folder=True, kept=kept) as draft:
        draft.write_bytes(text.encode(errors="replace"))


def make_output(folder: Path) -> None:
    """Make the folder that ``--output`` names, where it is missing.

    Raises:
        OutputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"--output {folder.name}: the folder cannot be made ({error.strerror}). Choose another."
        ) from None


def cannot_write(path: Path, error: Exception) -> str:
    """What to tell about a file that cannot be written."""
    name = names.shown(path.name)
    if isinstance(error, MemoryError):
        return f"{name} cannot be written (not enough memory). Crop the image, or choose another format."
    if isinstance(error, OSError) and error.strerror:
        return f"{name} cannot be written ({error.strerror}). Check that the output folder exists and has room."
    return (
        f"{name} cannot be written ({type(error).__name__}). Check that the output folder has room, or choose another "
        "format."
    )


def _flush(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())
