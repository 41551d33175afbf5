"""RT structure sets (RTSTRUCT): contours in the patient, filled on the slices that they were drawn on.

A contour lies on the slice whose plane is nearest; several contours of one region of interest (ROI) on one slice
combine by exclusive or, so that inner ones are holes. Regions often lie in each other (a tumour in an organ in the
body's outline): a label map holds one label a voxel, so the smaller region counts, and a note says so.

Source: DICOM PS3.3, C.8.8.5 (structure set), C.8.8.6 (ROI contour).
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.dataset import load, sop_class
from medseg_demo.reading.dicom.elements import items, value_of, whole, word
from medseg_demo.reading.dicom.polygons import area, fill
from medseg_demo.reading.dicom.seg import SegContent
from medseg_demo.reading.dicom.slice_places import SlicePlaces, places_of
from medseg_demo.reading.source import Source, decoding

if TYPE_CHECKING:
    from pydicom import Dataset

STRUCTURE_SET = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
MOST_ROIS = 255
MOST_CHARACTERS = 64  # of a name: DICOM's limit for long strings (LO)
LEAST_POINTS = 3
# Share of the distance between slices by which the points that make one outline may lie off their common plane.
FLAT = 0.1
HALF = 0.5 + 1e-4  # of the distance between slices; positions are rounded text
# Pixels by which a contour may reach beyond the image: its outline runs along the outer edge of the outer pixels.
MARGIN = 1.0
SHOWN_OVERLAPS = 3


@dataclass(frozen=True, eq=False)
class _Region:
    """One ROI.

    Attributes:
        number: Its number in the file.
        name: Its name there.
        contours: Closed ones: points (N, 3), LPS mm.
        named: The image files that each contour names.
        left_out: How many contours enclose nothing: points, open lines.
        space: The frame of reference that it is stated in; empty where it is not.
    """

    number: int
    name: str
    contours: list[np.ndarray] = field(default_factory=list)
    named: list[tuple[str, ...]] = field(default_factory=list)
    left_out: int = 0
    space: str = ""


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
        label = names.shown(str(value_of(item, "ROIName") or "").strip())[:MOST_CHARACTERS] or f"class_{number}"
        found[number] = _Region(number, label, space=str(value_of(item, "ReferencedFrameOfReferenceUID") or ""))
    for item in items(dataset, "ROIContourSequence"):
        number = whole(item, "ReferencedROINumber")
        if number not in found:
            raise DamagedFileError(
                f"{source.label}: contours of the RTSTRUCT are of no region that it describes. Export it again."
            )
        found[number] = _with_contours(found[number], items(item, "ContourSequence"), source)
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


def _with_contours(region: _Region, contours: Iterable["Dataset"], source: Source) -> _Region:
    closed, named, left_out, seen = list(region.contours), list(region.named), region.left_out, set()
    for contour in contours:
        kind = word(contour, "ContourGeometricType")
        points = _points(contour, source)
        if kind not in CLOSED or len(points) < LEAST_POINTS:
            left_out += 1
            continue
        if points.tobytes() in seen:  # a contour that is stored twice would make a hole of itself
            continue
        seen.add(points.tobytes())
        closed.append(points)
        images = (value_of(item, "ReferencedSOPInstanceUID") for item in items(contour, "ContourImageSequence"))
        named.append(tuple(str(each) for each in images if each))
    return _Region(region.number, region.name, closed, named, left_out, region.space)


def _points(contour: "Dataset", source: Source) -> np.ndarray:
    """(N, 3) LPS mm, from the text as it is stored: pydicom makes an object of each number."""
    from pydicom.dataelem import RawDataElement

    element = contour.get_item("ContourData") if "ContourData" in contour else None
    if element is None:
        return np.empty((0, 3))
    if isinstance(element, RawDataElement):
        text = (element.value or b"").decode("ascii").strip(" \0")
        values = np.array(text.split("\\") if text else [], float)
    else:
        values = np.array(element.value if element.value is not None else [], float)
    offset = value_of(contour, "ContourOffsetVector")
    if len(values) % 3 or len(values) < 3 * (whole(contour, "NumberOfContourPoints") or 0):
        raise DamagedFileError(
            f"{source.label}: a contour of the RTSTRUCT lacks some of its points or coordinates. Export it again."
        )
    if not np.isfinite(values).all():
        raise DamagedFileError(f"{source.label}: a contour of the RTSTRUCT is not made of numbers. Export it again.")
    points = values.reshape(-1, 3)
    return points if offset is None else points + np.array(offset, float)


def _check_space(regions: Iterable[_Region], places: SlicePlaces, source: Source) -> None:
    """Compare what the contours name with the image, where both are known."""
    ours = places.frames
    if ours is None:
        return
    known = {instance for instance in ours.instances if instance}
    for region in regions:
        named = {each for files in region.named for each in files}
        if (ours.frame_of_reference and region.space and region.space != ours.frame_of_reference) or (
            known and named and not named <= known
        ):
            raise UnsupportedImageError(
                f"{source.label}: the contours of {region.name!r} were drawn on other images. Choose the image that "
                "they were drawn on."
            )


def _paint(regions: list[_Region], places: SlicePlaces, source: Source) -> tuple[np.ndarray, tuple[str, ...]]:
    """All regions, the largest first, so that no other one hides a smaller."""
    labels = np.zeros(places.shape, np.uint8)
    overlaps: Counter[tuple[int, int]] = Counter()
    notes = []
    on_slices = [_on_slices(region, places, source) for region in regions]
    sizes = [sum(area(each) for polygons in slices.values() for each in polygons) for slices in on_slices]
    for index in sorted(range(len(regions)), key=lambda index: (-sizes[index], index)):
        label, slices = index + 1, on_slices[index]
        for place, polygons in slices.items():
            mask = fill(polygons, places.shape[1:])
            counts = np.bincount(labels[place][mask], minlength=1)
            overlaps.update({(int(under), label): int(counts[under]) for under in np.flatnonzero(counts) if under})
            labels[place][mask] = label
        if any(_is_beyond(each, places.shape) for polygons in slices.values() for each in polygons):
            notes.append(f"{regions[index].name!r} reaches beyond the image, and was cut off there.")
    return labels, (*_overlap_notes(overlaps, regions), *notes)


def _on_slices(region: _Region, places: SlicePlaces, source: Source) -> dict[int, list[np.ndarray]]:
    """The contours of each slice, as polygons (N, 2) of x and y in pixels."""
    assert places.basis is not None
    found: dict[int, list[np.ndarray]] = {}
    depths: dict[int, list[float]] = {}
    for points, named in zip(region.contours, region.named, strict=True):
        index = _slice_of(points, region, places, source)
        if places.frames is not None and named and index not in _named(named, places):
            raise UnsupportedImageError(
                f"{source.label}: a contour of {region.name!r} names another slice than the one that it lies on. "
                "Choose the image that it was drawn on, or export it again."
            )
        found.setdefault(index, []).append(places.in_plane(points, index)[:, :2])
        depths.setdefault(index, []).append(float((points @ places.basis[:, 2]).mean()))
    for index, each in depths.items():
        if np.ptp(each) > 2 * FLAT * places.gap_mm(index):
            raise UnsupportedImageError(
                f"{source.label}: contours of {region.name!r} lie closer to each other than the image's slices. Choose "
                "the image that they were drawn on."
            )
    return found


def _named(instances: tuple[str, ...], places: SlicePlaces) -> Iterator[int]:
    """The slices that were read from these files, all where they are not known."""
    assert places.frames is not None
    for index, instance in enumerate(places.frames.instances):
        if not instance or instance in instances:
            yield index


def _slice_of(points: np.ndarray, region: _Region, places: SlicePlaces, source: Source) -> int:
    """The slice nearest to the plane of a contour."""
    assert places.basis is not None
    depths = points @ places.basis[:, 2]
    away = np.abs(places.depths - depths.mean())
    index = int(away.argmin())
    gap = places.gap_mm(index)
    if np.ptp(depths) > 2 * FLAT * gap:
        raise UnsupportedImageError(
            f"{source.label}: a contour of {region.name!r} lies in another plane than the image's slices. Choose the "
            "image that it was drawn on."
        )
    if away[index] > gap * HALF:
        raise UnsupportedImageError(
            f"{source.label}: a contour of {region.name!r} lies {away[index]:.3g} mm from the nearest slice, which is "
            f"more than half of the distance between slices ({gap:.3g} mm). Choose the image that it was drawn on."
        )
    return index


def _is_beyond(polygon: np.ndarray, shape: tuple[int, int, int]) -> bool:
    return bool((polygon < -MARGIN).any() or (polygon > np.array(shape[:0:-1]) - 1 + MARGIN).any())


def _overlap_notes(overlaps: Counter[tuple[int, int]], regions: list[_Region]) -> tuple[str, ...]:
    pairs = [
        (regions[under - 1].name, regions[over - 1].name, count)
        for (under, over), count in overlaps.most_common()
        if regions[under - 1].name != regions[over - 1].name
    ]
    if not pairs:
        return ()
    shown = "; ".join(f"{over!r} over {under!r}, {count} voxels" for under, over, count in pairs[:SHOWN_OVERLAPS])
    more = f"; and {len(pairs) - SHOWN_OVERLAPS} more" if len(pairs) > SHOWN_OVERLAPS else ""
    return (f"Regions overlap, and a voxel has one label: the smaller region counts ({shown}{more}).",)


def _left_out(regions: list[_Region]) -> tuple[str, ...]:
    count = sum(region.left_out for region in regions)
    without = [region.name for region in regions if region.left_out and not region.contours]
    whose = f": {', '.join(map(repr, without))} consist of nothing else" if without else ""
    return (f"{count} contours that enclose nothing (points, open lines) were left out{whose}.",) if count else ()
