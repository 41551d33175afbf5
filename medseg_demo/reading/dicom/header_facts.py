"""What a DICOM header says of how an image was made: a list of allowed attributes, none of which identifies a person.

Names, numbers, birth dates, institutions, physicians, comments and UIDs are not on the list, and what is not on it is
not looked at. The free texts on it may hold a name all the same, and the date belongs to a visit: facts are for whoever
gave the file, and are never written or logged. Whose image it is, is kept as a key that only tells patients apart.
"""

import hashlib
import re
import secrets
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

from medseg_demo import names
from medseg_demo.reading.dicom.dataset import as_numbers, group_items, value_of

if TYPE_CHECKING:
    from pydicom import Dataset

LONGEST = 64
CODE = re.compile(r"[A-Z0-9_]{1,16}|PALETTE COLOR")  # no other code on the list holds a space, as names do


def _text(value: object) -> str:
    return " ".join(names.shown(str(value)).split())[:LONGEST]


def _code(value: object) -> str:
    return str(value) if CODE.fullmatch(str(value)) else ""


def _date(value: object) -> str:
    try:
        return datetime.strptime(str(value)[:8], "%Y%m%d").date().isoformat()
    except ValueError:
        return ""


def _figures(value: object) -> str:
    return " × ".join(f"{figure:.6g}" for figure in as_numbers(value)[:3])


class Attribute(NamedTuple):
    """One allowed attribute.

    Attributes:
        title: For people.
        keywords: The standard's; the first that is there counts.
        say: Its value in words; empty where it is none.
        unit: Behind the words.
        group: The functional group that holds it in enhanced images.
    """

    title: str
    keywords: tuple[str, ...]
    say: Callable[[object], str]
    unit: str = ""
    group: str = ""


ALLOWED = (
    Attribute("Series description", ("SeriesDescription",), _text),
    Attribute("Date", ("AcquisitionDate", "AcquisitionDateTime", "SeriesDate", "StudyDate", "ContentDate"), _date),
    Attribute("Modality", ("Modality",), _code),
    Attribute("Manufacturer", ("Manufacturer",), _text),
    Attribute("Model", ("ManufacturerModelName",), _text),
    Attribute("Tube voltage", ("KVP",), _figures, "kV", "CTXRayDetailsSequence"),
    Attribute("Kernel", ("ConvolutionKernel",), _text, "", "CTReconstructionSequence"),
    Attribute("Field strength", ("MagneticFieldStrength",), _figures, "T"),
    Attribute("Repetition time", ("RepetitionTime",), _figures, "ms", "MRTimingAndRelatedParametersSequence"),
    Attribute("Echo time", ("EchoTime", "EffectiveEchoTime"), _figures, "ms", "MREchoSequence"),
    Attribute("Inversion time", ("InversionTime",), _figures, "ms"),
    Attribute("Flip angle", ("FlipAngle",), _figures, "°", "MRTimingAndRelatedParametersSequence"),
    Attribute("Slice thickness", ("SliceThickness",), _figures, "mm", "PixelMeasuresSequence"),
    Attribute("Between slices", ("SpacingBetweenSlices",), _figures, "mm", "PixelMeasuresSequence"),
    Attribute("Pixel spacing", ("PixelSpacing", "ImagerPixelSpacing"), _figures, "mm", "PixelMeasuresSequence"),
    Attribute("Rows", ("Rows",), _figures),
    Attribute("Columns", ("Columns",), _figures),
    Attribute("Bits stored", ("BitsStored",), _figures),
    Attribute("Photometric interpretation", ("PhotometricInterpretation",), _code),
    Attribute("Window centre", ("WindowCenter",), _figures, "", "FrameVOILUTSequence"),
    Attribute("Window width", ("WindowWidth",), _figures, "", "FrameVOILUTSequence"),
)

# What values are in, by the attribute that says so. Source: DICOM PS3.3, C.11.1.1.2, C.8.9.1.1.3 and C.8.8.3.
UNITS = {
    "RescaleType": {"HU": "HU"},
    "Units": {"BQML": "Bq/ml", "HU": "HU"},
    "DoseUnits": {"GY": "Gy"},
}
RESCALE = "PixelValueTransformationSequence"

_SALT = secrets.token_bytes(32)  # of this process, so that no key can be looked up in a list of identifiers


def header_facts(dataset: "Dataset") -> tuple[tuple[str, str], ...]:
    """The allowed attributes that a header holds, as (title, words)."""
    found = ((attribute, _words(dataset, attribute)) for attribute in ALLOWED)
    return tuple((one.title, f"{words} {one.unit}".rstrip().replace(" °", "°")) for one, words in found if words)


def _words(dataset: "Dataset", attribute: Attribute) -> str:
    holders = [*(group_items(dataset, attribute.group, 0) if attribute.group else ()), dataset]
    values = (value_of(holder, keyword) for keyword in attribute.keywords for holder in holders)
    said = (attribute.say(value) for value in values if value not in (None, ""))
    return next(filter(None, said), "")


def unit_of(dataset: "Dataset") -> str | None:
    """What the rescaled values are in, such as "HU"; None where that is not stated.

    A CT that states a rescaling and no type of it is in HU, as the standard says of CT.
    """
    holders = [*group_items(dataset, RESCALE, 0), dataset]
    for keyword, units in UNITS.items():
        stated = next((value for holder in holders if (value := value_of(holder, keyword))), None)
        if stated is not None:
            return units.get(str(stated).upper())
    has_rescale = any(value_of(holder, "RescaleIntercept") is not None for holder in holders)
    return "HU" if has_rescale and value_of(dataset, "Modality") == "CT" else None


def patient_key(dataset: "Dataset") -> str:
    """The same text for images of one patient within this process; nothing of the patient can be found from it.

    It begins with what it was made of, "id" or "name": by the patient's number, else by name and birth date. Keys of
    two kinds say nothing of each other. Empty where the header has neither.

    Source: DICOM PS3.3, C.7.1.1 (Patient ID, Patient's Name, Patient's Birth Date).
    """
    number, name, birth = (
        str(value_of(dataset, keyword) or "").strip() for keyword in ("PatientID", "PatientName", "PatientBirthDate")
    )
    kind, text = ("id", number) if number else ("name", f"{name.upper().rstrip('^')}\0{birth}")
    if not text.strip("\0"):
        return ""
    return f"{kind}:{hashlib.blake2b(text.encode(errors='replace'), key=_SALT).hexdigest()}"
