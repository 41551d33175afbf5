"""Phrases that are put together."""

import pytest

from evaluation.ui.evaluate import texts


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (None, "remaining time not known yet"),
        (0.2, "about 1 s left"),
        (90, "about 2 min left"),
        (7200, "about 2.0 h left"),
    ],
)
def test_remaining_time(seconds, words):
    assert texts.remaining(seconds) == words


def test_progress_names_failures():
    assert texts.running("score", 3, 9, 1) == "Scored 3 of 9, 1 failed"
    assert texts.running("examine", 3, 9, 0) == "Looking at case 3 of 9"


def test_only_simulated_sets_are_marked():
    assert texts.marked("simulated nuclei") == "simulated nuclei (simulated)"
    assert texts.marked("nuclei") == "nuclei"


def test_how_to_get_images_names_source_and_folder():
    source, what_to_do = texts.how_to_get("vessels", "test_sets/")
    assert "CHASE_DB1" in source
    assert "test_sets/" in what_to_do
    assert len(texts.how_to_get("mine", "test_sets/")) == 1
