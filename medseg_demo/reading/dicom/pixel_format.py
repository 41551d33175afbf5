"""How a DICOM file stores its pixels, by its header, and whether their bytes are there.

Source: DICOM PS3.5, 8 (bits allocated, stored and the high bit), A.4 (transfer syntaxes); PS3.3, C.7.6.3 (image pixel
module).
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.dataset import whole, word
from medseg_demo.reading.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset

FLOATS = {"FloatPixelData": 32, "DoubleFloatPixelData": 64}
WHOLE_NUMBERS = ("Rows", "Columns", "BitsAllocated", "BitsStored", "PixelRepresentation", "SamplesPerPixel")
# Bytes of the mark and the length before a compressed frame, and the most frames of which each is looked at.
LEAST_FRAME, MOST_FRAMES = 8, 100_000
NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
RLE = "1.2.840.10008.1.2.5"
JPEG = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (50, 51, 57, 70))
JPEG_LS = ("1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.81")
JPEG_2000 = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (90, 91, 201, 202, 203))
JPEG_XL = tuple(f"1.2.840.10008.1.2.4.{code}" for code in (110, 111, 112))  # which pydicom 3.0 cannot name
KNOWN_COLOURS = ("CMYK", "ARGB", "HSV", "YBR_PARTIAL_422", "YBR_PARTIAL_420", "XYB")
GREY = ("MONOCHROME1", "MONOCHROME2", "PALETTE COLOR")
COLOURS = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT")


@dataclass(frozen=True)
class PixelFormat:
    """How a file stores its pixels, by its header.

    Attributes:
        keyword: The element that holds them.
        syntax: The transfer syntax.
        frames: How many, 1 for a single image.
        rows: Of a frame.
        columns: Of a frame.
        samples: Of a pixel, 1 or 3.
        photometric: The colours.
        allocated: Bits that each sample takes.
        stored: Bits of it that count.
        shift: Bits below those that count.
        is_signed: Whether samples are signed.
        planar: 0 where the samples of a pixel lie together, 1 where each has a plane of its own.
    """

    keyword: str
    syntax: str
    frames: int
    rows: int
    columns: int
    samples: int
    photometric: str
    allocated: int
    stored: int
    shift: int
    is_signed: bool
    planar: int

    @property
    def dtype(self) -> np.dtype:
        """Of the stored values, in native byte order."""
        if self.keyword in FLOATS:
            return np.dtype(f"f{self.allocated // 8}")
        return np.dtype(f"{'i' if self.is_signed else 'u'}{max(1, self.allocated // 8)}")

    @property
    def is_compressed(self) -> bool:
        """Whether frames are encapsulated."""
        return self.syntax not in NATIVE

    @property
    def frame_bits(self) -> int:
        """Of one frame that is not compressed."""
        samples = 2 if self.photometric == "YBR_FULL_422" else self.samples  # two pixels share their colours
        return self.rows * self.columns * samples * self.allocated


def describe(dataset: "Dataset", keyword: str, syntax: str, source: Source) -> PixelFormat:
    """How the header says that pixels are stored.

    Raises:
        UnsupportedImageError: An element is missing without which values have no meaning, or it states what is not
            read here; the message names it.
        DamagedFileError: Elements contradict each other.
    """
    check_syntax(syntax, source)
    is_float = keyword in FLOATS
    photometric = word(dataset, "PhotometricInterpretation")
    stated = {name: whole(dataset, name) for name in WHOLE_NUMBERS}
    if stated["SamplesPerPixel"] is None and photometric in (*GREY, *COLOURS):
        stated["SamplesPerPixel"] = 1 if photometric in GREY else 3
    if is_float:
        stated |= {"BitsAllocated": FLOATS[keyword], "BitsStored": FLOATS[keyword], "PixelRepresentation": 0}
    rows, columns, allocated, stored, signed, samples = (stated[name] or 0 for name in WHOLE_NUMBERS)
    planar = whole(dataset, "PlanarConfiguration")
    missing = [name for name, value in stated.items() if value is None or (value == 0 and name in ("Rows", "Columns"))]
    if not photometric:
        missing.append("PhotometricInterpretation")
    if planar is None and samples == 3 and syntax in NATIVE and photometric != "YBR_FULL_422":
        missing.append("PlanarConfiguration")
    if missing:
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file states no {' and no '.join(missing)}, so that its values have no certain "
            "meaning. Export it again from the archive that it came from."
        )
    high = None if is_float else whole(dataset, "HighBit")
    found = PixelFormat(
        keyword=keyword,
        syntax=syntax,
        frames=max(1, whole(dataset, "NumberOfFrames") or 1),
        rows=rows,
        columns=columns,
        samples=samples,
        photometric=photometric,
        allocated=allocated,
        stored=stored,
        shift=0 if high is None else high + 1 - stored,
        is_signed=signed == 1,
        planar=1 if samples > 1 and planar == 1 else 0,
    )
    _check(found, source)
    return found


def check_syntax(syntax: str, source: Source) -> None:
    """Refuse a transfer syntax that is not read here, by its name.

    Raises:
        UnsupportedImageError: It is not.
    """
    if syntax in (*NATIVE, RLE, *JPEG, *JPEG_LS, *JPEG_2000):
        return
    from pydicom.uid import UID

    kind = "JPEG XL" if syntax in JPEG_XL else UID(syntax).name  # the text itself where it is not the standard's
    known = "its transfer syntax is of no kind that is read" if kind == syntax else f"DICOM as {kind} is not read"
    raise UnsupportedImageError(
        f"{source.label}: {known} here. Export it uncompressed, or its frames as images of their own."
    )


def _check(found: PixelFormat, source: Source) -> None:
    allocated, samples, photometric = found.allocated, found.samples, found.photometric
    is_known, named = photometric in (*GREY, *COLOURS), photometric if photometric in KNOWN_COLOURS else "its"
    is_bare = allocated == 1 or found.keyword in FLOATS
    not_read = {
        f"{named} photometric interpretation with {samples} samples a pixel": not is_known,
        f"{allocated} bits allocated (packed samples)": allocated not in (1, 8, 16, 32, 64),
        f"YBR colours of {allocated} bits": photometric.startswith("YBR_FULL") and allocated != 8,
        "compressed or coloured pixels of 1 bit or of floating point": is_bare and (samples > 1 or found.is_compressed),
    }
    contradictions = {
        f"{samples} samples a pixel do not fit the photometric interpretation": samples
        != (1 if photometric in GREY else 3),
        "the bits stored and the high bit do not fit into the bits allocated": not 1 <= found.stored <= allocated
        or not 0 <= found.shift <= allocated - found.stored,
    }
    for feature, is_so in not_read.items():
        if is_so:
            raise UnsupportedImageError(
                f"{source.label}: {feature} cannot be read here. Export it uncompressed, as grey or RGB of 8 bits."
            )
    for contradiction, is_so in contradictions.items():
        if is_so:
            raise DamagedFileError(f"{source.label}: the header contradicts itself: {contradiction}. Export it again.")


def check_length(length: int, available: int, found: PixelFormat, source: Source) -> None:
    """Compare what the header claims with the bytes that are there.

    Args:
        length: That the pixel element states; 0xFFFFFFFF where it is undefined.
        available: Bytes from its value to the end of the file.
        found: The header's claims.
        source: The file, for messages.

    Raises:
        DamagedFileError: Bytes are missing, or there are whole frames more than stated.
    """
    undefined = length == 0xFFFFFFFF
    if undefined != found.is_compressed:
        raise DamagedFileError(
            f"{source.label}: the DICOM file contradicts itself: its transfer syntax is "
            f"{'a compressed' if found.is_compressed else 'no compressed'} one, and its pixels are stored otherwise. "
            "Export it again."
        )
    if undefined:
        if found.frames * LEAST_FRAME > available:
            raise DamagedFileError(too_few(found, source))
        return
    expected = (found.frame_bits * found.frames + 7) // 8
    if min(length, available) < expected:
        raise DamagedFileError(too_few(found, source))
    if length >= expected + max(2, (found.frame_bits + 7) // 8):
        raise DamagedFileError(
            f"{source.label}: the DICOM file holds more pixels than the {found.frames} frames of {found.columns} × "
            f"{found.rows} that its header states. Export it again."
        )


def too_few(found: PixelFormat, source: Source) -> str:
    """The message where bytes are missing."""
    return (
        f"{source.label}: the DICOM file is damaged: it ends before the last of its {found.frames} frames of "
        f"{found.columns} × {found.rows} pixels. Export or copy it again."
    )
