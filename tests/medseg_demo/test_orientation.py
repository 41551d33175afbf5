from itertools import permutations, product

import nibabel as nib
import numpy as np
import pytest

from medseg_demo.orientation import Orientation, network_orientation

LPS_FROM_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
# Every order of the axes with every choice of directions: 48 ways to store one volume.
CODES = ["".join(letters) for axes in permutations(("RL", "AP", "SI")) for letters in product(*axes)]


def stored(code: str) -> tuple[np.ndarray, np.ndarray]:
    """One volume (Z, Y, X) with its LPS affine, stored in the orientation that nibabel calls ``code``."""
    ras = nib.Nifti1Image(np.arange(24.0).reshape(2, 3, 4), np.diag([1.0, 2.0, 3.0, 1.0]))
    change = nib.orientations.ornt_transform(
        nib.orientations.axcodes2ornt("RAS"), nib.orientations.axcodes2ornt(tuple(code))
    )
    image = ras.as_reoriented(change)
    assert "".join(nib.aff2axcodes(image.affine)) == code
    return np.asarray(image.dataobj).T, LPS_FROM_RAS @ image.affine


@pytest.mark.parametrize("code", CODES)
def test_every_way_of_storing_a_volume_is_turned_alike(code):
    volume, affine = stored(code)
    orientation = network_orientation(affine)
    expected, _ = stored("RAS")
    np.testing.assert_array_equal(orientation.turn(volume), expected)
    np.testing.assert_array_equal(orientation.undo(orientation.turn(volume)), volume)
    spacing = tuple(np.linalg.norm(affine[:3, :3], axis=0)[::-1])
    assert orientation.turn_spacing(spacing) == pytest.approx((3.0, 2.0, 1.0))


def test_leading_axes_stay():
    volume, affine = stored("SLA")
    orientation = network_orientation(affine)
    stack = np.stack([volume, -volume])
    turned = orientation.turn(stack)
    np.testing.assert_array_equal(turned[1], -orientation.turn(volume))
    np.testing.assert_array_equal(orientation.undo(turned), stack)


def test_an_oblique_volume_takes_the_nearest_axes():
    angle = np.deg2rad(40)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    affine = np.eye(4)
    affine[:3, :3] = turn @ np.diag([-0.5, -0.7, 3.0])
    assert network_orientation(affine) == Orientation()


def test_without_an_affine_nothing_is_turned():
    volume = np.arange(24).reshape(2, 3, 4)
    orientation = network_orientation(None)
    np.testing.assert_array_equal(orientation.turn(volume), volume)
    assert orientation.turn_spacing(None) is None


def test_turning_copies_nothing():
    volume, affine = stored("IPL")
    assert np.shares_memory(network_orientation(affine).turn(volume), volume)


def test_a_singular_affine_still_gives_an_orientation():
    orientation = network_orientation(np.diag([-1.0, -1.0, 0.0, 1.0]))
    assert sorted(orientation.order) == [0, 1, 2]
