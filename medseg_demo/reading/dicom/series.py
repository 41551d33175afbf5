"""DICOM files → the series that they are slices of: grouped, named, and read as one volume.

Source: DICOM PS3.3, C.7.6.2 (image plane), C.7.6.1.1.2 (image type).
"""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.reading.dicom.dataset import (
    PER_FRAME,
    first,
    is_dicom,
    item_of,
    load,
    modality_code,
    read_pixels,
    value_of,
    whole,
    word,
    words,
)
from medseg_demo.reading.dicom.file import describe_image, read_frames
from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.header_facts import header_facts
from medseg_demo.reading.dicom.planes import Plane, describe_frames, is_mosaic, is_tiled, plane_of
from medseg_demo.reading.dicom.stack import lay_out, plane_name
from medseg_demo.reading.dicom.volumes import Volume, left_out, volumes
from medseg_demo.reading.raw import Raw
from medseg_demo.reading.source import Source, check_decoded, check_size, decoding, open_source
from medseg_demo.settings import Settings

# Of these, images without a stated position are slices all the same.
SLICED_MODALITIES = ("CT", "MR", "PT")


@dataclass(frozen=True, eq=False)
class SliceHeader:
    """One file that may be a slice.

    Attributes:
        path: The file.
        study: Identifies the study; like the next two and the last it is compared, and never shown.
        series: Identifies the series.
        instance: Identifies the image.
        series_number: For the order of several series.
        shape: Rows, columns and samples of a pixel.
        plane: Where it lies, and what tells it from others there.
        modality: DICOM's code.
        is_localizer: Whether it is an overview for planning.
        frame_of_reference: Identifies the patient's coordinates.
    """

    path: Path
    study: str
    series: str
    instance: str
    series_number: float
    shape: tuple[int, int, int]
    plane: Plane
    modality: str | None
    is_localizer: bool
    frame_of_reference: str


@dataclass(frozen=True)
class Series:
    """Several DICOM files that are the slices of one volume.

    Attributes:
        name: For files and messages, from the names of folders and files, never from what is inside them.
        paths: The files, in the order of the slices.
        slices: How many there are.
        description: Modality, plane, size and spacing, such as "CT, axial, 512 × 512 × 40, 0.7 × 0.7 × 3 mm".
        notes: What is unusual about it, in plain sentences.
        headers: One a file, as they were parsed when the series was found, so that reading it opens each file once.
    """

    name: str
    paths: tuple[Path, ...]
    slices: int
    description: str
    notes: tuple[str, ...] = ()
    headers: tuple[SliceHeader, ...] = field(default=(), repr=False, compare=False)


def parse_slice(source: Source) -> SliceHeader | None:
    """The header of a file that may be a slice of a series; None for all others, and for what cannot be read."""
    try:
        with decoding(source, "DICOM"):
            return _parse(source) if is_dicom(source) else None
    except ReadError:
        return None


def _parse(source: Source) -> SliceHeader | None:
    header = load(source)
    dataset = header.dataset
    rows, columns, samples = (whole(dataset, keyword) or 0 for keyword in ("Rows", "Columns", "SamplesPerPixel"))
    study, series, instance, space = (
        str(value_of(dataset, f"{kind}UID") or "")
        for kind in ("StudyInstance", "SeriesInstance", "SOPInstance", "FrameOfReference")
    )
    is_single = (whole(dataset, "NumberOfFrames") or 1) <= 1 and not is_mosaic(dataset) and not is_tiled(dataset)
    if not header.keyword or not series or min(rows, columns) < 1 or not is_single:
        return None
    plane, modality, shape = plane_of(dataset), modality_code(dataset), (rows, columns, max(1, samples))
    if word(dataset, "Modality") == "SEG" or "SegmentSequence" in dataset:
        return None
    if plane.position is None and modality not in SLICED_MODALITIES:
        return None
    traits = dict(plane.traits)
    if item_of(dataset, PER_FRAME, 0) is not None:
        traits |= planes_of_frames(dataset, 1)[0].traits
    return SliceHeader(
        path=source.path,
        study=study,
        series=series,
        instance=instance,
        series_number=first(dataset, "SeriesNumber", 0.0),
        shape=shape,
        plane=replace(plane, traits=traits, stack=shape, number=first(dataset, "InstanceNumber", 0.0)),
        modality=modality,
        is_localizer="LOCALIZER" in words(dataset, "ImageType"),
        frame_of_reference=space,
    )


def group_slices(
    files: Sequence[Path], headers: Mapping[Path, SliceHeader], *, root: Path | None = None, name: str = ""
) -> list[Path | Series]:
    """Files with the slices of one volume joined; series stand where their first files stood, in their own order.

    Slices are those with one series identifier, size and orientation. A volume of one slice stays a file, and so
    does what states no position in the patient, such as a radiograph. Localizers are left out where the study has a
    volume, and single images of another size or orientation where the series has one.

    Args:
        files: Of any format.
        headers: Those of the files that may be slices, by ``parse_slice``.
        root: The folder that was searched, if one was.
        name: What to call a series whose files lie in several places under ``root`` or right in it.
    """
    order = {path: index for index, path in enumerate(files)}
    found = [headers[path] for path in order if path in headers]
    if len(found) < 2:
        return list(files)
    every = _series_of(found, root, name)
    series = [each for each in every if each.slices > 1]
    single = {path for each in every if each.slices == 1 for path in each.paths}
    starts = sorted(min(order[path] for path in each.paths) for each in series)
    items: dict[tuple[int, int], Path | Series] = {
        (index, 0): path for path, index in order.items() if path not in headers or path in single
    }
    items |= {(start, 1 + place): each for place, (start, each) in enumerate(zip(starts, series, strict=True))}
    return [items[key] for key in sorted(items)]


def number_names(items: Iterable[Path | Series]) -> list[Path | Series]:
    """The same items, series of one name numbered: "ct-1", "ct-2"."""
    items = list(items)
    counts = Counter(item.name for item in items if isinstance(item, Series))
    seen: Counter[str] = Counter()
    for index, item in enumerate(items):
        if isinstance(item, Series) and counts[item.name] > 1:
            seen[item.name] += 1
            items[index] = replace(item, name=f"{item.name}-{seen[item.name]}")
    return items


def _series_of(headers: Sequence[SliceHeader], root: Path | None, name: str) -> list[Series]:
    """The volumes that the images make, by the numbers of series and images; localizers only where there is no other.

    The volumes of one series stay in the order in which they were told apart.
    """
    by_series: dict[tuple[str, str, bool], list[SliceHeader]] = defaultdict(list)
    for header in sorted(headers, key=lambda each: (each.series_number, each.plane.number, each.path)):
        by_series[header.study, header.series, header.is_localizer].append(header)
    found = [each for group in by_series.values() for each in _volumes_of(group, root, name)]
    studies = {each.headers[0].study for each in found if each.slices > 1 and not each.headers[0].is_localizer}
    overviews = Counter(header.study for header in headers if header.is_localizer and header.study in studies)
    kept = []
    for each in found:
        study = each.headers[0].study
        if study in overviews and each.headers[0].is_localizer:
            continue
        note = (f"{left_out(overviews[study], 'localizer image')}.",) if study in overviews else ()
        kept.append(replace(each, notes=(*each.notes, *note)))
    return kept


def _volumes_of(headers: Sequence[SliceHeader], root: Path | None, name: str) -> list[Series]:
    originals = _without_copies(headers)
    copies = len(headers) - len(originals)
    notes = (f"{left_out(copies, 'file')}: copies of others.",) if copies else ()
    return [
        _describe([originals[index] for index in volume.planes], volume, notes, root, name)
        for volume in volumes([header.plane for header in originals])
    ]


def _without_copies(headers: Sequence[SliceHeader]) -> list[SliceHeader]:
    """One file of each image; where one identifier stands in all, as some programs leave it, their places count too."""

    def identity(header: SliceHeader) -> tuple[object, ...]:
        place = header.plane.position
        return header.instance or header.path, header.plane.number, None if place is None else tuple(place.tolist())

    found = {identity(header): header for header in reversed(headers)}
    return list(reversed(found.values()))


def _describe(
    slices: Sequence[SliceHeader], volume: Volume, notes: tuple[str, ...], root: Path | None, name: str
) -> Series:
    start, paths = slices[0], tuple(header.path for header in slices)
    geometry, of_places = lay_out([header.plane for header in slices])
    size = " × ".join(str(length) for length in (start.shape[1], start.shape[0], len(slices)))
    spacing = geometry.spacing_mm
    steps = "" if spacing is None else " × ".join(f"{step:.3g}" for step in reversed(spacing)) + " mm"
    parts = (start.modality or "DICOM", plane_name(start.plane), size, steps, volume.name)
    choice = (volume.choice_note,) if volume.name else ()
    return Series(
        name=_name(paths, root, name),
        paths=paths,
        slices=len(paths),
        description=", ".join(part for part in parts if part),
        notes=(*choice, *of_places, *volume.notes, *notes),
        headers=tuple(slices),
    )


def _name(paths: Sequence[Path], root: Path | None, name: str) -> str:
    if root is None:
        return names.stem(min(paths, key=lambda path: path.name))
    common = Path(os.path.commonpath([path.parent for path in paths]))
    return name if common == root or not common.is_relative_to(root) else common.name


def read_series(series: Series, settings: Settings) -> Raw:
    """Read a series, each file opened once.

    Values are those of the modality, each slice rescaled by its own slope and intercept. The display window is that of
    the slice in the middle.

    Args:
        series: From ``group_slices``.
        settings: The limits; ``max_megavoxels`` and ``max_decoded_mb`` count for the volume.

    Raises:
        ReadError: See medseg_demo.errors.
    """
    entire, start = Source(Path(series.name), BytesIO(), b"", 0, settings), series.headers[0]
    check_size((series.slices, *start.shape[:2]), entire)
    with decoding(entire, "DICOM"):
        volume, slices = _read_slices(series, entire)
    polarities = [part.polarity for part in slices if part.polarity is not None]
    if 0 < len(polarities) < len(slices):
        raise UnsupportedImageError(
            f"{entire.label}: some slices store bright as dark (MONOCHROME1) and others do not. Export them alike."
        )
    planes = [header.plane for header in series.headers]
    return replace(
        slices[len(slices) // 2],
        array=volume,
        axes="ZYX" if volume.ndim == 3 else "ZYXC",
        file_format="DICOM series",
        bit_depth=max(part.bit_depth for part in slices),
        samples="one" if volume.ndim == 3 else "colour",
        geometry=lay_out(planes)[0],
        polarity=max(polarities, default=None),
        modality=start.modality,
        has_burned_in_text=any(part.has_burned_in_text for part in slices),
        notes=series.notes,
        image_notes=tuple(dict.fromkeys(note for part in slices for note in part.image_notes)),
        source_files=series.paths,
        source_frames=describe_frames(planes, [each.instance for each in series.headers], start.frame_of_reference),
    )


def _read_slices(series: Series, entire: Source) -> tuple[np.ndarray, list[Raw]]:
    """The volume, and its slices without their values."""
    volume, slices = np.empty(0), []
    for index, header in enumerate(series.headers):
        if not header.path.is_file():
            raise _no_longer(header, entire)
        with open_source(header.path, entire.settings) as source, decoding(source, "DICOM"):
            opened = load(source)
            found = describe_image(opened, source)
            part = read_frames(opened, read_pixels(opened, source), found, (0,), source)
        values = part.array[0] if part.palette is None else part.palette[part.array[0]]
        if index == 0:
            volume = np.empty((series.slices, *values.shape), values.dtype)
            check_decoded(volume.nbytes, entire.label, entire.settings)
        if (found.rows, found.columns, found.samples, found.frames) != (*header.shape, 1) or (
            values.shape != volume.shape[1:]
        ):
            raise _no_longer(header, entire)
        if values.dtype != volume.dtype:  # single precision where one is rescaled and the other is not
            is_real = "f" in (values.dtype.kind, volume.dtype.kind)
            volume = volume.astype(np.float32 if is_real else np.result_type(volume, values))
        volume[index] = values
        facts = header_facts(opened.dataset) if index == series.slices // 2 else ()
        slices.append(replace(part, array=np.empty(0), palette=None, header_facts=facts))
    return volume, slices


def _no_longer(header: SliceHeader, entire: Source) -> DamagedFileError:
    return DamagedFileError(
        f"{entire.label}: {names.shown(header.path.name)} is no longer a slice of this series. Choose the files again."
    )
