"""The frames of one file as planes: slices, times, echoes, energy windows, or what else the object says they are.

Source: DICOM PS3.3, C.7.6.16.2 (functional groups), C.7.6.6 (multi-frame: the frame increment pointer), C.8.4.8 (NM
vectors), C.8.6.3 (secondary capture vectors), C.8.8.3.2 (grid frame offsets), C.7.6.5 (cine).
"""

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.reading.dicom.dataset import (
    PER_FRAME,
    as_numbers,
    first,
    group_items,
    item_of,
    items,
    numbers,
    value_of,
    whole,
    words,
)
from medseg_demo.reading.dicom.planes import MEASURES, POSITION, Plane, pixel_spacing, position_of, unit_directions

if TYPE_CHECKING:
    from pydicom import Dataset

# Vectors of a multi-frame file that number what is not a slice, and the one that numbers slices.
SLICE_VECTOR, LOCATION_VECTOR = "SliceVector", "SliceLocationVector"
VECTORS = (
    *("EnergyWindowVector", "DetectorVector", "PhaseVector", "RotationVector", "RRIntervalVector", "TimeSlotVector"),
    *("AngularViewVector", "TimeSliceVector", "FramePrimaryAngleVector", "FrameSecondaryAngleVector"),
)
CINE_ELEMENTS = ("FrameTime", "FrameTimeVector", "CineRate", "RecommendedDisplayFrameRate")
# Ultrasound, X-ray angiography and fluoroscopy, and video of visible light.
CINE_CLASSES = tuple(
    f"1.2.840.10008.5.1.4.1.1.{end}"
    for end in ("3", "3.1", "12.1", "12.2", "12.1.1", "12.2.1", "77.1.1.1", "77.1.2.1", "77.1.4.1")
)
NM_PROJECTIONS = ("STATIC", "WHOLE BODY", "DYNAMIC", "GATED", "TOMO", "GATED TOMO")
# What may tell frames at one place apart, by the functional group that holds it.
FRAME_TRAITS = (
    *(("MRImageFrameTypeSequence", "FrameType"), ("MRImageFrameTypeSequence", "ComplexImageComponent")),
    *(("CTImageFrameTypeSequence", "FrameType"), ("PETFrameTypeSequence", "FrameType")),
    *(("FrameContentSequence", "TemporalPositionIndex"), ("TemporalPositionSequence", "TemporalPositionTimeOffset")),
    *(("MREchoSequence", "EffectiveEchoTime"), ("MRModifierSequence", "InversionTimes")),
    *(("MRTimingAndRelatedParametersSequence", "FlipAngle"), ("MRDiffusionSequence", "DiffusionBValue")),
    *(("MRDiffusionSequence", "DiffusionDirectionality"), ("MRDiffusionSequence", "DiffusionGradientOrientation")),
    ("CardiacSynchronizationSequence", "NominalCardiacTriggerDelayTime"),
    ("CardiacSynchronizationSequence", "NominalPercentageOfCardiacPhase"),
    ("RespiratorySynchronizationSequence", "NominalRespiratoryTriggerDelayTime"),
    *(("CTReconstructionSequence", "ConvolutionKernel"), ("CTXRayDetailsSequence", "KVP")),
    *(("PixelValueTransformationSequence", "RescaleType"), ("FrameContentSequence", "FrameAcquisitionNumber")),
    *(("FrameContentSequence", "FrameReferenceDateTime"), ("FrameContentSequence", "FrameAcquisitionDateTime")),
)


def planes_of_frames(dataset: "Dataset", frames: int) -> list[Plane]:
    """One plane a frame, in the order of the file.

    Frames of which the object does not say what they are count as slices of unknown distance.

    Args:
        dataset: The header.
        frames: How many there are.
    """
    if item_of(dataset, PER_FRAME, frames - 1) is not None:
        return _enhanced(dataset, frames)
    pointed = _pointed(dataset)
    offsets = numbers(dataset, "GridFrameOffsetVector")
    if len(offsets) == frames:
        return _of_dose(dataset, offsets)
    if pointed & {SLICE_VECTOR, LOCATION_VECTOR, *VECTORS} or _is_projection(dataset):
        return _of_vectors(dataset, frames, pointed)
    return _moments(dataset, frames) if _is_cine(dataset, pointed) else _stacked(dataset, range(frames))


def _pointed(dataset: "Dataset") -> set[str]:
    """The keywords of the elements that the frame increment pointer names."""
    from pydicom.datadict import keyword_for_tag

    value = value_of(dataset, "FrameIncrementPointer")
    return {keyword_for_tag(tag) for tag in ([] if value is None else [value] if isinstance(value, int) else value)}


def _is_projection(dataset: "Dataset") -> bool:
    kinds = words(dataset, "ImageType")
    return words(dataset, "Modality") == ("NM",) and len(kinds) > 2 and kinds[2] in NM_PROJECTIONS


def _is_cine(dataset: "Dataset", pointed: set[str]) -> bool:
    """Whether frames are moments: the pointer says so, or nothing else is said and they have a rate."""
    if pointed & set(CINE_ELEMENTS[:2]):
        return True
    if position_of(dataset) is not None and first(dataset, "SpacingBetweenSlices", 0.0):
        return False
    return str(value_of(dataset, "SOPClassUID")) in CINE_CLASSES or any(
        first(dataset, keyword, 0.0) for keyword in CINE_ELEMENTS
    )


def _plain(dataset: "Dataset", frames: int) -> list[Plane]:
    """Planes that know no more than their number."""
    spacing, directions = pixel_spacing(dataset)[0], unit_directions(dataset)
    return [Plane(spacing_mm=spacing, directions=directions, number=frame) for frame in range(frames)]


def _moments(dataset: "Dataset", frames: int) -> list[Plane]:
    """Planes at one place, each a choice."""
    planes = _plain(dataset, frames)
    return [replace(plane, slot=0.0, traits={"frame": (str(n),)}) for n, plane in enumerate(planes, start=1)]


def _stacked(dataset: "Dataset", slots: Sequence[float]) -> list[Plane]:
    """Slices by their numbers, one step of the stated distance apart; a negative step runs against the normal."""
    step = first(dataset, "SpacingBetweenSlices", 0.0, group=MEASURES)
    origin, directions = position_of(dataset), unit_directions(dataset)
    planes = [
        replace(plane, slot=float(slot), step_mm=abs(step) or None)
        for plane, slot in zip(_plain(dataset, len(slots)), slots, strict=True)
    ]
    if origin is None or directions is None or not step:
        return planes
    steps = [(slot - slots[0]) * step for slot in slots]
    return [replace(plane, position=origin + to * directions[:, 2]) for plane, to in zip(planes, steps, strict=True)]


def _of_dose(dataset: "Dataset", offsets: tuple[float, ...]) -> list[Plane]:
    """Slices of a dose grid: offsets along the normal from the first, or places along z where they start there."""
    origin, directions = position_of(dataset), unit_directions(dataset)
    planes = zip(_plain(dataset, len(offsets)), offsets, strict=True)
    if origin is None or directions is None:
        return [replace(plane, slot=offset, step_mm=1.0) for plane, offset in planes]
    is_absolute = offsets[0] != 0 and abs(offsets[0] - origin[2]) < 1e-3
    along = np.array([0, 0, 1.0]) if is_absolute else directions[:, 2]
    return [replace(plane, position=origin + (offset - offsets[0]) * along) for plane, offset in planes]


def _of_vectors(dataset: "Dataset", frames: int, pointed: set[str]) -> list[Plane]:
    """Frames that vectors number: slices by one of them, and times, detectors, energy windows… by the others."""
    vectors = {name: as_numbers(value_of(dataset, name)) for name in (*VECTORS, SLICE_VECTOR, LOCATION_VECTOR)}
    vectors = {name: values for name, values in vectors.items() if name in pointed and len(values) == frames}
    if SLICE_VECTOR in vectors:
        planes = _stacked(dataset, vectors[SLICE_VECTOR])
    elif LOCATION_VECTOR in vectors:
        planes = [
            replace(plane, slot=place, step_mm=1.0)
            for plane, place in zip(_plain(dataset, frames), vectors[LOCATION_VECTOR], strict=True)
        ]
    elif pointed & {SLICE_VECTOR, LOCATION_VECTOR}:  # it is said that they are slices, and not which
        planes = _stacked(dataset, range(frames))
    else:
        planes = _moments(dataset, frames)
    choices = [name for name in VECTORS if name in vectors]
    traits = [{name: (f"{vectors[name][frame]:g}",) for name in choices} for frame in range(frames)]
    return [replace(plane, traits=own or plane.traits) for plane, own in zip(planes, traits, strict=True)]


def _enhanced(dataset: "Dataset", frames: int) -> list[Plane]:
    """Frames whose functional groups say where they lie, and what they show."""
    planes, names = [], _dimension_names(dataset)
    for frame in range(frames):
        directions, position = unit_directions(dataset, frame), _own_position(dataset, frame)
        content = next(group_items(dataset, "FrameContentSequence", frame), None)
        is_placed = directions is not None and position is not None
        slot, step = _slot(dataset, content, frame)
        planes.append(
            Plane(
                spacing_mm=pixel_spacing(dataset, frame)[0],
                directions=directions,
                position=position if is_placed else None,
                stack=words(content, "StackID") if content is not None else None,
                slot=None if is_placed else slot,
                step_mm=step,
                traits=_frame_traits(dataset, content, frame, names),
                number=frame,
            )
        )
    if any(plane.position is not None or plane.slot is not None for plane in planes):
        return planes
    # Moments where each frame has a time of its own, or the object is a film; else slices of unknown distance.
    keys = ("TemporalPositionIndex", "TemporalPositionTimeOffset")
    times = [next((p.traits[key] for key in keys if key in p.traits), None) for p in planes]
    if (None not in times and len(set(times)) == frames) or _is_cine(dataset, _pointed(dataset)):
        return [replace(p, slot=0.0, traits=p.traits or {"frame": (str(p.number),)}) for p in planes]
    slots = _stacked(dataset, range(frames))
    return [replace(p, slot=s.slot, step_mm=s.step_mm, position=s.position) for p, s in zip(planes, slots, strict=True)]


def _own_position(dataset: "Dataset", frame: int) -> np.ndarray | None:
    """A position that all frames share says nothing of one."""
    own = item_of(dataset, PER_FRAME, frame)
    group = [] if own is None else items(own, POSITION)
    place = as_numbers(value_of(group[0], "ImagePositionPatient")) if group else ()
    return np.asarray(place) if len(place) == 3 else None


def _slot(dataset: "Dataset", content: "Dataset | None", frame: int) -> tuple[float | None, float | None]:
    """The place of a frame without a position in the patient, and the length of a step in mm."""
    place = numbers(dataset, "ImagePositionVolume", group="PlanePositionVolumeSequence", frame=frame)
    turn = numbers(dataset, "ImageOrientationVolume", group="PlaneOrientationVolumeSequence", frame=frame)
    if len(place) == 3 and len(turn) == 6:  # ultrasound: mm in the volume's own frame of reference
        return float(np.dot(place, np.cross(turn[:3], turn[3:]))), 1.0
    step = first(dataset, "SpacingBetweenSlices", 0.0, group=MEASURES, frame=frame)
    number = whole(content, "InStackPositionNumber") if content is not None else None
    return (None if number is None else float(number)), abs(step) or None


def _frame_traits(dataset: "Dataset", content: "Dataset | None", frame: int, names: list[str]) -> dict[str, Hashable]:
    found: dict[str, Hashable] = {}
    own = item_of(dataset, PER_FRAME, frame)
    for group, keyword in FRAME_TRAITS:
        holders = [] if own is None else items(own, group)
        if holders and keyword == "DiffusionGradientOrientation":
            holders = items(holders[0], "DiffusionGradientDirectionSequence")
        value = words(holders[0], keyword) if holders else ()
        if any(value):
            found[keyword] = value
    indices = as_numbers(value_of(content, "DimensionIndexValues")) if content is not None else ()
    for place, index in enumerate(indices):
        found.setdefault(names[place] if place < len(names) else f"dimension {place + 1}", (f"{index:g}",))
    return found


def _dimension_names(dataset: "Dataset") -> list[str]:
    """The keywords of the elements by which the object orders its frames."""
    from pydicom.datadict import keyword_for_tag

    pointers = [value_of(item, "DimensionIndexPointer") for item in items(dataset, "DimensionIndexSequence")]
    return [
        (keyword_for_tag(pointer) if isinstance(pointer, int) else "") or f"dimension {place + 1}"
        for place, pointer in enumerate(pointers)
    ]
