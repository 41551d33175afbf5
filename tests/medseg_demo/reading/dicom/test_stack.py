import numpy as np
import pytest

from medseg_demo.reading.dicom.planes import Plane
from medseg_demo.reading.dicom.stack import NO_DISTANCE, NO_POSITIONS, lay_out, places, plane_name

AXIAL = np.eye(3)


def planes(positions, *, directions=AXIAL, spacing=(1.0, 1.0)):
    return [Plane(spacing_mm=spacing, directions=directions, position=np.array(p, float)) for p in positions]


def along_z(*heights):
    return planes([(0, 0, height) for height in heights])


def test_slices_step_along_the_normal():
    turned = np.column_stack([[0, 1.0, 0], [1.0, 0, 0], [0, 0, -1.0]])
    geometry, notes = lay_out(planes([(1, 2, 3), (1, 2, 0), (1, 2, -3)], directions=turned, spacing=(1.0, 2.0)))
    assert geometry.affine.tolist() == [[0, 1, 0, 1], [2, 0, 0, 2], [0, 0, -3, 3], [0, 0, 0, 1]]
    assert (geometry.spacing_mm, notes) == ((3, 1, 2), ())


@pytest.mark.parametrize(("degrees", "shear", "is_told"), [(0.04, 0, False), (0.4, 0.4, False), (4, 4, True)])
def test_a_small_lean_is_rounding(degrees, shear, is_told):
    lean = np.tan(np.radians(degrees))
    geometry, notes = lay_out(planes([(z * lean, 0, z) for z in range(4)]))
    assert geometry.affine[0, 2] == pytest.approx(np.tan(np.radians(shear)))
    assert geometry.spacing_mm == pytest.approx((1, 1, 1))
    assert len(notes) == is_told


@pytest.mark.parametrize(
    ("heights", "between", "note"),
    [
        ((0, 2, 4), 2, ""),
        ((0, 2.05, 4), 2, ""),
        ((0, 2, 4, 8), 2, "Slice 4 of 5 seems to be missing"),
        ((0, 2, 4, 7), 2, "not evenly spaced: 2 to 3 mm"),
    ],
)
def test_the_distance_between_slices(heights, between, note):
    geometry, notes = lay_out(along_z(*heights))
    assert geometry.spacing_mm[0] == pytest.approx(between)
    assert [note in each for each in notes] == ([True] if note else [])


def test_slices_by_number():
    numbered = [Plane(spacing_mm=(1.0, 2.0), slot=float(slot), step_mm=3.0) for slot in (1, 2, 3)]
    assert lay_out(numbered)[0].spacing_mm == (3, 1, 2)
    assert lay_out([Plane(slot=0.0), Plane(slot=1.0)])[1] == (NO_DISTANCE,)
    assert lay_out([Plane(), Plane()])[1] == (NO_POSITIONS,)


def test_a_single_plane():
    geometry, notes = lay_out(along_z(5))
    assert (geometry.spacing_mm, geometry.affine[:3, 3].tolist(), notes) == ((1, 1), [0, 0, 5], ())
    assert lay_out([Plane(spacing_mm=(1.0, 2.0))])[0].affine is None


def test_places_in_their_order():
    assert places(along_z(4, 0, 2, 0), range(4)) == [[1, 3], [2], [0]]


def test_rounding_makes_no_places():
    jitter = [height + 0.004 * copy for height in (0, 3, 6) for copy in range(5)]
    assert [len(place) for place in places(along_z(*jitter), range(15))] == [5, 5, 5]


@pytest.mark.parametrize(("axis", "name"), [(0, "sagittal"), (1, "coronal"), (2, "axial")])
def test_plane_names(axis, name):
    directions = np.roll(AXIAL, 2 - axis, axis=1)
    assert plane_name(Plane(directions=directions)) == name
    assert plane_name(Plane()) == ""
