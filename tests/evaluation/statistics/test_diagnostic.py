import math
from itertools import product

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, roc_auc_score

from evaluation.statistics.diagnostic import Confusion, area, confusion, rate


def drawn(seed: int, cases: int = 60) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    present = rng.random(cases) < 0.4
    return np.round(rng.normal(0.4 + 0.2 * present, 0.2), 2).clip(0, 1), present


def delong(probabilities: np.ndarray, present: np.ndarray) -> float:
    """The variance, pair by pair, as the paper writes it."""
    kernel = np.array([
        [(one > other) + 0.5 * (one == other) for other in probabilities[~present]] for one in probabilities[present]
    ])  # fmt: skip
    m, n = kernel.shape
    return kernel.mean(1).var(ddof=1) / m + kernel.mean(0).var(ddof=1) / n


@pytest.mark.parametrize("seed", range(4))
def test_the_area_is_that_of_scikit_learn(seed):
    probabilities, present = drawn(seed)
    assert area(probabilities, present).value == pytest.approx(roc_auc_score(present, probabilities))


@pytest.mark.parametrize("seed", range(4))
def test_the_interval_is_delongs_on_the_logit(seed):
    probabilities, present = drawn(seed)
    found, variance = area(probabilities, present), delong(probabilities, present)
    logit = math.log(found.value / (1 - found.value))
    spread = 1.959964 * math.sqrt(variance) / (found.value * (1 - found.value))
    assert (found.low, found.high) == pytest.approx(
        [1 / (1 + math.exp(-logit + s * spread)) for s in (1, -1)], abs=1e-6
    )


def test_images_of_the_same_patient_widen_the_interval():
    probabilities, present = drawn(1)
    twice = np.repeat(probabilities, 3), np.repeat(present, 3)
    apart, together = area(*twice), area(*twice, np.repeat(np.arange(len(present)), 3))
    assert together.value == pytest.approx(apart.value)
    assert together.high - together.low > 1.5 * (apart.high - apart.low)
    alone = area(probabilities, present)
    assert together.high - together.low == pytest.approx(alone.high - alone.low, rel=0.03)


def test_groups_of_one_change_nothing():
    probabilities, present = drawn(2)
    assert area(probabilities, present, [f"p{one}" for one in range(60)]) == area(probabilities, present)


def test_a_perfect_area_has_an_interval():
    found = area(np.array([0.1, 0.2, 0.3, 0.7, 0.8, 0.9]), np.array([0, 0, 0, 1, 1, 1], bool))
    assert found.value == found.high == 1
    assert 0.4 < found.low < 0.9
    more = area(np.linspace(0, 1, 100), np.arange(100) >= 50)
    assert more.low > found.low


def test_the_wrong_way_round_mirrors_it():
    probabilities, present = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1], bool)
    right, wrong = area(probabilities, present), area(1 - probabilities, present)
    assert (wrong.value, wrong.low) == (0, 0)
    assert wrong.high == pytest.approx(1 - right.low)


@pytest.mark.parametrize("present", [[True, True], [False, False], []])
def test_one_kind_alone_has_no_area(present):
    assert math.isnan(area(np.full(len(present), 0.5), np.array(present, bool)).value)


def test_cells_are_those_of_scikit_learn():
    probabilities, present = drawn(3)
    found = confusion(probabilities, present, np.full(60, 0.5))
    (tn, fp), (fn, tp) = confusion_matrix(present, probabilities >= 0.5)
    assert found == Confusion(tp, fn, fp, tn)


def test_a_probability_at_its_threshold_is_present():
    assert confusion(np.array([0.5]), np.array([True]), np.array([0.5])).tp == 1


@pytest.mark.parametrize(("successes", "trials"), [*product((0, 7, 10), (10, 25))])
def test_wilsons_interval_is_his_formula(successes, trials):
    z, share = 1.959964, successes / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z / (1 + z * z / trials) * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    found = rate(successes, trials)
    assert (found.low, found.high) == pytest.approx((middle - half, middle + half), abs=1e-6)


def test_no_case_has_no_rate():
    assert math.isnan(Confusion(0, 0, 1, 2).sensitivity.value)
    assert Confusion(0, 0, 1, 2).specificity.value == pytest.approx(2 / 3)
