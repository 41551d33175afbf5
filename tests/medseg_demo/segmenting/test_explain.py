"""Heat maps: what they say of networks whose answer is known, and that no result changes by them."""

import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from medseg_demo.errors import InvalidCheckpointError, OptionError
from medseg_demo.image import Geometry
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.finding import Finding
from medseg_demo.models.network import Ensemble
from medseg_demo.segmenting.explain import deepest_layer, extra_runs, variation
from medseg_demo.segmenting.options import Explain, SegmentOptions
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings

CPU = Settings(device="cpu", precision="float32", backend="torch", threads=1)


class Halves(nn.Module):
    """Two features at half the size, of which the first alone decides: brightness, and 1 − brightness."""

    def __init__(self) -> None:
        super().__init__()
        self.shrink = nn.AvgPool2d(2)
        self.grow = nn.Upsample(scale_factor=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        features = self.grow(self.shrink(torch.cat([x, 1 - x], 1)))
        return 40 * (features[:, :1] - 0.5)


class LeftHalf(nn.Module):
    """Marks bright pixels of the left half of what it gets, so that mirrored inputs give something else."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        left = torch.arange(x.shape[-1], device=x.device) < x.shape[-1] // 2
        return torch.where(left, 40.0, -40.0) * (x.mean(1, keepdim=True) > 0.5) - 20.0


def explained(image, checkpoint, explain, **options):
    return segment(image, checkpoint, options=SegmentOptions(explain=explain, **options), settings=CPU)


@pytest.fixture
def halves(card) -> Checkpoint:
    return Checkpoint("halves", card, Halves().eval(), "3" * 64)


def test_grad_cam_is_where_the_class_is_seen_and_leaves_the_result_as_it_is(square, halves):
    plain, result = segment(square, halves, settings=CPU), explained(square, halves, "gradcam:bright")
    np.testing.assert_array_equal(result.label_map.labels, plain.label_map.labels)
    np.testing.assert_array_equal(result.probabilities, plain.probabilities)
    heat = result.heat
    assert (heat.name, heat.values.shape, heat.values.dtype) == ("Grad-CAM of bright", (100, 120), np.float32)
    assert heat.values[30:50, 60:70].min() > 0.9
    assert heat.values[80:, :30].max() < 0.01
    assert plain.heat is None


def test_grad_cam_is_that_of_its_definition(small_network, card, make_image):
    rng = np.random.default_rng(0)
    image = make_image(rng.integers(0, 256, (64, 64), np.uint8).astype(np.uint8))
    checkpoint = Checkpoint("small", card, small_network.eval(), "4" * 64)
    result = explained(image, checkpoint, "gradcam")
    kept = []
    layer = deepest_layer(small_network, torch.zeros(1, 1, 64, 64))
    hook = layer.register_forward_hook(lambda _, __, output: kept.append(output))
    logits = small_network(torch.from_numpy(image.pixels / np.float32(255))[None, None])
    hook.remove()
    marked = logits[0, 0] > 0
    assert marked.any()
    (gradient,) = torch.autograd.grad(logits[0, 0][marked].mean(), kept[0])
    cam = (gradient.mean((2, 3), keepdim=True) * kept[0]).sum(1, keepdim=True).relu()
    cam = nn.functional.interpolate(cam, (64, 64), mode="bilinear")[0, 0].detach().numpy()
    assert cam.max() > 0
    np.testing.assert_allclose(result.heat.values, cam / cam.max(), atol=1e-4)


def test_grad_cam_of_a_region_is_of_all_its_classes(square, card):
    class Two(Halves):
        def forward(self, x):
            one = super().forward(x)
            return torch.cat([-one, one, one - 10], 1)

    two = card.model_copy(update={"class_names": ("grey", "white"), "threshold": None})
    checkpoint = Checkpoint("two", two, Two().eval(), "5" * 64)
    assert explained(square, checkpoint, "gradcam:grey").heat.values.max() == 1
    nothing = explained(square, checkpoint, "gradcam:white")
    assert not nothing.heat.values.any()
    assert [note for note in nothing.notes if "Nothing is marked as white" in note]
    region = explained(square, checkpoint, "gradcam:grey+white")
    assert (region.heat.name, region.heat.values.max()) == ("Grad-CAM of grey + white", 1)
    assert explained(square, checkpoint, "gradcam").heat.name == "Grad-CAM of grey + white"


def test_grad_cam_of_a_volume_has_every_slice_and_keeps_to_the_crop_box(make_image, halves):
    pixels = np.zeros((3, 64, 64), np.uint8)
    pixels[1, 10:40, 10:40] = 255
    image = make_image(pixels, "ZYX")
    heat = explained(image, halves, "gradcam").heat.values
    assert heat.shape == (3, 64, 64)
    assert heat[1, 20:30, 20:30].min() > 0.9
    assert not heat[[0, 2]].any()
    cropped = explained(image, halves, "gradcam", crop=(1, 0, 0, 2, 25, 64)).heat.values
    assert cropped[1, 15, 20] > 0.9
    assert not cropped[1, 25:].any()


def test_grad_cam_of_a_3d_network(volume_network, volume_card, make_image):
    pixels = np.random.default_rng(0).integers(0, 256, (20, 18, 16)).astype(np.uint8)
    checkpoint = Checkpoint("net", volume_card, volume_network, "6" * 64)
    heat = explained(make_image(pixels, "ZYX"), checkpoint, "gradcam").heat.values
    assert heat.shape == pixels.shape
    assert heat.max() == 1


def test_grad_cam_of_a_finding(card, make_image):
    import segmentation_models_pytorch as smp

    from medseg_demo.models.architectures import build_network

    torch.manual_seed(0)
    parameters = {
        "encoder_name": "tu-test_resnet", "encoder_weights": None, "encoder_depth": 3, "decoder_channels": (16, 8, 8),
        "in_channels": 1, "classes": 1, "aux_params": {"classes": 2},
    }  # fmt: skip
    assert smp.Unet(**parameters).classification_head is not None
    network = build_network("Unet", parameters).eval()
    card = card.model_copy(update={"findings": (Finding(name="fluid"), Finding(name="mass"))})
    image = make_image(np.random.default_rng(0).integers(0, 256, (64, 64)).astype(np.uint8))
    heat = explained(image, Checkpoint("aux", card, network, "7" * 64), "gradcam:mass").heat
    assert heat.name == "Grad-CAM of mass"
    assert heat.values.shape == (64, 64)


def test_flips_show_where_mirrored_inputs_say_something_else(make_image, card):
    checkpoint = Checkpoint("left", card, LeftHalf().eval(), "8" * 64)
    pixels = np.full((64, 64), 255, np.uint8)
    result = explained(make_image(pixels), checkpoint, "flips")
    assert result.label_map.labels[:, :32].all()
    assert not result.label_map.labels[:, 32:].any()
    assert result.heat.values.min() > 0.99  # two of four views say yes, everywhere
    assert explained(make_image(np.zeros((64, 64), np.uint8)), checkpoint, "flips").heat.highest < 0.01


def test_flips_of_a_volume_mirror_left_and_right_alone_however_it_is_stored(make_image, volume_card):
    class Left(LeftHalf):
        pass

    card = volume_card.model_copy(update={"class_names": ("bright",), "threshold": 0.5})
    checkpoint = Checkpoint("left", card, Left().eval(), "9" * 64)
    pixels = np.full((16, 16, 16), 255, np.uint8)
    assert explained(make_image(pixels, "ZYX"), checkpoint, "flips").heat.values.min() > 0.99
    turned = np.eye(4)[[2, 1, 0, 3]]  # x of the array runs along the patient's z
    image = replace(make_image(pixels, "ZYX"), geometry=Geometry((1.0, 1.0, 1.0), turned))
    assert explained(image, checkpoint, "flips").heat.values.min() > 0.99


def test_an_ensembles_map_is_the_share_of_members_that_say_otherwise(square, brightness, halves, card):
    dark = Checkpoint("dark", card, _Never().eval(), "a" * 64)
    names = ("brightness", "halves", "dark")
    own = card.model_copy(update={"ensemble": names})
    ensemble = Checkpoint("all", own, Ensemble((brightness, halves, dark)), "b" * 64)
    heat = explained(square, ensemble, "ensemble").heat.values
    assert heat[40, 65] == pytest.approx(1 / 3, abs=1e-3)
    assert heat[5, 5] == 0
    with pytest.raises(InvalidCheckpointError, match="is an ensemble"):
        explained(square, ensemble, "gradcam")


class _Never(nn.Module):
    def forward(self, x):
        return x.mean(1, keepdim=True) * 0 - 40


def test_variation_is_twice_the_standard_deviation_of_the_class_where_it_is_most():
    views = [np.array([[0.0, 0.2], [0.5, 0.5]]), np.array([[1.0, 0.6], [0.5, 0.5]])]
    np.testing.assert_allclose(variation(views), [1.0, 0.4], atol=1e-6)


@pytest.mark.parametrize("text", ["cam", "flips:lung", "gradcams", "ensemble:a"])
def test_what_is_no_heat_map_is_refused(text):
    with pytest.raises(OptionError, match="Choose gradcam"):
        SegmentOptions(explain=text)


def test_a_class_that_is_not_there_is_named_before_anything_runs(square, halves):
    with pytest.raises(OptionError, match="no class 'lung'"):
        explained(square, halves, "gradcam:lung")
    with pytest.raises(OptionError, match="one network"):
        explained(square, halves, "ensemble")


def test_a_class_whose_name_has_a_plus_is_found(card):
    card = card.model_copy(update={"class_names": ("a+b",)})
    assert Explain.of("gradcam: a+b").targets(card) == ("a+b",)


def test_without_captum_it_is_said_what_to_install(square, halves, monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    monkeypatch.setattr("medseg_demo.segmenting.explain.find_spec", lambda name: None)
    with pytest.raises(OptionError, match="pip install captum"):
        explained(square, halves, "gradcam")


def test_the_deepest_layer_gives_what_the_encoder_ends_with(small_network):
    image, kept = torch.rand(1, 1, 64, 64, generator=torch.Generator().manual_seed(0)), []
    layer = deepest_layer(small_network, image)
    hook = layer.register_forward_hook(lambda _, __, output: kept.append(output))
    with torch.no_grad():
        small_network(image)
        hook.remove()
        torch.testing.assert_close(kept[0], small_network.encoder(image)[-1])
    with pytest.raises(RuntimeError, match="no layer"):
        deepest_layer(nn.Flatten(), torch.zeros(1, 1, 8, 8))


def test_progress_runs_from_0_to_1000_over_all_runs(square, halves):
    told = []
    options = SegmentOptions(explain="flips")
    segment(square, halves, options=options, settings=CPU, progress=lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1] == (1000, 1000)
    assert len(told) >= 4


def test_a_lent_gpu_is_asked_for_longer(card, volume_card):
    assert extra_runs("", card) == 0
    assert (extra_runs("flips", card), extra_runs("flips", volume_card), extra_runs("gradcam", card)) == (3, 1, 3)
