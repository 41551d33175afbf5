"""TorchScript: refused unless the owner of the computer trusts it, and never where strangers reach the page."""

import numpy as np
import pytest
import torch
from torch import nn

from medseg_demo import settings
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard, write_card
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import allows_programs, forbid_programs


class Half(nn.Module):
    """Gives two outputs of half the size, of which the first counts."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Conv2d(1, 1, 2, stride=2)
        nn.init.constant_(self.layer.weight, 5.0)
        nn.init.constant_(self.layer.bias, -10.0)

    def forward(self, images: torch.Tensor):
        return self.layer(images), images


@pytest.fixture
def folder(tmp_path):
    place = tmp_path / "net"
    place.mkdir()
    torch.jit.script(Half()).save(place / "model.pt")
    write_card(ModelCard(class_names=("bright",), in_channels=1, input_size=(8, 8), threshold=0.5), place)
    return place


@pytest.fixture
def allowed(monkeypatch):
    monkeypatch.setenv("MEDSEG_ALLOW_TORCHSCRIPT", "1")


def test_it_is_refused_by_itself_and_says_why(folder):
    (entry,) = list_checkpoints(folder.parent)
    for words in ("model.pt is TorchScript. It is a program", "MEDSEG_ALLOW_TORCHSCRIPT=1", "ONNX"):
        assert words in entry.problem
    with pytest.raises(InvalidCheckpointError, match="It is a program"):
        load_folder(folder)


def test_where_it_is_trusted_it_segments(folder, allowed, make_image):
    (entry,) = list_checkpoints(folder.parent)
    assert (entry.problem, entry.origin) == (None, "TorchScript")
    pixels = np.zeros((8, 8), np.uint8)
    pixels[:, 4:] = 255
    found = segment(make_image(pixels), load_folder(folder), settings=settings.Settings(device="cpu"))
    assert found.label_map.labels.reshape(8, 8)[:, [1, 6]].tolist() == [[0, 1]] * 8


def test_never_where_strangers_reach_the_page(allowed):
    own = {"MEDSEG_ALLOW_TORCHSCRIPT": "1"}
    assert allows_programs()
    assert not allows_programs(own | {"MEDSEG_PUBLIC": "1"})
    assert not allows_programs(own | {"SPACE_ID": "owner/name"})
    assert not settings.Settings.from_environment(own, public=True).allow_torchscript
    forbid_programs()
    assert not allows_programs()


def test_tensors_alone_are_no_program(folder):
    torch.save({"somebody": torch.ones(1)}, folder / "model.pt")
    with pytest.raises(InvalidCheckpointError, match="no network that is known here"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("no card", "has no medseg.json beside it"),
        ("classes", r"it gives 1 × 1 × 4 × 4"),
        ("channels", "cannot be run with an input of 1 × 3 × 8 × 8"),
        ("NaN", "NaN or infinity"),
        ("cut", "cannot be run"),
    ],
)
def test_what_is_wrong_with_it_is_said(folder, allowed, fault, words):
    network = Half()
    if fault == "no card":
        (folder / CARD_FILE).unlink()
    if fault == "classes":
        write_card(ModelCard(class_names=("a", "b", "c"), in_channels=1, input_size=(8, 8)), folder)
    if fault == "channels":
        write_card(ModelCard(class_names=("bright",), in_channels=3, input_size=(8, 8)), folder)
    if fault == "NaN":
        nn.init.constant_(network.layer.bias, float("nan"))
        torch.jit.script(network).save(folder / "model.pt")
    if fault == "cut":
        content = (folder / "model.pt").read_bytes()
        (folder / "model.pt").unlink()
        (folder / "model.ts").write_bytes(content[: len(content) // 2])
    with pytest.raises(InvalidCheckpointError, match=words):
        load_folder(folder)
