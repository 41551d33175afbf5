"""A corrected label map → a file of its own."""

from pathlib import Path

from medseg_demo import names
from medseg_demo.correcting.correction import Correction
from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.writing.label_map import label_map_formats, write_label_map
from medseg_demo.writing.surface import extract, write_surface

SURFACES = ("stl", "glb")
ENDING = "-corrected"


def correction_formats(correction: Correction, image: MedicalImage) -> tuple[str, ...]:
    """The formats in which a correction can be saved: those of label maps, and of a volume those of surfaces."""
    surfaces = SURFACES if correction.label_map.is_volume else ()
    return (*label_map_formats(image), *surfaces)


def save_correction(
    correction: Correction, image: MedicalImage, folder: Path, file_format: str = "auto", *, name: str | None = None
) -> Path:
    """Write the present label map into ``<folder>/<name>-corrected`` and the suffix of the format.

    Args:
        correction: What was corrected.
        image: Of which it is.
        folder: Made if missing.
        file_format: One of ``correction_formats``.
        name: The stem of the image's files; None takes the image's own name, or the one that stands for its patient.

    Returns:
        The file written.

    Raises:
        OptionError: It cannot be written in that format.
        OutputError: The file cannot be written, such as without room; an older one of that name stays.
    """
    known = correction_formats(correction, image)
    if file_format not in known:
        raise OptionError(f"A correction is not saved as {file_format!r}. Choose one of: {', '.join(known)}.")
    label_map = correction.label_map
    own = image.name if image.pseudonym is None else image.pseudonym.name
    stem = names.storable(f"{own if name is None else name}{ENDING}")
    folder.mkdir(parents=True, exist_ok=True)
    if file_format in SURFACES:
        surfaces = [extract(label_map, value) for value in range(1, len(label_map.class_names) + 1)]
        return write_surface(surfaces, folder / f"{stem}.{file_format}")
    return write_label_map(
        label_map, image, folder / stem,
        file_format=file_format, algorithm=correction.name, by_hand=correction.is_changed,  # type: ignore[arg-type]
    )  # fmt: skip
