import logging
import re

from medseg_demo.errors import OptionError
from medseg_demo.ui.faults import explain


def test_a_domain_error_is_told_as_it_is(caplog):
    assert explain(OptionError("The threshold is 2.")) == "The threshold is 2."
    assert caplog.records == []


def test_an_unexpected_error_is_logged_whole_under_the_reference_that_is_shown(caplog):
    with caplog.at_level(logging.ERROR):
        shown = explain(ZeroDivisionError("secret detail"))
    reference = re.search(r"reference ([0-9A-F]{6})", shown)
    assert reference is not None
    assert "secret detail" not in shown
    assert reference[1] in caplog.text
    assert "secret detail" in caplog.text
