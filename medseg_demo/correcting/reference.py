"""A corrected label map → the reference of a case in a test-set folder; the one before is kept beside it."""

import os
import shutil
import threading
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import numpy as np

from medseg_demo import names
from medseg_demo.correcting.correction import Correction
from medseg_demo.errors import EditConflict, EditError, OutputError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading import read_label_map
from medseg_demo.reading.labels import BINARY_NOTE, MOST_LABELS
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_reference
from medseg_demo.test_sets.labels import Labels
from medseg_demo.test_sets.patients import REPLACED_FOLDER
from medseg_demo.writing.label_map import as_stored
from medseg_demo.writing.stored_labels import PICTURES, check_stored_format, write_stored_labels
from medseg_demo.writing.whole import cannot_write, whole_file

_ONE_AT_A_TIME = threading.Lock()  # two tabs may replace the reference of one case


def replace_reference(
    case: Case,
    correction: Correction,
    *,
    opened: LabelMap,
    image: MedicalImage | None,
    folder: Path,
    today: date,
    settings: Settings | None = None,
) -> Path:
    """Write a corrected label map as the reference of its case: in its format, and with the values that it has there.

    Voxels that keep their class keep their stored value, where several mean one class. What nobody annotated stays so
    unless it was painted. The file is whole or the old one, and is read back before it takes that one's place.

    Args:
        case: Of a test-set folder.
        correction: Of the reference, or of a prediction, in the values of the test set's pieces (see ``Labels``).
        opened: The reference as it was when the case was opened.
        image: The image of the case; None where it has none.
        folder: The test set's.
        today: Which is part of the name of the old one.
        settings: The limits of the readers.

    Returns:
        Where the old one lies: ``replaced_references/<stem>.<YYYY-MM-DD>`` and its suffix, beside the new one.

    Raises:
        EditError: The reference cannot be replaced: it lies elsewhere, numbers objects, or has a format that is not
            written here.
        EditConflict: It is another one than when the case was opened.
        OutputError: It cannot be written, such as without room. The old one is there as it was.
        ReadError: The old one cannot be read any more.
    """
    _check_place(case, folder)
    label_map = correction.label_map
    check_stored_format(case.mask_path, label_map.labels)
    with _ONE_AT_A_TIME:
        before = _read(case, case.mask_path, label_map, image, settings)
        if not np.array_equal(before.labels, opened.labels):
            raise EditConflict(
                f"The reference of case {case.case_id!r} was replaced since the case was opened. Open the case again, "
                "and correct that one."
            )
        ignored = _still_ignored(before, correction)
        stored = _stored(case, before, label_map.labels, ignored, image, settings)
        with whole_file(case.mask_path, kept=True) as draft:
            _write(case, label_map, stored, draft)
            again = _read(case, draft, label_map, image, settings)
            if not np.array_equal(again.labels, np.where(ignored, 0, label_map.labels)):
                raise OutputError(
                    f"{names.shown(case.mask_path.name)} would be read as other labels than were drawn, so the old one "
                    "stays. Convert the reference to NIfTI or PNG first."
                )
            shutil.copymode(case.mask_path, draft)
            return _keep(case.mask_path, today)  # only the renaming is left, and two old files are better than none


def _check_place(case: Case, folder: Path) -> None:
    """Refuse a reference that is no file of its own in the test set's folder."""
    path, name = case.mask_path, names.shown(case.mask_path.name)
    if case.address or not path.is_file():
        raise EditError(
            f"The reference of case {case.case_id!r} is no file of its own in the test set's folder: it lies "
            "elsewhere, or is part of an array of many. Save the label map as a file, and replace it there."
        )
    if not path.resolve().is_relative_to(folder.resolve()):
        raise EditError(
            f"{name} is a link to a file outside of the test set, which others may use. Replace the link by a copy, or "
            "save the label map as a file."
        )
    if case.instances:
        raise EditError(
            f"{name} numbers objects, and a label map that is corrected here has classes alone. Save it as a file, and "
            "number its objects elsewhere."
        )


def _read(
    case: Case, path: Path, label_map: LabelMap, image: MedicalImage | None, settings: Settings | None
) -> LabelMap:
    there = Case(case.case_id, (), path, colours=case.colours, labels=case.labels)
    return read_case_reference(there, class_names=label_map.class_names, image=image, settings=settings)


def _still_ignored(before: LabelMap, correction: Correction) -> np.ndarray:
    """Where nobody annotated before and nobody painted now."""
    if before.ignored is None:
        return np.zeros(before.labels.shape, bool)
    return before.ignored & (correction.label_map.labels == correction.original.labels)


def _stored(
    case: Case,
    before: LabelMap,
    labels: np.ndarray,
    ignored: np.ndarray,
    image: MedicalImage | None,
    settings: Settings | None,
) -> np.ndarray:
    """The labels in the values of the file: uint8 or uint16."""
    if case.labels is None:
        return labels * np.uint8(255) if BINARY_NOTE in before.notes else labels
    if BINARY_NOTE in before.notes and case.labels.values == ((1,),):
        return labels * np.uint8(255)
    first = [0, *(values[0] for values in case.labels.pieces.values())]
    stored = np.array(first, np.int64)[labels]
    if any(len(values) > 1 for values in case.labels.pieces.values()):
        own = _own_values(case, case.labels, image, settings)
        stored = np.where(labels == before.labels, own, stored)
    if case.labels.ignore is not None:
        stored[ignored] = case.labels.ignore
    return as_stored(stored)


def _own_values(case: Case, labels: Labels, image: MedicalImage | None, settings: Settings | None) -> np.ndarray:
    """The values of the file as it is: which of several that mean one class."""
    known = sorted(labels.lookup)
    if len(known) > MOST_LABELS:
        raise EditError(
            f"The labels of case {case.case_id!r} have {len(known)} values, and at most {MOST_LABELS} are kept apart "
            "here. Save the label map as a file, and replace the reference elsewhere."
        )
    found = read_label_map(
        case.mask_path, class_names=tuple(map(str, known)), image=image, settings=settings,
        values={value: number for number, value in enumerate(known, start=1)}, ignore=labels.ignore,
    )  # fmt: skip
    return np.array([0, *known], np.int64)[found.labels]


def _write(case: Case, label_map: LabelMap, stored: np.ndarray, draft: Path) -> None:
    if case.colours and stored.ndim == 2 and names.suffix(draft).lower() in PICTURES:
        stored = _coloured(label_map, case.colours)
    write_stored_labels(stored, label_map.geometry, draft)


def _coloured(label_map: LabelMap, colours: Mapping[str, str]) -> np.ndarray:
    table = np.zeros((len(label_map.class_names) + 1, 3), np.uint8)
    for value, name in enumerate(label_map.class_names, start=1):
        if name in colours:
            table[value] = tuple(bytes.fromhex(colours[name][1:]))
        elif label_map.mask(value).any():
            raise OutputError(f"The colours in dataset.json name none for {name!r}, which was drawn. Add it there.")
    return table[label_map.labels]


def _keep(path: Path, today: date) -> Path:
    """The old file once more, under a name with the date that is free; without room there is an error and no file."""
    folder = path.parent / REPLACED_FOLDER
    suffix = names.suffix(path)
    begin = f"{path.name[: len(path.name) - len(suffix)]}.{today.isoformat()}"
    try:
        folder.mkdir(exist_ok=True)
        number = 1
        while (kept := folder / f"{begin}{'' if number == 1 else f'.{number}'}{suffix}").exists():
            number += 1
        try:
            os.link(path.resolve(), kept)
        except OSError:  # no links on this disk
            with whole_file(kept, kept=True) as draft:
                shutil.copyfile(path, draft)
    except OSError as error:
        raise OutputError(cannot_write(folder / path.name, error)) from None
    return kept
