"""Weights alone: the network is recognised by its tensors; nothing in the file is executed."""

import argparse
import json
import os
import pathlib
import pickle
import shutil
import struct

import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import save_file

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import build_network
from medseg_demo.models.card import CARD_FILE, ModelCard, write_card
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.models.origins.proposals import propose

SMALL = {"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [16, 8, 8], "in_channels": 1}
MONAI = {"in_channels": 1, "classes": 3}


@pytest.fixture(scope="module")
def unet():
    return build_network("Unet", {**SMALL, "classes": 2}).eval()


@pytest.fixture
def folder(tmp_path):
    def make(content, name="best.pth"):
        place = tmp_path / "net"
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        if name.endswith(".safetensors"):
            save_file(content, place / name)
        else:
            torch.save(content, place / name)
        return place

    return make


@pytest.mark.parametrize("name", ["best.pth", "a.pt", "epoch=3.ckpt", "w.safetensors", "pytorch_model.bin"])
def test_a_file_of_any_name_is_recognised_and_run(folder, unet, name):
    place = folder(unet.state_dict(), name)
    (entry,) = list_checkpoints(place.parent)
    assert (entry.problem, entry.origin, entry.architecture) == (None, "state dict", "Unet · tu-test_resnet")
    checkpoint = load_folder(place)
    assert not checkpoint.has_card
    assert (checkpoint.card.in_channels, checkpoint.card.head) == (1, "softmax")
    image = torch.rand(1, 1, 64, 64)
    torch.testing.assert_close(checkpoint.module(image), unet(image))


@pytest.mark.parametrize("prefix", ["model.", "module.", "net.", "_orig_mod.", "model._orig_mod.", "module.model."])
def test_prefixes_of_a_training_are_seen_through(folder, unet, prefix):
    state = {prefix + name: value for name, value in unet.state_dict().items()}
    assert load_folder(folder(state)).module.state_dict().keys() == unet.state_dict().keys()


def test_a_checkpoint_of_lightning_is_read_past_its_hyper_parameters(folder, unet):
    state = {"model." + name: value for name, value in unet.state_dict().items()}
    whole = {
        "state_dict": {**state, "criterion.pos_weight": torch.ones(1), "std": torch.ones(3)},
        "epoch": 3,
        "hyper_parameters": {"lr": 1e-3, "out": pathlib.PurePosixPath("x"), "more": argparse.Namespace(a=1)},
    }
    whole["hyper_parameters"]["out"] = pathlib.Path("x")
    place = folder(whole, "last.ckpt")
    assert load_folder(place).card.in_channels == 1
    write_card(ModelCard(class_names=("a", "b"), in_channels=1, input_size=(64, 64)), place)
    assert load_folder(place).card.head == "sigmoid"


def test_with_a_configuration_beside_it_is_loaded_by_that(folder, unet):
    place = folder({"state_dict": {"model." + name: value for name, value in unet.state_dict().items()}}, "last.ckpt")
    (place / "config.json").write_text(json.dumps({"_model_class": "Unet", **SMALL, "classes": 2}))
    (entry,) = list_checkpoints(place.parent)
    assert entry.origin == "segmentation-models-pytorch"
    assert load_folder(place).parameters == sum(one.numel() for one in unet.parameters())


@pytest.mark.parametrize(
    ("architecture", "parameters"),
    [
        ("Unet", {**SMALL, "classes": 1, "decoder_attention_type": "scse"}),
        ("UnetPlusPlus", {"encoder_name": "resnet18", "in_channels": 4, "classes": 5}),
        ("MAnet", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1}),
        ("Linknet", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1}),
        ("FPN", {"encoder_name": "mit_b0", "in_channels": 3, "classes": 1}),
        ("FPN", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1, "decoder_merge_policy": "cat"}),
        ("PSPNet", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1, "aux_params": {"classes": 2}}),
        ("PAN", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1}),
        ("DeepLabV3", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1}),
        ("DeepLabV3Plus", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1}),
        ("UPerNet", {"encoder_name": "resnet18", "in_channels": 3, "classes": 1}),
        ("Segformer", {"encoder_name": "resnet18", "in_channels": 3, "classes": 19}),
        ("DPT", {"encoder_name": "tu-vit_tiny_patch16_224", "in_channels": 3, "classes": 1}),
        ("MonaiUNet", {**MONAI, "channels": [4, 8], "strides": [2], "num_res_units": 2}),
        ("MonaiUNet", {**MONAI, "channels": [4, 8], "strides": [2], "norm": "BATCH", "spatial_dims": 2, "act": "RELU"}),
        ("MonaiAttentionUnet", {**MONAI, "channels": [4, 8, 16], "strides": [2, 2]}),
        ("MonaiBasicUNet", {**MONAI, "features": [4, 4, 8, 8, 16, 4]}),
        ("MonaiSegResNet", {**MONAI, "init_filters": 8, "blocks_down": [1, 2], "blocks_up": [1]}),
        (
            "MonaiDynUNet",
            {**MONAI, "kernel_size": [3, [1, 3, 3], 3], "strides": [1, [1, 2, 2], 2],
             "upsample_kernel_size": [[1, 2, 2], 2],
             "filters": [4, 8, 8], "res_block": True},
        ),
    ],
)  # fmt: skip
def test_the_network_is_told_by_names_and_shapes(architecture, parameters):
    network = build_network(architecture, parameters)
    found = propose({name: value.to("meta") for name, value in network.state_dict().items()})
    assert found[0].architecture == architecture
    for key in ("encoder_name", "in_channels", "classes", "channels", "features", "spatial_dims"):
        assert found[0].parameters.get(key) == parameters.get(key, found[0].parameters.get(key)), key


def test_encoders_that_are_named_alike_are_all_named(unet):
    network = smp.Unet("tu-efficientnet_lite0", encoder_weights=None)
    found = propose(network.state_dict())
    assert {one.parameters["encoder_name"] for one in found} == {"tu-efficientnet_lite0", "tu-tf_efficientnet_lite0"}
    assert "tu-efficientnet_lite0 would fit as well" in found[0].why


class Planted:
    """Leaves a file behind where it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("place", ["outside", "hyper_parameters", "state_dict"])
def test_no_code_in_a_file_is_executed(folder, unet, tmp_path, place):
    planted = Planted(tmp_path / "planted")
    whole = {
        "outside": planted,
        "hyper_parameters": {"state_dict": unet.state_dict(), "hyper_parameters": {"lr": planted}},
        "state_dict": {**unet.state_dict(), "more": planted},
    }[place]
    with pytest.raises(InvalidCheckpointError, match="never executed"):
        load_folder(folder(whole, "last.ckpt"))
    (broken,) = list_checkpoints(tmp_path)
    assert "never executed" in broken.problem
    assert not (tmp_path / "planted").exists()
    pickle.loads(pickle.dumps(planted))
    assert (tmp_path / "planted").exists()  # it would have been seen


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-100]), "damaged"),
        (lambda path: path.write_bytes(b""), "damaged"),
        (lambda path: torch.save({"a": torch.ones(1)}, path), "no network that is known"),
        (lambda path: torch.save([1, 2], path), "no state dict"),
        (lambda path: torch.save({"state_dict": {"a": 1}}, path), "no state dict"),
    ],
)
def test_what_is_no_network_is_told(folder, unet, change, message):
    place = folder(unet.state_dict())
    change(place / "best.pth")
    with pytest.raises(InvalidCheckpointError, match=message):
        load_folder(place)


def test_weights_that_are_not_finite_are_told(folder, unet):
    state = {name: value.clone() for name, value in unet.state_dict().items()}
    state["segmentation_head.0.bias"][0] = torch.nan
    with pytest.raises(InvalidCheckpointError, match="NaN"):
        load_folder(folder(state))


def test_a_lying_header_is_refused(folder, unet):
    place = folder({name: value.contiguous() for name, value in unet.state_dict().items()}, "w.safetensors")
    content = (place / "w.safetensors").read_bytes()
    (place / "w.safetensors").write_bytes(struct.pack("<Q", 2**40) + content[8:])
    with pytest.raises(InvalidCheckpointError, match="damaged"):
        load_folder(place)


def test_ten_gigabytes_are_refused_before_they_are_read(folder, unet):
    place = folder(unet.state_dict())
    with (place / "best.pth").open("r+b") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(InvalidCheckpointError, match=r"10\.0 GiB of files, and 8\.0 GiB are read at most"):
        load_folder(place)


def test_a_card_of_other_classes_is_told(folder, unet):
    place = folder(unet.state_dict())
    (place / CARD_FILE).write_text(json.dumps({"class_names": ["a", "b", "c", "d"], "in_channels": 1}))
    with pytest.raises(InvalidCheckpointError, match="output channel"):
        load_folder(place)
