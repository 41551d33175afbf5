"""Files of weights → tensors, and tensors → a network: no code in them is executed, and nothing is left over or out."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load, load_file
from torch import nn

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.soundness import check_archive, damaged_weights

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"


def read_weights(path: Path, name: str, content: bytes | None = None) -> dict[str, torch.Tensor]:
    """The tensors of a file, by their names; a ``state_dict`` within is taken out.

    Args:
        path: A safetensors file, or one of ``torch.save``, of which tensors and plain containers alone are read.
        name: The checkpoint's, for messages.
        content: Of a safetensors file that was read already.

    Raises:
        InvalidCheckpointError: It is damaged, holds more than tensors, or no state dict.
    """
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
    for key in ("state_dict", "model"):  # of Lightning and others, and of MONAI's bundles
        if isinstance(weights, dict) and isinstance(weights.get(key), dict):
            weights = weights[key]
    if not isinstance(weights, dict) or not all(map(is_plain, weights.values())):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {path.name} is no state dict. Save model.state_dict() as {WEIGHTS_FILE}."
        )
    return weights


def is_plain(value: object) -> bool:
    """Whether it is a tensor that holds each of its elements: not a sparse one, nor one that repeats a few."""
    return (
        isinstance(value, torch.Tensor)
        and value.layout == torch.strided
        and value.numel() * value.element_size() <= value.untyped_storage().nbytes()
    )


def load_strictly(
    network: nn.Module, weights: dict[str, torch.Tensor], name: str, *, described_in: str = CONFIG_FILE
) -> None:
    """Fill a network with weights: each has its place and its shape, and every place is filled.

    Args:
        network: It is changed.
        weights: By their names.
        name: The checkpoint's, for messages.
        described_in: The file that says what the network is.

    Raises:
        InvalidCheckpointError: They do not fit, or hold NaN or infinity; three of the faults are named.
    """
    expected = network.state_dict()
    for names in shared_names(expected):
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
            f"Checkpoint {name!r}: the weights do not fit the network that {described_in} describes ({shown}). "
            "Use the configuration that the weights were trained with."
        )
    network.load_state_dict({key: value.to(expected[key].dtype) for key, value in weights.items()})


def shared_names(state: Mapping[str, torch.Tensor]) -> list[list[str]]:
    """The names of each tensor: MONAI's DynUNet registers its blocks twice, and a file holds them once."""
    names: dict[object, list[str]] = {}
    for name, tensor in state.items():
        names.setdefault((tensor.data_ptr(), tensor.shape) if tensor.numel() else name, []).append(name)
    return list(names.values())
