import pytest
import torch
from safetensors.torch import save_file

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import build_network
from medseg_demo.models.soundness import check_weights, is_known_encoder


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


def test_a_name_that_leads_out_of_the_lists_is_left_to_loading():
    assert is_known_encoder("tu-hf-hub:owner/name")
    assert not is_known_encoder(["resnet18"])


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
