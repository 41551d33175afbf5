import json
import re

import numpy as np
import pytest
import torch
import yaml

from medseg_demo.errors import TestSetError, TrainingError
from medseg_demo.models.card import ModelCard, Normalisation
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.settings import ROOT, Settings
from medseg_demo.test_sets.simulated_brain import write_simulated_brain
from medseg_demo.training import train
from medseg_demo.training.augmentation import IMAGE, LABEL
from medseg_demo.training.config import read_config
from medseg_demo.training.config_parts import Generator
from medseg_demo.training.synthetic import (
    GeneratorCard,
    ImageGenerator,
    SyntheticSlices,
    load_generator,
    save_generator,
)

SETTINGS = Settings(device="cpu", precision="float32")
MAKES = {
    "kind": "generator",
    "generator": {"channels": [4, 8], "latent": 3, "hidden": 4, "discriminator": 4},
    "epochs": 1,
    "learning_rate": 0.001,
}
CARD = ModelCard(
    class_names=("disc",), in_channels=1, input_size=(64, 64), normalisation=Normalisation(mean=(0.5,), std=(0.5,))
)


@pytest.fixture
def generator(tmp_path):
    """The folder of a generator that has learned nothing yet."""
    own = {name: getattr(CARD, name) for name in ("class_names", "in_channels", "input_size", "normalisation")}
    card = GeneratorCard(kind="generator", generator=Generator(**MAKES["generator"]), **own)
    torch.manual_seed(0)
    (tmp_path / "maker").mkdir()
    save_generator(tmp_path / "maker", ImageGenerator(card), card)
    return tmp_path / "maker"


class Real:
    """Items of which each has its number everywhere."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, number: int) -> dict[str, torch.Tensor]:
        label = torch.zeros(1, 64, 64)
        label[:, 10:30, 10:30] = 1
        return {IMAGE: torch.full((1, 64, 64), float(number)), LABEL: label, "case": torch.tensor(number)}


def items(generator, write_yaml, share, **changes):
    config = read_config(write_yaml(synthetic={"generator": str(generator), "share": share}, **changes))
    return SyntheticSlices(Real(), config, CARD)


def test_a_generators_folder_is_read_again_and_holds_no_pickle(discs, write_yaml, tmp_path):
    generator = train(discs, write_yaml(**MAKES), tmp_path / "maker", settings=SETTINGS)
    assert {path.name for path in generator.iterdir()} == {
        "config.json", "generator.safetensors", "log.csv", "training.yaml"
    }  # fmt: skip
    network, card = load_generator(generator)
    assert (card.class_names, card.in_channels, card.input_size) == (("disc",), 1, (64, 64))
    assert card.training["train_cases"] == 8
    assert network.decode(torch.zeros(2, 1, 64, 64), torch.zeros(2, 3)).shape == (2, 1, 64, 64)


def test_labels_and_code_decide_on_the_image(generator):
    network, _ = load_generator(generator)
    disc = torch.zeros(1, 1, 64, 64)
    disc[..., 20:40, 20:40] = 1
    code = torch.ones(1, 3)
    with torch.no_grad():
        plain, labelled, coded = (network.decode(*given) for given in ((0 * disc, code), (disc, code), (disc, -code)))
    assert not torch.allclose(plain, labelled)
    assert not torch.allclose(labelled, coded)


def test_the_generator_learns(discs, write_yaml, tmp_path):
    output = train(
        discs, write_yaml(**{**MAKES, "epochs": 6, "learning_rate": 0.005}), tmp_path / "m", settings=SETTINGS
    )
    rows = np.genfromtxt(output / "log.csv", delimiter=",", names=True)
    assert rows["difference"][-1] < 0.7 * rows["difference"][0]


def test_a_share_of_the_images_is_made_and_labels_stay(generator, write_yaml):
    real, mixed = Real(), items(generator, write_yaml, 0.5)
    assert len(mixed) == 4
    made = [not torch.equal(mixed[number][IMAGE], real[number][IMAGE]) for number in range(40)]
    assert 10 < sum(made) < 30
    assert all(torch.equal(mixed[number][LABEL], real[number][LABEL]) for number in range(8))
    assert [int(mixed[number]["case"]) for number in range(4)] == [0, 1, 2, 3]


def test_shares_of_none_and_all(generator, write_yaml):
    real = Real()
    assert all(torch.equal(items(generator, write_yaml, 0.0)[n][IMAGE], real[n][IMAGE]) for n in range(8))
    assert not any(torch.equal(items(generator, write_yaml, 1.0)[n][IMAGE], real[n][IMAGE]) for n in range(8))


def test_an_item_is_the_same_in_whatever_order_it_is_asked_for(generator, write_yaml):
    first, second = items(generator, write_yaml, 1.0), items(generator, write_yaml, 1.0)
    forwards = [first[number][IMAGE] for number in range(4)]
    backwards = [second[number][IMAGE] for number in reversed(range(4))]
    assert all(torch.equal(one, other) for one, other in zip(forwards, reversed(backwards), strict=True))
    assert not torch.equal(forwards[0], forwards[1])


def test_a_network_learns_from_real_and_made_images(discs, write_yaml, tmp_path, generator):
    config = write_yaml(synthetic={"generator": str(generator), "share": 0.5})
    output = train(discs, config, tmp_path / "net", settings=SETTINGS)
    assert load_folder(output).card.training["synthetic"] == {"generator": "maker", "share": 0.5}
    assert str(tmp_path) not in (output / "training.yaml").read_text()


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"synthetic": {"generator": "maker", "share": 1.1}}, "less than or equal to 1"),
        ({"synthetic": {"generator": "", "share": 0.1}}, "at least 1 character"),
        ({**MAKES, "synthetic": {"generator": "maker"}}, "learns from real images alone"),
        ({**MAKES, "generator": {"channels": [4] * 7}}, "multiples of 128 for the generator"),
    ],
)
def test_configurations_that_cannot_be(write_yaml, changes, fault):
    with pytest.raises(TrainingError, match=fault):
        read_config(write_yaml(**changes))


def test_volumes_have_no_generator(write_volume_yaml):
    with pytest.raises(TrainingError, match="two dimensions"):
        read_config(write_volume_yaml(kind="generator"))


def test_a_generator_of_other_images_is_refused_with_all_that_differs(generator, write_yaml):
    config = read_config(write_yaml(synthetic={"generator": str(generator)}))
    card = CARD.model_copy(update={"in_channels": 3, "input_size": (96, 64), "class_names": ("ring",)})
    with pytest.raises(
        TrainingError, match=r"maker.*class_names is \[disc\].*in_channels is 1.*input_size is \[64, 64\]"
    ):
        SyntheticSlices(Real(), config, card)


@pytest.mark.parametrize("damage", ["missing", "cut", "other", "none"])
def test_what_is_no_generator_is_refused_without_a_path(generator, write_yaml, damage):
    weights, card = generator / "generator.safetensors", generator / "config.json"
    if damage == "missing":
        weights.unlink()
    elif damage == "cut":
        weights.write_bytes(weights.read_bytes()[:1000])
    elif damage == "other":
        changed = json.loads(card.read_text())
        changed["generator"]["channels"] = [4, 16]
        card.write_text(json.dumps(changed))
    else:
        card.write_text("{}")
    with pytest.raises(TrainingError, match="'maker' is no folder of a generator") as caught:
        items(generator, write_yaml, 0.5)
    assert str(generator.parent) not in str(caught.value)


def test_nan_ends_the_training_of_a_generator_and_names_the_cases(discs, write_yaml, tmp_path):
    with pytest.raises(TrainingError, match=r"Epoch 1: .* NaN or infinite, at the cases d\d.*nothing was kept"):
        train(discs, write_yaml(**{**MAKES, "learning_rate": 1e30, "epochs": 3}), tmp_path / "m", settings=SETTINGS)
    assert not (tmp_path / "m" / "generator.safetensors").exists()


def documented(heading: str) -> list[dict[str, object]]:
    """The configurations under a heading of the guide."""
    text = (ROOT / "docs" / "training.md").read_text(encoding="utf-8")
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    return [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", section, re.DOTALL)]


def test_the_documented_generator_and_the_network_that_learns_from_it(discs, write_yaml, tmp_path):
    makes, learns = documented("GAN images")
    small = {"in_channels": 1, "input_size": [64, 64], "epochs": 1, "warmup_epochs": 0, "batch_size": 4}
    generator = train(discs, write_yaml(**{**makes, **small}), tmp_path / "maker", settings=SETTINGS)
    assert load_generator(generator)[1].generator.latent == makes["generator"]["latent"]
    learns["synthetic"]["generator"] = str(generator)
    output = train(discs, write_yaml(**{**learns, **small}), tmp_path / "net", settings=SETTINGS)
    assert load_folder(output).card.training["synthetic"]["share"] == learns["synthetic"]["share"]


@pytest.mark.parametrize("channels", [["T1", "T2", "PD", "FLAIR"], ["FLAIR"]])
def test_the_documented_fusion_and_a_single_contrast(write_yaml, tmp_path, channels):
    (given,) = documented("Fused modalities")
    folder = write_simulated_brain(tmp_path / "brain", cases=6)
    short = {"epochs": 1, "warmup_epochs": 0, "batch_size": 2, "channels": channels, "in_channels": len(channels)}
    card = load_folder(train(folder, write_yaml(**{**given, **short}), tmp_path / "net", settings=SETTINGS)).card
    assert card.channel_names == tuple(channels)
    assert card.class_names == ("csf", "grey matter", "white matter", "lesion")


def test_a_channel_that_no_case_has_is_named(write_yaml, tmp_path):
    folder = write_simulated_brain(tmp_path / "brain", cases=6)
    with pytest.raises(TestSetError, match=r"no channels T1c \(it names T1, T2, PD, FLAIR\)"):
        train(folder, write_yaml(in_channels=1, channels=["T1c"]), tmp_path / "net", settings=SETTINGS)
