import math
import warnings

import pytest

from medseg_demo.ui.controls import Choice, Share


@pytest.mark.parametrize(
    ("several", "sent", "value"),
    [
        (False, "new", "new"),  # which the page has not been told of yet
        (False, 5, None),
        (False, ["a"], None),
        (True, ["a", "new", 5, {}], ["a", "new"]),
        (True, "a", []),
        (True, None, []),
    ],
)
def test_a_choice_is_a_name_whatever_the_page_was_told(several, sent, value):
    assert Choice(["a"], multiselect=several).preprocess(sent) == value


def test_a_choice_may_come_before_its_list():
    with warnings.catch_warnings(action="error"):
        assert Choice([]).postprocess("new") == "new"


@pytest.mark.parametrize(
    ("sent", "value"), [(0.3, 0.3), (7, 0.995), (-3, 0.005), (None, None), ("x", None), (math.nan, None)]
)
def test_a_typed_share_lies_between_the_ends(sent, value):
    assert Share(0.005, 0.995, 0.5).preprocess(sent) == value


def test_the_browser_draws_them_as_gradios_own():
    assert [Choice([]).get_block_name(), Share(0, 1).get_block_name()] == ["dropdown", "slider"]
