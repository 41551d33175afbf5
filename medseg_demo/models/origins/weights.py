"""Files of weights → tensors, and tensors → a network: no code in them is executed, and nothing is left over or out."""

import pickle
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file
from torch import nn

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.soundness import check_archive, check_weights, damaged_weights

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
SUFFIXES = (".safetensors", ".pth", ".pt", ".ckpt", ".bin")
# What wraps a network while it is trained: Lightning's module, DataParallel, torch.compile, people's own.
PREFIXES = ("model.", "module.", "_orig_mod.", "net.", "network.", "unet.", "segmentation_model.")
# Beside the network such a module keeps these, which decide no result here.
ASIDE = ("loss", "criterion", "metric", "train_", "val_", "valid_", "test_", "mean", "std", "ema")


class Unread:
    """Stands for a value of a checkpoint that no result needs: nothing is kept, and nothing done."""

    def __new__(cls, *values: object) -> "Unread":
        """Whatever it was made of."""
        return super().__new__(cls)

    def __setstate__(self, state: object) -> None:
        """Whatever it held."""

    def __setitem__(self, key: object, value: object) -> None:
        """Whatever it held."""


SCALAR = np.float64(0).__reduce__()[0]
# What checkpoints of Lightning and others hold beside tensors and plain values, in hyper-parameters and logs.
ALLOWED: list[Any] = [
    (SCALAR, "numpy.core.multiarray.scalar"),
    (SCALAR, "numpy._core.multiarray.scalar"),
    np.dtype,
    *(type(np.dtype(kind)) for kind in (np.float64, np.float32, np.float16, np.int64, np.int32, np.bool_)),
    *(
        (Unread, name)
        for name in (
            "argparse.Namespace",
            "pathlib.PosixPath",
            "pathlib.WindowsPath",
            "pathlib._local.PosixPath",
            "pathlib._local.WindowsPath",
            "lightning.fabric.utilities.data.AttributeDict",
            "lightning.pytorch.utilities.parsing.AttributeDict",
            "lightning_fabric.utilities.data.AttributeDict",
            "pytorch_lightning.utilities.parsing.AttributeDict",
        )
    ),
]


def read_weights(
    path: Path, name: str, content: bytes | None = None, *, values: bool = True
) -> dict[str, torch.Tensor]:
    """The tensors of a file, by their names; a ``state_dict`` within is taken out.

    Args:
        path: A safetensors file, or one of ``torch.save``, of which tensors and plain containers alone are read.
        name: The checkpoint's, for messages.
        content: Of a safetensors file that was read already.
        values: Whether those of the tensors are needed, or their shapes alone.

    Raises:
        InvalidCheckpointError: It is damaged, holds more than tensors, or no state dict.
    """
    try:
        if path.suffix == ".safetensors":
            if not values:
                return _without_values(path, name)
            return load_file(path) if content is None else load(content)
        check_archive(path, name)
        with torch.serialization.safe_globals(ALLOWED):
            weights = torch.load(path, map_location="cpu" if values else "meta", weights_only=True)
    except pickle.UnpicklingError:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {path.name} holds more than tensors, and code in weights is never executed. "
            f"Convert it to {WEIGHTS_FILE} where you trust it."
        ) from None
    except Exception as error:  # what a file that was cut or made to harm raises, is of many kinds
        raise damaged_weights(path, name, str(error)) from None
    for key in ("state_dict", "model"):  # of Lightning and others, and of MONAI's bundles
        if isinstance(weights, dict) and isinstance(weights.get(key), dict):
            weights = weights[key]
    if not isinstance(weights, dict) or not all(map(is_plain, weights.values())):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {path.name} is no state dict. Save model.state_dict() as {WEIGHTS_FILE}."
        )
    return weights


def _without_values(path: Path, name: str) -> dict[str, torch.Tensor]:
    check_weights(path, name)
    with safe_open(path, "pt") as file:
        return {key: torch.empty(file.get_slice(key).get_shape(), device="meta") for key in file.keys()}  # noqa: SIM118


def unwrapped(weights: Mapping[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors as they are called, and then without each prefix that a training gave them, the outer ones first."""
    yield dict(weights)
    for prefix in PREFIXES:
        inner = {key.removeprefix(prefix): value for key, value in weights.items() if key.startswith(prefix)}
        rest = (key for key in weights if not key.startswith(prefix))
        if inner and all(key.startswith(ASIDE) for key in rest):
            yield from unwrapped(inner)


def matching(weights: dict[str, torch.Tensor], names: Collection[str]) -> dict[str, torch.Tensor]:
    """Of the ways to call tensors the one that has these names; the given one where none has."""
    return next((one for one in unwrapped(weights) if one.keys() == set(names)), weights)


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
    weights = matching(weights, expected)
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
