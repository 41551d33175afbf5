"""What can be told of a checkpoint's parts without building its network: cheap enough for every listing."""

from functools import lru_cache
from pathlib import Path

import timm
from safetensors import SafetensorError, safe_open
from segmentation_models_pytorch.encoders import encoders, is_equivalent_to_timm_universal

from medseg_demo.errors import InvalidCheckpointError

TIMM = "tu-"


def is_known_encoder(encoder: object) -> bool:
    """Whether segmentation-models-pytorch has an encoder of that name, timm's among them.

    A name that leads out of timm's own list, such as "tu-hf-hub:owner/name", counts as known: only building it shows.
    """
    if not isinstance(encoder, str):
        return False
    if encoder in encoders or is_equivalent_to_timm_universal(encoder):
        return True
    name = encoder.removeprefix(TIMM)
    return encoder.startswith(TIMM) and (":" in name or "/" in name or timm.is_model(name))


def check_weights(path: Path, name: str) -> None:
    """Check the header of a safetensors file, and that its tensors fill the file exactly; no tensor is read.

    Args:
        path: The file. The outcome is kept for as long as its time and size stay the same.
        name: The checkpoint's, for the message.

    Raises:
        InvalidCheckpointError: The file is damaged, cut off, empty or cannot be opened.
    """
    try:
        state = path.stat()
        fault = _header_fault(path, state.st_mtime_ns, state.st_size)
    except OSError as error:
        fault = error.strerror or type(error).__name__
    if fault:
        raise damaged_weights(path, name, fault)


def damaged_weights(path: Path, name: str, reason: str) -> InvalidCheckpointError:
    """The error of a checkpoint whose weights cannot be read; the reason's first line is shown."""
    first = reason.partition("\n")[0]
    return InvalidCheckpointError(f"Checkpoint {name!r}: {path.name} is damaged ({first}). Copy or download it again.")


@lru_cache(maxsize=256)
def _header_fault(path: Path, mtime_ns: int, size: int) -> str:
    try:
        with safe_open(path, "pt") as file:
            return "" if file.keys() else "it holds no tensor"
    except SafetensorError as error:
        return str(error)
