import numpy as np
import pytest

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.reading.axes import check_right_angles


@pytest.mark.parametrize(("cosine", "is_refused"), [(0, False), (0.005, False), (0.02, True), (-0.5, True), (1, True)])
def test_shear(source, cosine, is_refused):
    affine = np.diag([2.0, 3.0, 4.0, 1.0])
    affine[:3, 1] = 3 * np.array([cosine, np.sqrt(1 - cosine**2), 0])
    if is_refused:
        with pytest.raises(UnsupportedImageError, match="right angles"):
            check_right_angles(affine, source)
    else:
        check_right_angles(affine, source)
