import subprocess
import sys

import pytest
import torch

from medseg_demo.models.architectures import MONAI_NETWORKS, build_network, description_of, spatial_dims

# As few weights as each network allows.
SMALL = {
    "MonaiAttentionUnet": {"channels": [4, 8], "strides": [2]},
    "MonaiBasicUNet": {"features": [4, 4, 4, 4, 4, 4]},
    "MonaiDynUNet": {
        "kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8]
    },
    "MonaiSegResNet": {"init_filters": 8, "blocks_down": [1, 1], "blocks_up": [1]},
    "MonaiUNet": {"channels": [4, 8], "strides": [2], "num_res_units": 1},
}  # fmt: skip


def test_every_monai_network_has_a_small_example():
    assert SMALL.keys() == MONAI_NETWORKS.keys()


@pytest.mark.parametrize("architecture", SMALL)
def test_a_monai_network_takes_volumes_and_gives_logits_of_their_size(architecture):
    network = build_network(architecture, {**SMALL[architecture], "in_channels": 1, "classes": 3}).eval()
    with torch.inference_mode():
        assert network(torch.zeros(1, 1, 16, 32, 16)).shape == (1, 3, 16, 32, 16)
    assert spatial_dims(architecture, SMALL[architecture]) == 3


def test_a_monai_network_of_images():
    parameters = {**SMALL["MonaiUNet"], "spatial_dims": 2, "in_channels": 3, "classes": 1}
    with torch.inference_mode():
        assert build_network("MonaiUNet", parameters).eval()(torch.zeros(1, 3, 32, 32)).shape == (1, 1, 32, 32)
    assert spatial_dims("MonaiUNet", parameters) == 2
    assert spatial_dims("Unet", {}) == 2


def test_a_network_says_what_it_was_built_from(small_network):
    parameters = {**SMALL["MonaiUNet"], "in_channels": 1, "classes": 2}
    network = build_network("MonaiUNet", parameters)
    assert description_of(network) == {"_model_class": "MonaiUNet", **parameters}
    assert description_of(small_network) is None


def test_wrong_parameters_of_a_monai_network_are_told():
    with pytest.raises(ValueError, match=r"MonaiUNet cannot be built .*chanels"):
        build_network("MonaiUNet", {"chanels": [4, 8], "strides": [2]})
    with pytest.raises(ValueError, match="MonaiUNet cannot be built"):
        build_network("MonaiUNet", {"channels": [4], "strides": []})


def test_without_monai_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "monai.networks", None)
    with pytest.raises(ValueError, match="pip install monai"):
        build_network("MonaiUNet", SMALL["MonaiUNet"])


def test_networks_of_smp_do_not_wait_for_monai():
    code = (
        "import sys; from medseg_demo.models.architectures import build_network; "
        "build_network('Unet', {'encoder_name': 'tu-test_resnet', 'encoder_depth': 3, 'decoder_channels': [8, 8, 8]}); "
        "print('monai' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"


def test_logits_come_out_whatever_an_smp_network_was_trained_with():
    parameters = {"encoder_name": "resnet18", "in_channels": 1, "classes": 1}
    plain = build_network("Unet", parameters).eval()
    network = build_network(
        "Unet", {**parameters, "activation": "sigmoid", "aux_params": {"classes": 2, "dropout": 0.1}}
    ).eval()
    network.load_state_dict({**network.state_dict(), **plain.state_dict()})
    images = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(images), plain(images))
