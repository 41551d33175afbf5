"""The one demand on an affine: axes at right angles, without which no spacing describes the pixels."""

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.source import Source

# The cosine of the smallest angle that passes, about half a degree off: more than rounding, less than a gantry tilt.
SHEAR_TOLERANCE = 0.01


def check_right_angles(affine: np.ndarray, source: Source) -> None:
    """Refuse a sheared volume.

    Args:
        affine: (4, 4), with columns that are not zero.
        source: The file.

    Raises:
        UnsupportedImageError: Two axes are not at right angles.
    """
    directions = affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)
    if np.abs(directions.T @ directions - np.eye(3)).max() > SHEAR_TOLERANCE:
        raise UnsupportedImageError(
            f"{source.label}: the axes are not at right angles (the affine is sheared). "
            "Resample the volume to a regular grid and save it again."
        )
