"""Ensembles: named by their members, averaged, and refused in words where the members do not go together."""

import json
import shutil
import threading
from dataclasses import replace

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image

from evaluation.runs.cases import read_case
from evaluation.runs.classes import match_classes
from evaluation.runs.predictors import CheckpointPredictor
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, read_card, write_card
from medseg_demo.models.catalog import Catalog, list_checkpoints, load_checkpoint
from medseg_demo.models.checkpoint import Checkpoint, digest, save_checkpoint
from medseg_demo.models.network import Ensemble
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.pipeline import SegmentOptions, segment
from medseg_demo.test_sets.case import read_case_image
from medseg_demo.test_sets.test_set import read_test_set


@pytest.fixture
def write(checkpoints):
    """Folders "small" and "twin", of one network, and the card of an ensemble."""
    shutil.copytree(checkpoints / "small", checkpoints / "twin")

    def make(*members, name="both", **card):
        (checkpoints / name).mkdir(exist_ok=True)
        (checkpoints / name / CARD_FILE).write_text(json.dumps({"ensemble": members, **card}))
        return checkpoints / name

    return make


def test_it_is_listed_and_loaded_with_what_its_members_say(write, checkpoints):
    write("small", "twin", task="mean")
    (entry,) = (entry for entry in list_checkpoints(checkpoints) if entry.name == "both")
    assert (entry.problem, entry.origin, entry.architecture) == (None, "ensemble", "ensemble of small, twin")
    assert entry.card.class_names == read_card(checkpoints / "small").class_names
    assert entry.card.task == "mean"
    checkpoint = load_checkpoint("both", checkpoints)
    assert [member.name for member in checkpoint.members] == ["small", "twin"]
    assert checkpoint.parameters == 2 * checkpoint.members[0].parameters
    with pytest.raises(InvalidCheckpointError, match="small, twin"):
        _ = checkpoint.module


def test_another_member_makes_it_another(write, checkpoints):
    folder, catalog = write("small", "twin"), Catalog(checkpoints)
    before, first = digest(folder), catalog.load("both")
    assert catalog.load("both") is first
    card = read_card(checkpoints / "twin")
    write_card(card.model_copy(update={"task": "changed"}), checkpoints / "twin")
    assert digest(folder) != before
    assert catalog.load("both").digest == digest(folder)


@pytest.mark.parametrize(
    ("members", "message"),
    [
        (("small", "gone"), "'gone' does not lie beside it"),
        (("small", "../small"), "does not lie beside it"),
        (("small", ""), "does not lie beside it"),
        (("small", "a" * 300), "does not lie beside it"),
        (("small", "small"), "two or more"),
        (("small",), "two or more"),
        (("small", "both"), "'both' is an ensemble"),
    ],
)
def test_members_that_cannot_be_are_told(write, members, message):
    with pytest.raises(InvalidCheckpointError, match=message):
        load_checkpoint(write(*members))


def test_members_of_other_classes_are_told(write, checkpoints):
    card = read_card(checkpoints / "twin")
    write_card(card.model_copy(update={"class_names": ("dark",)}), checkpoints / "twin")
    with pytest.raises(InvalidCheckpointError, match="'twin' finds dark, and another finds bright"):
        load_checkpoint(write("small", "twin"))


@pytest.mark.parametrize("given", [{"class_names": ["dark"]}, {"colour": 1}, {"ensemble": "small"}, {"ensemble": {}}])
def test_a_card_that_contradicts_its_members_is_told(write, given):
    with pytest.raises(InvalidCheckpointError, match=r"class_names|colour|names no ensemble"):
        load_checkpoint(write("small", "twin", **given))


def together(*members, **card):
    return Checkpoint("both", members[0].card.model_copy(update=card), Ensemble(members), "")


def shifted(checkpoint, by, **card):
    """The same network for an image that is brighter by so much."""
    card = {"normalisation": {"mean": (by,)}, "inference": "tile", "input_size": (3, 3), **card}
    return replace(checkpoint, card=checkpoint.card.model_validate({**checkpoint.card.model_dump(), **card}), digest="")


def test_probabilities_are_averaged_and_agreement_is_told(make_image, brightness, settings):
    image = make_image(np.repeat(np.array([[0, 128, 255]], np.uint8), 3, axis=0))
    members = [shifted(brightness, by) for by in (0.0, -0.3, 0.3)]
    result = segment(image, together(*members), settings=settings)
    alone = np.stack([segment(image, member, settings=settings).probabilities for member in members])
    np.testing.assert_allclose(result.probabilities, alone.mean(axis=0, dtype=np.float32), atol=1e-3)
    assert result.label_map.labels.tolist() == [[0, 1, 1]] * 3
    assert result.agreement.tolist() == [[1, pytest.approx(2 / 3, abs=1e-3), 1]] * 3
    assert result.measurements[0].as_dict()["agreement"] == pytest.approx(5 / 6, abs=1e-3)
    assert "agreement" not in segment(image, members[0], settings=settings).measurements[0].as_dict()
    options = SegmentOptions(threshold=0.9, crop=(0, 0, 1, 1, 3, 3))
    cropped = segment(image, together(*members), options=options, settings=settings)
    assert cropped.label_map.labels.tolist() == [[0, 0, 1]] * 3
    assert cropped.agreement[:, 0].tolist() == [1, 1, 1]


def test_the_most_probable_of_several_classes_wins(make_image, bands, settings):
    image = make_image(np.repeat(np.array([[0, 128, 255]], np.uint8), 3, axis=0))
    result = segment(image, together(shifted(bands, 0.0), shifted(bands, 0.1)), settings=settings)
    assert result.label_map.labels.tolist() == [[0, 1, 2]] * 3
    assert result.threshold is None


def test_each_member_of_late_fusion_gets_the_channel_that_it_knows(make_image, brightness, settings):
    first, second = (shifted(brightness, 0.0, channel_names=(name,)) for name in ("T1", "FLAIR"))
    pixels = np.zeros((3, 3, 2), np.uint8)
    pixels[..., 0], pixels[:, 2, 1] = 255, 255  # T1 white, FLAIR at the right alone
    image = replace(make_image(pixels, axes="YXC"), channel_names=("FLAIR", "T1"), channel_windows=((0.0, 255.0),) * 2)
    both = together(first, second, in_channels=2, channel_names=("T1", "FLAIR"))
    result = segment(image, both, options=SegmentOptions(threshold=0.6), settings=settings)
    assert result.label_map.labels.tolist() == [[0, 0, 1]] * 3


CONTRASTS = ("T2", "FLAIR", "PD", "T1")


@pytest.fixture
def fused(write, checkpoints):
    """An ensemble of a network of T1 and one of FLAIR and T1, which are not the same."""
    card = read_card(checkpoints / "small").model_copy(update={"inference": "tile"})
    write_card(card.model_copy(update={"channel_names": ("T1",)}), checkpoints / "small")
    torch.manual_seed(0)
    network = smp.Unet(
        "tu-test_resnet", encoder_weights=None, encoder_depth=3, decoder_channels=(16, 8, 8), in_channels=2
    )
    two = card.model_copy(update={"in_channels": 2, "channel_names": ("FLAIR", "t1")})
    shutil.rmtree(checkpoints / "twin")
    save_checkpoint(checkpoints / "twin", network, two)
    return write("small", "twin")


def test_members_take_what_they_know_out_of_a_case_of_more(fused, make_image, settings):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 4), np.uint8)
    image = replace(make_image(pixels, axes="YXC"), channel_names=CONTRASTS, channel_windows=((0.0, 255.0),) * 4)
    both = load_checkpoint(fused)
    assert both.card.channel_names == ("T1", "FLAIR")
    result = segment(image, both, settings=settings)
    own = replace(image, pixels=pixels[..., [1, 3]], channel_names=("FLAIR", "T1"), channel_windows=((0.0, 255.0),) * 2)
    given = zip((own.channel(1), own), both.members, strict=True)
    alone = [segment(one, member, settings=settings) for one, member in given]
    mean = np.mean([one.probabilities for one in alone], axis=0, dtype=np.float32)
    np.testing.assert_allclose(result.probabilities, mean, atol=1e-3)


def test_late_fusion_is_evaluated_on_cases_of_more_channels(fused, tmp_path, settings):
    random, folder = np.random.default_rng(0), tmp_path / "brains"
    for name in ("imagesTs", "labelsTs"):
        (folder / name).mkdir(parents=True)
    for channel in range(4):
        Image.fromarray(random.integers(0, 255, (64, 64), np.uint8)).save(folder / f"imagesTs/one_{channel:04}.png")
    Image.fromarray(np.eye(64, dtype=np.uint8)).save(folder / "labelsTs/one.png")
    names = {str(place): name for place, name in enumerate(CONTRASTS)}
    labels = {"background": 0, "bright": 1}
    (folder / "dataset.json").write_text(json.dumps({"channel_names": names, "labels": labels}))
    (case,) = read_test_set(folder).cases
    engine = Engine(settings)
    checkpoint, match = engine.loaded(fused.name), match_classes("set", case.labels, "both", ("bright",))
    found = CheckpointPredictor(checkpoint, match, engine=engine).predict(
        case, read_case(case, class_names=("bright",), settings=settings), threading.Event()
    )
    alone = segment(read_case_image(case), checkpoint, settings=settings)
    np.testing.assert_array_equal(found.labels, alone.label_map.labels)
    assert engine.note_of(fused.name) == ""


def test_a_member_without_names_is_told(write, checkpoints):
    card = read_card(checkpoints / "small")
    write_card(card.model_copy(update={"channel_names": ("T1",)}), checkpoints / "small")
    with pytest.raises(InvalidCheckpointError, match="'twin' names none of its own"):
        load_checkpoint(write("small", "twin"))


def test_the_channels_of_an_ensemble_are_those_of_its_members(write, checkpoints):
    card = read_card(checkpoints / "small")
    for name, channel in (("small", "T1"), ("twin", "T2")):
        write_card(card.model_copy(update={"channel_names": (channel,)}), checkpoints / name)
    assert load_checkpoint(write("small", "twin")).card.channel_names == ("T1", "T2")
