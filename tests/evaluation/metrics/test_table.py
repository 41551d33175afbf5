import math

import numpy as np
import pytest

from evaluation.metrics import METRICS, score_case
from evaluation.metrics.calibration import calibrate

NAN, INF = math.nan, math.inf

# Both empty; the reference empty; the prediction empty. The images have 16 pixels, the mask has 4.
EMPTY_RULES = {
    "image_diagonal": (18**0.5, 18**0.5, 18**0.5),
    "dice": (NAN, 0, 0),
    "iou": (NAN, 0, 0),
    "precision": (NAN, 0, NAN),
    "recall": (NAN, NAN, 0),
    "specificity": (1, 12 / 16, 1),
    "accuracy": (1, 12 / 16, 12 / 16),
    "hd95": (NAN, INF, INF),
    "assd": (NAN, INF, INF),
    "nsd": (NAN, 0, 0),
    "reference_volume": (0, 0, 4),
    "predicted_volume": (0, 4, 0),
    "volume_error": (NAN, INF, -1),
    "absolute_volume_error": (0, 4, 4),
    "f_beta": (NAN, 0, 0),
    "mcc": (NAN, NAN, NAN),
    "hd": (NAN, INF, INF),
    "masd": (NAN, INF, INF),
    "boundary_iou": (NAN, 0, 0),
    "cldice": (NAN, 0, 0),
    "ece": (NAN, NAN, NAN),  # scored without probabilities
    "confidence": (NAN, NAN, NAN),
    "lesion_precision": (NAN, 0, NAN),
    "lesion_recall": (NAN, NAN, 0),
    "lesion_f1": (NAN, 0, 0),
    "lesion_dice": (NAN, 0, 0),
    "lesion_pq": (NAN, 0, 0),
    "lesion_tp": (0, 0, 0),
    "lesion_fn": (0, 0, 1),
    "lesion_fp": (0, 1, 0),
    "lesion_true": (0, 0, 0),
    "lesion_recall_small": (NAN, NAN, 0),
    "lesion_recall_medium": (NAN, NAN, NAN),
    "lesion_recall_large": (NAN, NAN, NAN),
}


def certain(prediction, reference):
    """Of a network that is sure of each pixel."""
    return calibrate(prediction, reference == 1, prediction == 1)


def test_every_metric_has_its_empty_rule_tested():
    assert EMPTY_RULES.keys() == METRICS.keys()


@pytest.mark.parametrize("name", EMPTY_RULES)
def test_empty_masks(name):
    empty = np.zeros((4, 4), np.uint8)
    mask = empty.copy()
    mask[1:3, 1:3] = 1
    pairs = [(empty, empty), (empty, mask), (mask, empty)]
    values = [score_case(*pair, labels={1: "x"}, metrics=[name])[0][name] for pair in pairs]
    assert values == pytest.approx(list(EMPTY_RULES[name]), nan_ok=True)


def test_specificity_of_a_full_image_is_undefined():
    full = np.ones((4, 4), np.uint8)
    assert math.isnan(score_case(full, full, labels={1: "x"})[0]["specificity"])


@pytest.mark.parametrize("name", METRICS)
def test_records_are_whole(name):
    metric = METRICS[name]
    assert metric.name == name
    assert metric.long_name
    assert metric.definition
    assert metric.has_tolerance == (name == "nsd")
    assert metric.empty_rule.endswith((".", "1"))
    assert "doi:10." in metric.source
    assert metric.unit in (None, "distance", "size")
    assert metric.better in ("higher", "lower", "zero", None)
    assert metric.range[0] < metric.range[1]
    assert (metric.better is None) == name.endswith(
        ("reference_volume", "predicted_volume", "lesion_tp", "lesion_true", "image_diagonal", "confidence")
    )


@pytest.mark.parametrize("seed", range(5))
def test_values_lie_in_their_range_and_a_perfect_prediction_is_best(seed, blob_pair):
    reference, prediction = (mask.astype(np.uint8) for mask in blob_pair((40, 30), seed))
    row, perfect = (
        score_case(reference, one, labels={1: "x"}, metrics="all", calibrations={"x": certain(one, reference)})[0]
        for one in (prediction, reference)
    )
    for metric in METRICS.values():
        low, high = metric.range
        if math.isnan(row[metric.name]):  # no lesion of this size
            continue
        assert low <= row[metric.name] <= high
        if metric.better:
            assert perfect[metric.name] == (1 if metric.better == "higher" else 0)


def test_distances_and_sizes_and_only_they_change_with_the_unit(blob_pair):
    reference, prediction = (mask.astype(np.uint8) for mask in blob_pair((40, 30), seed=0))
    in_px, in_mm = (
        score_case(
            reference, prediction, labels={1: "x"}, spacing=spacing, tolerance=tolerance, metrics="all",
            calibrations={"x": certain(prediction, reference)},
        )[0]
        for spacing, tolerance in [(None, 1), ((3, 3), 3)]
    )  # fmt: skip
    factor = {None: 1, "distance": 3, "size": 9}
    for metric in (metric for metric in METRICS.values() if not metric.name.startswith("lesion_recall_")):
        assert in_mm[metric.name] == pytest.approx(factor[metric.unit] * in_px[metric.name])
