"""Results that do not say whose they are: under new names, and in DICOM under new identifiers.

Label maps and measurements are written from nothing but classes and geometry, so what is left to remove are names: of
files, of channels (which are called by files), and in notes. A DICOM SEG is not cleaned of the patient's elements
but made without them; its identifiers are replaced as the Basic Application Level Confidentiality Profile asks.

Pixels are not changed, and no result holds them but pictures and reports: see ``burned_in``.

Source: DICOM PS3.15, E.1 and table E.1-1 (profile); CID 7050 (codes of methods).
"""

import csv
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo import names
from medseg_demo.image import COLOURS, MedicalImage, Pseudonym
from medseg_demo.writing.whole import whole_file

if TYPE_CHECKING:
    from pydicom import DataElement, Dataset

    from medseg_demo.segmenting.pipeline import Segmentation

STANDARD = "1.2.840.10008."  # identifiers of DICOM itself: of kinds of objects, never of one
PROFILE = ("113100", "DCM", "Basic Application Confidentiality Profile")
METHOD = "medseg-demo: made without the source's patient and study"
# Elements that must be there and may tell when it was: dates and times of a day that was none.
UNSAID = {"DA": "19000101", "TM": "000000", "DT": "19000101000000"}


def pseudonyms(count: int) -> list[Pseudonym]:
    """New names for the images of one call, in their order: case_0001, case_0002, …."""
    secret = secrets.token_bytes(32)
    return [Pseudonym(f"case_{number:04}", secret) for number in range(1, count + 1)]


def deidentified(segmentation: "Segmentation", pseudonym: Pseudonym) -> "Segmentation":
    """A segmentation whose files, in whatever format, are those of a pseudonym. Its pixels are as before."""
    return replace(segmentation, image=deidentified_image(segmentation.image, pseudonym))


def deidentified_image(image: MedicalImage, pseudonym: Pseudonym) -> MedicalImage:
    """An image without the names and free texts of its files; a label map of it still knows where it lies."""
    channels = image.channel_names
    if channels != COLOURS:
        channels = tuple(f"channel_{number}" for number in range(1, len(channels) + 1))
    image = replace(image, notes=(), header_facts=(), patient="")
    return replace(image, name=pseudonym.name, pseudonym=pseudonym, channel_names=channels)


def replace_identifiers(dataset: "Dataset", pseudonym: Pseudonym) -> None:
    """Replace whatever in a DICOM object says which patient, study, image or day it belongs to.

    Two objects of one call that named the same study or image still do, by the new identifier.

    Args:
        dataset: Made without the elements of a patient; changed in place, its file meta too.
        pseudonym: Becomes the patient's name and number.
    """
    from highdicom.sr.coding import CodedConcept

    dataset.walk(lambda holder, element: _replace(holder, element, pseudonym.secret))
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    dataset.PatientName = dataset.PatientID = pseudonym.name
    dataset.PatientIdentityRemoved, dataset.DeidentificationMethod = "YES", METHOD
    dataset.DeidentificationMethodCodeSequence = [CodedConcept(*PROFILE)]


def _replace(holder: "Dataset", element: "DataElement", secret: bytes) -> None:
    from pydicom.uid import generate_uid

    if element.tag.is_private:
        del holder[element.tag]
    elif element.VR == "UI" and element.value and not str(element.value).startswith(STANDARD):
        element.value = generate_uid(entropy_srcs=[secret.hex(), str(element.value)])
    elif element.VR in UNSAID and element.value:
        element.value = UNSAID[element.VR]


def write_mapping(originals: Iterable[str], given: Sequence[Pseudonym], path: Path) -> None:
    """Write which file got which name: the only way back, so only where somebody asked for it.

    Raises:
        OutputError: It cannot be written.
    """
    with whole_file(path, make_folder=True) as draft, draft.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["file", "name"])
        rows = zip(originals, given, strict=True)
        writer.writerows((names.as_cell(names.shown(original)), pseudonym.name) for original, pseudonym in rows)
