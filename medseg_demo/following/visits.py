"""Studies → visits: whose they are, when they were, and whether their sizes can be compared.

A date is typed, or stands in the DICOM header, or in the file's name. Only the days since the first visit go on from
here: dates belong to a patient, and stand in no file that is written.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from medseg_demo import names
from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.image import MedicalImage

FEWEST, MOST = 2, 24
YEAR_DAYS = 365.25
When = date | int  # a day of the calendar, or the number of days since some other one

IN_NAME = re.compile(r"(?<!\d)((?:19|20)\d\d)([-_.]?)(\d\d)\2(\d\d)(?!\d)")
DAYS = re.compile(r"\d{1,5}")
# The Brain Imaging Data Structure's key of a subject, https://bids-specification.readthedocs.io.
SUBJECT = re.compile(r"(?:^|[_./-])sub-([A-Za-z0-9]+)")
HOW_TO_DATE = "Give one date for each study, in the order of the files: 2024-03-01, or days such as 0 and 90."


@dataclass(frozen=True, eq=False)
class Dated:
    """One study and when it was.

    Attributes:
        image: As read.
        name: Of its files; that of no other visit.
        day: Since the first visit, 0 for that.
        when: Its date, or its number of days as it was typed. For whoever gave the file; never written.
    """

    image: MedicalImage
    name: str
    day: int
    when: When

    @property
    def years(self) -> float:
        """Since the first visit."""
        return self.day / YEAR_DAYS


def parse_when(text: str) -> When:
    """A typed date: 2024-03-01, 20240301, or a whole number of days such as 90.

    Raises:
        OptionError: It is none.
    """
    text = text.strip()
    if DAYS.fullmatch(text):
        return int(text)
    found = IN_NAME.fullmatch(text)
    if found and (day := _date(found)):
        return day
    raise OptionError(f"{text[:20]!r} is no date. {HOW_TO_DATE}")


def date_in_name(name: str) -> date | None:
    """The only date in a file's name, such as that of ``scan_2024-03-01`` or ``ses-20240301``; None of two or none."""
    found = {day for match in IN_NAME.finditer(name) if (day := _date(match))}
    return found.pop() if len(found) == 1 else None


def date_of(image: MedicalImage) -> date | None:
    """The date of a study by its DICOM header, else by its file's name; None where neither says so."""
    stated = dict(image.header_facts).get("Date")
    return date.fromisoformat(stated) if stated else date_in_name(image.name)


def _date(found: re.Match[str]) -> date | None:
    try:
        return date(int(found[1]), int(found[3]), int(found[4]))
    except ValueError:
        return None


def in_order(images: Sequence[MedicalImage], stems: Sequence[str], typed: Sequence[str] = ()) -> tuple[Dated, ...]:
    """The studies as visits, the first one first.

    Args:
        images: Of one patient.
        stems: What each is called, all different.
        typed: One date a study, in the order of ``images``; none to take those of the headers and names.

    Raises:
        InputMismatchError: They are of several patients, or their sizes cannot be compared.
        OptionError: There are too few or too many, or a date is missing, wrong, or that of another study.
    """
    shown = [names.shown(stem) for stem in stems]
    if not FEWEST <= len(images) <= MOST:
        given = "1 study was given" if len(images) == 1 else f"{len(images)} studies were given"
        raise OptionError(
            f"{given}, and {FEWEST} to {MOST} visits of one patient are followed. Give each visit as a file, a folder "
            "or a zip of its own."
        )
    check_one_patient(images, shown)
    _check_comparable(images, shown)
    found = _typed(typed, shown) if typed else _found(images, shown)
    order = sorted(range(len(images)), key=lambda place: found[place])  # type: ignore[arg-type, return-value]
    for before, after in pairwise(order):
        if found[before] == found[after]:
            raise OptionError(
                f"{shown[before]} and {shown[after]} have the same date. Leave one of them out, or type the dates. "
                f"{HOW_TO_DATE}"
            )
    first = found[order[0]]
    return tuple(Dated(images[place], stems[place], _days(first, found[place]), found[place]) for place in order)


def _days(first: When, when: When) -> int:
    if isinstance(first, date) and isinstance(when, date):
        return (when - first).days
    return int(when) - int(first)  # type: ignore[arg-type]


def _typed(typed: Sequence[str], shown: Sequence[str]) -> list[When]:
    if len(typed) != len(shown):
        raise OptionError(f"{len(typed)} dates were given for {len(shown)} studies: {', '.join(shown)}. {HOW_TO_DATE}")
    found = [parse_when(text) for text in typed]
    if len({type(when) for when in found}) > 1:
        raise OptionError(f"Some of the dates are days of the calendar and others numbers of days. {HOW_TO_DATE}")
    return found


def _found(images: Sequence[MedicalImage], shown: Sequence[str]) -> list[When]:
    found = [date_of(image) for image in images]
    missing = [name for name, when in zip(shown, found, strict=True) if when is None]
    if missing:
        raise OptionError(f"No date is known of {', '.join(missing)}. {HOW_TO_DATE}")
    return [when for when in found if when is not None]


def check_one_patient(images: Sequence[MedicalImage], shown: Sequence[str]) -> None:
    """Refuse studies of several patients, by their DICOM headers and by ``sub-…`` in their names.

    Raises:
        InputMismatchError: They are; it names the files, and no patient.
    """
    for kind in ("id:", "name:", "sub-"):
        groups: dict[str, list[str]] = {}
        for image, name in zip(images, shown, strict=True):
            subject = SUBJECT.search(image.name)
            key = (f"sub-{subject[1]}" if subject else "") if kind == "sub-" else image.patient
            if key.startswith(kind):
                groups.setdefault(key, []).append(name)
        if len(groups) > 1:
            raise InputMismatchError(
                f"The studies are of {len(groups)} patients, by the patient's number or name that their headers or "
                f"names hold: {'; '.join(', '.join(group) for group in groups.values())}. Give those of one patient."
            )


def _check_comparable(images: Sequence[MedicalImage], shown: Sequence[str]) -> None:
    """Refuse studies whose sizes have no common unit.

    Raises:
        InputMismatchError: Some are volumes and some images, or the spacing is unknown where it matters.
    """
    if len({image.is_volume for image in images}) > 1:
        raise InputMismatchError("Some of the studies are volumes and others images. Give visits of one kind.")
    unknown = [name for image, name in zip(images, shown, strict=True) if image.geometry.spacing_mm is None]
    if unknown and (len(unknown) < len(images) or len({image.shape for image in images}) > 1):
        raise InputMismatchError(
            f"The size of a pixel is unknown in {', '.join(unknown)}, so sizes cannot be compared between the visits. "
            "Save them in a format that states the spacing, such as NIfTI."
        )
