"""Folders of segmentation-models-pytorch: ``config.json`` beside weights; MONAI's networks saved the same way, too."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import torch
from torch import nn

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import ARCHITECTURES, auxiliary_outputs, build_network, spatial_dims
from medseg_demo.models.card import CARD_FILE, MOST_CHANNELS, ModelCard, read_card
from medseg_demo.models.network import SavedNetwork
from medseg_demo.models.origins.origin import (
    Described,
    Loaded,
    Origin,
    default_card,
    digest_of,
    existing,
    is_converted,
)
from medseg_demo.models.origins.weights import (
    CONFIG_FILE,
    SUFFIXES,
    WEIGHTS_FILE,
    load_strictly,
    read_weights,
)
from medseg_demo.models.soundness import bounded_by, check_weights, is_known_encoder, parameter_fault

SAFE_SUFFIX = ".safetensors"
TORCH_WEIGHTS = ("model.pth", "model.pt", "pytorch_model.bin")  # before others of any name


def read_config(folder: Path, *, name: str = "") -> tuple[str, dict[str, object]]:
    """The architecture's name and its keyword arguments, from ``config.json``.

    Raises:
        InvalidCheckpointError: The file is missing, no JSON object, or names no known ``_model_class``.
    """
    path, name = folder / CONFIG_FILE, name or folder.name
    try:
        config = read_document(path)
    except FileNotFoundError:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r} has no {CONFIG_FILE}. Save the model with smp's save_pretrained()."
        ) from None
    except (ValueError, OSError) as error:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {CONFIG_FILE} cannot be read ({error}). Save the model again."
        ) from None
    if not isinstance(config, dict) or not isinstance(config.get("_model_class"), str):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {CONFIG_FILE} names no _model_class. Save the model with smp's "
            "save_pretrained(), which writes it."
        )
    architecture = config.pop("_model_class")
    if architecture not in ARCHITECTURES:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: architecture {architecture[:80]!r} is unknown. "
            f"Valid ones are {', '.join(sorted(ARCHITECTURES))}."
        )
    parameters = {key: value for key, value in config.items() if not key.startswith("_")}
    if fault := parameter_fault(parameters):
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {fault}. Correct {CONFIG_FILE}.")
    return architecture, parameters


def check_encoder(parameters: Mapping[str, object], name: str) -> None:
    """Refuse an encoder that nobody has.

    Raises:
        InvalidCheckpointError: It is such a one.
    """
    if "encoder_name" in parameters and not is_known_encoder(parameters["encoder_name"]):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: neither segmentation-models-pytorch nor, as tu-…, timm has the encoder "
            f"{parameters['encoder_name']!r}. Correct encoder_name in {CONFIG_FILE}."
        )


def describe(
    folder: Path, architecture: str, parameters: Mapping[str, object], *, name: str = ""
) -> tuple[ModelCard, bool]:
    """The folder's card, or one of defaults, and whether the folder had it.

    The defaults: the whole image resized to 512 × 512, intensities mapped to [0, 1] and normalised with
    ImageNet's mean and deviation where the network takes colour, threshold 0.5, classes named class_1, ….

    Raises:
        InvalidCheckpointError: The card is faulty, or contradicts ``config.json``; or it is missing and the
            network takes volumes, for which there are no defaults.
    """
    name = name or folder.name
    card = read_card(folder, name=name)
    channels, classes = parameters.get("in_channels", 3), parameters.get("classes", 1)
    dims = spatial_dims(architecture, parameters)
    if card is None and dims == 3:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {architecture} takes volumes, for which nothing can be assumed. "
            "Add a medseg.json with class_names, in_channels and input_size; docs/checkpoints.md lists its keys."
        )
    if card is None:
        return _default_card(name, channels, classes, parameters.get("activation")), False
    card = card.settled(classes if isinstance(classes, int) else 0)
    if card.input_channels != channels or card.output_channels != classes:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the card asks for {card.input_channels} input channel(s) and "
            f"{card.output_channels} output channel(s), but {CONFIG_FILE} has in_channels={channels} and "
            f"classes={classes}. Correct the one that is wrong."
        )
    if card.findings and len(card.findings) != (outputs := auxiliary_outputs(parameters)):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the card names {len(card.findings)} finding(s), but aux_params in {CONFIG_FILE} has "
            f"{outputs} output(s). Correct the one that is wrong."
        )
    if len(card.input_size) != dims:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {architecture} is a {dims}-D network, but the card's input_size has "
            f"{len(card.input_size)} values. Give {'height and width' if dims == 2 else 'depth, height and width'}."
        )
    return card, True


def find_weights(folder: Path, *, name: str = "") -> Path:
    """The file of weights in a checkpoint folder; safetensors is preferred.

    Raises:
        InvalidCheckpointError: There is none.
    """
    if found := _weights(folder):
        return found[0]
    raise InvalidCheckpointError(
        f"Checkpoint {name or folder.name!r} has no weights. Put {WEIGHTS_FILE} beside {CONFIG_FILE}."
    )


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    architecture, parameters = read_config(folder, name=name)
    card, has_card = describe(folder, architecture, parameters, name=name)
    weights = find_weights(folder, name=name)
    is_safe = weights.suffix == SAFE_SUFFIX
    if is_safe:
        check_weights(weights, name)
    if cache_dir is None or not is_converted(digest_of(_files(folder)), card, cache_dir):
        check_encoder(parameters, name)
    encoder = parameters.get("encoder_name")
    shown = f"{architecture} · {encoder}" if encoder else architecture
    return Described(card, shown, has_card, "" if is_safe else f"{weights.name} is checked only when it is loaded.")


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    described = _describe(folder, name, cache_dir)
    architecture, parameters = read_config(folder, name=name)
    path = find_weights(folder, name=name)
    if cache_dir is None or path.suffix != SAFE_SUFFIX:
        return Loaded(described, build(architecture, parameters, read_weights(path, name), name))
    digest = digest_of(_files(folder))
    content = path.read_bytes()  # so that nobody can change it until it is needed
    weights = partial(read_weights, path, name, content)
    saved = SavedNetwork(lambda: build(architecture, parameters, weights(), name), len(content))
    if not is_converted(digest, described.card, cache_dir):
        _ = saved.module  # what is wrong with it shows now
    return Loaded(described, saved)


def _recognises(folder: Path) -> bool:
    return (folder / CONFIG_FILE).is_file()


def _files(folder: Path) -> tuple[Path, ...]:
    return (*existing(folder, CONFIG_FILE, CARD_FILE), *_weights(folder)[:1])


def _weights(folder: Path) -> tuple[Path, ...]:
    """The files of weights, the preferred one first."""
    others = sorted(path for path in folder.iterdir() if path.suffix.lower() in SUFFIXES and path.is_file())
    return (*existing(folder, WEIGHTS_FILE, *TORCH_WEIGHTS), *others)


def build(
    architecture: str, parameters: Mapping[str, object], weights: dict[str, torch.Tensor], name: str
) -> nn.Module:
    """A network of PyTorch, filled with its weights, in evaluation mode.

    Raises:
        InvalidCheckpointError: It cannot be built, or they do not fit it.
    """
    check_encoder(parameters, name)
    try:
        with bounded_by(sum(one.numel() for one in weights.values())):
            network = build_network(architecture, parameters)
    except ValueError as error:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {error}. Correct {CONFIG_FILE}.") from error
    load_strictly(network, weights, name)
    return network.eval()


def _default_card(name: str, channels: object, classes: object, activation: object) -> ModelCard:
    if not (isinstance(channels, int) and isinstance(classes, int) and 1 <= channels <= MOST_CHANNELS and classes >= 1):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {CONFIG_FILE} has in_channels={channels!r} and classes={classes!r}, but 1 to "
            f"{MOST_CHANNELS} input channels and at least 1 class can be shown here."
        )
    return default_card(channels, classes, head="sigmoid" if activation == "sigmoid" else "")


SMP = Origin("smp", "segmentation-models-pytorch", _recognises, _files, _describe, _load)
