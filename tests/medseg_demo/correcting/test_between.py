from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg_demo.correcting.between import copy_runs, fill_between, runs_between
from medseg_demo.correcting.correction import Correction
from medseg_demo.correcting.edits import Step, read_steps
from medseg_demo.errors import EditError
from medseg_demo.image import LabelMap


def applied(labels, runs):
    one = Correction(LabelMap(labels, ("a", "b", "c")), name="unet")
    sent = [{"number": 1, "kind": "between", "runs": [list(run) for run in runs]}]
    one.apply(read_steps(sent, size=labels.size, classes=3))
    return one.label_map.labels


def pictures(*, least=0, shape=(6, 7)):
    size = int(np.prod(shape))
    raw = st.binary(min_size=size, max_size=size).map(lambda raw: np.frombuffer(raw, np.uint8).reshape(shape) % 3)
    return raw.filter(lambda labels: (labels == 1).sum() >= least)


def distance(mask, spacing):
    """Of each pixel to the nearest one of the other side, by looking at all of them."""
    inside, outside = (np.argwhere(side) * spacing for side in (mask, ~mask))
    far = float(np.dot(mask.shape, spacing))
    found = np.empty(mask.shape)
    for place in np.ndindex(mask.shape):
        others = outside if mask[place] else inside
        nearest = np.sqrt(((others - np.array(place) * spacing) ** 2).sum(1)).min() if len(others) else far
        found[place] = nearest if mask[place] else -nearest
    return found


def filled_slowly(labels, label, axis, first, last, protected=(), spacing=(1, 1, 1)):
    expected, plane = labels.copy(), [step for at, step in enumerate(spacing) if at != axis]
    below, above = (distance(np.take(labels, index, axis) == label, plane) for index in (first, last))
    for index in range(first + 1, last):
        share = (index - first) / (last - first)
        for place in zip(*np.nonzero((1 - share) * below + share * above > 0), strict=True):
            voxel = tuple(np.insert(place, axis, index))
            if labels[voxel] not in protected:
                expected[voxel] = label
    return expected


@given(pictures(least=1), pictures(least=1), st.integers(0, 2), st.sampled_from([(1, 1, 1), (3, 2, 0.5)]))
def test_filling_is_that_of_the_definition(below, above, axis, spacing):
    volume = np.zeros((5, 6, 7), np.uint8)
    volume[0], volume[1], volume[4] = below, below[::-1], above
    labels = np.moveaxis(volume, 0, axis).copy()
    expected = filled_slowly(labels, 1, axis, 0, 4, (2,), spacing)
    try:
        runs = fill_between(labels, 1, axis=axis, first=4, last=0, protected=(2,), spacing_mm=spacing)
    except EditError:
        bare = labels.copy()
        np.moveaxis(bare, axis, 0)[1:4] = 0
        assert not (np.moveaxis(filled_slowly(bare, 1, axis, 0, 4, (), spacing), axis, 0)[1:4] == 1).any()
    else:
        np.testing.assert_array_equal(applied(labels, runs), expected)


def test_a_sphere_of_some_slices_is_a_sphere_again():
    z, y, x = np.mgrid[:41, :41, :41]
    sphere = ((z - 20) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 <= 15**2).astype(np.uint8)
    kept = np.zeros_like(sphere)
    drawn = [6, 9, 13, 17, 20, 23, 27, 31, 34]
    kept[drawn] = sphere[drawn]
    for first, last in pairwise(drawn):
        kept = applied(kept, fill_between(kept, 1, axis=0, first=first, last=last))
    inner = slice(6, 35)
    overlap = 2 * (kept & sphere)[inner].sum() / (kept[inner].sum() + sphere[inner].sum())
    assert overlap > 0.97


def test_what_is_between_equal_slices_is_equal_even_where_all_is_filled():
    labels = np.zeros((4, 3, 3), np.uint8)
    labels[[0, 3]] = 2
    assert (applied(labels, fill_between(labels, 2, axis=0, first=0, last=3)) == 2).all()
    labels[:] = 2
    assert fill_between(labels, 2, axis=0, first=0, last=3) == ()


@pytest.mark.parametrize(
    ("first", "last", "says"),
    [
        (0, 1, "No slice lies between 1 and 2"),
        (2, 2, "No slice lies between 3 and 3"),
        (0, 3, "Slice 4 has nothing of the class"),
        (0, 4, "do not overlap"),
        (0, 5, "Slices are 1 to 5, and 1 and 6"),
        (-1, 4, "Slices are 1 to 5"),
    ],
)
def test_what_cannot_be_filled_is_said(first, last, says):
    labels = np.zeros((5, 4, 9), np.uint8)
    labels[0, 1:3, :2] = labels[1, 0, 0] = labels[2, 0, 0] = labels[4, 1:3, 7:] = 1
    with pytest.raises(EditError, match=says):
        fill_between(labels, 1, axis=0, first=first, last=last)


@given(pictures(), pictures())
def test_runs_turn_one_array_into_the_other(before, after):
    runs = runs_between(before, after)
    changed = before.reshape(-1).copy()
    for start, length, old, new in runs:
        assert (changed[start : start + length] == old).all()
        changed[start : start + length] = new
    np.testing.assert_array_equal(changed, after.reshape(-1))
    ends = [(start, start + length, old, new) for start, length, old, new in runs]
    assert all(one[1] < two[0] or one[2:] != two[2:] for one, two in pairwise(ends))
    assert all(type(part) is int for run in runs for part in run)


@given(pictures(), pictures())
def test_copying_takes_a_class_or_everything_and_leaves_what_is_protected(ours, theirs):
    np.testing.assert_array_equal(applied(ours, copy_runs(ours, theirs)), theirs)
    one = applied(ours, copy_runs(ours, theirs, label=1, protected=(2,)))
    expected = ours.copy()
    expected[(ours == 1) & (theirs != 1)] = 0
    expected[(ours == 0) & (theirs == 1)] = 1
    np.testing.assert_array_equal(one, expected)


def test_copying_some_slices_leaves_the_others():
    ours, theirs = np.zeros((3, 4, 5), np.uint8), np.ones((3, 4, 5), np.uint8)
    copied = applied(ours, copy_runs(ours, theirs, axis=2, slices=[1, 4]))
    assert copied.sum((0, 1)).tolist() == [0, 12, 0, 0, 12]
    with pytest.raises(EditError, match="Slices are 1 to 5"):
        copy_runs(ours, theirs, axis=2, slices=[5])
    with pytest.raises(EditError, match=r"shape \(3, 4, 5\)"):
        copy_runs(ours, theirs[:2])
    assert copy_runs(ours, theirs, slices=[]) == ()


def test_more_places_than_a_step_may_have_are_refused():
    ours = np.zeros(500_000, np.uint8).reshape(500, 1000)
    with pytest.raises(EditError, match="200,000 places"):
        copy_runs(ours, (np.arange(500_000, dtype=np.uint32).reshape(500, 1000) % 2).astype(np.uint8))


def test_inverted_runs_bring_back_what_was():
    labels = np.zeros((3, 4, 4), np.uint8)
    labels[0, 1:3, 1:3] = labels[2, 1:3, 1:3] = 1
    one = Correction(LabelMap(labels, ("a",)), name="unet")
    step = Step(1, "between", fill_between(labels, 1, axis=0, first=0, last=2))
    one.apply([step])
    assert one.label_map.labels.sum() == 12
    one.apply([step.inverted(2)])
    assert one.label_map is one.original
