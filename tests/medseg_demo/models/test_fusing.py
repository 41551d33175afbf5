import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from medseg_demo.models import fusing
from medseg_demo.models.folding import fold_batch_norms
from medseg_demo.models.fusing import FusedConvolution, fuse_convolutions


def channels_last(*size):
    torch.manual_seed(0)
    return torch.rand(*size).to(memory_format=torch.channels_last)


def fused_count(network):
    return sum(isinstance(module, FusedConvolution) for module in network.modules())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("encoder", ["tu-tf_efficientnet_lite0", "tu-test_resnet", "resnet18", "densenet121"])
def test_a_fused_network_computes_the_same(encoder, precision):
    torch.manual_seed(1)
    network = smp.Unet(encoder, encoder_weights=None, decoder_channels=(32, 16, 16, 8, 8)).eval()
    example, fresh = channels_last(1, 3, 64, 64), channels_last(3, 3, 96, 64)
    network = fold_batch_norms(network.to(memory_format=torch.channels_last), example)
    fused = fuse_convolutions(network, example, precision)
    assert fused_count(fused) > 10
    with torch.inference_mode(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
        torch.testing.assert_close(fused(fresh).float(), network(fresh).float(), rtol=1e-2, atol=1e-2)


class Tail(nn.Module):
    """An activation after a convolution, and again at the end."""

    def __init__(self, activation):
        super().__init__()
        self.first, self.second = nn.Conv2d(2, 2, 3, padding=1), nn.Conv2d(2, 2, 3, padding=1)
        self.activation = activation

    def forward(self, x):
        y = self.second(self.activation(self.first(x)))
        y += x  # in place, so that the activation takes the very tensor that the convolution gave
        return self.activation(y)


@pytest.mark.parametrize("activation", [nn.ReLU(), nn.ReLU(inplace=True), nn.ReLU6(), nn.Sigmoid()])
def test_an_activation_used_twice_stays(activation):
    network = Tail(activation).eval()
    example = channels_last(1, 2, 8, 8) - 0.5
    fused = fuse_convolutions(network, example, torch.float32)
    assert fused_count(fused) == 2
    assert type(fused.activation) is type(activation)
    with torch.inference_mode():
        torch.testing.assert_close(fused(example), network(example))


def test_the_activation_joins_its_convolution():
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Identity(), nn.ReLU6()).eval()
    example = 20 * channels_last(1, 1, 8, 8)
    fused = fuse_convolutions(network, example, torch.float32)
    assert isinstance(fused[2], nn.Identity)
    with torch.inference_mode():
        torch.testing.assert_close(fused(example), network(example))


def test_the_network_itself_is_not_changed():
    network = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    fuse_convolutions(network, channels_last(1, 1, 8, 8), torch.bfloat16)
    assert isinstance(network[0], nn.Conv2d)
    assert network[0].weight.dtype == torch.float32
    assert not network[0]._forward_hooks
    assert not network[1]._forward_pre_hooks


def test_without_the_operations_the_network_is_given_back(monkeypatch):
    def missing(*_):
        raise AttributeError("no such operation")

    monkeypatch.setattr(fusing, "FusedConvolution", missing)
    network = nn.Sequential(nn.Conv2d(1, 1, 3))
    assert fuse_convolutions(network, channels_last(1, 1, 8, 8), torch.float32) is network


def test_a_copy_that_computes_something_else_is_not_given_back(monkeypatch):
    monkeypatch.setitem(fusing.ACTIVATIONS, nn.ReLU, ("none", []))
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU())
    assert fuse_convolutions(network, channels_last(1, 1, 8, 8), torch.float32) is network
