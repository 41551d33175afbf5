"""``cases.csv``: which cases belong to a test set, their splits, groups and metadata.

The columns are ``case_id``, and optionally ``split``, ``group`` and any others, in any case; tables without a
``case_id`` or a ``group`` may call them otherwise. Ids may be the names of files, and may have lost their leading zeros
in a spreadsheet.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from medseg_demo.errors import ReadError
from medseg_demo.reading.labels import plain_name
from medseg_demo.reading.table import read_table
from medseg_demo.test_sets.case import Case
from medseg_demo.test_sets.patients import case_name, case_of_image, case_of_mask, repeated

CASES_FILE = "cases.csv"
# What the columns are called where there is none of our name, the likeliest first; spaces, hyphens and _ are alike.
PATIENT_NAMES = ("patient id", "patient", "patientid", "subject id", "subject", "subjectid", "participant id")
CASE_NAMES = (
    *("case id", "case", "caseid", "id", "image id", "image", "image name", "filename", "file name", "file", "name"),
    *("scan id", "scan", "study id", "study", *PATIENT_NAMES),
)
GROUP_NAMES = ("group", *PATIENT_NAMES)
SPLIT_NAMES = ("split", "subset", "partition")


def apply_table(path: Path, cases: tuple[Case, ...], faults: list[str]) -> tuple[tuple[Case, ...], tuple[str, ...]]:
    """The cases that the table lists, in its order and with what it says of them; and notes, in plain sentences.

    Args:
        path: The table.
        cases: Whose files lie in the folder; those that the table leaves out are left out, which a note says.
        faults: Gets a sentence for whatever is wrong.
    """
    by_id = {case.case_id: case for case in cases}
    try:
        heading, *rows = read_table(path, faults) or [(1, [])]
    except ReadError as error:
        faults.append(f"{CASES_FILE} cannot be read ({error}) Save it as comma-separated text in UTF-8.")
        return cases, ()
    columns = heading[1]
    finder = CaseFinder(cases)
    id_place = _place(columns, CASE_NAMES, lambda place: any(finder.find(row[place]) for _, row in rows))
    if id_place is None:
        faults.append(f"{CASES_FILE} has no column case_id. Name the columns in its first line: case_id,split,group.")
        return cases, ()
    if not rows:
        faults.append(f"{CASES_FILE} has no rows. List the cases in it, or remove it.")
    split_place, group_place = (
        _place(columns, SPLIT_NAMES),
        _place(columns, GROUP_NAMES, lambda place: place != id_place),
    )
    others = [place for place in range(len(columns)) if place not in (id_place, split_place, group_place)]
    listed, found_ids = [], list[str]()
    for line, row in rows:
        if not row[id_place]:
            faults.append(f"Line {line} of {CASES_FILE} names no case. Correct it.")
            continue
        case_id = finder.find(row[id_place])
        found_ids.append(case_id or row[id_place])
        if case_id is None:
            faults.append(
                f"Case {row[id_place]!r} stands in {CASES_FILE} but lacks an image or a mask. Add the files, or remove "
                "the row."
            )
            continue
        split = row[split_place] if split_place is not None else ""
        group = row[group_place] if group_place is not None else ""
        metadata = {columns[place]: row[place] for place in others}
        case = by_id[case_id]
        listed.append(replace(case, split=split or case.split, group=group or case.group, metadata=metadata))
    faults += [f"Case {case_id!r} stands twice in {CASES_FILE}. Remove one row." for case_id in repeated(found_ids)]
    notes = _notes(columns, id_place, group_place)
    left_out = sorted(by_id.keys() - {case.case_id for case in listed})
    if left_out and not faults:
        shown = ", ".join(left_out[:5]) + (", …" if len(left_out) > 5 else "")
        notes.append(f"{len(left_out)} case(s) do not stand in {CASES_FILE} and are left out: {shown}.")
    return tuple(listed), tuple(notes)


def _notes(columns: Sequence[str], id_place: int, group_place: int | None) -> list[str]:
    notes = []
    if plain_name(columns[id_place]) != "case id":
        notes.append(f"The column {columns[id_place]!r} of {CASES_FILE} was taken for case_id.")
    if group_place is not None and plain_name(columns[group_place]) != "group":
        notes.append(
            f"The column {columns[group_place]!r} of {CASES_FILE} was taken for group: cases of one count together."
        )
    return notes


def _place(columns: Sequence[str], names: Sequence[str], fits: Callable[[int], bool] | None = None) -> int | None:
    """The first column of these names; one under another name than the first has to fit."""
    plain = [plain_name(column) for column in columns]
    for name in names:
        if name in plain and (fits is None or name == names[0] or fits(plain.index(name))):
            return plain.index(name)
    return None


class CaseFinder:
    """Finds the case that a cell means.

    Args:
        cases: All that there are.
    """

    def __init__(self, cases: Sequence[Case]) -> None:
        self._ids = {case.case_id for case in cases}
        self._numbers: dict[int, list[str]] = defaultdict(list)
        self._alike: dict[str, list[str]] = defaultdict(list)
        for case_id in self._ids:
            self._alike[case_id.casefold()].append(case_id)
            if case_id.isdecimal():
                self._numbers[int(case_id)].append(case_id)

    def find(self, cell: str) -> str | None:
        """The id of the case: as it stands, as the name of a file of it, in other letters, or by its number."""
        if cell in self._ids:
            return cell
        name = case_name(Path(PurePosixPath(cell.replace("\\", "/")).name or cell))
        for one in (name, case_of_mask(name), case_of_image(name)):
            if one in self._ids:
                return one
        alike = self._alike.get(name.casefold(), [])
        whole = name.removesuffix(".0")  # what spreadsheets make of a number
        same = alike or (self._numbers.get(int(whole), []) if whole.isdecimal() else [])
        return same[0] if len(same) == 1 else None
