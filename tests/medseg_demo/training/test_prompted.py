"""A network that is told by clicks learns from several test sets."""

import csv
import shutil

import numpy as np
import pytest
import torch
import yaml

from medseg_demo.errors import TestSetError, TrainingError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.prompting.objects import Plane, chosen_targets
from medseg_demo.prompting.prompts import NEGATIVE, POSITIVE, PRESENT
from medseg_demo.settings import Settings
from medseg_demo.test_sets.case import Case
from medseg_demo.training import train
from medseg_demo.training.loop import Keeper
from medseg_demo.training.prompted.samples import TOLD, PromptedSamples
from medseg_demo.training.prompted.task import _corrected

SETTINGS = Settings(device="cpu", precision="float32")
PROMPTED = {"kind": "prompted", "in_channels": 3, "samples": 16, "loss": {"dice": 1.0, "cross_entropy": 1.0}}


@pytest.fixture(scope="module")
def others(kept_discs, tmp_path_factory):
    """The same discs under another name."""
    folder = shutil.copytree(kept_discs, tmp_path_factory.mktemp("others") / "rings")
    (folder / "dataset.json").write_text('{"name": "rings", "labels": {"background": 0, "ring": 1}}')
    return folder


@pytest.fixture(scope="module")
def trained(kept_discs, others, write_quick, tmp_path_factory):
    config = write_quick(tmp_path_factory.mktemp("config"), **PROMPTED)
    return train([kept_discs, others], config, tmp_path_factory.mktemp("out") / "clicks", settings=SETTINGS)


def log_of(folder):
    with (folder / "log.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_checkpoint_like_any_other_that_says_what_it_waits_for(trained):
    checkpoint = load_folder(trained)
    assert checkpoint.card.prompts == ("click", "box", "scribble")
    assert checkpoint.card.input_channels == 7
    assert checkpoint.card.training["train_cases"] == {"discs": 8, "rings": 8}
    assert checkpoint.module(torch.zeros(1, 7, 64, 64)).shape == (1, 1, 64, 64)
    assert {"dice_1", "dice_3", "dice_5", "dice_5_discs", "dice_5_rings"} <= log_of(trained)[-1].keys()
    assert "clicks" in (trained / "README.md").read_text()


def test_an_interrupted_one_goes_on(trained, kept_discs, others, write_quick, tmp_path, monkeypatch):
    config = write_quick(tmp_path, **PROMPTED)
    keep = Keeper.on_train_epoch_end

    def crash(self, trainer, module):
        keep(self, trainer, module)
        if trainer.current_epoch == 0:
            raise KeyError

    monkeypatch.setattr(Keeper, "on_train_epoch_end", crash)
    with pytest.raises(KeyError):
        train([kept_discs, others], config, tmp_path / "clicks", settings=SETTINGS)
    monkeypatch.undo()
    train([kept_discs, others], config, tmp_path / "clicks", settings=SETTINGS)

    one, other = (load_folder(folder).module.state_dict() for folder in (trained, tmp_path / "clicks"))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_several_test_sets_are_for_it_alone(kept_discs, others, write_quick, tmp_path):
    with pytest.raises(TrainingError, match="kind: prompted alone"):
        train([kept_discs, others], write_quick(tmp_path), tmp_path / "out", settings=SETTINGS)
    with pytest.raises(TestSetError, match="called alike"):
        train([kept_discs, kept_discs], write_quick(tmp_path, **PROMPTED), tmp_path / "out", settings=SETTINGS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"in_channels": 1}, "in_channels 3"),
        ({"input_size": [64, 96]}, "square input_size"),
        ({"seeds": [1, 2]}, "takes no findings"),
        ({"architecture": "MonaiUNet", "network": {"channels": [4, 8], "strides": [2], "spatial_dims": 2}}, "of smp"),
    ],
)
def test_what_does_not_fit_it_is_refused(changes, words, kept_discs, write_quick, tmp_path):
    config = write_quick(tmp_path, **{**PROMPTED, **changes})
    with pytest.raises(TrainingError, match=words):
        train(kept_discs, config, tmp_path / "out", settings=SETTINGS)


def plane(labels: np.ndarray, name: str) -> Plane:
    from medseg_demo.prompting.objects import _pieces

    pieces, sizes = _pieces(labels)
    image = np.where(labels > 0, 0.5, -0.5)[None].astype(np.float16)
    return Plane(Case(name.split("/")[1], (), None), image, labels, pieces, sizes, name)


@pytest.fixture
def blobs() -> list[Plane]:
    """A large and two small squares in an image, and one in another."""
    first, second = np.zeros((90, 120), np.uint8), np.zeros((90, 120), np.uint8)
    first[10:60, 10:60] = 1
    first[10:18, 80:88] = first[70:80, 100:110] = second[40:60, 50:90] = 2
    return [plane(first, "set/a/0-0"), plane(second, "set/b/0-0")]


def test_samples_show_an_object_and_say_something_of_it(blobs):
    samples = PromptedSamples([blobs, blobs[1:]], size=64, length=60, seed=3)
    told_of = np.zeros(4, int)
    for number in range(60):
        sample = samples[number]
        label, told = sample["label"][0].numpy() > 0, sample[TOLD].numpy()
        assert label.any()
        assert sample["case"] == number % 2
        assert told[[POSITIVE, 2]].any()  # a click, a line or a box
        points = told[POSITIVE] > 0
        assert not points.any() or (points & label).sum() >= 0.25 * points.sum()
        assert not (told[NEGATIVE] > 0)[label].all()
        told_of += told.any((1, 2))
        again = samples[number]
        assert torch.equal(again["image"], sample["image"])
        assert torch.equal(again[TOLD], sample[TOLD])
    assert (told_of > 5).all()


def test_a_click_is_added_where_the_network_errs():
    label, found = torch.zeros(1, 1, 64, 64), torch.zeros(1, 1, 64, 64)
    label[..., 20:40, 20:40] = 1
    found[..., 50:60, 50:60] = 0.9
    told = _corrected(torch.zeros(1, 4, 64, 64), label, found)
    assert told[0, POSITIVE, 29, 29] == 1
    assert not told[0, NEGATIVE].any()
    assert torch.equal(told[0, PRESENT], found[0, 0])
    told = _corrected(told, label, torch.maximum(label, found))
    assert told[0, NEGATIVE, 54, 54] == 1
    assert told[0, POSITIVE, 29, 29] == 1


def test_objects_are_chosen_from_as_many_cases_as_can_be(blobs):
    two = chosen_targets(blobs, 2, seed=0)
    assert {one.plane.name for one in two} == {"set/a/0-0", "set/b/0-0"}
    every = chosen_targets(blobs, 99, seed=0)
    assert len(every) == 4 == len({one.case.case_id for one in every})
    assert [one.case.case_id for one in chosen_targets(blobs, 3, seed=1)] == [
        one.case.case_id for one in chosen_targets(blobs, 3, seed=1)
    ]


def test_the_configuration_reads_back(trained):
    assert yaml.safe_load((trained / "training.yaml").read_text())["kind"] == "prompted"
