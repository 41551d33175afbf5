"""What a checkpoint folder of each origin becomes: one file an origin, and the one table of them."""

from contextlib import suppress
from pathlib import Path

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.origins.bundle import BUNDLE
from medseg_demo.models.origins.ensemble import ENSEMBLE
from medseg_demo.models.origins.nnunet import NNUNET
from medseg_demo.models.origins.onnx import ONNX
from medseg_demo.models.origins.openvino import OPENVINO
from medseg_demo.models.origins.origin import Described, Loaded, Origin, digest_of, in_gib
from medseg_demo.models.origins.smp import SMP
from medseg_demo.models.origins.state_dict import STATE_DICT
from medseg_demo.models.origins.torchscript import TORCHSCRIPT
from medseg_demo.models.origins.transformers import TRANSFORMERS

__all__ = ["ORIGINS", "Described", "Loaded", "Origin", "digest_of", "find_origin", "origin_of"]

ORIGINS = (
    TRANSFORMERS,
    SMP,
    OPENVINO,
    ONNX,
    NNUNET,
    BUNDLE,
    TORCHSCRIPT,
    STATE_DICT,
    ENSEMBLE,
)  # the first that recognises a folder takes it
MOST_BYTES = 8 * 2**30  # of a checkpoint's files: nnU-Net's five folds with their optimizers take 6


def find_origin(folder: Path) -> Origin | None:
    """The origin of a checkpoint folder; None where it is of none."""
    with suppress(OSError):  # such as a name that is too long
        return next((origin for origin in ORIGINS if origin.recognises(folder)), None)
    return None


def origin_of(folder: Path, name: str) -> Origin:
    """The origin of a checkpoint folder.

    Raises:
        InvalidCheckpointError: It is of none, or too large to be read.
    """
    origin = find_origin(folder)
    if origin is None:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r} has no config.json, and is none of the other kinds that docs/origins.md lists. Save "
            "the model with smp's save_pretrained(), or copy all of its files."
        )
    size = sum(path.stat().st_size for path in origin.files(folder))
    if size > MOST_BYTES:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r} has {in_gib(size)} of files, and {in_gib(MOST_BYTES)} are read at most. Keep the "
            "weights alone, without the optimizer's."
        )
    return origin
