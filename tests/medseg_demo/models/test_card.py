import json

import pytest

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import APPEARANCE_FILE, CARD_FILE, ModelCard, read_card, write_card


def test_a_written_card_is_read_back_unchanged(tmp_path):
    card = ModelCard(class_names=("a", "b"), in_channels=3, window=(-100, 300), training={"epochs": 3})
    write_card(card, tmp_path)
    assert read_card(tmp_path) == card


def test_a_folder_without_a_card_gives_none(tmp_path):
    assert read_card(tmp_path) is None


def test_every_fault_of_a_card_is_named(tmp_path):
    faulty = {"class_names": [], "in_channels": 0, "colour": "red"}
    (tmp_path / CARD_FILE).write_text(json.dumps(faulty))
    with pytest.raises(InvalidCheckpointError) as caught:
        read_card(tmp_path)
    for key in faulty:
        assert key in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[1, 2]", '{"format_version": 2, "class_names": ["a"]}'])
def test_a_file_that_is_no_card_is_refused(tmp_path, text):
    (tmp_path / CARD_FILE).write_text(text)
    with pytest.raises(InvalidCheckpointError, match=CARD_FILE):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"class_names": ["a", "b"], "threshold": 0.5}, "threshold"),
        ({"threshold": 1.0}, "threshold"),
        ({"window": [5, 5]}, "window"),
        ({"spacing_mm": [1, 1, 1]}, "spacing_mm"),
        ({"normalisation": {"mean": [0, 0]}}, "mean"),
        ({"normalisation": {"std": [0]}}, "std"),
        ({"input_size": [0, 4]}, "input_size"),
        ({"channel_names": ["T1"]}, "channel_names"),
        ({"regions": [2], "head": "sigmoid"}, "regions"),
        ({"regions": [1], "class_names": ["a", "b"], "head": "sigmoid"}, "regions"),
        ({"regions": [1], "head": "softmax"}, "regions"),
        ({"recipe": {"kind": "nnunet", "channels": [{"method": "none"}]}}, "recipe"),
        ({"recipe": {"kind": "none"}}, "recipe"),
    ],
)
def test_values_that_contradict_each_other_are_refused(tmp_path, change, message):
    (tmp_path / CARD_FILE).write_text(json.dumps({"class_names": ["a"], **change}))
    with pytest.raises(InvalidCheckpointError, match=message):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("classes", "head", "regions", "channels"),
    [
        (("a",), None, (), 1),
        (("a",), "softmax", (), 2),
        (("a", "b"), None, (), 3),
        (("a", "b"), "sigmoid", (), 2),
        (("a", "b", "c"), "sigmoid", (3, 1, 2), 3),
    ],
)
def test_channels_of_the_logits_follow_from_the_head(classes, head, regions, channels):
    assert ModelCard(class_names=classes, head=head, regions=regions).output_channels == channels


def test_what_training_images_looked_like_lies_beside_the_card_and_not_in_it(tmp_path, card):
    write_card(card, tmp_path)
    plain = (tmp_path / CARD_FILE).read_bytes()
    assert not (tmp_path / APPEARANCE_FILE).exists()
    write_card(card.model_copy(update={"appearance": {"black": (0.1, 0.2)}}), tmp_path)
    assert (tmp_path / CARD_FILE).read_bytes() == plain
    assert read_card(tmp_path).appearance == {"black": (0.1, 0.2)}
    (tmp_path / APPEARANCE_FILE).write_text('{"black": "much"}')
    with pytest.raises(InvalidCheckpointError, match=r"appearance\.json"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("classes", "given", "channels", "settled"),
    [
        (("a",), None, 1, None),  # as it was always meant
        (("a", "b"), None, 3, None),
        (("a",), None, 2, "softmax"),
        (("a", "b"), None, 2, "sigmoid"),
        (("a", "b"), "softmax", 2, "softmax"),  # contradicts itself, which the origin says
        (("a", "b"), None, 5, None),
    ],
)
def test_the_number_of_channels_settles_a_head_that_is_not_named(classes, given, channels, settled):
    assert ModelCard(class_names=classes, head=given).settled(channels).head == settled


@pytest.mark.parametrize(
    ("classes", "head", "threshold", "overlap"),
    [
        (("a",), None, True, False),
        (("a",), "softmax", True, False),
        (("a", "b"), None, False, False),
        (("a", "b"), "sigmoid", True, True),
    ],
)
def test_what_is_decided_by_a_threshold_and_what_may_overlap(classes, head, threshold, overlap):
    card = ModelCard(class_names=classes, head=head)
    assert (card.takes_threshold, card.may_overlap) == (threshold, overlap)
    if threshold:
        assert card.model_validate({**card.model_dump(), "threshold": 0.3}).threshold == 0.3


def test_colours_are_one_a_class():
    colours = ("#ff0000", "#00ff00")
    assert ModelCard(class_names=("a", "b"), class_colours=colours).class_colours == colours
    for wrong in (colours[:1], ("red", "green"), ("#ff0000", "#00ff00\n")):
        with pytest.raises(ValueError, match="class_colours"):
            ModelCard(class_names=("a", "b"), class_colours=wrong)
