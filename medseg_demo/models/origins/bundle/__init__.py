"""Bundles of MONAI: ``configs/inference.json`` (or YAML) and ``configs/metadata.json`` beside ``models/model.pt``.

Of the configuration the parts that decide a result are read, as data: ``network_def``, ``preprocessing``, ``inferer``,
``postprocessing`` and what they refer to. They become the card's recipe, which MONAI's own classes carry out
(``segmenting.bundle``).
"""

from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import nn

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, MOST_CHANNELS, ModelCard, read_card
from medseg_demo.models.network import SavedNetwork
from medseg_demo.models.origins.bundle.classes import IMAGE, NETWORKS, PREDICTION, build, check_steps
from medseg_demo.models.origins.bundle.config import Configuration, ConfigurationError, Place
from medseg_demo.models.origins.bundle.steps import read_network, read_steps, sides_of
from medseg_demo.models.origins.origin import Described, Loaded, Origin, digest_of, existing, is_converted
from medseg_demo.models.origins.weights import load_strictly, read_weights
from medseg_demo.models.recipes import BundleSteps, Call
from medseg_demo.models.soundness import bounded_by, check_weights

__all__ = ["BUNDLE", "read_bundle"]

CONFIGS = ("configs/inference.json", "configs/inference.yaml", "configs/inference.yml")
METADATA = "configs/metadata.json"
WEIGHTS = ("models/model.safetensors", "models/model.pt", "models/model.pth")
PROGRAM = "models/model.ts"
SUFFIXES = (".json", ".yaml", ".yml")
UNKNOWN_SIDE = 128  # that a card names where a network takes images of any size


@dataclass(frozen=True)
class _Parts:
    """What was read of a bundle.

    Attributes:
        network: Its class and arguments.
        card: Made of the rest.
    """

    network: Call
    card: ModelCard


def read_bundle(folder: Path, name: str) -> _Parts:
    """The network and the card of a bundle's folder.

    Raises:
        InvalidCheckpointError: A part that counts is missing, is no data, or names a class that is not taken; the
            message says which and where.
    """
    try:
        configuration = Configuration(next(folder / one for one in CONFIGS if (folder / one).is_file()))
        network = read_network(configuration)
        return _parts(configuration, network, _metadata(folder))
    except ConfigurationError as error:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {error}. docs/bundles.md says what is read of a MONAI bundle."
        ) from None
    except ValueError as error:  # the card's
        raise InvalidCheckpointError(f"Checkpoint {name!r}: the bundle makes no card ({_faults(error)}).") from None


def _parts(configuration: Configuration, network: Call, metadata: dict[str, Any]) -> _Parts:
    defaults = NETWORKS[network.target]
    given = network.arguments
    place = ("network_def",)
    dimensions = _whole(configuration, given.get("spatial_dims", defaults.dimensions), place, "spatial_dims", 3)
    inputs = _whole(configuration, given.get("in_channels", defaults.inputs), place, "in_channels", MOST_CHANNELS)
    outputs = _whole(configuration, given.get("out_channels", defaults.outputs), place, "out_channels", MOST_CHANNELS)
    steps, size = read_steps(configuration, dimensions)
    has_background = _has_background(steps, outputs)
    names = _channel_names(metadata, "outputs", outputs)
    if steps.channels and sorted(steps.channels) != list(range(outputs)):
        raise configuration.fault(("postprocessing",), f"its lambda does not name each of the {outputs} channels once")
    names = [names[channel] for channel in steps.channels] or names[has_background:]
    classes = [one or f"class_{value}" for value, one in enumerate(names, start=1)]
    channels = _channel_names(metadata, "inputs", inputs)
    channels = list(steps.inputs) if len(steps.inputs) > 1 else channels
    modality = _inputs_of(metadata, "inputs").get("modality")
    card = ModelCard(
        task=str(metadata.get("task") or metadata.get("name") or "unknown")[:200],
        class_names=_distinct(classes),
        modality=str(modality or "unknown")[:100],
        in_channels=inputs,
        channel_names=_distinct(channels)
        if inputs > 1 and all(channels)
        else steps.inputs[: inputs if len(steps.inputs) > 1 else 0],
        input_size=size or _size_told(metadata, dimensions),
        inference="tile",
        spacing_mm=_spacing(steps, dimensions),
        head="softmax" if has_background else "sigmoid",
        threshold=None if has_background else _threshold(steps),
        recipe=steps,
    )
    return _Parts(network, card)


def _size_told(metadata: dict[str, Any], dimensions: int) -> tuple[int, ...]:
    told = sides_of(_inputs_of(metadata, "inputs").get("spatial_shape"), dimensions)
    return told or (UNKNOWN_SIDE,) * dimensions


def _spacing(steps: BundleSteps, dimensions: int) -> tuple[float, ...] | None:
    """What images are brought to, (z, y, x), for what a person is told."""
    pixdim = next((call.arguments.get("pixdim") for call in steps.preprocessing if call.target == "Spacingd"), None)
    values = pixdim if isinstance(pixdim, list) else [pixdim]
    plain = [float(one) for one in values if isinstance(one, int | float) and one > 0]
    return tuple(reversed(plain)) if len(plain) == dimensions else None


def _has_background(steps: BundleSteps, outputs: int) -> bool:
    """Whether the most probable channel wins: by the transforms, and where they do not say, by there being several."""
    for call in steps.postprocessing:
        if call.target == "AsDiscreted" and _is_on(call.arguments.get("argmax")):
            return True
        if call.target == "AsDiscreted" and call.arguments.get("threshold") is not None:
            return False
        if call.target == "Activationsd" and _is_on(call.arguments.get("sigmoid")):
            return False
    return outputs > 1


def _threshold(steps: BundleSteps) -> float | None:
    for call in steps.postprocessing:
        value = call.arguments.get("threshold")
        value = value[0] if isinstance(value, list) and value else value
        if call.target == "AsDiscreted" and isinstance(value, float) and 0 < value < 1:
            return value
    return None


def _is_on(value: object) -> bool:
    return any(map(_is_on, value)) if isinstance(value, list) else bool(value)


def _metadata(folder: Path) -> dict[str, Any]:
    if not (folder / METADATA).is_file():
        return {}
    try:
        metadata = read_document(folder / METADATA)
    except (ValueError, OSError) as error:
        raise ConfigurationError(f"metadata.json cannot be read ({error})") from None
    return metadata if isinstance(metadata, dict) else {}


def _inputs_of(metadata: dict[str, Any], side: str) -> dict[str, Any]:
    """The description of the image that goes in, or of the prediction that comes out."""
    sides = metadata.get("network_data_format")
    parts = sides.get(side) if isinstance(sides, dict) else None
    if not isinstance(parts, dict):
        return {}
    part = parts.get(IMAGE if side == "inputs" else PREDICTION) or next(iter(parts.values()), None)
    return part if isinstance(part, dict) else {}


def _channel_names(metadata: dict[str, Any], side: str, count: int) -> list[str]:
    """What each channel is called; empty texts where the metadata do not say."""
    told = _inputs_of(metadata, side).get("channel_def")
    told = told if isinstance(told, dict) else {}
    return [" ".join(str(told.get(str(index), "")).split())[:80] for index in range(count)]


def _distinct(names: list[str]) -> tuple[str, ...]:
    """The names, numbered where they repeat."""
    return tuple(one if names.count(one) == 1 else f"{one} {index + 1}" for index, one in enumerate(names))


def _are_colours(names: list[str]) -> bool:
    return [one.casefold()[:1] for one in names] == ["r", "g", "b"]


def _whole(configuration: Configuration, value: object, place: Place, name: str, most: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise configuration.fault(place, f"{name} is {str(value)[:40]!r}, and must be a whole number from 1 to {most}")
    return value


def _faults(error: ValueError) -> str:
    found = error.errors() if isinstance(error, ValidationError) else [{"loc": (), "msg": str(error)}]
    return "; ".join(f"{'.'.join(map(str, one['loc'])) or 'card'}: {one['msg']}" for one in found[:3])[:300]


def _recognises(folder: Path) -> bool:
    return any((folder / one).is_file() for one in CONFIGS)


def _weights(folder: Path, name: str) -> Path:
    """The file of weights.

    Raises:
        InvalidCheckpointError: There is none, or but a program.
    """
    found = existing(folder, *WEIGHTS)
    if found:
        return found[0]
    if (folder / PROGRAM).is_file():
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {PROGRAM} is a program (TorchScript), which is not run. Put the state dict "
            f"beside it, as {WEIGHTS[1]}."
        )
    raise InvalidCheckpointError(f"Checkpoint {name!r} has no weights. Put {WEIGHTS[1]} into the bundle.")


def _files(folder: Path) -> tuple[Path, ...]:
    configs = sorted(path for path in (folder / "configs").iterdir() if path.suffix in SUFFIXES and path.is_file())
    return (*configs, *existing(folder, CARD_FILE), *existing(folder, *WEIGHTS)[:1])


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    parts = read_bundle(folder, name)
    weights = _weights(folder, name)
    note = "What MONAI makes of the arguments of its transforms shows when it is loaded."
    if weights.suffix == ".safetensors":
        check_weights(weights, name)
    return Described(_card(folder, name, parts.card), f"{parts.network.target} · MONAI bundle", note=note)


def _card(folder: Path, name: str, card: ModelCard) -> ModelCard:
    """The bundle's card, in the words of the folder's own where it has one."""
    own = read_card(folder, name=name)
    if own is None:
        return card
    if own.bundle is None and (len(own.class_names), own.in_channels) != (len(card.class_names), card.in_channels):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {CARD_FILE} has {len(own.class_names)} class(es) and {own.in_channels} input "
            f"channel(s), the bundle {len(card.class_names)} and {card.in_channels}. Correct or remove {CARD_FILE}."
        )
    words = {"task", "class_names", "modality", "channel_names", "training_data", "training", "scores"}
    return card.model_copy(update={key: getattr(own, key) for key in words & own.model_fields_set})


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    parts = read_bundle(folder, name)
    described = _describe(folder, name, cache_dir)
    path = _weights(folder, name)
    assert described.card.bundle is not None
    try:
        check_steps(described.card.bundle)
    except ValueError as error:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {error}. Correct its configs.") from None
    make = partial(_build, parts.network, path, name)
    if cache_dir is None or described.card.bundle.any_size:
        return Loaded(replace(described, note=""), make())
    saved = SavedNetwork(make, path.stat().st_size)
    if not is_converted(digest_of(_files(folder)), described.card, cache_dir):
        _ = saved.module  # what is wrong with it shows now
    return Loaded(replace(described, note=""), saved)


def _build(call: Call, path: Path, name: str) -> nn.Module:
    weights: dict[str, torch.Tensor] = read_weights(path, name)
    try:
        with bounded_by(sum(one.numel() for one in weights.values())):
            network = build(call)
    except ValueError as error:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: network_def: {error}. Correct its configs.") from None
    load_strictly(network, weights, name, described_in="network_def")
    return network.eval()


BUNDLE = Origin("bundle", "MONAI bundle", _recognises, _files, _describe, _load)
