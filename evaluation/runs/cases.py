"""One case, from its files to arrays that can be scored."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

from evaluation.errors import CaseError, PassingCaseError
from medseg_demo.errors import ReadError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading.labels import compare_geometry, read_label_map
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image

Read = TypeVar("Read")


@dataclass(frozen=True, eq=False)
class CaseData:
    """A case that was read, its reference lying on its image.

    Attributes:
        image: The image.
        reference: The expert's label map.
    """

    image: MedicalImage
    reference: LabelMap

    @property
    def spacing_mm(self) -> tuple[float, ...] | None:
        """The image's spacing, or the reference's where only that states one."""
        return self.image.geometry.spacing_mm or self.reference.geometry.spacing_mm


def read_case(case: Case, *, class_names: Sequence[str] | None, settings: Settings) -> CaseData:
    """Read a case's image and reference.

    Raises:
        CaseError: A file cannot be read, the reference holds values that are no labels of these classes, or it does
            not lie on the image. Nothing is resized.
    """

    @cache
    def image() -> MedicalImage:
        return attempt(case, "image", lambda: read_case_image(case, settings=settings))

    reference = read_reference(case, class_names=class_names, image=image, settings=settings)
    check_geometry(case, image(), reference)
    return CaseData(image(), reference)


def read_reference(
    case: Case,
    *,
    class_names: Sequence[str] | None,
    image: Callable[[], MedicalImage] | None = None,
    settings: Settings | None = None,
) -> LabelMap:
    """Read a case's reference alone.

    Args:
        case: The case.
        class_names: Item i names label value i + 1.
        image: Reads the image that the reference lies on; called only where the reference states its place.
        settings: The limits.

    Raises:
        CaseError: It cannot be read, or holds values that are no labels of these classes.
    """

    def read() -> LabelMap:
        return read_label_map(
            case.mask_path, class_names=class_names, image=image, settings=settings, colours=case.colours
        )

    return attempt(case, "reference", read)


def check_geometry(case: Case, image: MedicalImage, label_map: LabelMap, *, role: str = "reference") -> None:
    """Make sure that a label map lies on the case's image.

    Raises:
        CaseError: Shape, spacing or affine differ.
    """
    faults = compare_geometry(image, label_map, role=role)
    if faults:
        what_to_do = (
            "Export both from the same series, or remove the case from cases.csv."
            if role == "reference"
            else "Export it in the image's own size and geometry."
        )
        raise CaseError(f"Case {case.case_id!r}: {' and '.join(faults)}. {what_to_do}")


def attempt(case: Case, role: str, read: Callable[[], Read]) -> Read:
    """Read a file of a case, and name the case where that fails.

    Raises:
        CaseError: The file cannot be read.
        PassingCaseError: Memory does not suffice.
    """
    try:
        return read()
    except CaseError:
        raise
    except ReadError as error:
        raise CaseError(f"Case {case.case_id!r}, {role}: {error}") from None
    except MemoryError:
        raise PassingCaseError(
            f"Case {case.case_id!r}, {role}: memory does not suffice to read it. Free some, or crop the file."
        ) from None
    except Exception as error:  # decoders raise nearly anything, and quote the file's content in the message
        raise CaseError(
            f"Case {case.case_id!r}, {role}: the file cannot be read ({type(error).__name__}). Export it again."
        ) from None


def case_digest(case: Case) -> str:
    """SHA-256 of a case's id and of the bytes of its image's files and its reference, hexadecimal.

    Raises:
        CaseError: A file cannot be opened.
    """
    sha = hashlib.sha256(f"{case.case_id}\0".encode())
    for path in case.image_paths:
        sha.update(attempt(case, "image", partial(file_digest, path)))
    sha.update(attempt(case, "reference", partial(file_digest, case.mask_path)))
    if case.colours:
        sha.update(repr(sorted(case.colours.items())).encode())
    return sha.hexdigest()


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's bytes.

    Raises:
        ReadError: It cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ReadError(
            f"{path.name}: the file cannot be opened ({error.strerror}). Check its path and permissions."
        ) from None
