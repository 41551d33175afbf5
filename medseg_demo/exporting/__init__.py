"""Exporting: a checkpoint → files that other programs run, and faster siblings of it.

What only exporting needs (ONNX, NNCF) is in ``requirements-export.txt`` and imported when ``export`` is called.
"""

import importlib.util
import secrets
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.settings import Settings

__all__ = ["FORMATS", "Format", "check_packages", "export"]

Format = Literal["onnx", "openvino", "openvino-int8", "page"]
FORMATS: tuple[str, ...] = get_args(Format)
NEEDED: dict[str, tuple[str, ...]] = {
    "onnx": ("onnx", "onnxscript"),
    "openvino": ("openvino",),
    "openvino-int8": ("openvino", "nncf"),
    "page": ("onnx", "onnxscript"),
}


def export(
    name: str | Sequence[str],
    file_format: str,
    output: Path,
    *,
    test_set: Path | None = None,
    images: Sequence[Path] = (),
    settings: Settings | None = None,
) -> Path:
    """Export a checkpoint. The result is whole or not there.

    Args:
        name: As for ``load_checkpoint``; for "page" there may be several, the first of which opens.
        file_format: One of FORMATS.
        output: What to make: a checkpoint folder, for "onnx" also a file whose name ends in ``.onnx``, for "page" one
            whose name ends in ``.html``.
        test_set: A test-set folder: "openvino-int8" is calibrated on its ``train`` split, and both checkpoints are
            measured on its ``val`` split.
        images: What to calibrate on in place of a test set; the samples of a page in place of the bundled ones.
        settings: Threads and the limits of files count.

    Returns:
        What was made.

    Raises:
        OptionError: The format is unknown, a package is missing, there is nothing to calibrate on, or ``output`` is
            there already.
        MedsegError: The checkpoint, the test set or an image cannot be used.
    """
    if file_format not in FORMATS:
        raise OptionError(f"--format is {file_format!r}. Choose one of: {', '.join(FORMATS)}.")
    check_packages(file_format)
    if output.exists():
        raise OptionError(f"--output {output.name} is there already. Choose another name, or remove it first.")
    if file_format == "openvino-int8" and not (test_set or images):
        raise OptionError(
            "openvino-int8 is calibrated on images like those that it will meet. Give --test-set DIR, whose split "
            "train is taken, or --images FILE..."
        )
    from medseg_demo.exporting.run import run, write_page

    names = [name] if isinstance(name, str) else list(dict.fromkeys(name))
    settings = settings or Settings()
    draft = output.with_name(f".{secrets.token_hex(8)}")
    try:
        if file_format == "page":
            write_page(names, draft, output.name, images=images, settings=settings)
        elif len(names) > 1:
            raise OptionError(f"--format {file_format} takes one checkpoint. Export the others by themselves.")
        else:
            run(names[0], file_format, draft, output.name, test_set=test_set, images=images, settings=settings)
        draft.replace(output)
    except OSError as error:
        raise OutputError(
            f"--output {output.name} cannot be written ({error.strerror or type(error).__name__}). Check that its "
            "folder is there and has room."
        ) from None
    finally:
        if draft.is_dir():
            shutil.rmtree(draft, ignore_errors=True)
        else:
            draft.unlink(missing_ok=True)
    return output


def check_packages(file_format: str) -> None:
    """Say what to install for a format.

    Raises:
        OptionError: A package that it needs is missing.
    """
    missing = [name for name in NEEDED[file_format] if importlib.util.find_spec(name) is None]
    if missing:
        raise OptionError(
            f"--format {file_format} needs {' and '.join(missing)}, which {'is' if len(missing) == 1 else 'are'} not "
            "installed. Run: pip install -r requirements-export.txt"
        )
