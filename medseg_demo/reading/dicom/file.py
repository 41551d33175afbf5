"""DICOM images, through pydicom; nothing but the modality's code is kept of what a file says about a patient."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, UnknownFormatError, UnsupportedImageError
from medseg_demo.image import Axes, SourceFrames
from medseg_demo.reading.dicom.dataset import Header, is_dicom, is_media_directory, load, read_pixels
from medseg_demo.reading.dicom.elements import keep_pydicom_quiet, modality_code, value_of, word
from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.pixel_format import MOST_FRAMES, PixelFormat, check_length, describe
from medseg_demo.reading.dicom.pixels import decode
from medseg_demo.reading.dicom.planes import Plane, is_mosaic, is_tiled, pixel_spacing, plane_of
from medseg_demo.reading.dicom.source_frames import describe_frames
from medseg_demo.reading.dicom.stack import lay_out
from medseg_demo.reading.dicom.values import INVERTED_NOTE, Scaling, palette, scaling, window
from medseg_demo.reading.dicom.volumes import Volume, volumes
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import Source, check_size

if TYPE_CHECKING:
    from pydicom import Dataset
    from pydicom.dataelem import DataElement

__all__ = ["Slice", "inspect", "is_dicom", "is_media_directory", "keep_pydicom_quiet", "read", "read_slice"]

STORAGE = "1.2.840.10008.5.1.4.1.1."
# Objects that hold no image to segment, by the ends of their SOP classes; the longest end counts.
NO_IMAGES = {
    "66.4": "a segmentation",
    "66.7": "a segmentation (label map)",
    "66.8": "a segmentation (height map)",
    "66.5": "a surface segmentation",
    "66.": "raw data, a registration or fiducials",
    "66": "raw data",
    "481.3": "contours (RTSTRUCT)",
    "481.5": "a radiotherapy plan",
    "481.8": "a radiotherapy plan",
    "481.": "a radiotherapy record",
    "11.": "a presentation state",
    "88.59": "a selection of key objects",
    "88.": "a structured report",
    "104.": "an encapsulated document",
    "9.": "waveforms",
    "4.2": "MR spectra",
    "67": "a mapping to real-world values",
}
# These begin with an end of the table, and are images.
IMAGES_ALL_THE_SAME = ("481.1", "481.2")
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
        advice = "Choose the images it was drawn on" if "segmentation" in kind or "contours" in kind else ""
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file is {kind}, not an image. {advice or 'Choose the images of the study'}."
        )
    if not header.keyword or ("Rows" not in dataset and "Columns" not in dataset):
        if "Rows" in dataset or not dataset.keys():  # pydicom drops everything where the last element is cut off
            raise DamagedFileError(f"{source.label}: the DICOM file ends before its pixels. Export or copy it again.")
        raise UnsupportedImageError(
            f"{source.label}: the DICOM file holds no pixels (it may be a report, a plan, a directory, or be cut off). "
            "Choose the images of the study."
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
    """What the object is, where it is no image."""
    end = str(value_of(dataset, "SOPClassUID") or "").removeprefix(STORAGE)
    if end in IMAGES_ALL_THE_SAME:
        return ""
    if "DirectoryRecordSequence" in dataset:
        return "a directory of other files (DICOMDIR)"
    if word(dataset, "Modality") == "SEG" or "SegmentSequence" in dataset:
        return NO_IMAGES.get(end, "a segmentation")
    fits = [start for start in NO_IMAGES if end == start or (start.endswith(".") and end.startswith(start))]
    return NO_IMAGES[max(fits, key=len)] if fits else ""


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
    slices = [read_frames(file.header, element, file.found, part.planes, source) for part in parts]
    first, part = slices[0], parts[0]
    geometry, notes = lay_out([file.planes[index] for index in part.planes])
    spacing_notes = pixel_spacing(file.header.dataset, part.planes[0])[1]
    if len(parts) == 1:
        array, samples = first.values, first.samples
    else:
        array, samples = np.stack([each.values for each in slices], axis=-1), "channels"
    is_volume = len(part.planes) > 1
    return Raw(
        array=array if is_volume else array[0],
        axes=axes(is_volume=is_volume, samples=samples),
        file_format="DICOM",
        bit_depth=file.found.stored,
        samples=samples,
        channel_names=tuple(layout.volume_names[index] for index in chosen) if samples == "channels" else (),
        geometry=geometry,
        polarity=first.polarity,
        palette=first.palette,
        window=slices[0].window if len(slices) == 1 else None,
        modality=modality_code(file.header.dataset),
        notes=tuple(dict.fromkeys((*spacing_notes, *notes, *part.notes))),
        image_notes=first.notes,
        source_files=(source.path,),
        source_frames=_source_frames(file, part),
    )


def axes(*, is_volume: bool, samples: Samples) -> Axes:
    """The axes of an array, as ``Raw`` names them."""
    if samples == "one":
        return "ZYX" if is_volume else "YX"
    return "ZYXC" if is_volume else "YXC"


def _source_frames(file: _File, part: Volume) -> SourceFrames | None:
    order = part.planes if file.found.frames > 1 else None
    return describe_frames([file.header.dataset], order)


@dataclass(frozen=True, eq=False)
class Slice:
    """Frames of one file, decoded.

    Attributes:
        values: (N, Y, X) in the units of the modality, or palette indices, or (N, Y, X, 3) colours.
        samples: As in ``Raw``.
        polarity: As in ``Raw``.
        palette: As in ``Raw``.
        window: The file's own display window.
        notes: What an image's values will undergo.
    """

    values: np.ndarray
    samples: Samples
    polarity: float | None
    palette: np.ndarray | None
    window: tuple[float, float] | None
    notes: tuple[str, ...]


def read_frames(
    header: Header, element: "DataElement", found: PixelFormat, frames: Sequence[int], source: Source
) -> Slice:
    """Decode frames of one file, in the order that is given, and scale them.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    dataset = header.dataset
    stored = decode(element, dataset, found, frames, source)
    if found.samples > 1:
        return Slice(stored, "colour", None, None, None, ())
    if found.photometric == "PALETTE COLOR":
        colours, start = palette(dataset, source)
        return Slice(*_indices(stored, colours, start), None, ())
    scale = scaling(dataset, found, frames, source)
    values = scale.apply(stored)
    return Slice(
        values=values,
        samples="one",
        polarity=_total(scale, values, found),
        palette=None,
        window=window(dataset, frames[len(frames) // 2]),
        notes=(INVERTED_NOTE,) if scale.polarity is not None else (),
    )


def _total(scale: Scaling, values: np.ndarray, found: PixelFormat) -> float | None:
    """The polarity; of floats, which have no greatest value, by those that occur."""
    if scale.polarity is None or found.dtype.kind != "f":
        return scale.polarity
    return float(values.min()) + float(values.max())


def _indices(
    stored: np.ndarray, colours: np.ndarray, start: int
) -> tuple[np.ndarray, Samples, float | None, np.ndarray]:
    """Indices into a palette whose first colour stands for ``start``: as stored where that can be."""
    if start > 0 and stored.dtype.kind == "u":
        colours, start = np.concatenate([np.repeat(colours[:1], start, axis=0), colours]), 0
    colours = colours[: 2 ** (8 * stored.dtype.itemsize)]
    if start == 0 and stored.dtype.kind == "u":
        return stored, "one", None, colours
    return np.clip(stored.astype(np.int64) - start, 0, len(colours) - 1).astype(np.uint16), "one", None, colours


def read_slice(source: Source) -> tuple[Slice, PixelFormat, "Dataset"]:
    """The only image of a file of a series, with its header.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    header = load(source)
    found = describe_image(header, source)
    return read_frames(header, read_pixels(header, source), found, (0,), source), found, header.dataset
