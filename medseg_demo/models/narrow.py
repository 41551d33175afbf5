"""Networks of fewer channels or stages than their architecture builds; ``config.json`` has the widths.

Pruning leaves fewer channels. An encoder of timm may go on after the last features that a shallow decoder reads: such
stages are left out, so that they cost neither time nor room.
"""

from collections.abc import Mapping, Sequence

import torch
from torch import nn

# Of a network's parameters: module → [channels], or [output, input channels] of a convolution; [] of a last stage that
# is left out.
WIDTHS = "widths"

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)
NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def narrow(network: nn.Module, widths: Mapping[str, Sequence[int]]) -> None:
    """Leave as many channels of each named module, and leave out stages, so that the weights of such a network fit.

    Args:
        network: As its architecture builds it; changed.
        widths: As WIDTHS says.

    Raises:
        ValueError: No such module is there, or it has fewer channels.
    """
    if not isinstance(widths, Mapping):
        raise ValueError(f"{WIDTHS} is no table of modules")
    modules = dict(network.named_modules())
    for name in sorted((name for name, given in widths.items() if given == []), key=_place, reverse=True):
        _leave_out(modules, name)
    for name, given in widths.items():
        if given == []:
            continue
        module = modules.get(name)
        own = widths_of(module) if module is not None else None
        if module is None or own is None:
            raise ValueError(f"{WIDTHS} names {name}, which is no convolution or batch normalisation of it")
        if len(given) != len(own) or not all(1 <= few <= many for few, many in zip(given, own, strict=True)):
            raise ValueError(f"{WIDTHS} gives {name} {list(given)} channels of {own}")
        keep(module, *(torch.arange(count) for count in given))


def _place(name: str) -> tuple[str, int]:
    before, _, last = name.rpartition(".")
    return before, int(last) if last.isdecimal() else -1


def _leave_out(modules: Mapping[str, nn.Module], name: str) -> None:
    """Take the last stage out of those that run one after the other."""
    before, place = _place(name)
    stages = modules.get(before)
    if not isinstance(stages, nn.Sequential) or place != len(stages) - 1 or place < 1:
        raise ValueError(f"{WIDTHS} leaves out {name}, which is not the last of several stages of it")
    del stages[place]


def widths_of(module: nn.Module) -> list[int] | None:
    """The channels of a module, as WIDTHS has them; None where it is of another kind."""
    if isinstance(module, CONVOLUTIONS) and module.groups == 1:
        return [module.out_channels, module.in_channels]
    return [module.num_features] if isinstance(module, NORMS) else None


def keep(module: nn.Module, out: torch.Tensor | None = None, of_input: torch.Tensor | None = None) -> None:
    """Leave the channels of these numbers in a convolution or a batch normalisation, and take the others out of it."""
    if out is not None:
        for tensors in (module._parameters, module._buffers):
            for name, tensor in tensors.items():
                if tensor is not None and tensor.ndim:  # apart from the number of batches that were seen
                    tensors[name] = _chosen(tensor, out, 0)  # type: ignore[assignment]
    if of_input is not None:
        module._parameters["weight"] = _chosen(module._parameters["weight"], of_input, 1)  # type: ignore[arg-type, assignment]
    if isinstance(module, CONVOLUTIONS):
        module.out_channels, module.in_channels = module.weight.shape[:2]
    elif isinstance(module, NORMS):
        module.num_features = len(module.running_mean)  # type: ignore[arg-type]


def _chosen(tensor: torch.Tensor, numbers: torch.Tensor, axis: int) -> torch.Tensor:
    chosen = tensor.detach().index_select(axis, numbers.to(tensor.device))
    return nn.Parameter(chosen) if isinstance(tensor, nn.Parameter) else chosen
