from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.image import Geometry, MedicalImage, SourceFrames, spacing_of
from medseg_demo.reading.dicom.slice_places import Place, places_of, regular_places, slice_of

AFFINE = np.array([[0.5, 0, 0, 1], [0, 0.75, 0, 2], [0, 0, 3, 3], [0, 0, 0, 1]])
STEPS = AFFINE[:3, :2]


def volume(affine=AFFINE, shape=(4, 3, 5)):
    return MedicalImage(np.zeros(shape), "ZYX", Geometry(spacing_of(affine), affine), "x", "NIfTI", 8, (0, 1))


def at(*depths, sideways=0.0):
    return np.array([(1 + sideways * index, 2, depth) for index, depth in enumerate(depths)])


def test_a_plane_lies_on_the_voxels_under_it():
    labels = np.arange(4 * 3 * 5).reshape(4, 3, 5)
    place = places_of(volume()).place(np.array([1.5, 2, 6]), STEPS, 3, 4)
    assert place.start == (1, 0, 1)
    assert np.array_equal(place.view(labels, 3, 4), labels[1, :, 1:])
    assert place.view(labels, 3, 5) is None
    assert place.view(labels, 4, 4) is None
    assert Place((0, 0, 4)).view(labels, 1, 1) is None


@pytest.mark.parametrize(
    ("columns", "rows", "expected"),
    [
        ((2, 1), (1, 1), lambda labels: labels[:, :, 2].T),
        ((1, -1), (0, 1), lambda labels: labels[1, ::-1, :].T),
        ((2, -1), (0, -1), lambda labels: labels[::-1, 2, ::-1].T),
    ],
)
def test_rows_and_columns_run_along_any_axes(columns, rows, expected):
    labels = np.arange(4 * 3 * 5).reshape(4, 3, 5)
    lengths, start = labels.shape[::-1], [2, 2, 1]
    for axis, sign in (columns, rows):
        start[axis] = 0 if sign > 0 else lengths[axis] - 1
    steps = np.column_stack([sign * AFFINE[:3, axis] for axis, sign in (columns, rows)])
    place = places_of(volume()).place((AFFINE @ [*start, 1])[:3], steps, lengths[rows[0]], lengths[columns[0]])
    assert place.along == (columns, rows)
    assert place.offset == pytest.approx(0, abs=1e-9)
    assert np.array_equal(place.view(labels, lengths[rows[0]], lengths[columns[0]]), expected(labels))


def test_the_offset_is_that_of_the_corner_that_lies_off_most():
    place = places_of(volume()).place(np.array([1.0, 2, 3]), STEPS * 1.01, 3, 5)
    assert place.offset == pytest.approx(0.04)
    assert place.offset_mm == pytest.approx(np.hypot(0.04 * 0.5, 0.02 * 0.75))
    assert places_of(volume()).place(np.array([1.0, 2, 3.6]), STEPS, 3, 5).offset == pytest.approx(0.2)


def test_uneven_slices_lie_where_their_frames_say():
    frames = SourceFrames(tuple("abcd"), (1,) * 4, at(3, 6, 10, 12))
    places = places_of(replace(volume(), source_frames=frames))
    assert places.place(np.array([1.0, 2, 10]), STEPS, 3, 5).start == (0, 0, 2)
    assert places.place(np.array([1.0, 2, 8]), STEPS, 3, 5).offset == pytest.approx(2 / 3)  # of the nearest gap
    assert [places.gap_mm(index) for index in range(4)] == [3, 3, 2, 2]
    assert slice_of([("c", 1), ("elsewhere", 1)], places.named) == 2
    assert slice_of([("c", 1), ("d", 1)], places.named) is None


def test_frames_at_one_place_do_not_tell_where_slices_lie():
    frames = SourceFrames(tuple("abcd"), (1,) * 4, at(3, 3, 3, 3))
    assert places_of(replace(volume(), source_frames=frames)).depths.tolist() == [3, 6, 9, 12]


@pytest.mark.parametrize(
    ("positions", "slices", "step"),
    [
        (at(9, 3, 6, 3), 3, (0, 0, 3)),
        (at(3, 9, 6, 15), 5, (0, 0, 3)),  # slices between are left out
        (at(3, 12, 9.01), 4, (0, 0, 3)),
        (at(3, 9, 18), 6, (0, 0, 3)),  # 6 and 9 mm apart: 3 mm, as stated
        (at(3, 6, 9, sideways=0.4), 3, (0.4, 0, 3)),
        (at(3), 1, (0, 0, 3)),
        (at(3, 6, 10), None, None),
        (np.add(at(3, 6, 9), [[0, 0, 0], [0.2, 0, 0], [0, 0, 0]]), None, None),
        (at(0, 1e-1, 1e9), None, None),
    ],
)
def test_the_least_regular_volume(positions, slices, step):
    places = regular_places(positions, STEPS, 3, 5, thickness_mm=3)
    if slices is None:
        assert places is None
        return
    assert places.shape == (slices, 3, 5)
    assert places.affine[:3, 2] == pytest.approx(step)
    assert len(places.origins) == slices
