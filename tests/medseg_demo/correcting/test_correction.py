import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg_demo.correcting.between import runs_between
from medseg_demo.correcting.correction import Correction
from medseg_demo.correcting.edits import Step
from medseg_demo.errors import EditConflict
from medseg_demo.image import Geometry, LabelMap

SHAPE = (3, 4, 5)
GEOMETRY = Geometry((2.0, 1.0, 1.0))


def label_map(shape=SHAPE, **more):
    return LabelMap(np.zeros(shape, np.uint8), ("a", "b"), GEOMETRY, **more)


def correction(**more):
    return Correction(label_map(), name="unet", **more)


states = st.lists(
    st.binary(min_size=60, max_size=60).map(lambda raw: (np.frombuffer(raw, np.uint8) % 3).reshape(SHAPE)),
    max_size=6,
)


@given(states)
def test_steps_give_each_state_and_inverse_steps_the_same_bytes_again(wanted):
    one = correction()
    digests, steps = [one.digest], []
    for number, state in enumerate(wanted, start=1):
        steps.append(Step(number, "brush", runs_between(one.label_map.labels, state)))
        assert one.apply([steps[-1]]) == number
        np.testing.assert_array_equal(one.label_map.labels, state)
        assert one.changed_slices() == tuple(np.flatnonzero(state.any((1, 2))).tolist())
        digests.append(one.digest)
    for back, step in enumerate(reversed(steps), start=1):
        one.apply([step.inverted(len(steps) + back)])
        assert one.digest == digests[-1 - back]
    assert one.label_map is one.original
    assert not one.is_changed
    assert not one.original.labels.any()


def test_ten_undos_and_redos_give_the_same_bytes():
    one = correction()
    drawn = [Step(n, "brush", ((n * 5, 3, 0, 1 + n % 2),)) for n in range(1, 11)]
    one.apply(drawn)
    painted = one.label_map.labels.tobytes()
    undone = [step.inverted(11 + at) for at, step in enumerate(reversed(drawn))]
    one.apply(undone)
    assert one.label_map.labels.tobytes() == bytes(60)
    one.apply([step.inverted(21 + at, "redo") for at, step in enumerate(reversed(undone))])
    assert one.label_map.labels.tobytes() == painted
    assert one.revision == 30


def test_long_and_short_runs_are_changed_alike():
    one = Correction(label_map((40, 40)), name="unet")
    one.apply([Step(1, "fill", ((0, 3, 0, 2), (7, 900, 0, 1), (1599, 1, 0, 2)))])
    flat = one.label_map.labels.reshape(-1)
    assert np.bincount(flat).tolist() == [1600 - 904, 900, 4]
    assert (flat[[0, 2, 1599]] == 2).all()
    assert (flat[7:907] == 1).all()
    assert one.changed_slices() == (0,)
    with pytest.raises(EditConflict):
        one.apply([Step(2, "fill", ((6, 300, 1, 2),))])
    np.testing.assert_array_equal(one.label_map.labels.reshape(-1), flat)


def test_what_was_handed_out_stays_as_it_was():
    one = correction()
    one.apply([Step(1, "brush", ((0, 4, 0, 1),))])
    before = one.label_map
    one.apply([Step(2, "brush", ((0, 4, 1, 2),))])
    assert before.labels.reshape(-1)[:5].tolist() == [1, 1, 1, 1, 0]
    assert one.label_map.labels.reshape(-1)[:5].tolist() == [2, 2, 2, 2, 0]
    assert one.label_map.geometry is GEOMETRY
    assert one.label_map.class_names == ("a", "b")


def test_steps_that_come_again_are_passed_over():
    one = correction()
    steps = [Step(1, "brush", ((0, 4, 0, 1),)), Step(2, "eraser", ((1, 1, 1, 0),))]
    assert one.apply(steps[:1]) == 1
    assert one.apply(steps) == 2
    assert one.apply(steps) == 2
    assert one.label_map.labels.reshape(-1)[:4].tolist() == [1, 0, 1, 1]


@pytest.mark.parametrize(
    "steps",
    [
        [Step(3, "brush", ((9, 1, 0, 1),))],  # a step is missing
        [Step(2, "brush", ((4, 1, 0, 1), (5, 1, 1, 2)))],  # something else lies in its second run
        [Step(1, "brush", ((9, 1, 0, 1),))],  # another tab's first step
    ],
)
def test_steps_of_another_state_are_refused_whole(steps):
    one = correction()
    one.apply([Step(1, "brush", ((0, 4, 0, 1),))])
    before = one.digest
    with pytest.raises(EditConflict, match="unet was edited in another tab, or replaced"):
        one.apply(steps)
    assert (one.digest, one.revision) == (before, 1)


def test_steps_before_a_refused_one_stay():
    one = correction()
    with pytest.raises(EditConflict):
        one.apply([Step(1, "brush", ((0, 1, 0, 1),)), Step(2, "brush", ((0, 1, 0, 2),))])
    assert one.revision == 1
    assert one.label_map.labels.reshape(-1)[0] == 1


def test_pauses_count_for_a_minute_at_most():
    times = iter([100.0, 105.0, 1000.0, 1002.5])
    one = correction(clock=lambda: next(times))
    one.apply([Step(n, "brush", ((n, 1, 0, 1),)) for n in range(1, 5)])
    assert one.seconds == 5 + 60 + 2.5


def test_what_is_painted_counts_as_annotated_and_has_no_number():
    ignored = np.zeros(SHAPE, bool)
    ignored[0, 0, :2] = True
    one = Correction(label_map(ignored=ignored, instances=np.zeros(SHAPE, np.uint32)), name="unet")
    one.apply([Step(1, "brush", ((0, 1, 0, 1),))])
    assert np.flatnonzero(one.label_map.ignored).tolist() == [1]
    assert one.label_map.instances is None
    assert one.original.ignored.sum() == 2
