"""What can be told of a checkpoint's parts without building its network: cheap enough for every listing."""

import math
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch.utils._python_dispatch import TorchDispatchMode

from medseg_demo.errors import InvalidCheckpointError

TIMM = "tu-"
LARGEST_SIZE = 65_536  # of any whole number in a configuration: channels, depths, strides
# Arguments of timm that would read a file of this computer, or fetch one.
OUTSIDE = {"pretrained", "pretrained_cfg", "pretrained_cfg_overlay", "checkpoint_path", "cache_dir"}
# That a network may hold beside its weights while it is made: tables of positions, masks of windows, and what smp drops
# again, of which the classifier of VGG is the largest.
SPARE_ELEMENTS = 2**27


def is_known_encoder(encoder: object) -> bool:
    """Whether segmentation-models-pytorch has an encoder of that name, timm's among them."""
    if not isinstance(encoder, str):
        return False
    import timm
    from segmentation_models_pytorch.encoders import encoders, is_equivalent_to_timm_universal

    if encoder in encoders or is_equivalent_to_timm_universal(encoder):
        return True
    return encoder.startswith(TIMM) and timm.is_model(encoder.removeprefix(TIMM))


def parameter_fault(parameters: Mapping[str, object]) -> str:
    """What is wrong with the arguments of a network before any of it is built; empty where nothing is seen.

    No encoder is fetched from the Hub or from another folder (timm's "hf-hub:…", "local-dir:…"), and no size is
    larger than any network has.
    """
    encoder = parameters.get("encoder_name")
    if isinstance(encoder, str) and (":" in encoder or "/" in encoder):
        return (
            f"the encoder {encoder[:80]!r} lies outside of the checkpoint, and nothing is fetched for one. Save the "
            "model with an encoder of timm's own list"
        )
    if outside := sorted(OUTSIDE & parameters.keys()):
        return f"{', '.join(outside)} would load a file from elsewhere. Remove it"
    for key, value in parameters.items():
        too_large = next((one for one in _numbers(value) if not abs(one) <= LARGEST_SIZE), None)
        if too_large is not None:
            return f"{key[:80]} holds {too_large:g}, and no size is larger than {LARGEST_SIZE}"
    return ""


def _numbers(value: object) -> Iterator[float]:
    if isinstance(value, int | float):
        yield float(min(value, 1e300))
    elif isinstance(value, Mapping | list | tuple):
        for one in value.values() if isinstance(value, Mapping) else value:
            yield from _numbers(one)


@contextmanager
def bounded_by(elements: int) -> Iterator[None]:
    """Refuse to build a network that outgrows its weights, before the tensor is allocated with which it does.

    Args:
        elements: Of all weights.

    Raises:
        ValueError: Within the block, of tensors that take more than twice the weights, and a little.
    """
    with _Allowance(2 * elements + SPARE_ELEMENTS):
        yield


class _Allowance(TorchDispatchMode):
    def __init__(self, elements: int) -> None:
        super().__init__()
        self._left = elements

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if not any(isinstance(one, torch.Tensor) for one in args):  # it makes one: empty, zeros, full, randn, …
            sizes = (one for one in args if isinstance(one, list | tuple) and all(type(side) is int for side in one))
            self._left -= sum(map(math.prod, sizes))
            if self._left < 0:
                raise ValueError("it would be larger than its weights")
        return func(*args, **(kwargs or {}))


def check_weights(path: Path, name: str) -> None:
    """Check the header of a safetensors file, and that its tensors fill the file exactly; no tensor is read.

    Args:
        path: The file.
        name: The checkpoint's, for the message.

    Raises:
        InvalidCheckpointError: The file is damaged, cut off, empty or cannot be opened.
    """
    try:
        path.stat()  # safetensors says less of why a file cannot be opened
        with safe_open(path, "pt") as file:
            fault = "" if file.keys() else "it holds no tensor"
    except SafetensorError as error:
        fault = str(error)
    except OSError as error:
        fault = error.strerror or type(error).__name__
    if fault:
        raise damaged_weights(path, name, fault)


def check_archive(path: Path, name: str) -> None:
    """Refuse a file of PyTorch whose archive claims more than the file holds: it would be unpacked into memory.

    Args:
        path: The file. One that is no archive is of an older PyTorch, which reads no more than there is.
        name: The checkpoint's, for the message.

    Raises:
        InvalidCheckpointError: It does.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            claimed = sum(entry.file_size for entry in archive.infolist())
    except (zipfile.BadZipFile, OSError, ValueError):
        return
    if claimed > path.stat().st_size:
        raise damaged_weights(path, name, "it would unpack to more than it holds")


def damaged_weights(path: Path, name: str, reason: str) -> InvalidCheckpointError:
    """The error of a checkpoint whose weights cannot be read; the reason's first line is shown."""
    first = reason.partition("\n")[0]
    return InvalidCheckpointError(f"Checkpoint {name!r}: {path.name} is damaged ({first}). Copy or download it again.")
