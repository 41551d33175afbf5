"""What a visitor is told."""

from evaluation.ui.evaluate.messages import message
from medseg_demo.errors import OptionError


def test_folders_of_the_server_are_left_out():
    error = OptionError("/srv/app/results/run/scores.csv: is damaged; images/ and masks/ are fine, as is mm/px.")
    assert message(error) == "scores.csv: is damaged; images/ and masks/ are fine, as is mm/px."


def test_an_unexpected_error_is_only_a_reference():
    assert "secret" not in message(RuntimeError("secret"))
