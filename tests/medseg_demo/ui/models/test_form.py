from dataclasses import fields, replace

import pytest

from medseg_demo.errors import OptionError
from medseg_demo.models.card import ModelCard, Normalisation
from medseg_demo.ui.models import form
from medseg_demo.ui.models.form import Form

CARDS = [
    ModelCard(class_names=("lung",), threshold=0.4),
    ModelCard(class_names=("a", "b"), in_channels=1, input_size=(64, 96), normalisation=Normalisation(method="zscore")),
    ModelCard(class_names=("a",), in_channels=2, channel_names=("T1", "FLAIR"), inference="tile", spacing_mm=(1, 1.5)),
    ModelCard(class_names=("a",), in_channels=1, input_size=(32, 64, 64), inference="tile", window=(-1000, 400)),
    ModelCard(class_names=("a", "b"), head="sigmoid", threshold=0.5),
    ModelCard(class_names=("a",), normalisation=Normalisation(mean=form.IMAGENET[0], std=form.IMAGENET[1])),
    ModelCard(class_names=("a",), normalisation=Normalisation(mean=(0.5,), std=(0.25,))),
]


def said(card: ModelCard, **changes) -> Form:
    """The form as the page shows it for a card, with changes."""
    values = {key: one.get("value") if isinstance(one, dict) else one for key, one in form.shown(card, "x").items()}
    return replace(Form(**values), **changes)


@pytest.mark.parametrize("card", CARDS)
def test_a_card_comes_back_as_it_was(card):
    back = said(card).card(card)
    assert back.model_copy(update={"threshold": card.threshold}) == card


@pytest.mark.parametrize("text", ["64 × 96", "64x96", "64, 96", " 64 96 "])
def test_sizes_are_read_as_people_write_them(text):
    assert said(CARDS[0], size=text).card(CARDS[0]).input_size == (64, 96)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"classes": " , "}, "Name at least one class"),
        ({"size": "big"}, "Input size: big is not a list of numbers"),
        ({"size": "inf, inf"}, "Input size: inf, inf is not a list"),
        ({"size": "0 × 5"}, "Input size: "),
        ({"size": "99999 × 99999"}, "no memory holds"),
        ({"window": "5, 1"}, "Window that becomes 0 to 1: the lower end 5.0 must lie under"),
        ({"window": "5"}, "Window that becomes 0 to 1: "),
        ({"normalisation": "own", "std": "0"}, "Intensities: "),
        ({"normalisation": "own", "mean": "1 2 3 4"}, "normalisation.mean has 4 values for 3 channel"),
        ({"channel_names": "T1"}, "channel_names has 1 names for 3 channel"),
        ({"inference": "tile", "spacing": "1"}, "spacing_mm has 1 values"),
        ({"threshold": 7.0}, "Threshold: "),
    ],
)
def test_what_cannot_be_used_is_named_by_its_label(changes, words):
    with pytest.raises(OptionError, match=words):
        said(CARDS[0], **changes).card(CARDS[0])


def test_the_number_of_classes_says_the_head():
    three = ModelCard(class_names=("a", "b"))  # a network of three channels
    regions = said(three, classes="x, y, z", threshold=0.5).card(three)
    assert (regions.head, regions.output_channels, regions.takes_threshold) == ("sigmoid", 3, True)
    two = ModelCard(class_names=("a", "b"), head="sigmoid")
    one = said(two, classes="a").card(two)
    assert (one.head, one.output_channels) == ("softmax", 2)


def test_only_what_is_of_use_is_shown():
    shown = form.shown(CARDS[1], "x")
    assert not shown["threshold"]["visible"]
    assert not shown["window"]["visible"]
    assert "imagenet" not in [value for _, value in shown["normalisation"]["choices"]]
    followed = form.follow(said(CARDS[0], inference="tile", normalisation="own"), CARDS[0])
    assert followed["spacing"]["visible"]
    assert followed["mean"]["visible"]


def test_a_control_that_sent_nothing_says_what_it_does_at_first():
    values = [None] * len(fields(Form))
    assert Form.of(*values) == Form()
    with pytest.raises(OptionError, match="at least one class"):
        Form.of(*values).card(ModelCard(class_names=("a",)))
