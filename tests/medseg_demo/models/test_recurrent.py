import numpy as np
import pytest
import torch

from medseg_demo.models.architectures import build_network, description_of, spatial_dims
from medseg_demo.models.backends import OpenVinoNetwork, TorchNetwork, prepare
from medseg_demo.models.checkpoint import load_folder, save_checkpoint
from medseg_demo.models.compute import choose_compute
from medseg_demo.models.network import pad_where_needed
from medseg_demo.models.recurrent import ConvGru
from medseg_demo.settings import Settings

ENCODER = {"encoder_name": "tu-test_resnet", "encoder_depth": 2, "decoder_channels": [8, 4], "in_channels": 1}
PARAMETERS = {**ENCODER, "hidden_channels": 4, "classes": 3}


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return build_network("RecurrentUnet", PARAMETERS).eval()


def test_it_takes_volumes_of_any_size_and_gives_logits_of_their_size(network):
    assert spatial_dims("RecurrentUnet", PARAMETERS) == 3
    assert pad_where_needed(network, (5, 18, 14)) is network
    with torch.inference_mode():
        assert network(torch.zeros(2, 1, 5, 18, 14)).shape == (2, 3, 5, 18, 14)


def test_every_slice_knows_of_those_before_and_behind_it(network):
    volume = torch.zeros(1, 1, 5, 16, 16)
    with torch.inference_mode():
        plain = network(volume)
        for changed in (0, 4):
            other = volume.clone()
            other[:, :, changed] = 1.0
            differences = (network(other) - plain).abs().amax(dim=(0, 1, 3, 4))
            assert (differences > 0).all()


def test_a_step_of_the_gru_is_that_of_its_equations():
    torch.manual_seed(0)
    gru = ConvGru(2, 1)
    maps = torch.randn(1, 2, 2, 1, 1)
    # On maps of one pixel only the middles of the kernels count.
    of_input, bias = (one.detach().numpy() for one in (gru.of_input.weight[..., 1, 1], gru.of_input.bias))
    (u_z, u_r), u = gru.of_memory.weight[:, 0, 1, 1].tolist(), gru.of_reset.weight[0, 0, 1, 1].item()
    memory = 0.0
    for step in maps[0, :, :, 0, 0].numpy():
        w_z, w_r, w = of_input @ step + bias
        z, r = 1 / (1 + np.exp(-(w_z + u_z * memory))), 1 / (1 + np.exp(-(w_r + u_r * memory)))
        memory = (1 - z) * memory + z * np.tanh(w + u * r * memory)
    with torch.inference_mode():
        assert gru(maps).shape == (1, 2, 1, 1, 1)
        assert float(gru(maps)[0, -1, 0, 0, 0]) == pytest.approx(memory, abs=1e-6)


def test_encoder_and_decoder_take_the_tensors_of_a_2d_unet(network):
    own = network.state_dict()
    for name, tensor in build_network("Unet", {**ENCODER, "classes": 3}).state_dict().items():
        assert own[name].shape == tensor.shape


def test_it_is_saved_and_run_by_openvino_and_pytorch(network, tmp_path, volume_card):
    card = volume_card.model_copy(update={"input_size": (4, 16, 16)})
    save_checkpoint(tmp_path, network, card, half=False)
    assert description_of(network) == {"_model_class": "RecurrentUnet", **PARAMETERS, "encoder_weights": None}
    checkpoint = load_folder(tmp_path)
    volume = torch.rand(1, 1, 4, 16, 16)
    with torch.inference_mode():
        expected = network(volume)
        torch.testing.assert_close(checkpoint.module(volume), expected)
    for backend, runner in (("openvino", OpenVinoNetwork), ("torch", TorchNetwork)):
        ready = prepare(checkpoint, choose_compute(Settings(device="cpu", backend=backend, precision="float32")))
        assert isinstance(ready, runner)
        torch.testing.assert_close(next(ready.logits([volume])), expected, rtol=1e-3, atol=1e-3)


def test_wrong_parameters_are_told():
    with pytest.raises(ValueError, match=r"RecurrentUnet cannot be built .*hiden"):
        build_network("RecurrentUnet", {"hiden_channels": 4})
