import pytest

from medseg_demo.errors import OptionError
from medseg_demo.exporting.run import _check_recipe
from medseg_demo.models.card import ModelCard
from medseg_demo.models.recipes import BundleSteps


def card_of(**steps: bool) -> ModelCard:
    return ModelCard(class_names=("a",), in_channels=1, inference="tile", recipe=BundleSteps(**steps))


def test_a_network_of_any_size_is_not_exported():
    with pytest.raises(OptionError, match="any size"):
        _check_recipe(card_of(any_size=True), "onnx", "bundle")
    _check_recipe(card_of(), "onnx", "bundle")


def test_nothing_is_calibrated_on_what_other_steps_make():
    with pytest.raises(OptionError, match="calibration"):
        _check_recipe(card_of(), "openvino-int8", "bundle")
