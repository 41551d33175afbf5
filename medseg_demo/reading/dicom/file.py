"""DICOM images, through pydicom; of the header only what ``header_facts`` allows is kept."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnknownFormatError, UnsupportedImageError
from medseg_demo.reading.dicom.dataset import (
    Header,
    is_dicom,
    is_media_directory,
    load,
    modality_code,
    read_pixels,
    value_of,
    word,
)
from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.header_facts import header_facts, patient_key, unit_of
from medseg_demo.reading.dicom.pixel_format import MOST_FRAMES, PixelFormat, check_length, describe
from medseg_demo.reading.dicom.pixels import decode
from medseg_demo.reading.dicom.planes import Plane, describe_frames, is_mosaic, is_tiled, pixel_spacing, plane_of
from medseg_demo.reading.dicom.stack import lay_out
from medseg_demo.reading.dicom.values import INVERTED_NOTE, palette_indices, scaling, window
from medseg_demo.reading.dicom.volumes import Volume, volumes
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source, check_size

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import DataElement

__all__ = ["inspect", "is_dicom", "is_media_directory", "read"]

STORAGE = "1.2.840.10008.5.1.4.1.1."
# SOP classes of images whose names do not say so; and of segmentations, which pydicom 3.0 cannot all name.
IMAGES = ("RT Dose", "Parametric Map", "Enhanced US Volume", "Ophthalmic Thickness Map", "Corneal Topography Map")
SEGMENTATIONS = tuple(STORAGE + end for end in ("66.4", "66.7", "66.8"))


@dataclass(frozen=True, eq=False)
class _File:
    """What was found in a file's header, for ``read``."""

    header: Header
    found: PixelFormat
    planes: tuple[Plane, ...]
    volumes: tuple[Volume, ...]


def inspect(source: Source) -> Layout:
    """What the header claims: frames become slices only where they are; times, echoes and the like are volumes.

    Raises:
        UnsupportedImageError: The object is no image, or of a kind that is not read; the message names it.
        ReadError: See medseg_demo.errors.
    """
    header = load(source)
    found = describe_image(header, source)
    dataset = header.dataset
    single = found.frames == 1
    planes = tuple([plane_of(dataset)] if single else planes_of_frames(dataset, found.frames))
    parts = (Volume((0,)),) if single else tuple(volumes(planes))
    slices = max(len(part.planes) for part in parts)
    scale = scaling(dataset, found, range(1), source)
    is_colour = found.samples > 1 or found.photometric == "PALETTE COLOR"
    return Layout(
        shape=(found.rows, found.columns) if slices == 1 else (slices, found.rows, found.columns),
        dtype=found.dtype,
        samples=3 if is_colour else 1,
        volumes=len(parts),
        volume_names=tuple(part.name for part in parts) if len(parts) > 1 else (),
        decoded_dtype=scale.dtype(found.dtype),
        header=_File(header, found, planes, parts),
    )


def describe_image(header: Header, source: Source) -> PixelFormat:
    """How an image's pixels are stored, if the object is an image, and their bytes are there.

    Raises:
        ReadError: See ``inspect``.
    """
    _check_is_image(header, source)
    found = describe(header.dataset, header.keyword, header.syntax, source)
    check_size((found.rows, found.columns), source)
    try:
        check_length(header.length, header.available, found, source)
    except DamagedFileError:
        check_size((found.frames, found.rows, found.columns), source)  # says more of what is claimed
        raise
    if found.frames > MOST_FRAMES:
        raise ImageTooLargeError(
            f"{source.label}: it holds {found.frames} frames, and at most {MOST_FRAMES} are read. Save a part of them."
        )
    return found


def _check_is_image(header: Header, source: Source) -> None:
    dataset = header.dataset
    has_mark = source.head[128:132] == b"DICM"
    if not has_mark and "Rows" not in dataset and "SOPClassUID" not in dataset:
        raise UnknownFormatError(
            f"{source.label}: its bytes are of no image format that is read here. Save it as PNG, TIFF, DICOM or NIfTI."
        )
    kind = _kind(dataset)
    if kind:
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file is not an image, but of the kind {kind!r}. Choose the images of the study."
        )
    if not header.keyword or ("Rows" not in dataset and "Columns" not in dataset):
        if "Rows" in dataset or not dataset.keys():  # pydicom drops everything where the last element is cut off
            raise DamagedFileError(f"{source.label}: the DICOM file ends before its pixels. Export or copy it again.")
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file holds no pixels, or is cut off before them. Choose "
            "the images of the study."
        )
    if is_mosaic(dataset):
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file is a mosaic (the slices of a volume side by side in one image), which is "
            "not taken apart here. Convert it to NIfTI, or export it as an enhanced or single-slice series."
        )
    if is_tiled(dataset):
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file holds the tiles of a whole-slide image, which are no slices, and are not "
            "put together here. Export the region of interest as TIFF."
        )


def _kind(dataset: "Dataset") -> str:
    """What the object is, where it is no image; mostly the standard's name of its SOP class."""
    from pydicom.uid import UID

    if "DirectoryRecordSequence" in dataset:
        return "DICOMDIR"
    sop_class = str(value_of(dataset, "SOPClassUID") or "")
    if word(dataset, "Modality") == "SEG" or "SegmentSequence" in dataset or sop_class in SEGMENTATIONS:
        return "Segmentation"
    name = UID(sop_class).name
    kind = name.removesuffix(" Storage")
    return "" if name in (sop_class, kind) or "Image" in name or kind in IMAGES else kind


def read(source: Source, layout: Layout, chosen: Sequence[int]) -> Raw:
    """The values of one volume, or of several as channels.

    Raises:
        UnsupportedImageError: Volumes of different sizes are to be channels.
        ReadError: See medseg_demo.errors.
    """
    file: _File = layout.header
    parts = [file.volumes[index] for index in chosen]
    if len({len(part.planes) for part in parts}) > 1:
        raise UnsupportedImageError(
            f"{source.label}: its volumes have different numbers of slices, and cannot be channels. Choose one."
        )
    element = read_pixels(file.header, source)
    decoded = [read_frames(file.header, element, file.found, part.planes, source) for part in parts]
    raw, part = decoded[0], parts[0]
    if len(parts) > 1:
        raw = replace(
            raw,
            array=np.stack([each.array for each in decoded], axis=-1),
            axes="ZYXC",
            samples="channels",
            channel_names=layout.names_of(chosen),
            window=None,
        )
    if len(part.planes) == 1:
        raw = replace(raw, array=raw.array[0], axes="YX" if raw.axes == "ZYX" else "YXC")
    planes = [file.planes[index] for index in part.planes]
    geometry, notes = lay_out(planes)
    instance, space = (
        str(value_of(file.header.dataset, f"{kind}UID") or "") for kind in ("SOPInstance", "FrameOfReference")
    )
    spacing_notes = pixel_spacing(file.header.dataset, part.planes[0])[1]
    return replace(
        raw,
        geometry=geometry,
        header_facts=header_facts(file.header.dataset),
        notes=tuple(dict.fromkeys((*spacing_notes, *notes, *part.notes))),
        source_files=(source.path,),
        source_frames=describe_frames(planes, [instance] * len(planes), space, part.planes),
    )


def read_frames(
    header: Header, element: "DataElement", found: PixelFormat, frames: Sequence[int], source: Source
) -> Raw:
    """Decode frames of one file, in the order that is given, and scale them; (Z, Y, X) without a geometry.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    dataset = header.dataset
    stored = decode(element, dataset, found, frames, source)
    raw = Raw(
        array=stored,
        axes="ZYX",
        file_format="DICOM",
        bit_depth=found.stored,
        modality=modality_code(dataset),
        patient=patient_key(dataset),
        has_burned_in_text=word(dataset, "BurnedInAnnotation") == "YES",
    )
    if found.samples > 1:
        return replace(raw, axes="ZYXC", samples="colour")
    if found.photometric == "PALETTE COLOR":
        array, colours = palette_indices(stored, dataset, source)
        return replace(raw, array=array, palette=colours)
    scale = scaling(dataset, found, frames, source)
    values, polarity = scale.apply(stored), scale.polarity
    if polarity is not None and stored.dtype.kind == "f":  # which have no greatest value: those that occur count
        polarity = float(values.min()) + float(values.max())
    return replace(
        raw,
        array=values,
        polarity=polarity,
        unit=unit_of(dataset) if polarity is None else None,
        window=window(dataset, frames[len(frames) // 2]),
        image_notes=() if polarity is None else (INVERTED_NOTE,),
    )
