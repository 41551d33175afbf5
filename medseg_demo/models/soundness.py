"""What can be told of a checkpoint's parts without building its network: cheap enough for every listing."""

from pathlib import Path

from safetensors import SafetensorError, safe_open

from medseg_demo.errors import InvalidCheckpointError

TIMM = "tu-"


def is_known_encoder(encoder: object) -> bool:
    """Whether segmentation-models-pytorch has an encoder of that name, timm's among them.

    A name that leads out of timm's own list, such as "tu-hf-hub:owner/name", counts as known: only building it shows.
    """
    if not isinstance(encoder, str):
        return False
    import timm
    from segmentation_models_pytorch.encoders import encoders, is_equivalent_to_timm_universal

    if encoder in encoders or is_equivalent_to_timm_universal(encoder):
        return True
    name = encoder.removeprefix(TIMM)
    return encoder.startswith(TIMM) and (":" in name or "/" in name or timm.is_model(name))


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


def damaged_weights(path: Path, name: str, reason: str) -> InvalidCheckpointError:
    """The error of a checkpoint whose weights cannot be read; the reason's first line is shown."""
    first = reason.partition("\n")[0]
    return InvalidCheckpointError(f"Checkpoint {name!r}: {path.name} is damaged ({first}). Copy or download it again.")
