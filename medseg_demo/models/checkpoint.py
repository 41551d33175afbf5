"""A checkpoint folder → a network that is ready to run, every part of it checked."""

import hashlib
import json
import pickle
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file, save_file
from torch import nn

from medseg_demo.documents import read_document
from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.architectures import ARCHITECTURES, build_network, description_of, spatial_dims
from medseg_demo.models.card import CARD_FILE, ModelCard, Normalisation, read_card, write_card
from medseg_demo.models.conversion import is_kept
from medseg_demo.models.network import Prepared, SavedNetwork, bytes_of, parameters_of
from medseg_demo.models.origins.openvino import (
    GRAPH_FILE,
    GRAPH_WEIGHTS_FILE,
    IntermediateNetwork,
    is_intermediate,
    load_intermediate,
    read_intermediate_card,
)
from medseg_demo.models.soundness import bounded_by, check_archive, damaged_weights, is_known_encoder, parameter_fault

CONFIG_FILE = "config.json"
SAVED = "saved"  # the kind of a converted network that came from a folder
WEIGHTS_FILE = "model.safetensors"
TORCH_WEIGHTS = ("model.pth", "model.pt", "pytorch_model.bin")
FileStates = tuple[tuple[str, int, int], ...]
DECIDING_FILES = (CONFIG_FILE, CARD_FILE, WEIGHTS_FILE, *TORCH_WEIGHTS, GRAPH_FILE, GRAPH_WEIGHTS_FILE)


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A loaded checkpoint.

    Attributes:
        name: The folder's name, or ``owner/name`` of a repository of the Hub.
        card: What it was trained for and how an image must reach it.
        network: In evaluation mode, float32, on the CPU: logits (N, K, H, W) from (N, C, H, W), or in 3-D
            (N, K, D, H, W) from (N, C, D, H, W). One that OpenVINO alone runs is no module of PyTorch, and one that it
            has converted is built as such only when somebody asks for ``module``.
        digest: SHA-256 of weights, configuration and card, hexadecimal: what a result was made with.
        has_card: False where the folder had no ``medseg.json``, so that ``card`` holds stated defaults.
        prepared: What ``backends.prepare`` made of it.
    """

    name: str
    card: ModelCard
    network: nn.Module | SavedNetwork | IntermediateNetwork
    digest: str
    has_card: bool = True
    prepared: Prepared = field(default_factory=Prepared, init=False, repr=False)

    @property
    def parameters(self) -> int:
        """How many weights the network has."""
        return self.network.parameters if isinstance(self.network, IntermediateNetwork) else parameters_of(self.module)

    @property
    def bytes(self) -> int:
        """Memory that its weights take, those of the networks made ready from it included."""
        own = bytes_of(self.network) if isinstance(self.network, nn.Module) else self.network.bytes
        return own + self.prepared.bytes

    @property
    def module(self) -> nn.Module:
        """The network as PyTorch runs it, trains it and exports it.

        Raises:
            InvalidCheckpointError: OpenVINO alone runs it.
        """
        if isinstance(self.network, nn.Module):
            return self.network
        if isinstance(self.network, SavedNetwork):
            return self.network.module
        raise InvalidCheckpointError(
            f"Checkpoint {self.name!r} is of OpenVINO, and PyTorch cannot take it. Choose the checkpoint that it was "
            "exported from."
        )


def load_folder(folder: Path, *, name: str = "", cache_dir: Path | None = None) -> Checkpoint:
    """Load a checkpoint folder: smp's ``save_pretrained`` layout, with or without ``medseg.json``, or one of OpenVINO.

    Args:
        folder: Where it lies.
        name: What to call the checkpoint, in messages too; by default as the folder.
        cache_dir: Of converted networks. One that lies there was built and checked from the same bytes before, and is
            not built again.

    Raises:
        InvalidCheckpointError: A file is missing, damaged or a pickle with code in it, or configuration, card
            and weights do not fit together.
    """
    name = name or folder.name
    if is_intermediate(folder):
        card = read_intermediate_card(folder, name=name)
        return Checkpoint(name, card, load_intermediate(folder, card, name=name), digest(folder))
    architecture, parameters = read_config(folder, name=name)
    card, has_card = describe(folder, architecture, parameters, name=name)
    path = find_weights(folder, name=name)
    found = digest(folder)
    if cache_dir is None or path.name != WEIGHTS_FILE:
        network = _build(architecture, parameters, _read_weights(path, name), name)
        return Checkpoint(name, card, network, found, has_card)
    content = path.read_bytes()  # so that nobody can change it until it is needed
    weights = partial(_read_weights, path, name, content)
    saved = SavedNetwork(lambda: _build(architecture, parameters, weights(), name), len(content))
    if not is_converted(found, card, cache_dir):
        _ = saved.module  # what is wrong with it shows now
    return Checkpoint(name, card, saved, found, has_card)


def is_converted(digest: str, card: ModelCard, cache_dir: Path | None) -> bool:
    """Whether OpenVINO has a checkpoint's network converted in the cache folder."""
    return is_kept((1, card.in_channels, *card.input_size), digest=digest, cache_dir=cache_dir, kind=SAVED)


def _build(
    architecture: str, parameters: Mapping[str, object], weights: dict[str, torch.Tensor], name: str
) -> nn.Module:
    check_encoder(parameters, name)
    try:
        with bounded_by(sum(one.numel() for one in weights.values())):
            network = build_network(architecture, parameters)
    except ValueError as error:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {error}. Correct {CONFIG_FILE}.") from error
    _load_strictly(network, weights, name)
    return network.eval()


def save_checkpoint(folder: Path, network: nn.Module, card: ModelCard, *, half: bool = True) -> None:
    """Write a network and its card as a checkpoint folder.

    Args:
        folder: Made if missing; files of the same names are replaced.
        network: Any smp model, or a MONAI network from ``build_network``.
        card: Its model card.
        half: Store matrices and kernels in half precision. Vectors (biases, running statistics, whose range
            half precision may not hold) stay in single precision.
    """
    folder.mkdir(parents=True, exist_ok=True)
    config = description_of(network)
    if config is None:
        network.save_pretrained(folder)  # type: ignore[operator]
        (folder / "README.md").unlink(missing_ok=True)
    else:
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
    state = network.state_dict()
    tensors = {names[0]: state[names[0]].detach().cpu().contiguous() for names in _shared_names(state)}
    if half:
        tensors = {name: tensor.half() if tensor.ndim > 1 else tensor for name, tensor in tensors.items()}
    save_file(tensors, folder / WEIGHTS_FILE, metadata={"format": "pt"})
    write_card(card, folder)


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
        return _default_card(name, channels, classes), False
    if card.in_channels != channels or card.output_channels != classes:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the card asks for {card.in_channels} input channel(s) and "
            f"{card.output_channels} output channel(s), but {CONFIG_FILE} has in_channels={channels} and "
            f"classes={classes}. Correct the one that is wrong."
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
    for file in (WEIGHTS_FILE, *TORCH_WEIGHTS):
        if (folder / file).is_file():
            return folder / file
    raise InvalidCheckpointError(
        f"Checkpoint {name or folder.name!r} has no weights. Put {WEIGHTS_FILE} beside {CONFIG_FILE}."
    )


def digest(folder: Path) -> str:
    """SHA-256 over the files that decide a result, hexadecimal."""
    sha = hashlib.sha256()
    names = (GRAPH_FILE, CARD_FILE, GRAPH_WEIGHTS_FILE) if is_intermediate(folder) else (CONFIG_FILE, CARD_FILE)
    paths = [folder / name for name in names]
    for path in paths if is_intermediate(folder) else (*paths, find_weights(folder)):
        if path.exists():
            sha.update(path.read_bytes())
    return sha.hexdigest()


def file_states(folder: Path) -> FileStates:
    """Name, time of the last change (ns) and size of each file that may decide a result."""
    states = []
    for name in DECIDING_FILES:
        with suppress(OSError):
            state = (folder / name).stat()
            states.append((name, state.st_mtime_ns, state.st_size))
    return tuple(states)


def _default_card(name: str, channels: object, classes: object) -> ModelCard:
    if channels not in (1, 3) or not isinstance(classes, int) or classes < 1:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {CONFIG_FILE} has in_channels={channels!r} and classes={classes!r}, but only 1 "
            "or 3 input channels and at least 1 class can be shown here."
        )
    names = ("class_1",) if classes == 1 else tuple(f"class_{value}" for value in range(1, classes))
    colour = Normalisation(mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    return ModelCard(
        class_names=names,
        in_channels=channels,
        normalisation=colour if channels == 3 else Normalisation(),
        threshold=0.5 if classes == 1 else None,
    )


def _read_weights(path: Path, name: str, content: bytes | None = None) -> dict[str, torch.Tensor]:
    try:
        if path.suffix == ".safetensors":
            return load_file(path) if content is None else load(content)
        check_archive(path, name)
        weights = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {path.name} holds more than tensors, and code in weights is never executed. "
            f"Convert it to {WEIGHTS_FILE} where you trust it."
        ) from None
    except (SafetensorError, RuntimeError, EOFError, OSError, ValueError) as error:
        raise damaged_weights(path, name, str(error)) from None
    if isinstance(weights, dict) and isinstance(weights.get("state_dict"), dict):
        weights = weights["state_dict"]
    if not isinstance(weights, dict) or not all(map(_is_plain, weights.values())):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {path.name} is no state dict. Save model.state_dict() as {WEIGHTS_FILE}."
        )
    return weights


def _is_plain(value: object) -> bool:
    """Whether it is a tensor that holds each of its elements: not a sparse one, nor one that repeats a few."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def _load_strictly(network: nn.Module, weights: dict[str, torch.Tensor], name: str) -> None:
    expected = network.state_dict()
    for names in _shared_names(expected):
        given = next((weights[name] for name in names if name in weights), None)
        if given is not None:
            weights = {**dict.fromkeys(names, given), **weights}
    faults = [f"{key} is missing" for key in expected.keys() - weights.keys()]
    faults += [f"{key} is not in the network" for key in weights.keys() - expected.keys()]
    faults += [
        f"{key} has shape {tuple(weights[key].shape)}, the network {tuple(expected[key].shape)}"
        for key in expected.keys() & weights.keys()
        if weights[key].shape != expected[key].shape
    ]
    faults += [f"{key} holds NaN or infinity" for key, value in weights.items() if not torch.isfinite(value).all()]
    if faults:
        shown = "; ".join(sorted(faults)[:3]) + (f"; and {len(faults) - 3} more" if len(faults) > 3 else "")
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: the weights do not fit the network that {CONFIG_FILE} describes ({shown}). "
            "Use the configuration that the weights were trained with."
        )
    network.load_state_dict({key: value.to(expected[key].dtype) for key, value in weights.items()})


def _shared_names(state: Mapping[str, torch.Tensor]) -> list[list[str]]:
    """The names of each tensor: MONAI's DynUNet registers its blocks twice, and a file holds them once."""
    names: dict[object, list[str]] = {}
    for name, tensor in state.items():
        names.setdefault((tensor.data_ptr(), tensor.shape) if tensor.numel() else name, []).append(name)
    return list(names.values())
