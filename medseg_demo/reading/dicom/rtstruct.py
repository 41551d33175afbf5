"""RT structure sets (RTSTRUCT): contours in the patient, filled on the slices that they were drawn on.

A contour lies on the slice whose plane is nearest; several contours of one region of interest (ROI) on one slice
combine by exclusive or, so that inner ones are holes. Regions often lie in each other (a tumour in an organ in the
body's outline): a label map holds one label a voxel, so the smaller region counts, and a note says so.

Source: DICOM PS3.3, C.8.8.5 (structure set), C.8.8.6 (ROI contour).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.dataset import items, load, sop_class, value_of, whole, word
from medseg_demo.reading.dicom.seg import SegContent, shown_name
from medseg_demo.reading.dicom.slice_places import SlicePlaces, places_of
from medseg_demo.reading.source import Source, decoding

if TYPE_CHECKING:
    from pydicom import Dataset

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
MOST_ROIS = 255
LEAST_POINTS = 3
# Share of the distance between slices by which the points that make one outline may lie off their common plane.
FLAT = 0.1
HALF = 0.5 + 1e-4  # of the distance between slices; positions are rounded text
# Pixels by which a contour may reach beyond the image: its outline runs along the outer edge of the outer pixels.
MARGIN = 1.0
SHOWN_OVERLAPS = 3
# Pixels up to which a centre counts as on the outline: programs that follow the centres of border pixels write them in
# mm, as rounded text.
ON_OUTLINE = 1e-3
ROWS_AT_A_TIME = 2_000_000


@dataclass(eq=False)
class _Region:
    """One ROI.

    Attributes:
        number: Its number in the file.
        name: Its name there.
        space: The frame of reference that it is stated in; empty where it is not.
        contours: Closed ones: points (N, 3), LPS mm.
        named: The image files that each contour names.
        left_out: How many contours enclose nothing: points, open lines.
    """

    number: int
    name: str
    space: str
    contours: list[np.ndarray] = field(default_factory=list)
    named: list[tuple[str, ...]] = field(default_factory=list)
    left_out: int = 0


def is_rtstruct(source: Source) -> bool:
    """Whether a file is an RT structure set, by its SOP class."""
    return sop_class(source) == STRUCTURE_SET


def read_contours(source: Source, image: MedicalImage | None) -> SegContent:
    """Fill the closed contours of a structure set on the slices of their image.

    Pixels whose centres lie inside, or on the contour, belong to the region. Values follow the numbers of the ROIs; an
    ROI without contours keeps its name, one of points and open lines alone is left out with a note.

    Args:
        source: The file.
        image: The image that they were drawn on, with a place in the patient.

    Raises:
        DamagedFileError: The file contradicts itself, or bytes are missing.
        UnsupportedImageError: There is no image, or it has no place; contours lie between or beside its slices, or at
            an angle to them, or name other images; there is no closed contour, or there are more than 255 ROIs.
    """
    with decoding(source, "DICOM RTSTRUCT"):
        regions, left_out = _regions(load(source).dataset, source)
        if image is None:
            raise UnsupportedImageError(
                f"{source.label}: contours are filled on the slices of the image that they were drawn on. Give the "
                "image with them."
            )
        places = places_of(image)
        if places.basis is None:
            raise UnsupportedImageError(
                f"{source.label}: contours lie in the patient, and the image does not say where it lies. Choose the "
                "DICOM images that they were drawn on."
            )
        _check_space(regions, places, source)
        labels, notes = _paint(regions, places, source)
        labels = labels if image.is_volume else labels[0]
        class_names, numbers = tuple(each.name for each in regions), tuple(each.number for each in regions)
        return SegContent(labels, class_names, image.geometry, notes + left_out, numbers)


def _regions(dataset: "Dataset", source: Source) -> tuple[list[_Region], tuple[str, ...]]:
    """The ROIs by their numbers, without those of points and open lines alone, and notes on what was left out."""
    found: dict[int, _Region] = {}
    for item in items(dataset, "StructureSetROISequence"):
        number = whole(item, "ROINumber")
        if number is None or number in found:
            raise DamagedFileError(
                f"{source.label}: the regions of the RTSTRUCT are not numbered, or two have one number. Export it "
                "again."
            )
        space = str(value_of(item, "ReferencedFrameOfReferenceUID") or "")
        found[number] = _Region(number, shown_name(item, "ROIName", number), space)
    for item in items(dataset, "ROIContourSequence"):
        number = whole(item, "ReferencedROINumber")
        if number not in found:
            raise DamagedFileError(
                f"{source.label}: contours of the RTSTRUCT are of no region that it describes. Export it again."
            )
        _add_contours(found[number], items(item, "ContourSequence"), source)
    every = [region for _, region in sorted(found.items())]
    regions = [region for region in every if region.contours or not region.left_out]
    if not any(each.contours for each in regions):
        raise UnsupportedImageError(f"{source.label}: the RTSTRUCT holds no closed contours. Choose another one.")
    if len(regions) > MOST_ROIS:
        raise UnsupportedImageError(
            f"{source.label}: the RTSTRUCT describes {len(regions)} regions, and up to {MOST_ROIS} are read. Export "
            "fewer."
        )
    return regions, _left_out(every)


def _add_contours(region: _Region, contours: Iterable["Dataset"], source: Source) -> None:
    seen = set()
    for contour in contours:
        points = _points(contour, source)
        if word(contour, "ContourGeometricType") not in CLOSED or len(points) < LEAST_POINTS:
            region.left_out += 1
        elif points.tobytes() not in seen:  # a contour that is stated twice would make a hole of itself
            seen.add(points.tobytes())
            region.contours.append(points)
            images = (value_of(item, "ReferencedSOPInstanceUID") for item in items(contour, "ContourImageSequence"))
            region.named.append(tuple(str(each) for each in images if each))


def _points(contour: "Dataset", source: Source) -> np.ndarray:
    """(N, 3) LPS mm, from the text as it is stored: pydicom makes an object of each number."""
    element = contour.get_item("ContourData") if "ContourData" in contour else None
    values = None if element is None else element.value
    if isinstance(values, bytes):
        text = values.decode("ascii").strip(" \0")
        values = text.split("\\") if text else []
    values = np.array([] if values is None else values, float).reshape(-1)
    offset = value_of(contour, "ContourOffsetVector")
    is_short = len(values) % 3 or len(values) < 3 * (whole(contour, "NumberOfContourPoints") or 0)
    if is_short or not np.isfinite(values).all():
        raise DamagedFileError(
            f"{source.label}: a contour of the RTSTRUCT lacks some of its points or coordinates. Export it again."
        )
    points = values.reshape(-1, 3)
    return points if offset is None else points + np.array(offset, float)


def _elsewhere(region: _Region, reason: str, source: Source) -> UnsupportedImageError:
    return UnsupportedImageError(
        f"{source.label}: the contours of {region.name!r} {reason}. Choose the image that they were drawn on."
    )


def _check_space(regions: Iterable[_Region], places: SlicePlaces, source: Source) -> None:
    """Compare what the contours name with the image, where both are known."""
    ours = places.frames
    if ours is None:
        return
    known = {instance for instance in ours.instances if instance}
    for region in regions:
        named = {each for files in region.named for each in files}
        is_other_space = ours.frame_of_reference and region.space and region.space != ours.frame_of_reference
        if is_other_space or (known and not named <= known):
            raise _elsewhere(region, "were drawn on other images", source)


def _paint(regions: list[_Region], places: SlicePlaces, source: Source) -> tuple[np.ndarray, tuple[str, ...]]:
    """All regions, the largest first, so that no other one hides a smaller."""
    labels = np.zeros(places.shape, np.uint8)
    overlaps: Counter[tuple[str, str]] = Counter()
    notes = []
    on_slices = [_on_slices(region, places, source) for region in regions]
    sizes = [sum(area(each) for polygons in slices.values() for each in polygons) for slices in on_slices]
    for index in sorted(range(len(regions)), key=lambda index: (-sizes[index], index)):
        name, slices = regions[index].name, on_slices[index]
        for place, polygons in slices.items():
            mask = fill(polygons, places.shape[1:])
            for under, count in zip(*np.unique(labels[place][mask], return_counts=True), strict=True):
                if under and regions[under - 1].name != name:
                    overlaps[name, regions[under - 1].name] += int(count)
            labels[place][mask] = index + 1
        if any(_is_beyond(each, places.shape) for polygons in slices.values() for each in polygons):
            notes.append(f"{name!r} reaches beyond the image, and was cut off there.")
    if overlaps:
        shown = [f"{over!r} over {under!r}, {count} voxels" for (over, under), count in overlaps.most_common()]
        more = [f"and {len(shown) - SHOWN_OVERLAPS} more"] if len(shown) > SHOWN_OVERLAPS else []
        listed = "; ".join(shown[:SHOWN_OVERLAPS] + more)
        notes.insert(0, f"Regions overlap, and a voxel has one label: the smaller region counts ({listed}).")
    return labels, tuple(notes)


def _on_slices(region: _Region, places: SlicePlaces, source: Source) -> dict[int, list[np.ndarray]]:
    """The contours of each slice, as polygons (N, 2) of x and y in pixels."""
    assert places.basis is not None
    found: dict[int, list[np.ndarray]] = {}
    depths: dict[int, list[float]] = {}
    for points, named in zip(region.contours, region.named, strict=True):
        along = points @ places.basis[:, 2]
        index = _slice_of(along, region, places, source)
        instance = "" if places.frames is None else places.frames.instances[index]
        if named and instance and instance not in named:
            raise _elsewhere(region, "name another slice than the one that they lie on", source)
        found.setdefault(index, []).append(places.in_plane(points, index)[:, :2])
        depths.setdefault(index, []).append(float(along.mean()))
    for index, each in depths.items():
        if np.ptp(each) > 2 * FLAT * places.gap_mm(index):
            raise _elsewhere(region, "lie closer to each other than the image's slices", source)
    return found


def _slice_of(depths: np.ndarray, region: _Region, places: SlicePlaces, source: Source) -> int:
    """The slice nearest to the plane of a contour, whose points lie so far along the normal."""
    away = np.abs(places.depths - depths.mean())
    index = int(away.argmin())
    gap = places.gap_mm(index)
    if np.ptp(depths) > 2 * FLAT * gap:
        raise _elsewhere(region, "lie in another plane than the image's slices", source)
    if away[index] > gap * HALF:
        reason = f"lie {away[index]:.3g} mm from the nearest slice, more than half of the distance between slices"
        raise _elsewhere(region, f"{reason} ({gap:.3g} mm)", source)
    return index


def _is_beyond(polygon: np.ndarray, shape: tuple[int, int, int]) -> bool:
    return bool((polygon < -MARGIN).any() or (polygon > np.array(shape[:0:-1]) - 1 + MARGIN).any())


def _left_out(regions: list[_Region]) -> tuple[str, ...]:
    count = sum(region.left_out for region in regions)
    without = [region.name for region in regions if region.left_out and not region.contours]
    whose = f": {', '.join(map(repr, without))} consist of nothing else" if without else ""
    return (f"{count} contours that enclose nothing (points, open lines) were left out{whose}.",) if count else ()


def area(polygon: np.ndarray) -> float:
    """The area that a polygon (N, 2) encloses, by Gauss's formula."""
    x, y = (polygon - polygon[0]).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def fill(polygons: Sequence[np.ndarray], shape: tuple[int, int]) -> np.ndarray:
    """The pixels inside an odd number of polygons, or on the outline of one.

    A pixel's centre is its index. Every edge is crossed with the rows of pixels that it spans; what lies right of an
    odd number of crossings is inside. The time grows with the length of the outlines, not with corners × pixels.

    Args:
        polygons: Each (N, 2) of x and y, in pixels, closed from its last corner to the first; of any size and place.
        shape: (Y, X) of the result.

    Returns:
        Boolean (Y, X).
    """
    mask = np.zeros(shape, bool)
    corners = np.concatenate(polygons)
    start = np.clip(np.floor(corners.min(axis=0)) - 1, 0, shape[::-1]).astype(int)
    end = np.clip(np.ceil(corners.max(axis=0)) + 2, 0, shape[::-1]).astype(int)
    columns, rows = end - start
    if min(rows, columns) < 1:
        return mask
    crossings = np.zeros((rows, columns + 1), np.uint8)  # counts pass 255 without harm: even and odd stay apart
    outline = np.zeros((rows, columns), bool)
    for polygon in polygons:
        for edges in _edges(polygon - start, rows):
            _cross(*edges, crossings)
            _trace(*edges, outline)
    inside = (np.cumsum(crossings[:, :columns], axis=1, dtype=np.uint8) & 1).astype(bool)
    mask[start[1] : end[1], start[0] : end[0]] = inside | outline
    return mask


def _edges(polygon: np.ndarray, rows: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The ends of a number of edges at a time, whose crossings fit into memory."""
    ends = np.roll(polygon, -1, axis=0)
    step = max(1, ROWS_AT_A_TIME // rows)
    for index in range(0, len(polygon), step):
        yield polygon[index : index + step], ends[index : index + step]


def _cross(start: np.ndarray, end: np.ndarray, crossings: np.ndarray) -> None:
    """Count each edge's crossings with rows at the first pixel to the right of them.

    The lower end of an edge belongs to it and the upper one does not, so that a corner is crossed once.
    """
    rows, columns = crossings.shape
    row, x = _follow(start, end, np.ceil(np.minimum(start, end)[:, 1]), np.ceil(np.maximum(start, end)[:, 1]), rows)
    np.add.at(crossings, (row, np.clip(np.ceil(x), 0, columns - 1).astype(np.int64)), 1)


def _trace(start: np.ndarray, end: np.ndarray, outline: np.ndarray) -> None:
    """Mark the centres that edges run through: of steep edges row by row, of level ones column by column."""
    slope = np.abs(end - start)
    is_steep = slope[:, 1] >= slope[:, 0]
    for of_kind, turn, marks in ((is_steep, 1, outline), (~is_steep, -1, outline.T)):
        one, other = start[of_kind, ::turn], end[of_kind, ::turn]
        low, high = np.minimum(one, other)[:, 1] - ON_OUTLINE, np.maximum(one, other)[:, 1] + ON_OUTLINE
        row, x = _follow(one, other, np.ceil(low), np.floor(high) + 1, len(marks))
        nearest = np.rint(x)
        is_on = (np.abs(x - nearest) <= ON_OUTLINE) & (nearest >= 0) & (nearest < marks.shape[1])
        marks[row[is_on], nearest[is_on].astype(np.int64)] = True


def _follow(
    start: np.ndarray, end: np.ndarray, first: np.ndarray, last: np.ndarray, rows: int
) -> tuple[np.ndarray, np.ndarray]:
    """Each row from ``first`` to before ``last`` of each edge, and the x at which the edge runs through it."""
    first, last = (np.clip(each, 0, rows).astype(np.int64) for each in (first, last))
    counts = np.maximum(last - first, 0)
    edge = np.repeat(np.arange(len(counts)), counts)
    row = first[edge] + np.arange(len(edge)) - np.repeat(np.cumsum(counts) - counts, counts)
    height = end[edge, 1] - start[edge, 1]
    along = np.divide(row - start[edge, 1], height, out=np.zeros(len(edge)), where=height != 0)
    return row, start[edge, 0] + np.clip(along, 0, 1) * (end[edge, 0] - start[edge, 0])
