"""Findings of the image as a whole, from the network's auxiliary output to the result."""

import json

import numpy as np
import pytest
import torch

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import build_network
from medseg_demo.models.backends import prepare
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import load_folder, save_checkpoint
from medseg_demo.models.compute import Compute
from medseg_demo.models.finding import Finding
from medseg_demo.models.network import with_findings
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import segment, segment_batch
from medseg_demo.settings import Settings
from medseg_demo.writing.measurements import summary

PARAMETERS = {
    "encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": [16, 8, 8], "in_channels": 1,
    "classes": 1, "aux_params": {"classes": 2, "pooling": "avg", "dropout": 0.2},
}  # fmt: skip
FINDINGS = (Finding(name="effusion", threshold=0.3), Finding(name="fracture", threshold=0.6))
TORCH = Settings(device="cpu", backend="torch", precision="float32")
OPENVINO = Settings(device="cpu", backend="openvino", precision="float32")


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(3)
    built = build_network("Unet", PARAMETERS).eval()
    with torch.no_grad():
        built.classification_head[3].weight.mul_(20)
    return built


@pytest.fixture(scope="module")
def folder(network, tmp_path_factory):
    place = tmp_path_factory.mktemp("checkpoints") / "seen"
    save_checkpoint(place, network, ModelCard(class_names=("a",), in_channels=1, input_size=(64, 64),
                                              findings=FINDINGS), half=False)  # fmt: skip
    return place


@pytest.fixture(scope="module")
def checkpoint(folder):
    return load_folder(folder)


def noise(make_image, *shape: int, seed: int = 0):
    pixels = np.random.default_rng(seed).integers(0, 255, shape).astype(np.uint8)
    return make_image(pixels, "ZYX" if len(shape) == 3 else "YX")


def with_tiles(checkpoint, size: int):
    from dataclasses import replace

    card = checkpoint.card.model_copy(update={"inference": "tile", "input_size": (size, size)})
    return replace(checkpoint, card=card)


def asked(network, images: torch.Tensor) -> torch.Tensor:
    """Straight from smp's own forward, past the hook that drops it."""
    with torch.inference_mode():
        return network.forward(images)[1].sigmoid()


def test_the_result_has_the_probability_of_each_finding(checkpoint, network, make_image):
    result = segment(noise(make_image, 64, 64), checkpoint, settings=TORCH)
    pixels = result.image.pixels / 255
    expected = asked(network, torch.from_numpy(pixels).float()[None, None])[0]
    assert list(result.findings) == ["effusion", "fracture"]
    np.testing.assert_allclose(list(result.findings.values()), expected, atol=1e-4)


def test_openvino_gives_the_same_findings_and_label_map_as_torch(checkpoint, make_image):
    image = noise(make_image, 3, 90, 70)
    torch_result, result = (segment(image, checkpoint, settings=one) for one in (TORCH, OPENVINO))
    assert (result.compute, torch_result.compute) != (torch_result.compute, result.compute)
    for name, probability in torch_result.findings.items():
        assert result.findings[name] == pytest.approx(probability, abs=1e-4)
    np.testing.assert_array_equal(result.label_map.labels, torch_result.label_map.labels)


def test_the_label_map_is_that_of_the_same_network_without_findings(checkpoint, make_image):
    from dataclasses import replace

    plain = replace(checkpoint, card=checkpoint.card.model_copy(update={"findings": ()}))
    image = noise(make_image, 64, 64)
    found, without = (segment(image, one, settings=OPENVINO) for one in (checkpoint, plain))
    np.testing.assert_array_equal(found.probabilities, without.probabilities)
    assert without.findings == {}


def test_a_volume_has_the_greatest_probability_of_its_slices(checkpoint, make_image):
    volume = noise(make_image, 5, 64, 64)
    each = [segment(make_image(plane), checkpoint, settings=TORCH).findings for plane in volume.pixels]
    whole = segment(volume, checkpoint, settings=TORCH).findings
    assert whole["effusion"] == pytest.approx(max(one["effusion"] for one in each), abs=1e-3)


def test_tiles_of_one_plane_are_averaged(checkpoint, network, make_image):
    image = noise(make_image, 32, 56)
    result = segment(image, with_tiles(checkpoint, 32), settings=TORCH)
    plane = torch.from_numpy(image.pixels / 255).float()[None, None]
    expected = asked(network, torch.cat([plane[..., :32], plane[..., 24:]])).mean(0)
    np.testing.assert_allclose(list(result.findings.values()), expected, atol=1e-4)


def test_flips_are_averaged(checkpoint, network, make_image):
    image = noise(make_image, 64, 64)
    result = segment(image, checkpoint, settings=TORCH, options=SegmentOptions(flips=True))
    plane = torch.from_numpy(image.pixels / 255).float()[None, None]
    views = torch.cat([plane, plane.flip(-1), plane.flip(-2), plane.flip((-2, -1))])
    np.testing.assert_allclose(list(result.findings.values()), asked(network, views).mean(0), atol=1e-4)


def test_images_that_go_through_the_network_together_keep_their_own_findings(checkpoint, make_image):
    images = [noise(make_image, 64, 64, seed=seed) for seed in range(3)]
    together = segment_batch(images, checkpoint, settings=OPENVINO)
    for image, result in zip(images, together, strict=True):
        assert result.findings == pytest.approx(segment(image, checkpoint, settings=OPENVINO).findings, abs=1e-5)


def test_sides_that_the_network_cannot_halve_are_padded(network):
    masks, findings = with_findings(network)(torch.rand(1, 1, 61, 67))
    assert masks.shape == (1, 1, 61, 67)
    assert findings.shape == (1, 2)


def test_measurements_say_what_is_present(checkpoint, make_image):
    result = segment(noise(make_image, 64, 64), checkpoint, settings=TORCH)
    found = summary(result)["findings"]
    for record, finding in zip(found, FINDINGS, strict=True):
        assert record["name"] == finding.name
        assert record["present"] == (result.findings[finding.name] >= finding.threshold)


def test_the_finding_of_a_private_checkpoint_needs_no_cache(checkpoint):
    compute = Compute(torch.device("cpu"), torch.float32, backend="openvino")
    found: list[torch.Tensor] = []
    list(prepare(checkpoint, compute).logits([torch.rand(2, 1, 64, 64)], findings=found))
    assert found[0].shape == (2, 2)


def test_a_card_with_other_findings_than_the_network_has_is_refused(folder, tmp_path):
    import shutil

    place = shutil.copytree(folder, tmp_path / "one")
    card = json.loads((place / "medseg.json").read_text())
    card["findings"] = card["findings"][:1]
    (place / "medseg.json").write_text(json.dumps(card))
    with pytest.raises(InvalidCheckpointError, match="1 finding"):
        load_folder(place)
