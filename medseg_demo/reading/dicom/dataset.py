"""A DICOM file's header, up to its pixels, and its elements, whatever is wrong with them.

It is recognised, inflated where it is deflated, and parsed from the open file; nothing of a patient is looked at.

Source: DICOM PS3.10, 7.1 (preamble and meta information); PS3.5, A.5 (deflated), 7.1.2 (elements); PS3.4, B.5 (SOP
classes); PS3.3, C.7.6.16.2 (functional groups).
"""

import itertools
import logging
import math
import struct
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from io import SEEK_END, BytesIO
from typing import TYPE_CHECKING, Any, BinaryIO

from medseg_demo.errors import DamagedFileError, ImageTooLargeError
from medseg_demo.reading.source import MIB, Source

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import DataElement

MARK, MARK_AT = b"DICM", 128
META_GROUP, IDENTIFYING_GROUP, BIG_ENDIAN_GROUP = b"\x02\x00", b"\x08\x00", b"\x00\x08"
SOP_CLASS = 0x00080016
MEDIA_DIRECTORY = b"1.2.840.10008.1.3.10"
IMPLICIT, EXPLICIT = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1"
DEFLATED, BIG_ENDIAN = "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.2"
PIXEL_KEYWORDS = {0x0010: "PixelData", 0x0008: "FloatPixelData", 0x0009: "DoubleFloatPixelData"}
PIXEL_GROUP = 0x7FE0
UNDEFINED = 0xFFFFFFFF
PER_FRAME, SHARED = "PerFrameFunctionalGroupsSequence", "SharedFunctionalGroupsSequence"
# A meta group of one element, for pydicom to parse what was inflated: explicit and little endian.
INFLATED_START = bytes(128) + MARK + struct.pack("<HH2sH", 2, 0x10, b"UI", 20) + EXPLICIT.encode().ljust(20, b"\0")


@dataclass(frozen=True, eq=False)
class Header:
    """The elements of a file before its pixels.

    Attributes:
        dataset: Those elements.
        syntax: The transfer syntax, stated or found.
        keyword: The element that holds the pixels; empty where there is none.
        representation: Its value representation.
        length: That it states in bytes; ``UNDEFINED`` where frames are encapsulated.
        at: Where its value starts, in what was inflated for a deflated file.
        available: How many bytes there are from there to the end.
    """

    dataset: "Dataset"
    syntax: str
    keyword: str = ""
    representation: str = "OW"
    length: int = 0
    at: int = 0
    available: int = 0


def keep_pydicom_quiet() -> None:
    """Pydicom's warnings quote values, so what belongs to a patient would reach logs."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module=r"pydicom\b")


def is_dicom(source: Source) -> bool:
    """Whether the file has DICOM's mark after the preamble, or starts at once with a plausible first element."""
    head = source.head
    if head[MARK_AT:].startswith(MARK):
        return True
    if len(head) < 16 or not head.startswith((META_GROUP, IDENTIFYING_GROUP, BIG_ENDIAN_GROUP)):
        return False
    order = ">" if head.startswith(BIG_ENDIAN_GROUP) else "<"
    element, representation = struct.unpack_from(order + "H", head, 2)[0], head[4:6]
    is_explicit = representation.isalpha() and representation.isupper()
    is_short = order == "<" and struct.unpack_from("<I", head, 4)[0] <= 64
    return element < 0x100 and (is_explicit or is_short)


def is_media_directory(source: Source) -> bool:
    """Whether the file is a DICOMDIR, a list of the images beside it."""
    return is_dicom(source) and MEDIA_DIRECTORY in source.head[:512]


def sop_class(source: Source) -> str:
    """What kind of object a file holds; empty text where it does not say, or is no DICOM.

    The file's own element counts, not what its meta information says of it; that of a deflated file is not unpacked.
    Little is read: values that are not asked for are skipped, whatever their length.
    """
    if not is_dicom(source):
        return ""
    from pydicom.filereader import read_partial

    keep_pydicom_quiet()
    try:
        meta = _meta(source)
        claimed = str(meta.get("MediaStorageSOPClassUID") or "")
        if _syntax(meta) == DEFLATED:
            return claimed
        source.file.seek(0)
        dataset = read_partial(
            source.file, lambda tag, *_: tag.group != 2 and tag > SOP_CLASS, force=True, specific_tags=[SOP_CLASS]
        )
        return str(dataset.get("SOPClassUID") or claimed)
    except Exception:  # pydicom raises many kinds; whoever reads the file says what is wrong with it
        return ""
    finally:
        source.file.seek(0)


def load(source: Source) -> Header:
    """Parse the header of an open file.

    Raises:
        ImageTooLargeError: Deflated, it takes more than ``max_file_mb``.
        Exception: pydicom's, of nearly every kind, where the file is damaged.
    """
    import pydicom

    keep_pydicom_quiet()
    body, stated = _body(source)
    size = body.seek(0, SEEK_END)
    body.seek(0)
    dataset = pydicom.dcmread(body, force=True, stop_before_pixels=True)
    is_implicit, is_little = dataset.original_encoding
    syntax = stated or (IMPLICIT if is_implicit else EXPLICIT if is_little else BIG_ENDIAN)
    found = _pixel_element(body, size, is_little=is_little is not False)
    return Header(dataset, syntax, *found) if found else Header(dataset, syntax)


def read_pixels(header: Header, source: Source) -> "DataElement":
    """The element that holds the pixels.

    Encapsulated frames come with whatever lies behind them in the file.
    """
    from pydicom.dataelem import DataElement

    body, _ = _body(source)
    body.seek(header.at)
    value = body.read() if header.length == UNDEFINED else body.read(header.length)
    return DataElement(header.keyword, header.representation, value, already_converted=True)


def _meta(source: Source) -> "Dataset":
    """The meta information, behind which the file stands then; empty where the file starts at once with its content."""
    from pydicom.filereader import read_dataset

    source.file.seek(MARK_AT + len(MARK) if source.head[MARK_AT:].startswith(MARK) else 0)
    return read_dataset(
        source.file, is_implicit_VR=False, is_little_endian=True, stop_when=lambda tag, *_: tag.group != 2
    )


def _syntax(meta: "Dataset") -> str:
    return str(meta.get("TransferSyntaxUID") or "").strip(" \0")


def _body(source: Source) -> tuple[BinaryIO, str]:
    """The file, or what is deflated in it, and the transfer syntax that is stated; empty text where none is."""
    syntax = _syntax(_meta(source))
    return (BytesIO(_inflate(source)) if syntax == DEFLATED else source.file), syntax


def _inflate(source: Source) -> bytes:
    """What is deflated from here on, explicit and little endian, with a meta group before it."""
    inflater, parts, size = zlib.decompressobj(-zlib.MAX_WBITS), [INFLATED_START], 0
    while not inflater.eof and ((block := source.file.read(MIB)) or inflater.unconsumed_tail):
        parts.append(inflater.decompress(inflater.unconsumed_tail + block, 16 * MIB))
        size += len(parts[-1])
        if size > source.settings.max_file_mb * MIB:
            raise ImageTooLargeError(
                f"{source.label}: unpacked, the file has more than the {source.settings.max_file_mb} MiB that are "
                "read. Crop it, or raise MEDSEG_MAX_FILE_MB."
            )
    if not inflater.eof:
        raise DamagedFileError(f"{source.label}: the deflated DICOM file ends too early. Export or copy it again.")
    return b"".join(parts)


def _pixel_element(body: BinaryIO, size: int, *, is_little: bool) -> tuple[str, str, int, int, int] | None:
    """Keyword, representation, length, place of the value and bytes from there, of the element that comes next."""
    order = "<" if is_little else ">"
    start = body.read(12)
    if len(start) < 8:
        return None
    group, element = struct.unpack_from(order + "HH", start)
    if group != PIXEL_GROUP or element not in PIXEL_KEYWORDS:
        return None
    # In an implicit element these two bytes belong to the length, which is even; the letters O and U are odd.
    representation = start[4:6].decode("latin-1")
    if len(start) == 12 and representation in ("OB", "OW", "OF", "OD", "OL", "OV", "UN"):
        length, rest = struct.unpack_from(order + "I", start, 8)[0], body.tell()
    else:
        length, rest, representation = struct.unpack_from(order + "I", start, 4)[0], body.tell() - len(start) + 8, "OW"
    return PIXEL_KEYWORDS[element], representation, length, rest, max(0, size - rest)


def value_of(dataset: "Dataset", keyword: str) -> Any:
    """One element's value; None where it is absent, or so wrong that pydicom cannot convert it."""
    try:
        return dataset.get(keyword)
    except Exception:  # conversions raise many kinds
        return None


def as_numbers(value: Any) -> tuple[float, ...]:
    """The finite numbers of a value; empty where it holds anything else."""
    try:
        values = () if value is None else (value,) if isinstance(value, (int, float)) else tuple(value)
        found = tuple(float(v) for v in values)
    except (ValueError, TypeError, OverflowError):
        return ()
    return found if all(math.isfinite(v) for v in found) else ()


def numbers(dataset: "Dataset", keyword: str, *, group: str = "", frame: int = 0) -> tuple[float, ...]:
    """The finite numbers of one element; empty where it is absent or holds anything else.

    Args:
        dataset: The whole image.
        keyword: The element's keyword.
        group: The functional group that holds it in enhanced images.
        frame: The frame whose functional group is looked at, from 0.
    """
    # An enhanced image is what its groups say; what some programs write beside them is of the first frame.
    holders = itertools.chain(group_items(dataset, group, frame) if group else (), [dataset])
    return next(filter(None, (as_numbers(value_of(item, keyword)) for item in holders)), ())


def first(dataset: "Dataset", keyword: str, default: float, *, group: str = "", frame: int = 0) -> float:
    """The first number of an element; the default where it is absent or holds anything else."""
    return next(iter(numbers(dataset, keyword, group=group, frame=frame)), default)


def whole(dataset: "Dataset", keyword: str) -> int | None:
    """The first number of an element, if it is a whole one; None otherwise."""
    number = first(dataset, keyword, math.nan)
    return int(number) if abs(number) < 2**53 and number == math.floor(number) else None


def words(dataset: "Dataset", keyword: str) -> tuple[str, ...]:
    """The values of an element of text, in capitals; empty where it is absent."""
    value = value_of(dataset, keyword)
    values = [] if value is None else [value] if isinstance(value, (str, int, float)) else value
    return tuple(str(each).strip().upper() for each in values)


def word(dataset: "Dataset", keyword: str) -> str:
    """The first value of an element of text, in capitals; empty where it is absent."""
    return next(iter(words(dataset, keyword)), "")


def items(dataset: "Dataset", keyword: str) -> "list[Dataset]":
    """The items of a sequence; empty where it is absent or no sequence."""
    from pydicom import Sequence

    value = value_of(dataset, keyword)
    return list(value) if isinstance(value, Sequence) else []


def item_of(dataset: "Dataset", keyword: str, index: int) -> "Dataset | None":
    """One item of a sequence, which may have very many; None where there is none."""
    try:
        item = dataset.get(keyword)[index]
    except Exception:  # as ``value_of``
        return None
    return item if hasattr(item, "get") else None


def group_items(dataset: "Dataset", group: str, frame: int) -> "Iterator[Dataset]":
    """The items of one functional group: a frame's own, before those that all frames share."""
    for sequence, index in ((PER_FRAME, frame), (SHARED, 0)):
        holder = item_of(dataset, sequence, index)
        if holder is not None:
            yield from items(holder, group)


def modality_code(dataset: "Dataset") -> str | None:
    """The modality, if it is a code such as "CT" and no free text."""
    text = value_of(dataset, "Modality")
    is_code = isinstance(text, str) and text.isascii() and text.replace("_", "").isalnum() and text.isupper()
    return text if is_code and len(text) <= 16 else None
