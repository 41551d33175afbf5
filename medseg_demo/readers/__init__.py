"""Any supported file as a MedicalImage: its kind is found from its bytes, never from its name."""

from pathlib import Path

from medseg_demo.errors import UnknownFormatError
from medseg_demo.image import MedicalImage
from medseg_demo.readers.archive import collect_files
from medseg_demo.readers.formats import READERS, find_reader
from medseg_demo.readers.source import Reader, open_source, stem
from medseg_demo.settings import Settings

__all__ = ["READERS", "Reader", "collect_files", "read_image", "stem"]


def read_image(path: str | Path, *, settings: Settings | None = None) -> MedicalImage:
    """Read one file.

    Args:
        path: The file; its name plays no part in how it is read.
        settings: The limits; those of Settings() by default.

    Returns:
        The image or volume, more being brighter, every value finite and not all the same.

    Raises:
        ReadError: The file cannot be read (see medseg_demo.errors for the kinds); nothing else is raised.
    """
    settings = settings or Settings()
    source = open_source(path, settings)
    reader = find_reader(source)
    if reader is None:
        formats = ", ".join(reader.file_format for reader in READERS)
        raise UnknownFormatError(
            f"{source.label}: its bytes are of no image format that is read here ({formats}). "
            "Check that it is the image itself, or convert it to one of these."
        )
    return reader.read(source, settings)
