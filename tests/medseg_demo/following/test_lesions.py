"""Lesions through visits, on drawings."""

import numpy as np
import pytest

from medseg_demo.following.lesions import match_lesions
from medseg_demo.following.registration import Registration, as_it_lies, register
from medseg_demo.image import Geometry, LabelMap, MedicalImage


def drawn(*rows):
    return LabelMap(np.array([[int(one) for one in row] for row in rows], np.uint8), ("lesion",))


def grid(label_map):
    shape = label_map.labels.shape
    return MedicalImage(np.zeros(shape, np.uint8), "YX", Geometry(), "x", "PNG", 8, (0.0, 1.0))


def events(*visits):
    """(number, visit, event, pixels) of each."""
    laid = [None, *[as_it_lies(grid(visits[0]))] * (len(visits) - 1)]
    found = match_lesions(visits, laid, [1.0] * len(visits), 1)
    return [(one.number, one.visit, one.event, one.pixels) for one in found]


def test_the_same_new_and_gone():
    first = drawn("110000000", "110000011", "000000000", "000000000")
    later = drawn("011000000", "011000000", "000000000", "000011100")
    assert events(first, later) == [
        (1, 0, "first", 4), (1, 1, "same", 4), (2, 0, "first", 2), (2, 1, "gone", 0), (3, 1, "new", 3),
    ]  # fmt: skip


def test_split_and_merged_keep_one_number():
    whole, halves = drawn("0111110"), drawn("0110110")
    assert events(whole, halves) == [(1, 0, "first", 5), (1, 1, "split", 2), (1, 1, "split", 2)]
    assert events(halves, whole) == [(1, 0, "first", 2), (1, 0, "first", 2), (1, 1, "merged", 5)]


def test_split_and_merged_at_once():
    first, later = drawn("1110111"), drawn("1011101")
    found = events(first, later)
    assert {number for number, *_ in found} == {1}
    assert [event for *_, event, _ in found if event != "first"] == ["split and merged", "split", "split"]


def test_a_small_lesion_that_is_off_by_one_pixel_is_the_same():
    assert events(drawn("0100000"), drawn("0010000")) == [(1, 0, "first", 1), (1, 1, "same", 1)]
    assert [event for *_, event, _ in events(drawn("0100000"), drawn("0001000"))] == ["first", "gone", "new"]


def test_neighbours_do_not_merge_for_lying_close():
    assert [event for *_, event, _ in events(drawn("110110"), drawn("110110"))] == ["first", "same"] * 2


def test_a_lesion_that_comes_back_is_another_one():
    there, nothing = drawn("011"), drawn("000")
    assert events(there, nothing, there) == [
        (1, 0, "first", 2), (1, 1, "gone", 0), (2, 2, "new", 2),
    ]  # fmt: skip


def test_corners_connect():
    assert events(drawn("10", "01"), drawn("10", "01")) == [(1, 0, "first", 2), (1, 1, "same", 2)]


def test_what_a_visit_does_not_show_is_not_gone():
    first = drawn("1100000011")
    later = drawn("11000")
    found = match_lesions([first, later], [None, as_it_lies(grid(first))], [1.0, 1.0], 1)
    assert [(one.number, one.visit, one.event) for one in found] == [
        (1, 0, "first"), (1, 1, "same"), (2, 0, "first"), (2, 1, "out of view"),
    ]  # fmt: skip
    found = match_lesions([later, first], [None, as_it_lies(grid(later))], [1.0, 1.0], 1)
    assert [one.event for one in found if one.visit == 1] == ["same", "out of view"]


def test_sizes_are_those_of_the_visits_own_grid():
    pixels = np.zeros((20, 20), np.uint8)
    pixels[4:8, 4:8] = 1
    fine = np.kron(pixels, np.ones((2, 2), np.uint8))
    first = LabelMap(pixels, ("lesion",), Geometry((2.0, 2.0)))
    later = LabelMap(fine, ("lesion",), Geometry((1.0, 1.0)))
    still = MedicalImage(pixels, "YX", first.geometry, "x", "PNG", 8, (0.0, 1.0))
    found = match_lesions([first, later], [None, as_it_lies(still)], [4.0, 1.0], 1)
    assert [(one.event, one.size) for one in found] == [("first", 64.0), ("same", 64.0)]


def volume(shift=(0, 0, 0), turn=0.0, noise=0):
    """A textured ball with a knob, moved by mm in an array of 2 × 1 × 1 mm."""
    z, y, x = np.meshgrid(np.arange(20) * 2.0, np.arange(40), np.arange(44), indexing="ij")
    z, y, x = z - 19 - shift[0], y - 19.5 - shift[1], x - 21.5 - shift[2]
    angle = np.radians(turn)
    y, x = np.cos(angle) * y - np.sin(angle) * x, np.sin(angle) * y + np.cos(angle) * x
    values = 100 * np.exp(-((z / 12) ** 2 + (y / 14) ** 2 + (x / 10) ** 2)) + 60 * (np.hypot(z, y - 6, x) < 9)
    values += 40 * np.exp(-((z - 6) ** 2 + (y + 8) ** 2 + (x - 5) ** 2) / 20)
    values += np.random.default_rng(noise).normal(0, 2, values.shape)
    affine = np.array([[1.0, 0, 0, -22], [0, 1, 0, -20], [0, 0, 2, -19], [0, 0, 0, 1]])
    return MedicalImage(
        values.astype(np.float32), "ZYX", Geometry((2.0, 1.0, 1.0), affine), "x", "NIfTI", 32, (0.0, 160.0)
    )


def test_registration_finds_a_known_motion():
    first, later = volume(), volume((2.0, -3.0, 4.0), 8.0, noise=1)
    found = register(later, first)
    assert isinstance(found, Registration)
    assert found.degrees == pytest.approx(8, abs=1)
    assert found.note == ""
    inside = np.s_[4:-4, 8:-8, 8:-8]
    before = np.abs(later.pixels - first.pixels)[inside].mean()
    after = np.abs(found.lay(later).pixels - first.pixels)[inside].mean()
    assert after < 0.25 * before


def test_registration_of_another_grid():
    first, later = volume(), volume()
    coarse = MedicalImage(
        later.pixels[:, ::2, ::2], "ZYX", Geometry((2.0, 2.0, 2.0), later.geometry.affine @ np.diag([2.0, 2, 1, 1])),
        "x", "NIfTI", 32, (0.0, 160.0),
    )  # fmt: skip
    found = register(coarse, first)
    assert found.shift_mm < 0.5
    assert found.lay(coarse).pixels.shape == first.pixels.shape


def test_nothing_in_common_is_told_and_ends_nothing():
    first = volume()
    noise = np.random.default_rng(3).normal(0, 1, first.pixels.shape).astype(np.float32)
    affine = first.geometry.affine.copy()
    affine[:3, 3] += 500
    far = MedicalImage(noise, "ZYX", Geometry((2.0, 1.0, 1.0), affine), "x", "NIfTI", 32, (-1.0, 1.0))
    assert np.isfinite(register(far, first).shift_mm)
