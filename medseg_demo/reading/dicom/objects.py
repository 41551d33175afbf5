"""What kind of object a DICOM file is: an image, a segmentation, contours; from its first elements alone.

Source: DICOM PS3.4, B.5 (SOP classes); PS3.10, 7.1 (meta information).
"""

from typing import TYPE_CHECKING

from medseg_demo.reading.dicom.dataset import DEFLATED, MARK, MARK_AT, is_dicom
from medseg_demo.reading.dicom.elements import keep_pydicom_quiet
from medseg_demo.reading.source import Source

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.tag import BaseTag

META_GROUP = 0x0002
SOP_CLASS, META_SOP_CLASS, META_TRANSFER_SYNTAX = 0x00080016, 0x00020002, 0x00020010


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
        if str(meta.get("TransferSyntaxUID", "")) == DEFLATED:
            return claimed
        source.file.seek(0)
        dataset = read_partial(source.file, _is_beyond_sop_class, force=True, specific_tags=[SOP_CLASS])
        return str(dataset.get("SOPClassUID") or claimed)
    except Exception:  # pydicom raises many kinds; whoever reads the file says what is wrong with it
        return ""
    finally:
        source.file.seek(0)


def _meta(source: Source) -> "Dataset":
    """The file's meta information, which is empty where the file starts at once with its content."""
    from pydicom.filereader import read_dataset

    source.file.seek(MARK_AT + len(MARK) if source.head[MARK_AT:].startswith(MARK) else 0)
    return read_dataset(
        source.file,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, *_: tag.group != META_GROUP,
        specific_tags=[META_SOP_CLASS, META_TRANSFER_SYNTAX],
    )


def _is_beyond_sop_class(tag: "BaseTag", *_: object) -> bool:
    return tag.group != META_GROUP and tag > SOP_CLASS
