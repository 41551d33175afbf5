"""The predictions that a run keeps in its output folder, so that they can be looked at later.

They lie in ``predictions/<test set>/<checkpoint>/<case>.png`` or ``.nii.gz``: palette PNG for images and NIfTI for
volumes, compressed, in the case's own size and geometry, their values those of the test set's labels.
"""

import shutil
from pathlib import Path

from medseg_demo import names
from medseg_demo.errors import OutputError
from medseg_demo.image import LabelMap
from medseg_demo.writing.label_map import write_label_map
from medseg_demo.writing.whole import whole_file

FOLDER = "predictions"
SUFFIXES = (".png", ".nii.gz")


def predictions_folder(output: Path, test_set: str, checkpoint: str) -> Path:
    """Where the predictions of one checkpoint for one test set lie."""
    return output / FOLDER / names.folder_name(test_set) / names.folder_name(checkpoint)


def find_prediction(output: Path, test_set: str, checkpoint: str, case_id: str) -> Path | None:
    """The kept prediction of a case; None where there is none."""
    folder = predictions_folder(output, test_set, checkpoint)
    return next(
        (path for suffix in SUFFIXES if (path := folder / f"{names.storable(case_id)}{suffix}").is_file()), None
    )


def keep_prediction(label_map: LabelMap, output: Path, test_set: str, checkpoint: str, case_id: str) -> Path:
    """Write a case's prediction.

    Raises:
        OutputError: It cannot be written, such as on a full disk.
    """
    folder = predictions_folder(output, test_set, checkpoint)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(
            f"{folder.name}: the folder cannot be made ({error.strerror}). Choose another --output."
        ) from None
    return write_label_map(label_map, None, folder / names.storable(case_id))


def keep_file(content: bytes, suffix: str, output: Path, test_set: str, checkpoint: str, case_id: str) -> None:
    """Write a case's prediction whose file was made elsewhere.

    Raises:
        OutputError: It cannot be written, such as on a full disk.
    """
    path = predictions_folder(output, test_set, checkpoint) / f"{names.storable(case_id)}{suffix}"
    with whole_file(path, make_folder=True) as draft:
        draft.write_bytes(content)


def copy_prediction(source: Path, output: Path, test_set: str, checkpoint: str, case_id: str) -> None:
    """Take over the prediction of a case from another output folder, where it has one.

    Raises:
        OutputError: It cannot be written.
    """
    found = find_prediction(source, test_set, checkpoint, case_id)
    if found is None:
        return
    target = predictions_folder(output, test_set, checkpoint) / found.name
    with whole_file(target, make_folder=True) as draft:
        shutil.copyfile(found, draft)
