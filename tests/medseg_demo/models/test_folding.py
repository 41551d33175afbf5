import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from medseg_demo.models.folding import fold_batch_norms


def norms(network):
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


def settled(network):
    """With running statistics that are not those of a new network."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.uniform_(-0.5, 0.5)
            module.running_var.uniform_(0.5, 2)
    return network.eval()


@pytest.mark.parametrize("encoder", ["tu-tf_efficientnet_lite0", "resnet18", "mobilenet_v2", "densenet121"])
def test_a_folded_network_computes_the_same(encoder):
    network = settled(smp.Unet(encoder, encoder_weights=None, decoder_channels=(32, 16, 16, 8, 8)))
    example = torch.rand(1, 3, 64, 64)
    folded = fold_batch_norms(network, example)
    assert norms(folded) < norms(network)
    fresh = torch.rand(2, 3, 96, 64)
    with torch.inference_mode():
        torch.testing.assert_close(folded(fresh), network(fresh), rtol=1e-3, atol=1e-3)


def test_the_network_itself_is_not_changed(small_network):
    before = {name: tensor.clone() for name, tensor in small_network.state_dict().items()}
    fold_batch_norms(small_network.eval(), torch.rand(1, 1, 64, 64))
    assert all(torch.equal(tensor, before[name]) for name, tensor in small_network.state_dict().items())


class Crossed(nn.Module):
    """Registered as convolution and norm, but run the other way round."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(2, 2, 1)
        self.norm = nn.BatchNorm2d(2)

    def forward(self, x):
        return self.convolution(self.norm(x))


def test_an_order_that_only_looks_like_one_is_not_folded():
    network = settled(Crossed())
    assert fold_batch_norms(network, torch.rand(1, 2, 4, 4)) is network


def test_without_norms_the_network_is_given_back():
    network = nn.Sequential(nn.Conv2d(1, 1, 1))
    assert fold_batch_norms(network, torch.rand(1, 1, 2, 2)) is network
