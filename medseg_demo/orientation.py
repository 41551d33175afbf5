"""The orientation in which 3-D networks see volumes, and the way there and back.

A 3-D network learns what lies left of what, so it must see every volume the same way round. Training and inference
therefore turn the axes of a volume, without interpolation, until they run as nearly as possible to the patient's
superior (Z), anterior (Y) and right (X): MONAI's and nibabel's "RAS". A volume without an affine stays as it is.
"""

from dataclasses import dataclass
from itertools import permutations

import numpy as np

RAS_FROM_LPS = np.array((-1.0, -1.0, 1.0))


@dataclass(frozen=True)
class Orientation:
    """A change of axes.

    Attributes:
        order: Axis i of the turned (Z, Y, X) is axis ``order[i]`` of the volume.
        flipped: The turned axes that run the other way than the volume's.
    """

    order: tuple[int, ...] = (0, 1, 2)
    flipped: tuple[int, ...] = ()

    def turn(self, array: np.ndarray) -> np.ndarray:
        """A view of (..., Z, Y, X) in the network's orientation."""
        lead = tuple(range(array.ndim - 3))
        turned = array.transpose(*lead, *(axis + len(lead) for axis in self.order))
        return np.flip(turned, tuple(axis - 3 for axis in self.flipped))

    def undo(self, array: np.ndarray) -> np.ndarray:
        """A view of a turned (..., Z, Y, X) in the volume's own orientation."""
        lead = tuple(range(array.ndim - 3))
        back = tuple(int(axis) + len(lead) for axis in np.argsort(self.order))
        return np.flip(array, tuple(axis - 3 for axis in self.flipped)).transpose(*lead, *back)

    def turn_spacing(self, spacing_mm: tuple[float, ...] | None) -> tuple[float, ...] | None:
        """The spacing of the turned axes."""
        return None if spacing_mm is None else tuple(spacing_mm[axis] for axis in self.order)


def network_orientation(affine: np.ndarray | None) -> Orientation:
    """How a volume is turned for a 3-D network.

    Args:
        affine: Indices (x, y, z, 1) to LPS millimetres, (4, 4); None leaves the volume as it is.

    Returns:
        The permutation of the axes whose directions lie closest to those of the patient, with flips. Oblique
        volumes keep their remaining angle.
    """
    if affine is None:
        return Orientation()
    axes = affine[:3, :3][::-1, ::-1] * RAS_FROM_LPS[::-1, np.newaxis]  # rows S, A, R; columns Z, Y, X
    lengths = np.linalg.norm(axes, axis=0)
    directions = axes / np.where(lengths > 0, lengths, 1)
    order = max(permutations(range(3)), key=lambda axes: sum(abs(directions[i, axis]) for i, axis in enumerate(axes)))
    return Orientation(order, tuple(i for i, axis in enumerate(order) if directions[i, axis] < 0))
