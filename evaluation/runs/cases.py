"""One case, from its files to arrays that can be scored."""

import hashlib
import threading
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from evaluation.errors import CaseError, PassingCaseError
from evaluation.stress.cases import StressedCase
from medseg_demo.errors import ReadError
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.names import suffix
from medseg_demo.reading import inspect_file
from medseg_demo.reading.labels import compare_geometry
from medseg_demo.reading.stack import open_bytes
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case, read_case_image, read_case_reference

PICTURES = ("PNG", "JPEG", "TIFF", "BMP", "WebP")
OUTLINED = (*PICTURES, "NIfTI")

Read = TypeVar("Read")
ReadImage = Callable[..., MedicalImage]


class Reading:
    """A case that is decoded once for all threads that predict it."""

    def __init__(self) -> None:
        self._lock, self._data = threading.Lock(), dict[object, CaseData]()

    def get(self, key: object, read: Callable[[], "CaseData"]) -> "CaseData":
        """What was read in one way; ``read`` does so for the first that asks, while others wait."""
        with self._lock:
            if key not in self._data:
                self._data[key] = read()
            return self._data[key]


@dataclass(frozen=True, eq=False)
class CaseData:
    """A case that was read, its reference lying on its image.

    Attributes:
        image: The image; its outline, all of one intensity, where no network needs it.
        reference: The expert's label map.
    """

    image: MedicalImage
    reference: LabelMap

    @property
    def spacing_mm(self) -> tuple[float, ...] | None:
        """The image's spacing, or the reference's where only that states one."""
        return self.image.geometry.spacing_mm or self.reference.geometry.spacing_mm


def read_case(
    case: Case,
    *,
    class_names: Sequence[str] | None,
    settings: Settings,
    pixels: bool = True,
    read: ReadImage | None = None,
    reference: LabelMap | None = None,
) -> CaseData:
    """Read a case's image and reference; of a case under stress what becomes of them.

    Args:
        case: The case.
        class_names: Of the reference, where the test set does not say.
        settings: The limits.
        pixels: Whether the image itself is needed. Otherwise its outline will do, as far as the header says it; a case
            without an image has that of its reference.
        read: What reads the image; None takes what ``pixels`` asks for.
        reference: What was read and found to lie on the image before; None reads it.

    Raises:
        CaseError: A file cannot be read, the reference holds values that are no labels of these classes, or it does
            not lie on the image. Nothing is resized. Or a corruption leaves nothing of the image.
    """
    reader = read or (read_case_image if pixels else read_outline)

    @cache
    def image() -> MedicalImage:
        return attempt(case, "image", lambda: reader(case, settings=settings))

    if not case.image_paths and not pixels:
        reference = read_reference(case, class_names=class_names, settings=settings)
        return CaseData(_flat_image(reference.labels.shape, reference.geometry, case.mask_path), reference)
    reference = reference or read_reference(case, class_names=class_names, image=image, settings=settings)
    check_geometry(case, image(), reference)
    if isinstance(case, StressedCase):
        return CaseData(*attempt_stress(case, image(), reference))
    return CaseData(image(), reference)


def attempt_stress(case: StressedCase, image: MedicalImage, reference: LabelMap) -> tuple[MedicalImage, LabelMap]:
    """See ``StressedCase.stressed``.

    Raises:
        CaseError: There is nothing left of the image.
        PassingCaseError: Memory does not suffice.
    """
    try:
        return case.stressed(image, reference)
    except MemoryError:
        raise PassingCaseError(
            f"Case {case.case_id!r}: memory does not suffice for the corruption {case.corruption}. Free some, or name "
            "others behind --stress."
        ) from None


def read_outline(case: Case, *, settings: Settings, formats: Collection[str] = OUTLINED) -> MedicalImage:
    """The size and the geometry of a case's image, by the header where that tells them.

    Args:
        case: The case.
        settings: The limits.
        formats: Of which the header will do. Images of others are read.

    Raises:
        ReadError: It cannot be read.
    """
    path = case.image_path
    if not path.is_dir() and (len(case.image_paths) == 1 or suffix(path).lower().startswith(".nii")):
        try:
            found = inspect_file(path, settings=settings)
        except ReadError:  # the zip of a series, or what reading it will refuse
            return read_case_image(case, settings=settings)
        layout, place = found.layout, getattr(found.layout.header, "place", None)
        if (
            found.format.name in PICTURES
            and found.format.name in formats
            and layout.volumes == 1
            and len(layout.shape) == 2
        ):
            return _flat_image(layout.shape, Geometry(), path)
        if found.format.name == "NIfTI" and "NIfTI" in formats and isinstance(place, Geometry):
            return _flat_image(layout.shape, place, path)
    return read_case_image(case, settings=settings)


def outline_of(image: MedicalImage) -> MedicalImage:
    """An image without its intensities."""
    return replace(image, pixels=np.broadcast_to(np.zeros((), image.pixels.dtype), image.pixels.shape))


def _flat_image(shape: tuple[int, ...], geometry: Geometry, path: Path) -> MedicalImage:
    """An image of one intensity, which takes one byte of memory."""
    pixels = np.broadcast_to(np.uint8(0), shape)
    return MedicalImage(pixels, "ZYX" if len(shape) == 3 else "YX", geometry, path.name, "outline", 8, (0.0, 255.0))


def read_reference(
    case: Case,
    *,
    class_names: Sequence[str] | None,
    image: Callable[[], MedicalImage] | None = None,
    settings: Settings | None = None,
) -> LabelMap:
    """Read a case's reference alone; see ``read_case_reference``.

    Raises:
        CaseError: It cannot be read, or holds values that are no labels of these classes.
    """

    def read() -> LabelMap:
        return read_case_reference(case, class_names=class_names, image=image, settings=settings)

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


def file_digests(case: Case) -> tuple[bytes, ...]:
    """SHA-256 of the bytes of each of a case's files, the reference last.

    Raises:
        CaseError: A file cannot be opened.
    """
    *images, reference = case.files
    return (
        *(attempt(case, "image", partial(file_digest, path)) for path in images),
        attempt(case, "reference", partial(file_digest, reference)),
    )


def case_digest(case: Case, digests: Sequence[bytes] | None = None) -> str:
    """SHA-256 of a case's id, of its files, and of what their values mean, hexadecimal.

    Args:
        case: The case.
        digests: From ``file_digests``; None computes them.

    Raises:
        CaseError: A file cannot be opened.
    """
    sha = hashlib.sha256(b"".join([f"{case.case_id}\0".encode(), *(digests or file_digests(case))]))
    if case.colours:
        sha.update(repr(sorted(case.colours.items())).encode())
    if case.instances or (case.labels and not case.labels.is_plain):
        sha.update(repr((case.labels, case.instances)).encode())
    if isinstance(case, StressedCase):
        sha.update(case.recipe.encode())
    return sha.hexdigest()


def file_digest(path: Path) -> bytes:
    """SHA-256 of a file's bytes.

    Raises:
        ReadError: It cannot be opened.
    """
    try:
        with open_bytes(path) as file:
            return hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise ReadError(
            f"{path.name}: the file cannot be opened ({error.strerror}). Check its path and permissions."
        ) from None
