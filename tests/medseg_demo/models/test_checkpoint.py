import copy
import json
import pickle

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from safetensors.torch import load_file, save_file

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import ARCHITECTURES, MONAI_NETWORKS, SMP_NETWORKS, build_network
from medseg_demo.models.backends import prepare
from medseg_demo.models.card import write_card
from medseg_demo.models.checkpoint import digest, load_folder, save_checkpoint
from medseg_demo.models.compute import Compute
from medseg_demo.models.origins import smp as module


class Payload:
    """A pickle that would leave a file behind if it were ever executed."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return (open, (str(self.target), "w"))


def test_saved_weights_come_back_within_half_precision(checkpoints, small_network):
    loaded = load_folder(checkpoints / "small").network.state_dict()
    for name, tensor in small_network.state_dict().items():
        assert loaded[name].dtype == tensor.dtype
        torch.testing.assert_close(loaded[name], tensor, rtol=1e-3, atol=1e-4)


def test_a_loaded_network_is_in_evaluation_mode(checkpoints):
    checkpoint = load_folder(checkpoints / "small")
    assert not checkpoint.network.training
    assert checkpoint.name == "small"
    assert checkpoint.parameters == 81337


def test_smp_loads_what_we_save(checkpoints):
    network = smp.from_pretrained(str(checkpoints / "small"), encoder_weights=None).eval()
    image = torch.rand(1, 1, 64, 64)
    with torch.inference_mode():
        torch.testing.assert_close(network(image), load_folder(checkpoints / "small").network(image))


def test_matrices_are_stored_in_half_precision(checkpoints):
    stored = load_file(checkpoints / "small" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values() if tensor.ndim > 1} == {torch.float16}


def test_the_digest_changes_with_the_card(checkpoints):
    before = digest(checkpoints / "small")
    assert before == digest(checkpoints / "other")
    card = checkpoints / "small" / "medseg.json"
    card.write_text(card.read_text().replace("0.5", "0.4"))
    assert digest(checkpoints / "small") != before


def test_a_plain_smp_folder_loads_with_stated_defaults(tmp_path, small_network):
    small_network.save_pretrained(tmp_path / "plain")
    checkpoint = load_folder(tmp_path / "plain")
    assert not checkpoint.has_card
    assert checkpoint.card.class_names == ("class_1",)
    assert checkpoint.card.threshold == 0.5
    assert checkpoint.card.in_channels == 1


def test_a_plain_folder_of_several_classes_has_one_background(tmp_path):
    network = smp.Unet("tu-test_resnet", encoder_weights=None, encoder_depth=3, decoder_channels=(8, 8, 8), classes=3)
    network.save_pretrained(tmp_path / "plain")
    assert load_folder(tmp_path / "plain").card.class_names == ("class_1", "class_2")


def test_weights_of_another_network_are_refused_by_name(checkpoints):
    path = checkpoints / "small" / "model.safetensors"
    weights = load_file(path)
    weights.pop("segmentation_head.0.bias")
    weights["stranger"] = torch.zeros(2)
    save_file(weights, path)
    with pytest.raises(InvalidCheckpointError, match=r"bias is missing.*stranger is not in the network"):
        load_folder(checkpoints / "small")


def test_a_configuration_that_does_not_fit_the_weights_is_refused(checkpoints):
    path = checkpoints / "small" / "config.json"
    config = json.loads(path.read_text()) | {"decoder_channels": [32, 8, 8]}
    path.write_text(json.dumps(config))
    with pytest.raises(InvalidCheckpointError, match=r"has shape .* the network"):
        load_folder(checkpoints / "small")


def test_a_card_that_contradicts_the_configuration_is_refused(checkpoints):
    path = checkpoints / "small" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"in_channels": 3}))
    with pytest.raises(InvalidCheckpointError, match="in_channels=3"):
        load_folder(checkpoints / "small")


def test_weights_that_are_not_finite_are_refused(checkpoints):
    path = checkpoints / "small" / "model.safetensors"
    weights = load_file(path)
    weights["segmentation_head.0.bias"] = torch.tensor([np.nan])
    save_file(weights, path)
    with pytest.raises(InvalidCheckpointError, match="NaN"):
        load_folder(checkpoints / "small")


@pytest.mark.parametrize("content", [b"", b"\xff" * 40, b"\x08\x00\x00\x00\x00\x00\x00\x00{}"])
def test_damaged_weights_are_refused(checkpoints, content):
    (checkpoints / "small" / "model.safetensors").write_bytes(content)
    with pytest.raises(InvalidCheckpointError, match=r"small"):
        load_folder(checkpoints / "small")


def test_truncated_weights_are_refused(checkpoints):
    path = checkpoints / "small" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(InvalidCheckpointError, match="damaged"):
        load_folder(checkpoints / "small")


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pth_is_never_executed(checkpoints, tmp_path, zipped):
    target = tmp_path / "executed"
    folder = checkpoints / "small"
    (folder / "model.safetensors").unlink()
    if zipped:
        torch.save({"weights": Payload(target)}, folder / "model.pth")
    else:
        (folder / "model.pth").write_bytes(pickle.dumps(Payload(target)))
    with pytest.raises(InvalidCheckpointError, match=r"model\.pth"):
        load_folder(folder)
    assert not target.exists()


def test_a_pth_of_tensors_loads(checkpoints, small_network):
    folder = checkpoints / "small"
    (folder / "model.safetensors").unlink()
    torch.save({"state_dict": small_network.state_dict()}, folder / "model.pth")
    assert load_folder(folder).parameters == 81337


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "cannot be read"), ("[]", "_model_class"), ('{"_model_class": "Nonet"}', "Nonet")],
)
def test_a_faulty_configuration_is_refused(checkpoints, text, message):
    (checkpoints / "small" / "config.json").write_text(text)
    with pytest.raises(InvalidCheckpointError, match=message):
        load_folder(checkpoints / "small")


def test_missing_files_are_named(checkpoints):
    (checkpoints / "small" / "model.safetensors").unlink()
    with pytest.raises(InvalidCheckpointError, match="has no weights"):
        load_folder(checkpoints / "small")
    for name in ("config.json", "model.safetensors"):
        (checkpoints / "other" / name).unlink()
    with pytest.raises(InvalidCheckpointError, match=r"config\.json"):
        load_folder(checkpoints / "other")


def test_vectors_keep_single_precision(tmp_path, small_network, card):
    for tensor in small_network.buffers():
        if tensor.is_floating_point():
            tensor[0] = 1e6  # more than half precision holds
            break
    save_checkpoint(tmp_path / "c", small_network, card)
    values = torch.cat([b.flatten() for b in load_folder(tmp_path / "c").network.buffers() if b.is_floating_point()])
    tensor[0] = 1.0
    assert values.max() == 1e6


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES.keys() - MONAI_NETWORKS.keys()))
def test_every_architecture_of_smp_can_be_described(architecture):
    encoder = "tu-test_vit" if architecture == "DPT" else "resnet18"
    network = build_network(architecture, {"encoder_name": encoder, "encoder_weights": "imagenet", "classes": 2})
    assert sum(parameter.numel() for parameter in network.parameters()) > 1000


def test_a_wrong_parameter_is_told():
    with pytest.raises(ValueError, match="encoder"):
        build_network("Unet", {"encoder_name": "no-such-encoder"})


def test_a_3d_network_is_saved_in_half_precision_and_loads_again(tmp_path, volume_network, volume_card):
    save_checkpoint(tmp_path / "c", volume_network, volume_card)
    config = json.loads((tmp_path / "c" / "config.json").read_text())
    assert (config["_model_class"], config["in_channels"], config["classes"]) == ("MonaiUNet", 1, 3)
    stored = load_file(tmp_path / "c" / "model.safetensors")
    assert {tensor.dtype for tensor in stored.values() if tensor.ndim > 1} == {torch.float16}
    checkpoint = load_folder(tmp_path / "c")
    assert (checkpoint.card, checkpoint.card.is_3d) == (volume_card, True)
    volume = torch.rand(1, 1, 16, 16, 16)
    with torch.inference_mode():
        torch.testing.assert_close(checkpoint.network(volume), volume_network(volume), atol=1e-2, rtol=1e-2)


def test_a_copy_of_a_3d_network_can_be_saved(tmp_path, volume_network, volume_card):
    save_checkpoint(tmp_path / "c", copy.deepcopy(volume_network), volume_card)
    assert load_folder(tmp_path / "c").parameters == sum(p.numel() for p in volume_network.parameters())


def test_weights_of_a_3d_network_load_strictly(tmp_path, volume_network, volume_card):
    save_checkpoint(tmp_path / "c", volume_network, volume_card)
    weights = load_file(tmp_path / "c" / "model.safetensors")
    name = weights.popitem()[0]
    save_file(weights, tmp_path / "c" / "model.safetensors")
    with pytest.raises(InvalidCheckpointError, match=f"{name} is missing"):
        load_folder(tmp_path / "c")


def test_a_card_of_other_dimensions_is_refused(tmp_path, checkpoints, volume_network, volume_card, card):
    save_checkpoint(tmp_path / "c", volume_network, volume_card)
    write_card(volume_card.model_copy(update={"input_size": (16, 16)}), tmp_path / "c")
    with pytest.raises(InvalidCheckpointError, match=r"MonaiUNet is a 3-D network.*Give depth, height and width"):
        load_folder(tmp_path / "c")
    write_card(card.model_copy(update={"input_size": (16, 64, 64)}), checkpoints / "small")
    with pytest.raises(InvalidCheckpointError, match=r"Unet is a 2-D network.*Give height and width"):
        load_folder(checkpoints / "small")


def test_a_3d_network_needs_a_card(tmp_path, volume_network, volume_card):
    save_checkpoint(tmp_path / "c", volume_network, volume_card)
    (tmp_path / "c" / "medseg.json").unlink()
    with pytest.raises(InvalidCheckpointError, match=r"takes volumes.*Add a medseg\.json"):
        load_folder(tmp_path / "c")


def test_tensors_with_two_names_are_stored_once(tmp_path, volume_card):
    parameters = {
        "kernel_size": [3, 3, 3], "strides": [1, 2, 2], "upsample_kernel_size": [2, 2], "filters": [4, 8, 8],
        "in_channels": 1, "classes": 3,
    }  # fmt: skip
    network = build_network("MonaiDynUNet", parameters).eval()
    save_checkpoint(tmp_path / "c", network, volume_card, half=False)
    path = tmp_path / "c" / "model.safetensors"
    stored = load_file(path)
    assert sum(tensor.numel() for tensor in stored.values()) == sum(p.numel() for p in network.parameters())
    volume = torch.rand(1, 1, 16, 16, 16)
    for weights in (stored, {name: tensor.clone() for name, tensor in network.state_dict().items()}):
        save_file(weights, path)
        with torch.inference_mode():
            torch.testing.assert_close(load_folder(tmp_path / "c").network(volume), network(volume))
    save_file(dict(list(stored.items())[1:]), path)
    with pytest.raises(InvalidCheckpointError, match="is missing"):
        load_folder(tmp_path / "c")


def test_a_network_that_openvino_has_is_not_built(checkpoints, tmp_path, monkeypatch):
    compute = Compute(torch.device("cpu"), torch.float32, "openvino", cache_dir=tmp_path / "cache")
    image = torch.rand(1, 1, 64, 64)

    def logits():
        checkpoint = load_folder(checkpoints / "small", cache_dir=tmp_path / "cache")
        return checkpoint, next(prepare(checkpoint, compute).logits([image]))

    first, expected = logits()
    monkeypatch.setattr(module, "build_network", lambda *_: pytest.fail("it was built"))
    second, found = logits()
    assert (second.digest, prepare(second, compute).parameters) == (first.digest, first.parameters)
    torch.testing.assert_close(found, expected)
    monkeypatch.undo()
    (checkpoints / "small" / "model.safetensors").write_bytes(b"")  # what was read before counts
    torch.testing.assert_close(second.module(image), first.module(image))


def test_weights_that_do_not_fit_are_refused_before_the_network_is_asked_for(checkpoints, tmp_path):
    path = checkpoints / "small" / "config.json"
    path.write_text(path.read_text().replace('"classes": 1', '"classes": 2'))
    card = checkpoints / "small" / "medseg.json"
    card.unlink()
    with pytest.raises(InvalidCheckpointError, match="do not fit"):
        load_folder(checkpoints / "small", cache_dir=tmp_path / "cache")


def test_every_network_of_smp_is_known():
    assert set(SMP_NETWORKS) == {network.__name__ for network in smp.MODEL_ARCHITECTURES_MAPPING.values()}


@pytest.mark.parametrize(
    "tensor",
    [torch.zeros(1).expand(2**40), torch.sparse_coo_tensor(torch.zeros(1, 1, dtype=torch.int64), [1.0], (2**40,))],
    ids=["expanded", "sparse"],
)
@pytest.mark.parametrize("legacy", [False, True])
def test_weights_that_stand_for_terabytes_are_refused(checkpoints, tensor, legacy):
    folder = checkpoints / "small"
    (folder / "model.safetensors").unlink()
    torch.save({"a": tensor}, folder / "model.pth", _use_new_zipfile_serialization=not legacy)
    with pytest.raises(InvalidCheckpointError, match=r"model\.pth is no state dict"):
        load_folder(folder)
