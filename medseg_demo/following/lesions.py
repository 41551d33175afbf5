"""Which lesion of one visit is which of the next: the same, new, gone, split or merged.

A lesion is a component of a class, connected through faces, edges and corners. All visits lie on the first one's grid.
Two lesions of neighbouring visits are linked where they share a pixel; those that are left without a link are grown by
one pixel and tried once more, for small ones that registration missed by that much. What is linked, directly or by
others, is one lesion: it has one number through all visits.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from medseg_demo.following.registration import Registration
from medseg_demo.image import LabelMap

Event = Literal["first", "same", "new", "gone", "split", "merged", "split and merged", "out of view"]
SEEN = 0.5  # share of a lesion that must lie in the other visit's view, for it to be gone or new
MOST_LESIONS = 2_000  # of one class at one visit


@dataclass(frozen=True)
class Lesion:
    """One component of one class at one visit, or that it is not there any more.

    Attributes:
        number: From 1; the same for whatever it is linked with, at any visit.
        visit: The place of the visit, from 0.
        label: Of its class.
        event: What became of it since the visit before; "first" at the first visit.
        pixels: In the visit's own grid; 0 of one that is gone or out of view.
        size: In the unit of the class's size.
    """

    number: int
    visit: int
    label: int
    event: Event
    pixels: int
    size: float


@dataclass(frozen=True, eq=False)
class _Parts:
    """The lesions of one class at one visit.

    Attributes:
        laid: int32, in the shape of the first visit's grid: the number of each lesion, from 1.
        pixels: Of each in its own grid, that of lesion 1 first.
        view: Boolean: where the visit's image reaches.
    """

    laid: np.ndarray
    pixels: np.ndarray
    view: np.ndarray


Key = tuple[int, int]  # place of the visit, number of the lesion there


def match_lesions(
    label_maps: Sequence[LabelMap], laid: Sequence[Registration | None], unit_sizes: Sequence[float], label: int
) -> tuple[Lesion, ...]:
    """The lesions of one class through all visits.

    Args:
        label_maps: One a visit, each in its own grid.
        laid: How each lies on the first; None of the first.
        unit_sizes: The size of a pixel of each visit.
        label: Of the class.

    Returns:
        By number, and by visit within it; none of a class with more than ``MOST_LESIONS`` at a visit.
    """
    visits = []
    for label_map, one in zip(label_maps, laid, strict=True):
        parts = _find(label_map, one, label)
        if len(parts.pixels) > MOST_LESIONS:
            return ()
        visits.append(parts)
    links = [_links(before, after) for before, after in pairwise(visits)]
    group = _groups(visits, links)
    start: dict[int, Event] = dict.fromkeys(range(1, len(visits[0].pixels) + 1), "first")
    events = [start, *map(_events, visits, visits[1:], links)]
    found = [
        Lesion(group[place, own], place, label, events[place][own], int(pixels), float(pixels) * unit_sizes[place])
        for place, parts in enumerate(visits)
        for own, pixels in enumerate(parts.pixels, start=1)
    ]
    for place, between in enumerate(links):
        kept = {before for before, _ in between}
        seen = _seen(visits[place].laid, visits[place + 1].view, len(visits[place].pixels))
        for own in set(range(1, len(visits[place].pixels) + 1)) - kept:
            event: Event = "gone" if seen[own] else "out of view"
            found.append(Lesion(group[place, own], place + 1, label, event, 0, 0.0))
    return tuple(sorted(found, key=lambda one: (one.number, one.visit, -one.pixels)))


def _find(label_map: LabelMap, laid: Registration | None, label: int) -> _Parts:
    from scipy.ndimage import label as components  # not cc3d's, which joins pixels across the edge of small images

    mask = label_map.mask(label)
    numbers = components(mask, structure=np.ones((3,) * mask.ndim))[0].astype(np.int32)
    pixels = np.bincount(numbers.ravel())[1:]
    if laid is None:
        return _Parts(numbers, pixels, np.ones(numbers.shape, bool))
    whole = laid.lay_numbers(np.ones(numbers.shape, np.uint8), label_map.geometry)
    return _Parts(laid.lay_numbers(numbers, label_map.geometry), pixels, whole > 0)


def _links(before: _Parts, after: _Parts) -> set[tuple[int, int]]:
    """Which lesions of two neighbouring visits are linked."""
    found = _overlaps(before.laid, after.laid)
    rest_before = np.where(np.isin(before.laid, [one for one, _ in found]), 0, before.laid)
    rest_after = np.where(np.isin(after.laid, [two for _, two in found]), 0, after.laid)
    if rest_before.any() and rest_after.any():
        found |= _overlaps(_grown(rest_before), rest_after)
    return found


def _grown(numbers: np.ndarray) -> np.ndarray:
    """Each lesion with the pixels around it; between two the greater number has them."""
    from scipy.ndimage import grey_dilation

    around = grey_dilation(numbers, size=(3,) * numbers.ndim)
    return np.where(numbers > 0, numbers, around)


def _overlaps(first: np.ndarray, second: np.ndarray) -> set[tuple[int, int]]:
    both = (first > 0) & (second > 0)
    pairs = np.unique(np.stack([first[both], second[both]], axis=1), axis=0)
    return {(int(one), int(two)) for one, two in pairs}


def _groups(visits: Sequence[_Parts], links: Sequence[Iterable[tuple[int, int]]]) -> dict[Key, int]:
    """The number of each lesion: those that are linked share it; numbers count by visit, and by size within it."""
    parent = {
        (place, own): (place, own) for place, parts in enumerate(visits) for own in range(1, len(parts.pixels) + 1)
    }

    def root(key: Key) -> Key:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for place, between in enumerate(links):
        for before, after in between:
            parent[root((place + 1, after))] = root((place, before))
    numbers: dict[Key, int] = {}
    for place, parts in enumerate(visits):
        for own in np.argsort(-parts.pixels, kind="stable") + 1:
            numbers.setdefault(root((place, int(own))), len(numbers) + 1)
    return {key: numbers[root(key)] for key in parent}


def _events(before: _Parts, after: _Parts, links: set[tuple[int, int]]) -> dict[int, Event]:
    """What became of each lesion of a visit since the visit before."""
    earlier: dict[int, set[int]] = defaultdict(set)
    later: dict[int, set[int]] = defaultdict(set)
    for one, two in links:
        earlier[two].add(one)
        later[one].add(two)
    found: dict[int, Event] = {}
    seen = _seen(after.laid, before.view, len(after.pixels))
    for own in range(1, len(after.pixels) + 1):
        is_split = any(len(later[one]) > 1 for one in earlier[own])
        if not earlier[own]:
            found[own] = "new" if seen[own] else "out of view"
        elif len(earlier[own]) > 1:
            found[own] = "split and merged" if is_split else "merged"
        else:
            found[own] = "split" if is_split else "same"
    return found


def _seen(laid: np.ndarray, view: np.ndarray, count: int) -> np.ndarray:
    """Boolean, by lesion (0 is none): whether enough of it lies in another visit's view, and in the first grid."""
    whole, inside = (np.bincount(numbers, minlength=count + 1) for numbers in (laid.ravel(), laid[view]))
    return (whole > 0) & (inside >= SEEN * whole)
