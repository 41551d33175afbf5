"""DICOM files → the series that they are slices of: grouped, named, and read as one volume."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.dicom.file import read_slice
from medseg_demo.reading.dicom.slice_headers import SliceHeader
from medseg_demo.reading.dicom.source_frames import describe_frames
from medseg_demo.reading.dicom.stack import lay_out, plane_name
from medseg_demo.reading.dicom.volumes import CLEAR_MAJORITY, left_out, volumes
from medseg_demo.reading.raw import Raw
from medseg_demo.reading.source import Source, check_decoded, check_size, decoding, open_source
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from pydicom import Dataset

KEPT_ELEMENTS = (
    *("SOPInstanceUID", "FrameOfReferenceUID", "ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing"),
    *("SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"),
)


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


@dataclass(frozen=True, eq=False)
class _Stack:
    """Slices that make one volume, in their order, and what tells it from others."""

    headers: tuple[SliceHeader, ...]
    name: str = ""
    notes: tuple[str, ...] = ()

    def with_note(self, note: str) -> "_Stack":
        return replace(self, notes=(*self.notes, note))


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
    found = [headers[path] for path in dict.fromkeys(files) if path in headers]
    if len(found) < 2:
        return list(files)
    stacks = _stacks(found)
    several = _in_order([stack for stack in stacks if len(stack.headers) > 1])
    series = [_describe(stack, _name([h.path for h in stack.headers], root, name)) for stack in several]
    in_series = {path for item in series for path in item.paths}
    gone = in_series | ({h.path for h in found} - {h.path for stack in stacks for h in stack.headers})
    order = {path: index for index, path in enumerate(files)}
    starts = sorted(min(order[path] for path in item.paths) for item in series)
    items: dict[tuple[int, int], Path | Series] = {
        (index, 0): path for path, index in order.items() if path not in gone
    }
    items |= {(start, 1 + place): item for place, (start, item) in enumerate(zip(starts, series, strict=True))}
    return [items[key] for key in sorted(items)]


def _in_order(stacks: Sequence[_Stack]) -> list[_Stack]:
    """By the numbers of series and images; the volumes of one series in the order in which they were told apart."""
    starts = [min((header.plane.number, header.path) for header in stack.headers) for stack in stacks]
    first: dict[tuple[str, str], tuple[float, Path]] = {}
    for stack, start in zip(stacks, starts, strict=True):
        key = stack.headers[0].study, stack.headers[0].series
        first[key] = min(first.get(key, start), start)

    def place(index: int) -> tuple[float, tuple[float, Path], tuple[float, Path]]:
        header = stacks[index].headers[0]
        of_series = first[header.study, header.series]
        return header.series_number, of_series, of_series if stacks[index].name else starts[index]

    return [stacks[index] for index in sorted(range(len(stacks)), key=place)]


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


def _name(paths: Sequence[Path], root: Path | None, name: str) -> str:
    if root is None:
        return names.stem(min(paths, key=lambda path: path.name))
    common = Path(os.path.commonpath([path.parent for path in paths]))
    return name if common == root or not common.is_relative_to(root) else common.name


def _describe(stack: _Stack, name: str) -> Series:
    first = stack.headers[0]
    geometry, notes = lay_out([header.plane for header in stack.headers])
    size = " × ".join(str(length) for length in (first.shape[1], first.shape[0], len(stack.headers)))
    spacing = geometry.spacing_mm
    steps = "" if spacing is None else " × ".join(f"{step:.3g}" for step in reversed(spacing)) + " mm"
    words = (first.modality or "DICOM", plane_name(first.plane), size, steps, stack.name)
    return Series(
        name=name,
        paths=tuple(header.path for header in stack.headers),
        slices=len(stack.headers),
        description=", ".join(word for word in words if word),
        notes=(*stack.notes[:1], *notes, *stack.notes[1:]) if stack.name else (*notes, *stack.notes),
        headers=stack.headers,
    )


def _stacks(headers: Sequence[SliceHeader]) -> list[_Stack]:
    """The volumes that the images make; localizers make some only where the study has nothing else."""
    by_series: dict[tuple[str, str], list[SliceHeader]] = defaultdict(list)
    for header in headers:
        if not header.is_localizer:
            by_series[header.study, header.series].append(header)
    stacks = [stack for group in by_series.values() for stack in _stacks_of_series(group)]
    studies = {stack.headers[0].study for stack in stacks if len(stack.headers) > 1}
    overviews: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        if header.is_localizer:
            overviews[header.study].append(header)
    for study, group in overviews.items():
        if study in studies:
            note = f"{left_out(len(group), 'localizer image')}."
            stacks = [stack.with_note(note) if stack.headers[0].study == study else stack for stack in stacks]
        else:
            series = {header.series for header in group}
            stacks += [s for uid in sorted(series) for s in _stacks_of_series([h for h in group if h.series == uid])]
    return stacks


def _stacks_of_series(headers: list[SliceHeader]) -> list[_Stack]:
    originals = _without_copies(headers)
    by_shape: dict[tuple[int, int, int], list[SliceHeader]] = defaultdict(list)
    for header in originals:
        by_shape[header.shape].append(header)
    largest = max(map(len, by_shape.values()))
    strays = [group for group in by_shape.values() if len(group) == 1] if largest >= CLEAR_MAJORITY else []
    kept = [group for group in by_shape.values() if group not in strays]
    notes: list[str] = []
    if len(originals) < len(headers):
        notes.append(f"{left_out(len(headers) - len(originals), 'file')}: copies of others.")
    if strays:
        notes.append(f"{left_out(len(strays), 'image')}: of another size or orientation.")
    if len(kept) > 1:
        notes.append(f"It mixes {len(kept)} sizes or orientations, which were separated.")
    stacks = []
    for group in kept:
        for volume in volumes([header.plane for header in group]):
            own = (volume.choice_note,) if volume.name else ()
            slices = tuple(group[index] for index in volume.planes)
            stacks.append(_Stack(slices, volume.name, (*own, *volume.notes, *notes)))
    return stacks


def _without_copies(headers: Sequence[SliceHeader]) -> list[SliceHeader]:
    """One file of each image; where one identifier stands in all, as some programs leave it, their places count too."""

    def identity(header: SliceHeader) -> tuple[object, ...]:
        place = header.plane.position
        return header.instance or header.path, header.plane.number, None if place is None else tuple(place.tolist())

    first = {identity(header): header for header in reversed(headers)}
    return list(reversed(first.values()))


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
    whole = Source(Path(series.name), BytesIO(), b"", 0, settings)
    rows, columns, _ = series.headers[0].shape
    check_size((len(series.paths), rows, columns), whole)
    with decoding(whole, "DICOM"):
        volume, slices, kept = _read_slices(series, whole)
        source_frames = describe_frames(kept)
    polarities = [part.polarity for part in slices if part.polarity is not None]
    if 0 < len(polarities) < len(slices):
        raise UnsupportedImageError(
            f"{whole.label}: some slices store bright as dark (MONOCHROME1) and others do not. Export them alike."
        )
    is_colour = volume.ndim > 3
    return replace(
        slices[len(slices) // 2],
        array=volume,
        axes="ZYXC" if is_colour else "ZYX",
        file_format="DICOM series",
        bit_depth=max(part.bit_depth for part in slices),
        samples="colour" if is_colour else "one",
        geometry=lay_out([header.plane for header in series.headers])[0],
        polarity=max(polarities, default=None),
        modality=series.headers[0].modality,
        notes=series.notes,
        image_notes=tuple(dict.fromkeys(note for part in slices for note in part.image_notes)),
        source_files=series.paths,
        source_frames=source_frames,
    )


def _read_slices(series: Series, whole: Source) -> tuple[np.ndarray, list[Raw], list["Dataset"]]:
    """The volume; its slices without their values; and what is kept of each header."""
    volume, slices, kept = np.empty(0), [], []
    for index, header in enumerate(series.headers):
        if not header.path.is_file():
            raise _no_longer(header, whole)
        with open_source(header.path, whole.settings) as source, decoding(source, "DICOM"):
            part, found, dataset = read_slice(source)
        if (found.rows, found.columns, found.samples, found.frames) != (*header.shape, 1):
            raise _no_longer(header, whole)
        values = part.array[0] if part.palette is None else part.palette[part.array[0]]
        if index == 0:
            volume = np.empty((len(series.headers), *values.shape), values.dtype)
            check_decoded(volume.nbytes, whole.label, whole.settings)
        if values.shape != volume.shape[1:]:
            raise _no_longer(header, whole)
        volume = volume.astype(_common(volume.dtype, values.dtype), copy=False)
        volume[index] = values
        slices.append(replace(part, array=np.empty(0), palette=None))
        kept.append(_without_the_rest(dataset))
    return volume, slices, kept


def _no_longer(header: SliceHeader, whole: Source) -> DamagedFileError:
    return DamagedFileError(
        f"{whole.label}: {names.shown(header.path.name)} is no longer a slice of this series. Choose the files again."
    )


def _common(one: np.dtype, other: np.dtype) -> np.dtype:
    """A type that holds the values of both; single precision where one is rescaled and the other is not."""
    if one == other:
        return one
    return np.dtype(np.float32) if "f" in (one.kind, other.kind) else np.result_type(one, other)


def _without_the_rest(dataset: "Dataset") -> "Dataset":
    """A header with what segmentations refer to alone: a series has up to some thousand."""
    from pydicom import Dataset

    kept = Dataset()
    for keyword in KEPT_ELEMENTS:
        if keyword in dataset:
            kept[keyword] = dataset[keyword]
    return kept
