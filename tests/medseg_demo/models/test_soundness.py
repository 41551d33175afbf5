import re
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import build_network
from medseg_demo.models.soundness import bounded_by, check_archive, check_weights, is_known_encoder, parameter_fault


@pytest.mark.parametrize(
    ("encoder", "known"),
    [
        ("resnet18", True),
        ("tu-test_resnet", True),
        ("tu-test_resnet.r160_in1k", True),
        ("timm-res2net50_26w_4s", True),
        ("tu-nothing", False),
        ("test_resnet", False),
        ("nothing", False),
        ("", False),
    ],
)
def test_what_is_known_can_be_built_and_nothing_else(encoder, known):
    assert is_known_encoder(encoder) is known
    parameters = {"encoder_name": encoder, "encoder_depth": 3, "decoder_channels": (8, 8, 8)}
    if known:
        build_network("Unet", parameters)
    else:
        with pytest.raises(Exception):  # noqa: B017, PT011 (smp raises many kinds)
            build_network("Unet", parameters)


def test_what_lies_elsewhere_is_not_known():
    assert not is_known_encoder("tu-hf-hub:owner/name")  # to build it, timm would ask the network for minutes


@pytest.fixture
def weights(tmp_path):
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(40), "b": torch.ones(3, 5)}, path)
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda data: data[:-1],
        lambda data: data + b"\0",
        lambda data: data[:60],
        lambda data: b"",
        lambda data: b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n",
        lambda data: b"\x02" + bytes(7) + b"{}",
        lambda data: data.replace(b"[0,160]", b"[0,260]"),
    ],
)
def test_damaged_weights_are_found_without_reading_them(weights, change):
    check_weights(weights, "mine")
    weights.write_bytes(change(weights.read_bytes()))
    with pytest.raises(InvalidCheckpointError, match=r"'mine': model\.safetensors is damaged \(.+\)\. Copy or"):
        check_weights(weights, "mine")


def test_a_file_that_is_gone_is_told(tmp_path):
    with pytest.raises(InvalidCheckpointError, match="No such file"):
        check_weights(tmp_path / "model.safetensors", "mine")


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"encoder_name": "tu-hf-hub:owner/name"}, "lies outside"),
        ({"encoder_name": "tu-hf_hub:owner/name"}, "lies outside"),
        ({"encoder_name": "tu-local-dir:/etc"}, "lies outside"),
        ({"encoder_name": "tu-owner/name"}, "lies outside"),
        ({"checkpoint_path": "elsewhere.pth"}, "checkpoint_path would load a file"),
        ({"pretrained_cfg_overlay": {"file": "elsewhere.pth"}}, "pretrained_cfg_overlay would load a file"),
        ({"decoder_channels": [2**31, 8]}, r"decoder_channels holds 2\.14748e\+09"),
        ({"decoder_channels": [[10**400]]}, "decoder_channels holds"),
        ({"channels": {"first": -(2**40)}}, "channels holds"),
        ({"dropout": float("nan")}, "dropout holds nan"),
        ({"encoder_name": "tu-test_resnet", "decoder_channels": [8, 8, 8], "in_channels": 1}, "^$"),
    ],
)
def test_what_is_wrong_with_parameters_is_told_before_anything_is_built(parameters, fault):
    assert re.search(fault, parameter_fault(parameters))


def test_a_network_larger_than_its_weights_is_refused_before_it_is_allocated():
    parameters = {"encoder_name": "resnet18", "encoder_depth": 3, "decoder_channels": (60_000, 60_000, 8)}
    with bounded_by(12_000_000), pytest.raises(ValueError, match="larger than its weights"):
        build_network("Unet", parameters)


@pytest.mark.parametrize("architecture", ["Unet", "MonaiUNet"])
def test_a_network_of_its_weights_size_is_built(architecture):
    parameters = {"channels": (4, 8), "strides": (2,)} if architecture == "MonaiUNet" else {"encoder_name": "resnet18"}
    elements = sum(one.numel() for one in build_network(architecture, parameters).state_dict().values())
    with bounded_by(elements):
        build_network(architecture, parameters)


def test_an_archive_that_would_unpack_to_more_than_it_holds_is_refused(tmp_path):
    path = tmp_path / "model.pth"
    torch.save({"a": torch.zeros(10)}, path)
    check_archive(path, "mine")
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data/1", bytes(2**20))
    with pytest.raises(InvalidCheckpointError, match=r"model\.pth is damaged \(it would unpack"):
        check_archive(path, "mine")
