"""Where planes that were drawn on an image lie among its voxels: frames of a segmentation, contours.

The slices of an image lie where its DICOM frames say, evenly or not; without these, where its affine says. A plane is
the image's own where its pixels come to lie on voxels, whatever the order and direction of its rows and columns.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medseg_demo.image import MedicalImage, SourceFrames

# Voxels by which a plane may lie off the image's: below the first nobody sees it, beyond the second it is another grid.
NOTED, REFUSED = 0.01, 0.1
# Sine of the angle between planes up to which they count as parallel: the rounding of decimal text.
PARALLEL = 2e-3
FARTHEST = 2**31  # voxels from the image; beyond, it is no place
MOST_SLICES = 2**16


@dataclass(frozen=True)
class Place:
    """Where a plane of pixels lies in an array of voxels.

    Attributes:
        start: The voxel (x, y, z) of its first pixel.
        along: The axis (0 is x) and the sign in which its columns follow each other, and the same of its rows.
        offset: The greatest distance of a corner from the voxel it was put on, in voxels.
        offset_mm: The same in mm.
    """

    start: tuple[int, int, int]
    along: tuple[tuple[int, int], tuple[int, int]] = ((0, 1), (1, 1))
    offset: float = 0.0
    offset_mm: float = 0.0

    def view(self, volume: np.ndarray, rows: int, columns: int) -> np.ndarray | None:
        """The voxels of (Z, Y, X) under the plane, a view (rows, columns); None where the plane reaches beyond them."""
        index: list[int | slice] = [*self.start]
        for (axis, sign), length in zip(self.along, (columns, rows), strict=True):
            ends = self.start[axis], self.start[axis] + sign * (length - 1)
            if min(ends) < 0 or max(ends) >= volume.shape[2 - axis]:
                return None
            index[axis] = slice(ends[0], ends[1] + sign if ends[1] + sign >= 0 else None, sign)
        normal = 3 - self.along[0][0] - self.along[1][0]
        if not 0 <= self.start[normal] < volume.shape[2 - normal]:
            return None
        part = volume[tuple(index[::-1])]
        return part.T if self.along[0][0] > self.along[1][0] else part


@dataclass(frozen=True, eq=False)
class SlicePlaces:
    """The slices of an image in the patient, in LPS mm.

    Attributes:
        shape: (Z, Y, X).
        basis: (3, 3) columns: the steps from pixel to pixel along x and along y, and the unit normal of the slices.
            None where the place is not known.
        origins: (Z, 3) of each slice's first pixel; None where the place is not known.
        affine: Indices (x, y, z, 1) to mm; None where there is none.
        frames: The DICOM frames, where the image was read from some.
    """

    shape: tuple[int, int, int]
    basis: np.ndarray | None = None
    origins: np.ndarray | None = None
    affine: np.ndarray | None = None
    frames: SourceFrames | None = None

    @cached_property
    def named(self) -> dict[tuple[str, int], int]:
        """The slice of each DICOM frame, by its file and its number in it."""
        if self.frames is None:
            return {}
        names = zip(self.frames.instances, self.frames.frames, strict=True)
        return {(instance, frame): index for index, (instance, frame) in enumerate(names) if instance}

    @cached_property
    def depths(self) -> np.ndarray:
        """(Z,) the place of each slice along the normal, in mm."""
        assert self.basis is not None
        assert self.origins is not None
        return self.origins @ self.basis[:, 2]

    def gap_mm(self, index: int) -> float:
        """The distance from a slice to its nearest neighbour; of a single slice what its affine says, else a pixel."""
        assert self.basis is not None
        if self.shape[0] > 1:
            return float(np.sort(np.abs(self.depths - self.depths[index]))[1])
        if self.affine is not None:
            return abs(float(self.affine[:3, 2] @ self.basis[:, 2]))
        return float(np.linalg.norm(self.basis[:, 0]))

    def in_plane(self, points: np.ndarray, index: int) -> np.ndarray:
        """LPS points (N, 3) as (x, y) in pixels of one slice and the distance from it in mm, (N, 3)."""
        assert self.basis is not None
        assert self.origins is not None
        return (points - self.origins[index]) @ np.linalg.inv(self.basis).T

    def place(self, origin: np.ndarray, steps: np.ndarray, rows: int, columns: int) -> Place | None:
        """Where a plane lies among the voxels.

        Args:
            origin: (3,) of its first pixel.
            steps: (3, 2) from column to column, and from row to row.
            rows: Its number of rows.
            columns: Its number of columns.

        Returns:
            The nearest voxels, whatever their distance; None where the plane is at an angle to all of the image's, or
            the image has no place.
        """
        if self.basis is None or self.origins is None:
            return None
        turned = np.linalg.inv(self.basis) @ steps
        if np.abs(turned[2]).max() <= PARALLEL * np.linalg.norm(steps, axis=0).min():
            index = int(np.abs(self.depths - origin @ self.basis[:, 2]).argmin())
            start = self.in_plane(origin[np.newaxis], index)[0]
            whole = np.array([*np.rint(start[:2]), 0])
            # Slices need not be even: the nearest one counts.
            to_mm, per_voxel = self.basis, np.array([1, 1, 1 / self.gap_mm(index)])
        elif self.affine is not None and self.shape[0] > 1:
            index, to_mm, per_voxel = 0, self.affine[:3, :3], np.ones(3)
            inverse = np.linalg.inv(self.affine)
            turned, start = inverse[:3, :3] @ steps, inverse[:3, :3] @ origin + inverse[:3, 3]
            whole = np.rint(start)
        else:
            return None
        axes = [int(axis) for axis in np.abs(turned).argmax(axis=0)]
        if axes[0] == axes[1] or not np.isfinite(start).all() or np.abs(start).max() > FARTHEST:
            return None
        signs = [1 if turned[axis, column] > 0 else -1 for column, axis in enumerate(axes)]
        turned[axes, (0, 1)] -= signs
        corners = np.array([(column, row) for column in (0, columns - 1) for row in (0, rows - 1)])
        off = start - whole + corners @ turned.T
        off_mm = np.linalg.norm(off @ to_mm.T, axis=1).max()
        off = off * per_voxel
        x, y, z = (int(each) for each in whole)
        along = ((axes[0], signs[0]), (axes[1], signs[1]))
        return Place((x, y, z + index), along, float(np.abs(off).max()), float(off_mm))


def places_of(image: MedicalImage) -> SlicePlaces:
    """The slices of an image, by its DICOM frames where each states its own place, else by its affine."""
    depth, rows, columns = image.shape if image.is_volume else (1, *image.shape)
    shape = (depth, rows, columns)
    affine, frames = image.geometry.affine, image.source_frames
    if frames is not None and len(frames.instances) != depth:
        frames = None
    basis = _basis(affine, frames)
    if basis is None:
        return SlicePlaces(shape, frames=frames)
    origins = None if affine is None else affine[:3, 3] + np.outer(np.arange(depth), affine[:3, 2])
    if frames is not None and frames.positions is not None and _are_apart(frames.positions, basis, origins):
        origins = frames.positions
    return SlicePlaces(shape, None if origins is None else basis, origins, affine, frames)


def _basis(affine: np.ndarray | None, frames: SourceFrames | None) -> np.ndarray | None:
    if affine is not None:
        steps = affine[:3, :2]
    elif frames is not None and frames.directions is not None and frames.spacing_mm is not None:
        steps = frames.directions * frames.spacing_mm[::-1]
    else:
        return None
    normal = np.cross(steps[:, 0], steps[:, 1])
    length = float(np.linalg.norm(normal))
    return np.column_stack([steps, normal / length]) if length > 0 and np.isfinite(length) else None


def _are_apart(positions: np.ndarray, basis: np.ndarray, origins: np.ndarray | None) -> bool:
    """Whether the frames' own positions count: each has its own, and the first is where the affine begins."""
    depths = positions @ basis[:, 2]
    if len(depths) > 1 and np.diff(np.sort(depths)).min() <= 0:
        return False
    return origins is None or float(np.linalg.norm(positions[0] - origins[0])) <= float(np.linalg.norm(basis[:, 0]))


def regular_places(
    positions: np.ndarray, steps: np.ndarray, rows: int, columns: int, thickness_mm: float
) -> SlicePlaces | None:
    """The least regular volume that planes of one orientation lie in, its slices along their normal.

    Args:
        positions: (N, 3) of the planes' first pixels, in any order and repeated; slices between may be left out.
        steps: (3, 2) from column to column, and from row to row.
        rows: Of a plane.
        columns: Of a plane.
        thickness_mm: The distance between slices, if there is only one.

    Returns:
        The volume; None where the planes are unevenly spaced or shifted sideways. It may lean.
    """
    normal = np.cross(steps[:, 0], steps[:, 1])
    normal /= np.linalg.norm(normal)
    depths = positions @ normal
    gaps = np.diff(np.sort(depths))
    gaps = gaps[gaps > REFUSED * min(1.0, float(np.linalg.norm(steps, axis=0).min()))]
    # The smallest gap is that of neighbours, unless too much was left out between.
    for gap in (float(gaps.min()), thickness_mm) if len(gaps) else (thickness_mm,):
        affine = _regular(positions, depths, steps, normal, gap)
        if affine is not None:
            count = round(float(np.ptp(depths)) / float(affine[:3, 2] @ normal)) + 1
            origins = affine[:3, 3] + np.outer(np.arange(count), affine[:3, 2])
            return SlicePlaces((count, rows, columns), np.column_stack([steps, normal]), origins, affine)
    return None


def _regular(
    positions: np.ndarray, depths: np.ndarray, steps: np.ndarray, normal: np.ndarray, gap: float
) -> np.ndarray | None:
    """The affine of slices about ``gap`` mm apart in which all planes lie; None where they do not."""
    first, last = int(depths.argmin()), int(depths.argmax())
    count = round((depths[last] - depths[first]) / gap) + 1
    if count > MOST_SLICES:
        return None
    affine = np.eye(4)
    affine[:3, :2], affine[:3, 3] = steps, positions[first]
    affine[:3, 2] = normal * gap if count == 1 else (positions[last] - positions[first]) / (count - 1)
    indices = np.rint((depths - depths[first]) / float(affine[:3, 2] @ normal))
    off = (positions - positions[first] - np.outer(indices, affine[:3, 2])) @ np.linalg.inv(affine[:3, :3]).T
    return affine if np.abs(off).max() <= REFUSED else None


def slice_of(named: Sequence[tuple[str, int]], known: dict[tuple[str, int], int]) -> int | None:
    """The one slice that a plane was drawn on, by the frames that it names; None where they do not settle it."""
    found = {known[each] for each in named if each in known}
    return found.pop() if len(found) == 1 else None
