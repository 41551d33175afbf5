import pytest
import torch

from medseg_demo.models.architectures import build_network
from medseg_demo.models.network import PaddedNetwork, pad_where_needed

SMALL = {"encoder_name": "resnet18", "in_channels": 1, "classes": 1}


@pytest.mark.parametrize("architecture", ["FPN", "PSPNet", "PAN", "DeepLabV3Plus", "Segformer", "UPerNet", "Linknet"])
def test_a_size_that_is_not_halved_evenly_is_padded_and_cut(architecture):
    network = build_network(architecture, SMALL).eval()
    images = torch.rand(1, 1, 180, 150)
    with torch.inference_mode():
        padded = pad_where_needed(network, (180, 150))
        below, right = -180 % padded.multiple, -150 % padded.multiple
        whole = torch.nn.functional.pad(images, (0, right, 0, below), mode="replicate")
        torch.testing.assert_close(padded(images), network(whole)[..., :180, :150])


def test_a_network_that_takes_the_size_stays_as_it_is():
    assert not isinstance(pad_where_needed(build_network("FPN", SMALL), (96, 64)), PaddedNetwork)
    assert not isinstance(pad_where_needed(build_network("Unet", SMALL), (100, 70)), PaddedNetwork)
    assert not isinstance(pad_where_needed(torch.nn.Conv2d(1, 1, 1), (100, 70)), PaddedNetwork)
