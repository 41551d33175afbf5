import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medseg_demo.correcting.edits import MOST_RUNS, MOST_STEPS, Step, read_steps
from medseg_demo.errors import EditError


def sent(*runs, number=1, kind="brush"):
    return [{"number": number, "kind": kind, "runs": [list(run) for run in runs]}]


def test_steps_come_as_they_were_sent():
    value = json.loads(json.dumps(sent((0, 2, 0, 1), (2, 1, 2, 0)) + sent((5, 5, 1, 0), number=2, kind="undo")))
    assert read_steps(value, size=10, classes=2) == (
        Step(1, "brush", ((0, 2, 0, 1), (2, 1, 2, 0))),
        Step(2, "undo", ((5, 5, 1, 0),)),
    )
    assert read_steps([], size=10, classes=2) == ()


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (None, "no list"),
        ({"number": 1}, "no list"),
        ([{}] * (MOST_STEPS + 1), "no list"),
        ([[1, "brush", []]], "no step"),
        (sent((0, 1, 0, 1), number=0), "number"),
        (sent((0, 1, 0, 1), number=True), "number"),
        (sent((0, 1, 0, 1), number=1.0), "number"),
        (sent((0, 1, 0, 1), number="1"), "number"),
        (sent((0, 1, 0, 1), number=2**31), "number"),
        (sent((0, 1, 0, 1), kind="stamp"), "kind is none of brush"),
        (sent((0, 1, 0, 1), kind=["brush"]), "kind is none of brush"),
        ([{"number": 1, "kind": "brush"}], "no list"),
        ([{"number": 1, "kind": "brush", "runs": [[0, 1, 0]]}], "four whole numbers"),
        ([{"number": 1, "kind": "brush", "runs": [[0, 1, 0, True]]}], "four whole numbers"),
        ([{"number": 1, "kind": "brush", "runs": [[0, 1, 0, 1.0]]}], "four whole numbers"),
        ([{"number": 1, "kind": "brush", "runs": ["0101"]}], "four whole numbers"),
        (sent((0, 0, 0, 1)), "outside"),
        (sent((-1, 2, 0, 1)), "outside"),
        (sent((9, 2, 0, 1)), "outside"),
        (sent((0, 10**30, 0, 1)), "outside"),
        (sent((4, 2, 0, 1), (5, 1, 1, 2)), "over the one before"),
        (sent((4, 2, 0, 1), (0, 1, 0, 1)), "over the one before"),
        (sent((0, 1, 1, 1)), "changes 1 to 1"),
        (sent((0, 1, 0, 3)), "changes 0 to 3"),
        (sent((0, 1, -1, 1)), "changes -1 to 1"),
        (sent(*[(0, 1, 0, 1)] * (MOST_RUNS + 1)), "more than 200,000 places"),
    ],
)
def test_damaged_steps_are_refused_in_words(value, says):
    with pytest.raises(EditError, match=says):
        read_steps(value, size=10, classes=2)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["number", "kind", "runs"]), inner),
    max_leaves=12,
)


@given(json_values)
def test_anything_else_is_read_or_refused(value):
    try:
        steps = read_steps(value, size=10, classes=2)
    except EditError as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert all(isinstance(step, Step) for step in steps)
