"""Planes → volumes: which belong together, and what tells apart those at the same places; never one mixed of several.

The same rules for the slices of a series and the frames of a file.
"""

import itertools
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medseg_demo.reading.dicom.planes import Plane, shown_value, trait_name
from medseg_demo.reading.dicom.stack import is_even, places

# The greatest difference of any direction cosine within one orientation, about half a degree.
SAME_ORIENTATION = 0.01
SAME_SPACING = 1e-3
# An image of another size or orientation is left out beside a volume of at least so many slices.
CLEAR_MAJORITY = 3
BY_NUMBER = (
    "Nothing but their numbers tells the images at one place apart, so check that the slices are of one time or echo."
)
# Of the attributes that differ, so many are tried, and so many of these together.
MOST_ATTRIBUTES, MOST_TOGETHER = 8, 3


@dataclass(frozen=True)
class Volume:
    """Planes that make one volume.

    Attributes:
        planes: Their indices, in the order of the slices.
        name: What tells it from others at the same places, such as "echo time 2"; empty where there is none.
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


def volumes(planes: Sequence[Plane]) -> list[Volume]:
    """The volumes that planes make, none of them mixed of several.

    Args:
        planes: Of a series or a file.

    Returns:
        At least one where there is a plane. Single planes of another orientation are left out beside a volume.
    """
    parts = _parts(planes)
    largest = max(map(len, parts), default=0)
    strays = sum(len(part) == 1 for part in parts) if largest >= CLEAR_MAJORITY else 0
    kept = [part for part in parts if len(part) > 1 or not strays]
    notes: tuple[str, ...] = ()
    if strays:
        notes += (f"{left_out(strays, 'image')}: of another size or orientation.",)
    if len(kept) > 1:
        notes += (f"It mixes {len(kept)} sizes or orientations, which were separated.",)
    found = [
        replace(volume, number=number, count=len(of_part))
        for of_part in (_volumes_of_part(planes, part) for part in kept)
        for number, volume in enumerate(of_part, start=1)
    ]
    return [replace(volume, notes=(*volume.notes, *notes)) for volume in found]


def left_out(number: int, noun: str) -> str:
    """The start of a note."""
    return f"{number} {noun} was left out" if number == 1 else f"{number} {noun}s were left out"


def _parts(planes: Sequence[Plane]) -> list[list[int]]:
    """Planes of one stack, spacing and orientation."""
    stacks: dict[Hashable, int] = {}
    traits = np.array([_place_traits(plane, stacks) for plane in planes]).reshape(-1, 12)
    left, parts = np.arange(len(planes)), []
    while left.size:  # all that are left at once: a file may have thousands of orientations
        first = traits[left[0]]
        tolerance = np.repeat([0, SAME_SPACING, SAME_ORIENTATION], (1, 2, 9)) * np.where(np.arange(12) < 3, first, 1)
        near = np.abs(traits[left] - first) <= tolerance
        belongs = (near | (np.isnan(traits[left]) & np.isnan(first))).all(axis=1)
        parts.append(left[belongs].tolist())
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
        return _interleaved(planes, at) or [Volume(tuple(place[0] for place in at))]
    found = _told_apart(planes, at) or _numbered(at)
    complete = [place for place in at if len(place) == most]
    lost = len(part) - most * len(complete)
    if not found and 2 * len(complete) >= len(at):  # by order alone, where every volume has a plane
        note = f"{left_out(lost, 'image')}: at places where not every volume has one."
        apart = _told_apart(planes, complete) or _numbered(complete)
        found = [replace(volume, notes=(*volume.notes, note)) for volume in apart]
    if found:
        return found
    note = f"{left_out(len(part) - len(at), 'image')}: lying where another one lies already."
    return [Volume(tuple(place[0] for place in at), notes=(note,))]


def _told_apart(planes: Sequence[Plane], at: Sequence[Sequence[int]]) -> list[Volume]:
    """Volumes of which each has other values of some attributes, none of them two planes at one place.

    The fewest attributes count, and the first of equally many. Where every place has as many planes, so does the order
    of a number or time at its place, since slices may have values of their own. A volume may lack slices, but has
    several, if there are several.

    Returns:
        As many as there are planes at one place at most; none where no attributes do.
    """
    most = max(map(len, at))
    place_of = {index: number for number, place in enumerate(at) for index in place}
    columns = _columns(planes, at)
    ranked = {key: _ranks(column, at) for key, column in columns.items()} if len(place_of) == most * len(at) else {}
    for tried in ({key: column for key, column in columns.items() if len(set(column.values())) <= most}, ranked):
        for chosen in _combinations(tried):
            found: dict[tuple[Hashable, ...], list[int]] = defaultdict(list)
            for index in place_of:
                found[tuple(tried[key][index] for key in chosen)].append(index)
            if len(found) == most and all(
                min(2, len(at)) <= len(part) == len({place_of[index] for index in part}) for part in found.values()
            ):
                ordered = sorted(found.items(), key=lambda item: [_by_size(value) for value in item[0]])
                names = _names(chosen, [values for values, _ in ordered])
                return [Volume(tuple(part), name) for (_, part), name in zip(ordered, names, strict=True)]
    return []


def _columns(planes: Sequence[Plane], at: Sequence[Sequence[int]]) -> dict[str, dict[int, Hashable]]:
    """The values of each attribute that differs, by plane; attributes in their order."""
    indices = list(itertools.chain(*at))
    keys = dict.fromkeys(key for index in indices for key in planes[index].traits)
    columns = {key: {index: planes[index].traits.get(key) for index in indices} for key in keys}
    return {key: column for key, column in columns.items() if len(set(column.values())) > 1}


def _ranks(column: dict[int, Hashable], at: Sequence[Sequence[int]]) -> dict[int, Hashable]:
    """The order of each number or time among those at its place; values as they are where some are no numbers."""
    if any(_number(value) is None for value in column.values()):
        return column
    found: dict[int, Hashable] = {}
    for place in at:
        values = sorted({_number(column[index]) or () for index in place})
        found |= {index: (str(values.index(_number(column[index]) or ())),) for index in place}
    return found


def _combinations(columns: Iterable[str]) -> Iterator[tuple[str, ...]]:
    keys = list(columns)[:MOST_ATTRIBUTES]
    return itertools.chain(*(itertools.combinations(keys, count) for count in range(1, MOST_TOGETHER + 1)))


def _names(keys: Sequence[str], rows: Sequence[tuple[Hashable, ...]]) -> Iterator[str]:
    """The name of each volume, by the values of its attributes."""
    different = [sorted({row[column] for row in rows} - {None}, key=_by_size) for column in range(len(keys))]
    for row in rows:
        yield ", ".join(
            f"without {trait_name(key)}" if value is None else _name(key, values.index(value) + 1, value)
            for key, values, value in zip(keys, different, row, strict=True)
        )


def _numbered(at: Sequence[Sequence[int]]) -> list[Volume]:
    """Volumes by the order of the planes' numbers at each place, the last resort; none where their counts differ."""
    if len({len(place) for place in at}) > 1:
        return []
    return [
        Volume(planes, f"number {n}", notes=(BY_NUMBER,)) for n, planes in enumerate(zip(*at, strict=True), start=1)
    ]


def _interleaved(planes: Sequence[Plane], at: Sequence[Sequence[int]]) -> list[Volume]:
    """Volumes that lie between each other's slices: unevenly spaced together, and evenly each by itself."""
    order = [place[0] for place in at]
    if len(order) < 4 or is_even([planes[index] for index in order]):
        return []
    for key, column in _columns(planes, at).items():
        found: dict[Hashable, list[int]] = defaultdict(list)
        for index in order:
            found[column[index]].append(index)
        sizes = {len(part) for part in found.values()}
        starts = {part[0] for part in found.values()}
        mixed = len(sizes) == 1 and min(sizes) > 1 and starts == set(order[: len(found)])
        if mixed and all(is_even([planes[index] for index in part]) for part in found.values()):
            ordered = sorted(found.items(), key=lambda item: _by_size(item[0]))
            return [Volume(tuple(p), _name(key, n, value)) for n, (value, p) in enumerate(ordered, start=1)]
    return []


def _number(value: Hashable) -> tuple[float, ...] | None:
    try:
        return tuple(float(each) for each in value) if isinstance(value, tuple) else None
    except ValueError:
        return None


def _by_size(value: Hashable) -> tuple[int, tuple[float, ...], str]:
    number = () if value is None else _number(value)
    return (1, (), str(value)) if number is None else (0, number, "")


def _name(key: str, number: int, value: Hashable) -> str:
    shown = shown_value(value)
    return f"{trait_name(key)} {number}" + (f" ({shown})" if shown else "")
