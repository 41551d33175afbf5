"""NRRD and MetaImage (MHA, MHD), through SimpleITK."""

import re
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.reading.axes import check_right_angles
from medseg_demo.reading.intensities import build_image, settle_channels
from medseg_demo.reading.itk import count_volumes, read_with_itk
from medseg_demo.reading.source import MIB, Source, decoding
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    import SimpleITK

ITK_FORMATS = {"NRRD": "NrrdImageIO", "MetaImage": "MetaImageIO"}
META_START = re.compile(rb"\s*(ObjectType|ObjectSubType|NDims|Comment|Name|ID)\s*=")
DATA_FILE = re.compile(rb"^(?:ElementDataFile\s*=|data ?file:)[ \t]*([^\r\n]*)", re.MULTILINE | re.IGNORECASE)
COMPRESSED = re.compile(rb"^(CompressedData\s*=\s*True|encoding:\s*(gz|gzip))\s*$", re.MULTILINE | re.IGNORECASE)
ZLIB_OR_GZIP = 47
# Without one of these fields ITK makes a spacing of 1 and an orientation up.
SPACING_FIELDS = re.compile(rb"^(ElementSpacing|ElementSize|spacings|space directions)\b", re.MULTILINE)
DIRECTION_FIELDS = re.compile(rb"^(TransformMatrix|Orientation|Rotation|space directions)\b", re.MULTILINE)


def is_nrrd(source: Source) -> bool:
    """Whether the file starts as an NRRD does."""
    return source.head.startswith(b"NRRD000")


def is_meta_image(source: Source) -> bool:
    """Whether the file starts with a MetaImage header."""
    return META_START.match(source.head) is not None and b"ElementDataFile" in source.head


def count(source: Source, settings: Settings) -> int:
    """How many volumes, such as times or channels, a file holds.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    _find_data(source)
    return count_volumes(source, ITK_FORMATS["NRRD" if is_nrrd(source) else "MetaImage"])


def read(source: Source, settings: Settings, *, file_format: str) -> MedicalImage:
    """Read an image or a volume with its geometry; ``source.volume`` chooses one of several.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    import SimpleITK

    header, data_file = _find_data(source)
    with decoding(source, file_format):
        decoded = read_with_itk(source, ITK_FORMATS[file_format], settings)
        pixels = SimpleITK.GetArrayFromImage(decoded)
        if COMPRESSED.search(header):
            size = pixels.nbytes * count_volumes(source, ITK_FORMATS[file_format])
            _check_compressed(data_file, 0 if data_file != source.path else len(header), size)
        notes: tuple[str, ...] = ()
        if decoded.GetNumberOfComponentsPerPixel() > 1:
            pixels, notes = settle_channels(pixels, source)
        return build_image(
            source,
            pixels,
            file_format=file_format,
            bit_depth=pixels.dtype.itemsize * 8,
            is_volume=decoded.GetDimension() == 3,
            geometry=_geometry(decoded, header, source),
            notes=notes,
        )


def _find_data(source: Source) -> tuple[bytes, Path]:
    """The header, and the file that holds the pixels.

    A file of its own is read from beside the header only, never from a place that the header names.
    """
    if is_nrrd(source):
        end = re.search(rb"\r?\n\r?\n", source.head)
    else:
        end = re.search(rb"^ElementDataFile[^\n]*\n", source.head, re.MULTILINE)
    header = source.head[: end.end()] if end else source.head
    match = DATA_FILE.search(header)
    name = match.group(1).strip().decode("utf-8", "replace") if match else "LOCAL"
    if name.upper() == "LOCAL":
        return header, source.path
    is_plain = bool(re.fullmatch(r"[^/\\%\0]+", name)) and not name.upper().startswith("LIST") and name != ".."
    if not is_plain or not (source.path.parent / name).is_file():
        raise UnsupportedImageError(
            f"{source.label}: it is only a header, and its pixels are in another file that is not beside it. "
            "Save both as one .mha or .nrrd file."
        )
    return header, source.path.parent / name


def _check_compressed(data_file: Path, offset: int, size: int) -> None:
    """Compare the checksum, since ITK hands out what it could unpack of damaged data.

    Raises:
        zlib.error: The data are damaged.
        EOFError: They are cut off, or of another size than the pixels.
    """
    inflater, unpacked = zlib.decompressobj(ZLIB_OR_GZIP), 0
    with data_file.open("rb") as file:
        file.seek(offset)
        while not inflater.eof and (block := inflater.unconsumed_tail or file.read(MIB)):
            unpacked += len(inflater.decompress(block, 16 * MIB))
            if unpacked > size:
                break
    if not inflater.eof or unpacked != size:
        raise EOFError


def _geometry(decoded: "SimpleITK.Image", header: bytes, source: Source) -> Geometry:
    spacing = np.asarray(decoded.GetSpacing())
    is_spaced = SPACING_FIELDS.search(header) is not None
    spacing_mm = tuple(float(s) for s in spacing[::-1]) if is_spaced else None
    if decoded.GetDimension() != 3 or not DIRECTION_FIELDS.search(header):
        return Geometry(spacing_mm)
    affine = np.eye(4)
    affine[:3, :3] = np.asarray(decoded.GetDirection()).reshape(3, 3) * spacing
    affine[:3, 3] = decoded.GetOrigin()
    check_right_angles(affine, source)
    return Geometry(spacing_mm, affine)
