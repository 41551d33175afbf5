"""Any supported file, folder or series as a MedicalImage: its kind is found from its bytes, never from its name."""

import tempfile
from dataclasses import replace
from pathlib import Path

from medseg_demo.errors import ReadError, UnknownFormatError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.volume import read_series
from medseg_demo.reading.formats import READERS, find_reader
from medseg_demo.reading.intensities import choose_volume
from medseg_demo.reading.source import Reader, Series, Source, open_source, stem
from medseg_demo.reading.studies import collect_files, collect_images, find_series, is_zip
from medseg_demo.settings import Settings

__all__ = [
    "READERS",
    "Reader",
    "Series",
    "collect_files",
    "collect_images",
    "count_volumes",
    "find_series",
    "read_image",
    "read_series",
    "stem",
]


def read_image(
    path: str | Path | Series,
    *,
    settings: Settings | None = None,
    volume: int | None = None,
    unpack_to: Path | None = None,
) -> MedicalImage:
    """Read one image or volume.

    Args:
        path: A file, whose name plays no part in how it is read; a series; or a folder or zip that holds one image
            or one DICOM series.
        settings: The limits; those of Settings() by default.
        volume: Which volume of a file with several (times, channels), from 1.
        unpack_to: Where the files of a zip are kept; without it they are deleted once read, and a DICOM SEG cannot
            refer to them.

    Returns:
        The image or volume, more being brighter, every value finite and not all the same.

    Raises:
        ReadError: The file cannot be read (see medseg_demo.errors for the kinds); nothing else is raised.
    """
    settings = settings or Settings()
    if isinstance(path, Series):
        _one_volume(Source(Path(path.name), b"", 0, volume))
        return read_series(path, settings=settings)
    path = Path(path)
    if path.is_dir():
        return _read_only(path, settings, volume, unpack_to or path)
    source = open_source(path, settings, volume=volume)
    reader = find_reader(source)
    if reader is not None:
        if reader.volumes is None:
            _one_volume(source)
        return reader.read(source, settings)
    if not is_zip(path, settings):
        formats = ", ".join(reader.file_format for reader in READERS)
        raise UnknownFormatError(
            f"{source.label}: its bytes are of no image format that is read here ({formats}). "
            "Check that it is the image itself, or convert it to one of these."
        )
    if unpack_to is not None:
        return _read_only(path, settings, volume, unpack_to)
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        return replace(_read_only(path, settings, volume, Path(folder)), source_files=())


def count_volumes(path: str | Path | Series, *, settings: Settings | None = None) -> int:
    """How many volumes, such as times or channels, a file holds, by its header alone.

    Returns:
        1 for formats that hold one, for series, and for files that cannot be read: reading them says why.
    """
    settings = settings or Settings()
    if isinstance(path, Series):
        return 1
    try:
        source = open_source(path, settings)
        reader = find_reader(source)
        return reader.volumes(source, settings) if reader and reader.volumes else 1
    except ReadError:
        return 1


def _one_volume(source: Source) -> None:
    choose_volume(1, source)


def _read_only(path: Path, settings: Settings, volume: int | None, unpack_to: Path) -> MedicalImage:
    """The only image or series of a folder or zip."""
    items = collect_images([path], settings=settings, unpack_to=unpack_to)
    if len(items) == 1:
        return read_image(items[0], settings=settings, volume=volume)
    shown = [f"{item.name} ({item.description})" if isinstance(item, Series) else item.name for item in items[:10]]
    more = f" and {len(items) - 10} more" if len(items) > 10 else ""
    raise UnsupportedImageError(
        f"{path.name}: it holds {len(items)} images or series, and one is read at a time: {'; '.join(shown)}{more}. "
        "Give one of them alone."
    )
