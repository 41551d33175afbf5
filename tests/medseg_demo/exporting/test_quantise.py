"""What decides whether layers stay in full precision."""

import numpy as np
import pytest

from medseg_demo.exporting import quantise as quantising
from medseg_demo.exporting.calibration import Windows
from medseg_demo.exporting.quantise import agreement, quantise
from medseg_demo.models.conversion import convert


def test_agreement_is_of_images_not_of_windows():
    one, none = np.ones((1, 2, 2), np.uint8), np.zeros((1, 2, 2), np.uint8)
    # The first image: 4 of 4 + 8 pixels in common, Dice 2 × 4 / 12; the second is the same in both.
    mean, worst = agreement([[one, none], [none]], [[one, one], [none]])
    assert worst == pytest.approx(2 / 3)
    assert mean == pytest.approx((2 / 3 + 1) / 2)


def test_another_class_is_no_agreement():
    assert agreement([[np.array([1, 2])]], [[np.array([2, 2])]])[1] == pytest.approx(0.5)


@pytest.mark.parametrize(("threshold", "expected"), [(None, [0, 0, 1]), (0.9, [0, 0, 0]), (0.1, [0, 1, 1])])
def test_labels_by_threshold(card, threshold, expected):
    logits = np.array([-3.0, -1.0, 1.0]).reshape(1, 1, 3)
    card = card.model_copy(update={"threshold": threshold})
    assert quantising._labels(logits, card).ravel().tolist() == expected


def test_labels_of_several_classes(volume_card):
    logits = np.array([[[0.0, 5.0], [1.0, 2.0], [0.5, 9.0]]])
    assert quantising._labels(logits, volume_card).tolist() == [[1, 2]]


@pytest.mark.slow
def test_layers_stay_in_full_precision_while_an_image_suffers(card, small_network, monkeypatch):
    pytest.importorskip("nncf", reason="nncf is not installed: pip install -r requirements-export.txt")
    random = np.random.default_rng(0)
    windows = [random.random((1, 1, 64, 64), dtype=np.float32) for _ in range(6)]
    model = convert(small_network.eval(), (1, 1, 64, 64))
    told = []
    monkeypatch.setattr(quantising, "LEAST_OF_ONE", 0.999999)  # no image may differ by a pixel
    monkeypatch.setattr(quantising, "MOST_LEFT_OUT", 3)
    given = Windows(tuple(windows), tuple((one,) for one in windows[:3]), "noise")
    found = quantise(model, card, given, tell=told.append)
    assert len(told) == 2
    assert found.full_precision
    assert f"{len(found.full_precision)} layers left out" in told[1]
