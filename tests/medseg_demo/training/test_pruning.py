import json

import pytest
import torch

from medseg_demo.errors import TrainingError
from medseg_demo.models.architectures import build_network, description_of
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.models.network import parameters_of
from medseg_demo.training import lengthen, train
from medseg_demo.training.config import TrainingConfig
from medseg_demo.training.pruning import chains, prune_network

NETWORK = {"encoder_name": "tu-test_resnet", "encoder_depth": 2, "decoder_channels": [16, 16]}
CARD = ModelCard(task="bright things", class_names=("bright",), in_channels=1, input_size=(32, 32))
BLOCK = "decoder.blocks.0"
CHAIN = (f"{BLOCK}.conv1.0", (f"{BLOCK}.conv1.1",), f"{BLOCK}.conv2.0")


def config_of(**values: object) -> TrainingConfig:
    given = {"network": NETWORK, "in_channels": 1, "input_size": [32, 32], "pretrained": "some", "prune": 0.5}
    return TrainingConfig.model_validate({**given, **values})


def network_of(config: TrainingConfig) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_network(config.architecture, {**config.network, "in_channels": 1, "classes": 1}).eval()


def test_a_chain_is_a_convolution_that_one_other_alone_reads():
    found = {(one.writer, one.norms, one.reader) for one in chains(network_of(config_of()), torch.zeros(1, 1, 32, 32))}
    assert CHAIN in found
    # Through interpolation, too, and where the decoder joins it with what the encoder stored.
    assert (f"{BLOCK}.conv2.0", (f"{BLOCK}.conv2.1",), "decoder.blocks.1.conv1.0") in found
    # What a residual adds to, and what is read by encoder and decoder, is none.
    assert not {"encoder.model.layer1.0.conv2", "encoder.model.conv1.6"} & {writer for writer, *_ in found}


def test_channels_that_say_nothing_go_without_a_trace():
    config = config_of()
    network = network_of(config)
    with torch.no_grad():
        for chain in chains(network, torch.zeros(1, 1, 32, 32)):
            half = network.get_submodule(chain.writer).out_channels // 2
            for name in (chain.writer, *chain.norms):
                module = network.get_submodule(name)
                module.weight[:half] = 0
                if module.bias is not None:
                    module.bias[:half] = 0
    images = torch.rand(2, 1, 32, 32)
    with torch.inference_mode():
        expected = network(images)
    before = parameters_of(network)
    facts = prune_network(network, config, CARD)
    assert facts == {"share": 0.5, "parameters_before": before}
    assert parameters_of(network) < 0.7 * before
    with torch.inference_mode():
        torch.testing.assert_close(network.eval()(images), expected)


def test_a_pruned_network_is_built_again_from_what_it_says():
    config = config_of()
    network = network_of(config)
    prune_network(network, config, CARD)
    described = dict(description_of(network))
    assert described["widths"][f"{BLOCK}.conv2.0"] == [8, 8]
    again = build_network(described.pop("_model_class"), described).eval()
    again.load_state_dict(network.state_dict())
    images = torch.rand(1, 1, 32, 32)
    with torch.inference_mode():
        torch.testing.assert_close(again(images), network.eval()(images))


def test_what_batch_normalisation_takes_back_is_weak():
    config = config_of()
    network = network_of(config)
    convolution, norm = network.get_submodule(CHAIN[0]), network.get_submodule(CHAIN[1][0])
    with torch.no_grad():
        convolution.weight[:] = 1
        convolution.weight[:8] = 2
        norm.weight[:8] = 0.1
        norm.bias[:] = torch.arange(16.0)
    prune_network(network, config, CARD)
    assert norm.bias.tolist() == list(range(8, 16))


def test_a_network_of_residuals_alone_is_refused():
    config = config_of(
        architecture="MonaiUNet", network={"spatial_dims": 2, "channels": [8, 16], "strides": [2], "num_res_units": 1}
    )
    with pytest.raises(TrainingError, match="leaves MonaiUNet as it is"):
        prune_network(network_of(config), config, CARD)


@pytest.mark.parametrize("pretrained", [None, "hub"])
def test_pruning_needs_a_network_that_has_learned(pretrained):
    with pytest.raises(ValueError, match="prune takes out of what a whole network learned"):
        config_of(pretrained=pretrained)


@pytest.mark.parametrize(
    "widths",
    [
        ["decoder"], {"decoder.blocks.7": [4]}, {"decoder.blocks.0": [4]}, {f"{BLOCK}.conv1.0": [17, 32]},
        {f"{BLOCK}.conv1.0": [4]}, {f"{BLOCK}.conv1.0": "64"}, {f"{BLOCK}.conv1.0": [0, 32]},
        {"encoder": []}, {f"{BLOCK}.conv1.0": []}, {"encoder.model.blocks.5": []}, {f"{BLOCK}.conv1.1": []},
    ],
)  # fmt: skip
def test_widths_that_are_none_of_the_network_are_told(widths):
    with pytest.raises(ValueError, match="Unet cannot be built from its parameters"):
        build_network("Unet", {**NETWORK, "in_channels": 1, "classes": 1, "widths": widths})


def test_a_pruned_checkpoint_is_trained_saved_loaded_and_trained_further(discs, write_yaml, tmp_path):
    network = {**NETWORK, "encoder_depth": 2}
    original = train(discs, write_yaml(network=network, epochs=1), tmp_path / "original")
    config = write_yaml(network=network, epochs=1, pretrained=str(original), prune=0.5)
    pruned = train(discs, config, tmp_path / "pruned")
    first, second = load_folder(original), load_folder(pruned)
    assert second.card.training["pruned"] == {"share": 0.5, "parameters_before": first.parameters}
    assert second.parameters == second.card.training["parameters"] < 0.7 * first.parameters
    widths = json.loads((pruned / "config.json").read_text())["widths"]
    lengthen(discs, str(pruned), 1)
    assert json.loads((pruned / "config.json").read_text())["widths"] == widths
    assert load_folder(pruned).parameters == second.parameters
