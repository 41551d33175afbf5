"""Planes → volumes: which belong together, and what tells apart those at the same places; never one mixed of several.

The same rules for the slices of a series and the frames of a file.
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.reading.dicom.frames import planes_of_frames
from medseg_demo.reading.dicom.planes import Plane, shown_value, trait_name
from medseg_demo.reading.dicom.stack import is_even, places

if TYPE_CHECKING:
    from pydicom import Dataset

# The greatest difference of any direction cosine within one orientation, about half a degree.
SAME_ORIENTATION = 0.01
SAME_SPACING = 1e-3
# An image of another size or orientation is left out beside a volume of at least so many slices.
CLEAR_MAJORITY = 3
BY_NUMBER = (
    "Nothing but their numbers tells the images at one place apart, so check that the slices are of one time or echo."
)
# Of the attributes that differ, so many are tried together.
MOST_ATTRIBUTES = 8


@dataclass(frozen=True)
class Volume:
    """Planes that make one volume.

    Attributes:
        planes: Their indices, in the order of the slices.
        name: What tells it from others at the same places, such as "echo 2, time 1"; empty where there is none.
        number: Which of these it is, from 1.
        count: How many of these there are.
        notes: What was left out.
    """

    planes: tuple[int, ...]
    name: str = ""
    number: int = 1
    count: int = 1
    notes: tuple[str, ...] = ()

    @property
    def choice_note(self) -> str:
        """Which of several volumes it is."""
        return f"It is volume {self.number} of {self.count} at the same places, such as times or echoes: {self.name}."


def volumes(planes: Sequence[Plane], indices: Sequence[int] | None = None) -> list[Volume]:
    """The volumes that planes of one size make, none of them mixed of several.

    Args:
        planes: Of a series or a file.
        indices: Which of them; all by default.

    Returns:
        At least one where there is a plane. Single planes of another orientation are left out beside a volume.
    """
    parts = _parts(planes, range(len(planes)) if indices is None else indices)
    largest = max(map(len, parts), default=0)
    strays = [part for part in parts if len(part) == 1] if largest >= CLEAR_MAJORITY else []
    kept = [part for part in parts if len(part) > 1 or not strays]
    notes: tuple[str, ...] = ()
    if strays:
        notes += (f"{left_out(len(strays), 'image')}: of another size or orientation.",)
    if len(kept) > 1:
        notes += (f"It mixes {len(kept)} sizes or orientations, which were separated.",)
    found = [volume for part in kept for volume in _volumes_of_part(planes, part)]
    return [replace(volume, notes=(*volume.notes, *notes)) for volume in found]


def order_of_frames(dataset: "Dataset", frames: int) -> np.ndarray:
    """The frame of each slice, from 0, of a file whose frames make one volume; as stored where they make several."""
    found = volumes(planes_of_frames(dataset, frames)) if frames > 1 else []
    return np.array(found[0].planes) if len(found) == 1 and len(found[0].planes) == frames else np.arange(frames)


def left_out(number: int, noun: str) -> str:
    """The start of a note."""
    return f"{number} {noun} was left out" if number == 1 else f"{number} {noun}s were left out"


def _parts(planes: Sequence[Plane], indices: Sequence[int]) -> list[list[int]]:
    """Planes of one stack, spacing and orientation."""
    stacks: dict[Hashable, int] = {}
    traits = np.array([_place_traits(planes[index], stacks) for index in indices]).reshape(-1, 12)
    left, parts = np.arange(len(indices)), []
    while left.size:  # all that are left at once: a file may have thousands of orientations
        first = traits[left[0]]
        tolerance = np.repeat([0, SAME_SPACING, SAME_ORIENTATION], (1, 2, 9)) * np.where(np.arange(12) < 3, first, 1)
        near = np.abs(traits[left] - first) <= tolerance
        belongs = (near | (np.isnan(traits[left]) & np.isnan(first))).all(axis=1)
        parts.append([indices[place] for place in left[belongs]])
        left = left[~belongs]
    return parts


def _place_traits(plane: Plane, stacks: dict[Hashable, int]) -> list[float]:
    """The number of its stack, its spacing and its directions; NaN where they are unknown."""
    spacing = [np.nan] * 2 if plane.spacing_mm is None else plane.spacing_mm
    directions = [np.nan] * 9 if plane.directions is None else plane.directions.ravel().tolist()
    return [stacks.setdefault(plane.stack, len(stacks)), *spacing, *directions]


def _volumes_of_part(planes: Sequence[Plane], part: Sequence[int]) -> list[Volume]:
    """One volume, or those that attributes tell apart, or as many as there are planes at every place."""
    at = places(planes, part)
    most = max(map(len, at))
    if most == 1:
        interleaved = _interleaved(planes, at)
        return _numbered(interleaved) if interleaved else [Volume(tuple(place[0] for place in at))]
    found = _divide(planes, at) or _ranked(planes, at)
    if found:
        return _numbered(found)
    incomplete = _incomplete(planes, at, most) or _of_complete_places(planes, at, most)
    if incomplete:
        return _numbered(incomplete)
    note = f"{left_out(len(part) - len(at), 'image')}: lying where another one lies already."
    return [Volume(tuple(place[0] for place in at), notes=(note,))]


def _numbered(found: list[Volume]) -> list[Volume]:
    return [replace(volume, number=number, count=len(found)) for number, volume in enumerate(found, start=1)]


def _keys(planes: Sequence[Plane], at: Sequence[Sequence[int]]) -> Iterator[str]:
    """The attributes whose values differ, in their order."""
    present = dict.fromkeys(key for place in at for index in place for key in planes[index].traits)
    for key in present:
        if len({planes[index].traits.get(key) for place in at for index in place}) > 1:
            yield key


def _divide(planes: Sequence[Plane], at: list[list[int]]) -> list[Volume] | None:
    """Volumes by attributes of which every place has the same values equally often; several where one is not enough.

    Returns:
        None where no attributes do.
    """
    for key in _keys(planes, at):
        counts = [Counter(planes[index].traits.get(key) for index in place) for place in at]
        if any(count != counts[0] for count in counts) or len(counts[0]) < 2:
            continue
        found: list[Volume] = []
        by_value = [_by_value(planes, place, key) for place in at]
        for number, value in enumerate(sorted(counts[0], key=_by_size), start=1):
            inner = [groups[value] for groups in by_value]
            name = _name(key, number, value)
            if len(inner[0]) == 1:
                found.append(Volume(tuple(place[0] for place in inner), name))
                continue
            parts = _divide(planes, inner) or _ranked(planes, inner)
            found += [replace(part, name=f"{name}, {part.name}") for part in parts or ()]
        if sum(len(volume.planes) for volume in found) == sum(map(len, at)):
            return found
    return None


def _by_value(planes: Sequence[Plane], place: Iterable[int], key: str) -> dict[Hashable, list[int]]:
    groups: dict[Hashable, list[int]] = defaultdict(list)
    for index in place:
        groups[planes[index].traits.get(key)].append(index)
    return groups


def _ranked(planes: Sequence[Plane], at: list[list[int]]) -> list[Volume] | None:
    """Volumes by the order of a number or time at each place, where slices have values of their own.

    The order in which images are numbered is the last resort.

    Returns:
        None where places have not equally many planes.
    """
    count = len(at[0])
    if any(len(place) != count for place in at):
        return None
    for key in _keys(planes, at):
        ranked = [sorted(place, key=lambda index: _by_size(planes[index].traits.get(key))) for place in at]
        values = [[_number(planes[index].traits.get(key)) for index in place] for place in ranked]
        if all(None not in row and len(set(row)) == count for row in values):
            return [Volume(tuple(place[n] for place in ranked), f"{trait_name(key)} {n + 1}") for n in range(count)]
    return [Volume(tuple(place[n] for place in at), f"number {n + 1}", notes=(BY_NUMBER,)) for n in range(count)]


def _incomplete(planes: Sequence[Plane], at: list[list[int]], most: int) -> list[Volume] | None:
    """Volumes of which some lack slices, by one to three attributes; None where none tell all of them apart."""
    keys = [key for key in _keys(planes, at) if len(_by_value(planes, itertools.chain(*at), key)) <= most]
    for count in range(1, 4):
        for chosen in itertools.combinations(keys[:MOST_ATTRIBUTES], count):
            found: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
            for index in itertools.chain(*at):
                found[tuple(planes[index].traits.get(key) for key in chosen)].append(index)
            if len(found) == most and _are_volumes(found.values(), at):
                ordered = sorted(found.items(), key=lambda item: [_by_size(value) for value in item[0]])
                return [Volume(tuple(part), ", ".join(_names(chosen, values, ordered))) for values, part in ordered]
    return None


def _are_volumes(parts: Iterable[Sequence[int]], at: Sequence[Sequence[int]]) -> bool:
    """Whether each part has several planes, none of them at one place."""
    place_of = {index: number for number, place in enumerate(at) for index in place}
    return all(1 < len(part) == len({place_of[index] for index in part}) for part in parts)


def _names(
    keys: Sequence[str],
    values: Sequence[Hashable],
    ordered: Sequence[tuple[tuple[Hashable, ...], Sequence[int]]],
) -> Iterator[str]:
    for column, (key, value) in enumerate(zip(keys, values, strict=True)):
        different = list(dict.fromkeys(sorted((each[column] for each, _ in ordered), key=_by_size)))
        yield _name(key, different.index(value) + 1, value)


def _of_complete_places(planes: Sequence[Plane], at: list[list[int]], most: int) -> list[Volume] | None:
    """Volumes by order alone, without the places at which some lack a slice; None where these are most."""
    complete = [place for place in at if len(place) == most]
    if 2 * len(complete) < len(at):
        return None
    lost = sum(map(len, at)) - most * len(complete)
    note = f"{left_out(lost, 'image')}: at places where not every volume has one."
    found = _divide(planes, complete) or _ranked(planes, complete)
    return None if found is None else [replace(volume, notes=(*volume.notes, note)) for volume in found]


def _interleaved(planes: Sequence[Plane], at: list[list[int]]) -> list[Volume] | None:
    """Volumes that lie between each other's slices: unevenly spaced together, and evenly each by itself."""
    order = [place[0] for place in at]
    if len(order) < 4 or is_even([planes[index] for index in order]):
        return None
    for key in _keys(planes, at):
        found: dict[Hashable, list[int]] = defaultdict(list)
        for index in order:
            found[planes[index].traits.get(key)].append(index)
        sizes = {len(part) for part in found.values()}
        starts = {part[0] for part in found.values()}
        mixed = len(sizes) == 1 and min(sizes) > 1 and starts == set(order[: len(found)])
        if mixed and all(is_even([planes[index] for index in part]) for part in found.values()):
            ordered = sorted(found.items(), key=lambda item: _by_size(item[0]))
            return [Volume(tuple(p), _name(key, n, value)) for n, (value, p) in enumerate(ordered, start=1)]
    return None


def _number(value: Hashable) -> tuple[float, ...] | None:
    try:
        return tuple(float(each) for each in value) if isinstance(value, tuple) else None
    except ValueError:
        return None


def _by_size(value: Hashable) -> tuple[int, tuple[float, ...], str]:
    number = _number(value)
    return (1, (), str(value)) if number is None else (0, number, "")


def _name(key: str, number: int, value: Hashable) -> str:
    shown = shown_value(value)
    return f"{trait_name(key)} {number}" + (f" ({shown})" if shown else "")
