"""Where a label map lies on its image: turned without loss where it is the same grid in another order, else refused.

A voxel's index in the one is mapped to an index in the other by both affines. Where that map is a permutation of the
axes with flips, and every voxel comes to lie on a voxel, the label map is the image's own grid in another orientation.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import permutations
from typing import Any

import numpy as np

from medseg_demo.image import Geometry, LabelMap, MedicalImage

# Voxels that a label map may lie off its image: below the first nobody sees it, beyond the second it is another grid.
NOTED, REFUSED = 0.01, 0.1
SPACING_TOLERANCE = 1e-3  # relative: what formats in single precision cannot keep
LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LETTERS = (("R", "L"), ("A", "P"), ("I", "S"))


@dataclass(frozen=True)
class Turn:
    """How a label map is laid on its image, and how well it fits.

    Attributes:
        order: Axis i (Z, Y, X) of the image is axis ``order[i]`` of the label map.
        flipped: The image's axes along which the label map runs the other way.
        offset: The greatest distance of a corner from its voxel in the image, in voxels.
        offset_mm: The same in mm.
    """

    order: tuple[int, ...] = (0, 1, 2)
    flipped: tuple[int, ...] = ()
    offset: float = 0.0
    offset_mm: float = 0.0

    def apply(self, array: np.ndarray) -> np.ndarray:
        """A label map (Z, Y, X) in the image's order and direction; a copy where it was turned."""
        return np.ascontiguousarray(np.flip(array.transpose(self.order), self.flipped))


def faults(image: MedicalImage, label_map: LabelMap, *, role: str = "reference") -> list[str]:
    """What keeps a label map from lying on an image, as it is: clauses for a message, empty where nothing does.

    Shapes must be equal. Where both state an affine, no corner may lie off by more than a tenth of a voxel; where one
    of them states a spacing alone, the spacings must agree.

    Args:
        image: The image.
        label_map: Already turned.
        role: What the label map is called in the clauses.
    """
    return differences(image.geometry, image.shape, label_map.geometry, label_map.labels.shape, role=role)


def differences(
    ours: Geometry, shape: tuple[int, ...], theirs: Geometry, stored: tuple[int, ...], *, role: str
) -> list[str]:
    """As ``faults``, of any two grids: that of an image, of shape ``shape``, and another of shape ``stored``."""
    if stored != shape:
        return [f"{role} has shape {stored} but image has {shape}"]
    if _is_same(ours.affine, theirs.affine):
        return []
    if ours.affine is not None and theirs.affine is not None:
        volume = _in_three(shape)
        turn = min((_fit(a, b, volume, volume) for a, b in _pairs(ours, theirs)), key=lambda turn: turn.offset)
        if turn.offset > REFUSED or turn.order != (0, 1, 2) or turn.flipped:
            return [_offset_clause(ours.affine, theirs.affine, turn, role)]
        return []
    steps = theirs.spacing_mm, ours.spacing_mm
    if steps[0] and steps[1] and not np.allclose(steps[1], steps[0], rtol=SPACING_TOLERANCE):
        return [f"{role} has spacing {_shown(steps[0])} mm but image has {_shown(steps[1])} mm"]
    return []


def lay_on(label_map: LabelMap, image: MedicalImage) -> LabelMap:
    """Turn a label map onto its image where its grid is the image's own in another orientation.

    Returns:
        The label map in the image's shape, order and direction, with the image's geometry, and a note where it was
        turned or lies off by more than a hundredth of a voxel. As it is where it cannot be turned: ``faults`` says why.
    """
    label_map = _with_dimensions_of(image, label_map)
    ours, theirs = image.geometry, label_map.geometry
    if ours.affine is None or theirs.affine is None or label_map.labels.ndim != len(image.shape):
        says_nothing = ours.affine is None and ours.spacing_mm is None  # then what the label map says stays
        return label_map if says_nothing or faults(image, label_map) else replace(label_map, geometry=ours)
    if image.shape == label_map.labels.shape and _is_same(ours.affine, theirs.affine):
        return replace(label_map, geometry=ours)
    shape = _in_three(image.shape)
    stored = _in_three(label_map.labels.shape)
    turns = (_fit(a, b, shape, stored) for a, b in _pairs(ours, theirs))
    turn = next((turn for turn in turns if turn.offset <= REFUSED), None)
    if turn is None:
        return label_map
    notes = list(label_map.notes)
    maps: list[Any] = [label_map.labels, label_map.instances, label_map.ignored]
    if turn.order != (0, 1, 2) or turn.flipped:
        notes.append(
            f"The label map is stored as {orientation_code(theirs.affine)} and was turned to the image's "
            f"{orientation_code(ours.affine)}, without loss."
        )
        maps = [None if each is None else turn.apply(each.reshape(stored)).reshape(image.shape) for each in maps]
    if turn.offset > NOTED:
        notes.append(
            f"The label map lies {turn.offset_mm:.2g} mm ({turn.offset:.2g} voxels) off the image by their affines."
        )
    labels, instances, ignored = maps
    return replace(label_map, labels=labels, geometry=ours, notes=tuple(notes), instances=instances, ignored=ignored)


def orientation_code(affine: np.ndarray) -> str:
    """Where the axes x, y and z of an LPS affine run to in the patient, such as "LPS" or "RAS"."""
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    code, left = "", list(range(3))
    for column in directions.T:
        axis = max(left, key=lambda axis: abs(column[axis]))
        left.remove(axis)
        code += LETTERS[axis][int(column[axis] > 0)]
    return code


def _with_dimensions_of(image: MedicalImage, label_map: LabelMap) -> LabelMap:
    """A volume of one slice is an image where the image is one, and the other way round."""
    labels, spacing = label_map.labels, label_map.geometry.spacing_mm
    if labels.shape == (1, *image.shape):
        spacing = spacing and spacing[1:]
    elif (1, *labels.shape) == image.shape:
        own = image.geometry.spacing_mm
        spacing = (own[0], *spacing) if spacing and own else None
    else:
        return label_map
    geometry = replace(label_map.geometry, spacing_mm=spacing)
    instances, ignored = (
        None if each is None else each.reshape(image.shape) for each in (label_map.instances, label_map.ignored)
    )
    return replace(
        label_map, labels=labels.reshape(image.shape), geometry=geometry, instances=instances, ignored=ignored
    )


def _is_same(ours: np.ndarray | None, theirs: np.ndarray | None) -> bool:
    """Whether two affines are equal, as those of a label map and its image mostly are: then nothing need be tried."""
    return ours is not None and theirs is not None and np.array_equal(ours, theirs) and bool(np.linalg.det(ours))


def _in_three(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (3 - len(shape)) + shape


def _pairs(ours: Geometry, theirs: Geometry) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The affines by which the two may lie on each other, the preferred first.

    Programs that read NIfTI differ in which of its two transforms they follow, and write a label map with that one.
    """
    for mine in _affines(ours):
        yield from ((mine, other) for other in _affines(theirs))


def _affines(geometry: Geometry) -> Iterator[np.ndarray]:
    assert geometry.affine is not None
    yield geometry.affine
    forms = geometry.nifti_forms
    for form in (forms.sform, forms.qform) if forms else ():
        if form is not None:
            yield LPS_FROM_RAS @ form


def _fit(ours: np.ndarray, theirs: np.ndarray, shape: tuple[int, ...], stored: tuple[int, ...]) -> Turn:
    """The turn that lays a grid of shape ``stored`` (Z, Y, X) best on one of shape ``shape``.

    Returns:
        The turn; its offset is infinite where the affines or the shapes allow none.
    """
    try:
        step = np.linalg.inv(ours[:3, :3]) @ theirs[:3, :3]  # image's (x, y, z) for a step along the label map's
    except np.linalg.LinAlgError:
        return Turn(offset=np.inf, offset_mm=np.inf)
    to_stored = _assign(np.abs(step))  # axis x, y, z of the image → that of the label map
    order = tuple(2 - to_stored[2 - axis] for axis in range(3))
    if tuple(stored[axis] for axis in order) != tuple(shape):
        return Turn(offset=np.inf, offset_mm=np.inf)
    signs = [1 if step[axis, to_stored[axis]] >= 0 else -1 for axis in range(3)]
    flipped = tuple(2 - axis for axis in (2, 1, 0) if signs[axis] < 0 and shape[2 - axis] > 1)
    offset, offset_mm = _greatest_offset(ours, theirs, shape, to_stored, signs)
    return Turn(order, flipped, offset, offset_mm)


def _assign(weights: np.ndarray) -> tuple[int, ...]:
    """For each row the column that it is nearest to, each column once."""
    return max(permutations(range(3)), key=lambda order: sum(weights[row, column] for row, column in enumerate(order)))


def _greatest_offset(
    ours: np.ndarray, theirs: np.ndarray, shape: tuple[int, ...], to_stored: tuple[int, ...], signs: list[int]
) -> tuple[float, float]:
    """How far the corners of the turned grid lie from those of the image, in voxels and in mm.

    The step along an axis of one pixel is anyone's choice, and so is the place of a single slice along its normal up to
    half a step; only the rest counts.
    """
    lengths = np.array(shape[::-1])
    corners = np.array(
        [(x, y, z) for x in (0, lengths[0] - 1) for y in (0, lengths[1] - 1) for z in (0, lengths[2] - 1)]
    )
    stored = np.empty_like(corners)
    for axis in range(3):
        along = corners[:, axis] if signs[axis] > 0 else lengths[axis] - 1 - corners[:, axis]
        stored[:, to_stored[axis]] = along
    there = stored @ theirs[:3, :3].T + theirs[:3, 3]
    here = corners @ ours[:3, :3].T + ours[:3, 3]
    voxels = (there - here) @ np.linalg.inv(ours[:3, :3]).T
    return float(np.abs(voxels).max()), float(np.linalg.norm(there - here, axis=1).max())


def _offset_clause(ours: np.ndarray, theirs: np.ndarray, turn: Turn, role: str) -> str:
    codes = orientation_code(theirs), orientation_code(ours)
    stored = f"both stored as {codes[1]}" if codes[0] == codes[1] else f"stored as {codes[0]}, the image as {codes[1]}"
    if not np.isfinite(turn.offset):
        return f"{role} has axes that cannot be laid on those of the image by their affines ({stored})"
    offset = f"{turn.offset_mm:.3g} mm ({turn.offset:.2g} voxels)"
    return f"{role} lies up to {offset} off the image by their affines ({stored})"


def _shown(spacing: tuple[float, ...]) -> str:
    return "(" + ", ".join(f"{step:g}" for step in spacing) + ")"
