import logging
import re

import pytest

from medseg_demo.errors import OptionError
from medseg_demo.ui.faults import explain


def test_a_domain_error_is_told_as_it_is(caplog):
    assert explain(OptionError("The threshold is 2.")) == "The threshold is 2."
    assert caplog.records == []


def test_an_unexpected_error_is_logged_by_its_place_under_the_reference_that_is_shown(caplog):
    name = "MUSTER_" + "ERIKA"  # which lines of the program in the log do not hold

    def fail():
        try:
            raise FileNotFoundError(name)
        except FileNotFoundError as error:
            raise ZeroDivisionError(name) from error

    with caplog.at_level(logging.ERROR), pytest.raises(ZeroDivisionError) as caught:
        fail()
    with caplog.at_level(logging.ERROR):
        shown = explain(caught.value)
    reference = re.search(r"reference ([0-9A-F]{6})", shown)
    assert reference is not None
    assert reference[1] in caplog.text
    for words in ("in fail", "ZeroDivisionError", "caused by", "FileNotFoundError"):
        assert words in caplog.text
    assert name not in shown + caplog.text
