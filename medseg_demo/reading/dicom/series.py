"""DICOM files → the series that they are slices of: grouped, ordered, and with what is unusual about them."""

import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medseg_demo.reading.dicom.slice_headers import SliceHeader, read_header
from medseg_demo.reading.dicom.stack import group_places, lay_out, plane_name
from medseg_demo.names import stem
from medseg_demo.settings import Settings

# The greatest difference of any direction cosine within one orientation, about half a degree.
SAME_ORIENTATION = 0.01
# An image of another size or orientation is left out of a series with at least so many slices.
CLEAR_MAJORITY = 3


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
    """Slices that make one volume, in their order."""

    headers: tuple[SliceHeader, ...]
    notes: tuple[str, ...] = ()

    def with_note(self, note: str) -> "_Stack":
        return replace(self, notes=(*self.notes, note))


def group_slices(
    files: Sequence[Path], settings: Settings, *, root: Path | None = None, name: str = ""
) -> list[Path | Series]:
    """Files with the slices of one volume joined; series stand where their first files stood, in their own order.

    Slices are those with one series identifier, size and orientation. A volume of one slice stays a file, and so
    does what states no position in the patient, such as a radiograph. Localizers are left out where the study has a
    volume, and single images of another size or orientation where the series has one.

    Args:
        files: Of any format.
        settings: ``max_file_mb`` counts.
        root: The folder that was searched, if one was.
        name: What to call a series whose files lie in several places under ``root`` or right in it.
    """
    found = (read_header(path, settings) for path in files)
    headers = [header for header in found if header is not None]
    if len(headers) < 2:
        return list(files)
    stacks = _stacks(headers)
    volumes = sorted((stack for stack in stacks if len(stack.headers) > 1), key=_order)
    series = [_describe(stack, _name([h.path for h in stack.headers], root, name)) for stack in volumes]
    in_volumes = {path for item in series for path in item.paths}
    gone = in_volumes | ({h.path for h in headers} - {h.path for stack in stacks for h in stack.headers})
    order = {path: index for index, path in enumerate(files)}
    starts = sorted(min(order[path] for path in item.paths) for item in series)
    items: dict[int, Path | Series] = {index: path for path, index in order.items() if path not in gone}
    items |= dict(zip(starts, series, strict=True))
    return [items[index] for index in sorted(items)]


def _order(stack: _Stack) -> tuple[float, tuple[float, ...], Path]:
    first = min(stack.headers, key=lambda header: (header.rank, header.path))
    return first.series_number, first.rank, first.path


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
        return stem(min(paths, key=lambda path: path.name))
    common = Path(os.path.commonpath([path.parent for path in paths]))
    return name if common == root or not common.is_relative_to(root) else common.name


def _describe(stack: _Stack, name: str) -> Series:
    first = stack.headers[0]
    geometry, notes = lay_out(stack.headers)
    size = " × ".join(str(length) for length in (first.shape[1], first.shape[0], len(stack.headers)))
    spacing = geometry.spacing_mm
    steps = "" if spacing is None else " × ".join(f"{step:.3g}" for step in reversed(spacing)) + " mm"
    words = (first.modality or "DICOM", plane_name(first), size, steps)
    return Series(
        name=name,
        paths=tuple(header.path for header in stack.headers),
        slices=len(stack.headers),
        description=", ".join(word for word in words if word),
        notes=(*notes, *stack.notes),
    )


def _stacks(headers: Sequence[SliceHeader]) -> list[_Stack]:
    """The volumes that the images make; localizers make some only where the study has nothing else."""
    by_series: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        if not header.is_localizer:
            by_series[header.series].append(header)
    stacks = [stack for group in by_series.values() for stack in _stacks_of_series(group)]
    studies = {stack.headers[0].study for stack in stacks if len(stack.headers) > 1}
    overviews: dict[str, list[SliceHeader]] = defaultdict(list)
    for header in headers:
        if header.is_localizer:
            overviews[header.study].append(header)
    for study, group in overviews.items():
        if study in studies:
            note = f"{_left_out(len(group), 'localizer image')}."
            stacks = [stack.with_note(note) if stack.headers[0].study == study else stack for stack in stacks]
        else:
            series = {header.series for header in group}
            stacks += [s for uid in sorted(series) for s in _stacks_of_series([h for h in group if h.series == uid])]
    return stacks


def _stacks_of_series(headers: list[SliceHeader]) -> list[_Stack]:
    originals = _without_copies(headers)
    parts = _parts(originals)
    largest = max(map(len, parts))
    strays = [part for part in parts if len(part) == 1] if largest >= CLEAR_MAJORITY else []
    parts = [part for part in parts if part not in strays]
    notes: list[str] = []
    if len(originals) < len(headers):
        notes.append(f"{_left_out(len(headers) - len(originals), 'file')}: copies of others.")
    if strays:
        notes.append(f"{_left_out(len(strays), 'image')}: of another size or orientation.")
    if len(parts) > 1:
        notes.append(f"The series mixes {len(parts)} sizes or orientations, which were separated.")
    stacks = [stack for part in parts for stack in _volumes(part)]
    return [replace(stack, notes=(*stack.notes, *notes)) for stack in stacks]


def _without_copies(headers: Sequence[SliceHeader]) -> list[SliceHeader]:
    first = {header.instance or str(header.path): header for header in reversed(headers)}
    return list(reversed(first.values()))


def _parts(headers: Iterable[SliceHeader]) -> list[list[SliceHeader]]:
    """Images of one size, spacing and orientation."""
    parts: list[list[SliceHeader]] = []
    for header in headers:
        part = next((part for part in parts if _belong_together(part[0], header)), None)
        if part is None:
            parts.append([header])
        else:
            part.append(header)
    return parts


def _belong_together(first: SliceHeader, second: SliceHeader) -> bool:
    if first.shape != second.shape or (first.spacing_mm is None) != (second.spacing_mm is None):
        return False
    if first.spacing_mm and not np.allclose(first.spacing_mm, second.spacing_mm or (), rtol=1e-3):
        return False
    if first.directions is None or second.directions is None:
        return first.directions is second.directions
    return bool(np.abs(first.directions - second.directions).max() < SAME_ORIENTATION)


def _volumes(headers: Sequence[SliceHeader]) -> list[_Stack]:
    """One volume, or several where every place has equally many images, such as times or echoes."""
    places = group_places(headers)
    count = len(places[0])
    if any(len(place) != count for place in places):
        extra = len(headers) - len(places)
        note = f"{_left_out(extra, 'image')}: lying where another one lies already."
        return [_Stack(tuple(place[0] for place in places), (note,))]
    if count == 1:
        return [_Stack(tuple(place[0] for place in places))]
    return [
        _Stack(
            tuple(place[index] for place in places),
            (f"It is volume {index + 1} of {count} at the same places, such as times or echoes.",),
        )
        for index in range(count)
    ]


def _left_out(number: int, noun: str) -> str:
    return f"{number} {noun} was left out" if number == 1 else f"{number} {noun}s were left out"
