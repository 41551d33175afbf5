"""When a result is doubted, and what is said then."""

from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.models.card import Failure, FailureRates
from medseg_demo.segmenting.failure import doubts, sureness
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings
from medseg_demo.writing.measurements import summary

KNOWN = Failure(
    cases=40, failures=4, hits=0.75, false_alarms=0.1, level=0.8, threshold=0.7, checkpoint_sha256="0" * 64,
    test=FailureRates(cases=100, failures=9, hits=0.66, false_alarms=0.08),
)  # fmt: skip


@pytest.fixture
def result(square, brightness):
    return segment(square, brightness, settings=Settings(device="cpu", precision="float32", backend="torch"))


def unsure(result):
    probabilities = result.probabilities.copy()
    probabilities[0, 20:60, 50:65] = 0.6  # half of what is marked
    return replace(result, probabilities=probabilities)


def known(result, **changes):
    return replace(result, card=result.card.model_copy(update={"failure": KNOWN.model_copy(update=changes)}))


def test_sureness_is_the_share_of_sure_pixels_among_those_marked_or_unsure(result):
    marked = result.label_map.labels > 0
    probabilities = np.where(marked, 1, 0)[np.newaxis].astype(np.float16)
    sure = replace(result, probabilities=probabilities)
    assert sureness(sure) == 1
    probabilities = probabilities.copy()
    probabilities[0, 0, :80] = 0.5  # unsure outside
    pixels = marked.sum()
    assert sureness(replace(sure, probabilities=probabilities)) == pytest.approx(pixels / (pixels + 80))


@pytest.mark.parametrize(("probability", "is_sure"), [(0.1, True), (0.3, False), (0.7, False), (0.9, True)])
def test_between_a_fifth_and_four_fifths_nothing_is_sure(result, probability, is_sure):
    probabilities = np.full_like(result.probabilities, probability)
    labels = replace(result.label_map, labels=np.ones_like(result.label_map.labels))
    assert sureness(replace(result, probabilities=probabilities, label_map=labels)) == is_sure


def test_where_nothing_is_marked_nothing_is_sure(result):
    nothing = replace(result.label_map, labels=np.zeros_like(result.label_map.labels))
    assert sureness(replace(result, label_map=nothing)) == 0


def test_a_doubt_tells_what_was_measured_on_test_and_stands_among_the_notes(result):
    (said,) = doubts(known(unsure(result)))
    for figure in ("100 cases", "66\u202f%", "8\u202f%", "0.80"):
        assert figure in said
    assert said in summary(known(unsure(result)))["notes"]
    assert doubts(known(result)) == ()


def test_what_was_measured_of_other_weights_or_tells_nothing_is_not_said(result):
    assert doubts(unsure(result)) == ()
    assert doubts(known(unsure(result), checkpoint_sha256="1" * 64)) == ()
    assert doubts(known(unsure(result), hits=0.0)) == ()
    assert doubts(known(unsure(result), test=FailureRates(cases=9, failures=1, hits=0.0, false_alarms=0.2))) == ()
    without = FailureRates(cases=9, failures=0, hits=None, false_alarms=0.2)
    assert "n/a" in doubts(known(unsure(result), test=without))[0]
