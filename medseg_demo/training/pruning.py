"""Structured pruning: the weakest channels of a network are found, and taken out of it.

Only channels that a single convolution reads can go without a trace elsewhere: those within a block of an encoder, and
most of a U-Net's decoder. What is added to something else (a residual) or stored for the decoder keeps its width.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.utils import prune

from medseg_demo.errors import TrainingError
from medseg_demo.models.architectures import set_description
from medseg_demo.models.card import ModelCard
from medseg_demo.models.narrow import CONVOLUTIONS, NORMS, WIDTHS, keep, widths_of
from medseg_demo.models.network import parameters_of
from medseg_demo.training.network import arguments_of

if TYPE_CHECKING:
    from medseg_demo.training.config import TrainingConfig

MULTIPLE = 8  # of channels that are left: processors compute as many at once
# What is computed of each channel on its own, as automatic differentiation calls it.
BY_CHANNEL = re.compile("(Relu|LeakyRelu|Silu|Gelu|Hardtanh|Elu|Hardswish|MaxPool|AvgPool|Upsample)")


@dataclass(frozen=True, eq=False)
class Chain:
    """A convolution whose channels one other convolution reads alone, as its first ones.

    Attributes:
        writer: The first convolution's name.
        norms: Names of the batch normalisations between the two.
        reader: The second one's name.
    """

    writer: str
    norms: tuple[str, ...]
    reader: str


def prune_network(network: nn.Module, config: "TrainingConfig", card: ModelCard) -> dict[str, object]:
    """Take the weakest channels out of every chain of a network; it is changed, and says its widths.

    A channel is as strong as the L1 norm of its kernel, times what batch normalisation makes of it. Sources: Li et al.
    2017, Pruning filters for efficient ConvNets, arXiv:1608.08710; Liu et al. 2017, Learning efficient convolutional
    networks through network slimming, arXiv:1708.06519 (the factor).

    Args:
        network: With the weights that decide.
        config: What it was built from, and in ``prune`` the share of each chain's channels that go; what is left is a
            multiple of MULTIPLE.
        card: Its input.

    Returns:
        For the card: the share, and how many weights there were.

    Raises:
        TrainingError: There is nothing that can go.
    """
    modules, before = dict(network.named_modules()), parameters_of(network)
    kept = {}
    for chain in chains(network, torch.zeros(1, card.input_channels, *card.input_size)):
        writer: Any = modules[chain.writer]
        left = _left(writer.out_channels, config.prune)
        if left < writer.out_channels:
            kept[chain] = _strongest(writer, [modules[name] for name in chain.norms], left)
    if not kept:
        raise TrainingError(
            f"prune {config.prune:g} leaves {config.architecture} as it is: no convolution has {2 * MULTIPLE} channels "
            "or more that one other alone reads. Choose a larger share or another network."
        )
    for chain, numbers in kept.items():
        writer, reader = modules[chain.writer], modules[chain.reader]
        keep(reader, of_input=torch.cat([numbers, torch.arange(writer.out_channels, reader.in_channels)]))
        for name in (chain.writer, *chain.norms):
            keep(modules[name], out=numbers)
    changed = {name for chain in kept for name in (chain.writer, *chain.norms, chain.reader)}
    given = arguments_of(config, card)
    widths = {**given.get(WIDTHS, {}), **{name: widths_of(modules[name]) for name in sorted(changed)}}  # type: ignore[dict-item]
    set_description(network, config.architecture, {**given, WIDTHS: widths})
    return {"share": config.prune, "parameters_before": before}


def chains(network: nn.Module, example: torch.Tensor) -> list[Chain]:
    """Every chain of a network, found in what automatic differentiation recorded of an input (1, C, …)."""
    with torch.enable_grad():
        outputs = network.eval().forward(example)  # past the hooks that hide an auxiliary output
    nodes = list(_nodes([one.grad_fn for one in (outputs if isinstance(outputs, tuple) else (outputs,))]))
    names = {id(parameter): name.rpartition(".")[0] for name, parameter in network.named_parameters()}
    modules = dict(network.named_modules())
    owners = {node: _owner(node, names) for node in nodes}
    uses = Counter(owners.values())
    readers: dict[Any, list[tuple[Any, int]]] = {}
    for node in nodes:
        for index, (source, _) in enumerate(node.next_functions):
            readers.setdefault(source, []).append((node, index))

    def is_plain(node: Any) -> bool:
        module = modules.get(owners[node])
        return isinstance(module, CONVOLUTIONS) and widths_of(module) is not None and uses[owners[node]] == 1

    def follow(writer: Any) -> Chain | None:
        place, is_joined = writer, False
        norms: list[str] = []
        while len(readers.get(place, ())) == 1:
            place, index = readers[place][0]
            kind = type(place).__name__
            if is_plain(place):
                return Chain(owners[writer], tuple(norms), owners[place])
            if isinstance(modules.get(owners[place]), NORMS) and not is_joined and uses[owners[place]] == 1:
                norms.append(owners[place])
            elif kind.startswith("Cat") and index == 0 and place._saved_dim == 1:
                is_joined = True  # the first channels are still those of the writer
            elif not BY_CHANNEL.match(kind):
                return None
        return None

    return [chain for node in nodes if is_plain(node) and (chain := follow(node))]


def _nodes(starts: list[Any]) -> Iterator[Any]:
    """What was computed, from the outputs back to the input."""
    waiting, seen = list(starts), set(starts)
    while waiting:
        node = waiting.pop()
        yield node
        following = {source for source, _ in node.next_functions if source is not None} - seen
        seen |= following
        waiting.extend(following)


def _owner(node: Any, names: Mapping[int, str]) -> str:
    """The module whose parameters a step uses; empty where it has none."""
    parameters = (getattr(source, "variable", None) for source, _ in node.next_functions)
    return next((names[id(one)] for one in parameters if id(one) in names), "")


def _left(channels: int, share: float) -> int:
    return min(channels, max(MULTIPLE, round(channels * (1 - share) / MULTIPLE) * MULTIPLE))


def _strongest(convolution: nn.Module, norms: list[nn.Module], left: int) -> torch.Tensor:
    """The numbers of the channels that stay."""
    weight: Any = convolution.weight
    factor = math.prod((one.weight.detach().abs() / (one.running_var + one.eps).sqrt() for one in norms), start=1)  # type: ignore
    strengths = weight.detach().abs() * torch.as_tensor(factor).reshape(-1, *[1] * (weight.ndim - 1))
    prune.ln_structured(convolution, "weight", len(weight) - left, n=1, dim=0, importance_scores=strengths)
    stays = convolution.weight_mask.flatten(1).any(dim=1)  # type: ignore[union-attr, operator]
    prune.remove(convolution, "weight")
    return stays.nonzero().flatten()
