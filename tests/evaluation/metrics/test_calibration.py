import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from evaluation.metrics import score_case
from evaluation.metrics.calibration import BINS, Calibration, calibrate

SHAPE = (4, 5, 6)
HALVES = arrays.arrays(np.float16, SHAPE, elements=st.floats(0, 1, width=16))
MASKS = arrays.arrays(bool, SHAPE)


def of(probabilities, reference, prediction=None, ignored=None):
    values = np.array([probabilities], np.float16)
    masks = [None if one is None else np.array([one], bool) for one in (reference, prediction, ignored)]
    return calibrate(values, masks[0], values > 0.5 if masks[1] is None else masks[1], masks[2])


def test_the_error_is_the_gap_between_probability_and_share_weighted_by_pixels():
    # Three pixels at .75, of which one is in the class: |.75 − 1/3|; one at .25 which is not: .25.
    found = of([0.75, 0.75, 0.75, 0.25], [1, 0, 0, 0])
    assert found.expected_error == pytest.approx((3 * abs(0.75 - 1 / 3) + 0.25) / 4)


def test_probabilities_that_come_true_have_no_error():
    assert of([0.5, 0.5, 0, 1], [1, 0, 0, 1]).expected_error == 0


def test_a_bin_holds_its_upper_edge():
    found = of([0, 0.5, 0.75, 1], [0, 0, 0, 0])
    assert np.flatnonzero(found.pixels).tolist() == [0, 9, 14, 19]


def test_what_nobody_annotated_and_what_is_no_number_is_not_counted():
    found = of([1, 0.5, np.nan], [0, 1, 1], ignored=[1, 0, 0])
    assert (found.pixels.sum(), found.positives.sum(), found.expected_error) == (1, 1, 0.5)


def test_nothing_to_count_gives_no_error():
    assert np.isnan(of([1], [1], ignored=[1]).expected_error)


def test_confidence_is_the_soft_dice_of_probabilities_and_mask():
    # 2 (.75 + 1) / (.75 + 1 + .25 + 2)
    assert of([0.75, 1, 0.25], [0, 0, 0]).confidence == pytest.approx(3.5 / 4)


def test_the_confidence_of_an_empty_mask_falls_with_the_highest_probability():
    assert of([0.25, 0, 0.125], [1, 0, 0]).confidence == 0.75


@settings(max_examples=20)
@given(HALVES, MASKS)
def test_texts_of_several_cases_are_their_sum(probability, reference):
    whole = calibrate(probability, reference, probability > 0.5)
    parts = [calibrate(*(one[k] for one in (probability, reference, probability > 0.5))) for k in range(SHAPE[0])]
    again = Calibration.from_text(" ".join(part.text for part in parts))
    for name in ("pixels", "positives", "sums"):
        assert getattr(again, name) == pytest.approx(getattr(whole, name), rel=1e-5)
    assert again.expected_error == pytest.approx(whole.expected_error, abs=1e-5)


@pytest.mark.parametrize("text", ["a", "1:2:3", "20:1:1:1", "-1:1:1:1", "1:2:x:4", "0:1:1:1 2"])
def test_what_is_no_such_text_is_an_error(text):
    with pytest.raises(ValueError, match=r"."):
        Calibration.from_text(text)


def test_no_text_is_no_pixel():
    assert np.isnan(Calibration.from_text("").expected_error)


def test_agreement_with_monai():
    torch, metrics = pytest.importorskip("torch"), pytest.importorskip("monai.metrics")
    rng = np.random.default_rng(0)
    probability = rng.random((3, 2, 16, 16, 8)).astype(np.float16)
    reference = rng.random(probability.shape) < probability**2
    oracle = metrics.CalibrationErrorMetric(num_bins=BINS, metric_reduction="none")
    oracle(torch.from_numpy(probability.astype(np.float32)), torch.from_numpy(reference.astype(np.float32)))
    ours = [
        [calibrate(p, r, p > 0.5).expected_error for p, r in zip(*pair, strict=True)]
        for pair in zip(probability, reference, strict=True)
    ]
    assert np.array(ours) == pytest.approx(oracle.aggregate().numpy(), abs=1e-5)


def test_a_case_is_scored_with_the_metrics_of_its_probabilities_whatever_was_asked_for():
    labels = np.array([[0, 1], [1, 1]])
    found = calibrate(np.full((2, 2), 0.75), labels == 1, labels == 1)
    (row,) = score_case(labels, labels, labels={1: "x"}, metrics=["dice"], calibrations={"x": found})
    assert (row["ece"], row["confidence"]) == (0, pytest.approx(4.5 / 6))
    assert {"ece", "confidence"}.isdisjoint(score_case(labels, labels, labels={1: "x"}, metrics="all")[0])
