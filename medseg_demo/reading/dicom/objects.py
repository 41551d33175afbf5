"""DICOM objects that are no images but belong to some: the kind of a file, from its first elements, and its dataset."""

import zlib
from typing import TYPE_CHECKING

from medseg_demo.errors import DamagedFileError, ImageTooLargeError
from medseg_demo.reading.dicom.elements import keep_pydicom_quiet
from medseg_demo.reading.dicom.file import is_dicom
from medseg_demo.reading.source import MIB, Source

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.tag import BaseTag

MARK_AT, META_AT = 128, 132
META_GROUP = 0x0002
SOP_CLASS = 0x00080016
DEFLATED = "1.2.840.10008.1.2.1.99"


def sop_class(source: Source) -> str:
    """The SOP class of a file, wherever it stands; empty text where there is none, or the file is no DICOM.

    The file's own element counts, not what its meta information says of it; that of a deflated file is not unpacked.
    Little is read: values that are not asked for are skipped, whatever their length.
    """
    if not is_dicom(source):
        return ""
    from pydicom.filereader import read_partial

    keep_pydicom_quiet()
    try:
        meta = _meta(source)
        claimed = str(meta.get("MediaStorageSOPClassUID", ""))
        if _is_deflated(meta):
            return claimed
        source.file.seek(0)
        dataset = read_partial(source.file, _is_beyond_sop_class, force=True, specific_tags=["SOPClassUID"])
        return str(dataset.get("SOPClassUID") or claimed)
    except Exception:  # pydicom raises many kinds; whoever reads the file says what is wrong with it
        return ""
    finally:
        source.file.seek(0)


def load(source: Source) -> "Dataset":
    """The whole dataset of a file, parsed from the open file.

    Raises:
        DamagedFileError: It ends before its first elements.
        ImageTooLargeError: A deflated one has more than ``max_file_mb`` once it is unpacked.
    """
    import pydicom

    keep_pydicom_quiet()
    meta = _meta(source)
    if _is_deflated(meta):
        _check_inflated_size(source)
    source.file.seek(0)
    dataset = pydicom.dcmread(source.file, force=True)
    if not dataset.keys():
        raise DamagedFileError(f"{source.label}: the DICOM file ends before its content. Export or copy it again.")
    return dataset


def _meta(source: Source) -> "Dataset":
    """The file's meta information, which is empty where the file starts at once with its content."""
    from pydicom.filereader import read_dataset

    source.file.seek(META_AT if source.head[MARK_AT:META_AT] == b"DICM" else 0)
    return read_dataset(
        source.file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, *_: tag.group != META_GROUP,
        specific_tags=[0x00020002, 0x00020010],
    )


def _is_deflated(meta: "Dataset") -> bool:
    return str(meta.get("TransferSyntaxUID", "")) == DEFLATED


def _is_beyond_sop_class(tag: "BaseTag", *_: object) -> bool:
    return tag.group != META_GROUP and tag > SOP_CLASS


def _check_inflated_size(source: Source) -> None:
    """Pydicom inflates a deflated dataset whole, whatever its size; ``_meta`` has left the file at its start."""
    inflater, size = zlib.decompressobj(-zlib.MAX_WBITS), 0
    while not inflater.eof and ((block := source.file.read(MIB)) or inflater.unconsumed_tail):
        size += len(inflater.decompress(inflater.unconsumed_tail + block, 16 * MIB))
        if size > source.settings.max_file_mb * MIB:
            raise ImageTooLargeError(
                f"{source.label}: unpacked, the file has more than the {source.settings.max_file_mb} MiB that are "
                "read. Crop it, or raise MEDSEG_MAX_FILE_MB."
            )
