import math

import pandas as pd
import pytest

from evaluation.results.filters import matching_rows
from medseg_demo.errors import OptionError

TABLE = pd.DataFrame(
    {
        "case_id": ["a1", "a2", "b1", "b2"],
        "group": ["A", "A", "B", None],
        "dice": [0.9, 0.7, math.nan, 0.5],
        "hd95": [1.0, 2.5, math.inf, 4.0],
    }
)


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("", [0, 1, 2, 3]),
        ("a", [0, 1]),
        ("dice < 0.8", [1, 3]),
        ("Dice>=.7", [0, 1]),
        ("HD95 > 2", [1, 2, 3]),
        ("hd95 = ∞", [2]),
        ("dice != 0.5", [0, 1, 2]),
        ("group = a", [0, 1]),
        ("group != A", [2, 3]),
        ("dice < 0.8; group = A", [1]),
        ("a and dice > 0.8", [0]),
        ("case = b2", [3]),
        ("nothing", []),
    ],
)
def test_rows_that_fit(text, rows):
    assert matching_rows(TABLE, text, ("case_id", "group")).tolist() == rows


@pytest.mark.parametrize(
    ("text", "what"), [("dise < 1", "no column 'dise'"), ("dice < high", "no number"), ("group < A", "holds words")]
)
def test_what_cannot_be_compared_is_said(text, what):
    with pytest.raises(OptionError, match=what):
        matching_rows(TABLE, text, ("case_id",))
