import math

import pytest

from medseg_demo import numbers

SPACE = "\N{NARROW NO-BREAK SPACE}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (12, "12"),
        (0.12345, "0.123"),
        (12.345, "12.3"),
        (1234.5, f"1{SPACE}234"),
        (3581351, f"3{SPACE}581{SPACE}351"),
        (-1024, f"−1{SPACE}024"),
        (0.00001234, "1.23e−05"),
        (math.nan, "n/a"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
    ],
)
def test_number(value, text):
    assert numbers.number(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8, "0.800"),
        (1.0, "1.000"),
        (-0.0314, "−0.031"),
        (12.34, "12.3"),
        (1234.5, f"1{SPACE}234"),
        (math.nan, "n/a"),
        (math.inf, "∞"),
    ],
)
def test_scores_of_a_column_have_the_same_decimals(value, text):
    assert numbers.score(value) == text


def test_shares_p_values_and_durations():
    assert numbers.percent(0.4149) == f"41.5{SPACE}%"
    assert [numbers.p_value(0.0005), numbers.p_value(0.0321)] == ["p < 0.001", "p = 0.032"]
    assert [numbers.seconds(0.0534), numbers.seconds(2.34)] == ["53 ms", "2.3 s"]
