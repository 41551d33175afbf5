"""PyTorch → OpenVINO: each network is converted once, and kept in a cache folder that a run never depends on."""

import copy
import hashlib
import importlib.metadata
import io
import json
import os
import secrets
import sys
import tempfile
import warnings
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from medseg_demo.models.network import parameters_of

if TYPE_CHECKING:
    import openvino

SUFFIX = ".openvino"
FORMAT = 2  # of a file in the cache folder
PARAMETERS = ["medseg", "parameters"]  # where a model says how many weights it came from
MOST_BYTES = 2 * 2**30  # of the whole cache folder; the files that were not used for longest go
TOLERANCE = 1e-3  # of logits in float32, absolute and relative; seen was 3e-4 in 3-D
# Other versions of these may build another network from the same configuration.
BUILDERS = ("openvino", "torch", "segmentation_models_pytorch", "timm", "monai")


class ConversionError(Exception):
    """OpenVINO cannot run a network; the message says why in a few words."""


def import_openvino() -> ModuleType:
    """OpenVINO, without the package by which it reports each import and conversion to its maker.

    Raises:
        ConversionError: It cannot be imported here.
    """
    # None makes an import fail, for which OpenVINO and NNCF are prepared: images of patients and a line to somebody
    # else's server do not go together, and without a network its threads only wait.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except Exception as error:  # a library of the system may be missing, which every platform says in its own way
        raise ConversionError(f"it cannot be imported ({type(error).__name__})") from error
    return openvino


def to_openvino(
    network: nn.Module, shape: Sequence[int], *, digest: str = "", cache_dir: Path | None = None, kind: str = ""
) -> "openvino.Model":
    """A network as OpenVINO takes it, from the cache folder where it is there.

    Args:
        network: In evaluation mode; left as it is.
        shape: (1, C, H, W) or (1, C, D, H, W) of its input.
        digest: Of the checkpoint; without one nothing is kept.
        cache_dir: Of converted networks. What is there but unusable is made again, and what cannot be written is not.
        kind: What tells networks of one digest apart; by default the network's class.

    Raises:
        ConversionError: It cannot be converted, or computes something else then.
    """
    kind = kind or type(network).__qualname__
    kept = kept_model(shape, digest=digest, cache_dir=cache_dir, kind=kind)
    if kept is not None:
        return kept
    model = convert(network, shape)
    model.set_rt_info(str(parameters_of(network)), PARAMETERS)
    path = _place(shape, digest, cache_dir, kind)
    if path:
        _write(model, path)
    return model


def is_kept(shape: Sequence[int], *, digest: str, cache_dir: Path | None, kind: str) -> bool:
    """Whether a network lies in the cache folder; see ``to_openvino``."""
    path = _place(shape, digest, cache_dir, kind)
    return path is not None and path.is_file()


def kept_model(shape: Sequence[int], *, digest: str, cache_dir: Path | None, kind: str) -> "openvino.Model | None":
    """A network from the cache folder; None where it is not there, or is damaged."""
    path = _place(shape, digest, cache_dir, kind)
    return _read(path) if path else None


def parameters_in(model: "openvino.Model") -> int:
    """How many weights the network had that a model was converted from."""
    return int(model.get_rt_info(PARAMETERS).astype(str))


def convert(network: nn.Module, shape: Sequence[int]) -> "openvino.Model":
    """A network of PyTorch, of one output or several, as one of OpenVINO, in float32, and seen to compute the same.

    Raises:
        ConversionError: As for ``to_openvino``.
    """
    openvino = import_openvino()
    # A copy, since the converter takes hold of the modules while it traces them, and others may run them meanwhile.
    network = copy.deepcopy(network).cpu().float().to(memory_format=torch.contiguous_format).eval()
    example = torch.rand(*shape, generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of tracing: what it does not follow shows below
            expected = _outputs(network(example))
            model = openvino.convert_model(network, example_input=example, input=[openvino.PartialShape(shape)])
            compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
            found = compiled(example.numpy())
            results = [torch.from_numpy(found[place]) for place in range(len(expected))]
    except Exception as error:  # any kind, from the network's own code to that of the converter
        raise ConversionError(f"it cannot convert this network ({type(error).__name__})") from error
    if not all(_agree(*pair) for pair in zip(results, expected, strict=True)):
        raise ConversionError("it computes something else of this network")
    return model


def _outputs(given: torch.Tensor | tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
    return (given,) if isinstance(given, torch.Tensor) else given


def _agree(result: torch.Tensor, expected: torch.Tensor) -> bool:
    return result.shape == expected.shape and torch.allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE)


def read_model(graph: bytes, weights: bytes | None = None) -> "openvino.Model":
    """A model from the two files of OpenVINO's intermediate representation, or the one of ONNX, held in memory.

    A file that is mapped, as OpenVINO does by itself, ends the process if somebody cuts it off meanwhile.

    Raises:
        ConversionError: They are damaged, or do not belong together.
    """
    openvino = import_openvino()
    try:
        if weights is None:
            return openvino.Core().read_model(io.BytesIO(graph))
        return openvino.Core().read_model(graph.decode(), openvino.Tensor(np.frombuffer(weights, np.uint8)))
    except Exception as error:
        raise ConversionError(f"it cannot read the model ({type(error).__name__})") from error


def to_files(model: "openvino.Model", *, half: bool = False) -> tuple[bytes, bytes]:
    """The two files of OpenVINO's intermediate representation: its graph as XML, and the weights.

    Args:
        model: Any.
        half: Whether float32 weights are stored in half precision.
    """
    openvino = import_openvino()
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        xml = Path(folder) / "model.xml"
        openvino.save_model(model, xml, compress_to_fp16=half)
        return xml.read_bytes(), xml.with_suffix(".bin").read_bytes()


def _place(shape: Sequence[int], digest: str, cache_dir: Path | None, kind: str) -> Path | None:
    if not cache_dir or not digest:
        return None
    versions = {}
    for name in BUILDERS:
        with suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    parts = [FORMAT, digest, kind, list(shape), versions]
    return cache_dir / f"{hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:40]}{SUFFIX}"


def _read(path: Path) -> "openvino.Model | None":
    try:
        if hasattr(os, "getuid") and path.stat().st_uid != os.getuid():
            return None  # others can write here
        content = path.read_bytes()
        if hashlib.sha256(content[32:]).digest() != content[:32]:
            return None
        end = 40 + int.from_bytes(content[32:40], "little")
        model = read_model(content[40:end], content[end:])
        with suppress(OSError):
            os.utime(path)  # so that it stays when old ones go
        return model
    except (OSError, MemoryError, ConversionError):
        return None


def _write(model: "openvino.Model", path: Path) -> None:
    draft = path.with_name(f".{secrets.token_hex(8)}")
    with suppress(Exception):  # full, read-only, no folder: the network is then converted again the next time
        try:
            xml, weights = to_files(model)
            body = len(xml).to_bytes(8, "little") + xml + weights
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            draft.write_bytes(hashlib.sha256(body).digest() + body)
            draft.replace(path)
            _make_room(path)
        finally:
            draft.unlink(missing_ok=True)


def _make_room(newest: Path) -> None:
    states = [(one.stat(), one) for one in newest.parent.glob(f"*{SUFFIX}") if one != newest]
    room = MOST_BYTES - newest.stat().st_size
    for state, path in sorted(states, key=lambda item: item[0].st_mtime, reverse=True):
        room -= state.st_size
        if room < 0:
            path.unlink(missing_ok=True)
