"""Convolutions with the activation after them in one pass, their weights laid out for the processor beforehand.

PyTorch's own compiler makes a CPU network of the same oneDNN operations; here they are called without it, since it
needs a C++ compiler on the machine. They have no documented name, so that a network is left as it is wherever they
are missing, refuse it or compute something else.
"""

import copy
from collections import Counter
from dataclasses import dataclass, field

import torch
from torch import nn

TOLERANCE = 1e-2  # of logits, absolute and relative; seen was none in bfloat16, and 1e-5 in float32
ACTIVATIONS = {nn.ReLU: ("relu", []), nn.ReLU6: ("hardtanh", [0.0, 6.0])}


class FusedConvolution(nn.Module):
    """A convolution and, perhaps, the activation after it, by oneDNN.

    Args:
        convolution: Zero-padded.
        activation: The module after it, one of ACTIVATIONS; None for none.
        precision: Of weights and result.
        size: (N, C, H, W) that the layout of the weights is chosen for; others are taken as well.
    """

    def __init__(
        self, convolution: nn.Conv2d, activation: nn.Module | None, precision: torch.dtype, size: list[int]
    ) -> None:
        super().__init__()
        self.geometry = [
            list(convolution.padding),
            list(convolution.stride),
            list(convolution.dilation),
            convolution.groups,
        ]
        name, limits = ("none", []) if activation is None else ACTIVATIONS[type(activation)]
        self.activation = [name, limits, ""]
        weight = convolution.weight.detach().to(precision)
        self.weight = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.geometry, size)
        self.bias = None if convolution.bias is None else convolution.bias.detach().to(precision)
        self.precision = precision

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """(N, C, H, W) of any floating type → (N, C', H', W') in the precision."""
        return torch.ops.mkldnn._convolution_pointwise(
            images.to(self.precision), self.weight, self.bias, *self.geometry, *self.activation
        )


@dataclass
class _Flow:
    """What one run of a network showed.

    Attributes:
        sizes: Of the input of each plain convolution.
        after: The activation that took the very tensor that a convolution gave.
        calls: How often each activation was called.
        outputs: With the convolution and the number of changes made in place; kept until the end, so that no two of
            them have the same id.
    """

    sizes: dict[nn.Conv2d, list[int]] = field(default_factory=dict)
    after: dict[nn.Conv2d, nn.Module] = field(default_factory=dict)
    calls: Counter[nn.Module] = field(default_factory=Counter)
    outputs: dict[int, tuple[torch.Tensor, nn.Conv2d, int]] = field(default_factory=dict)

    def left(self, convolution: nn.Conv2d, inputs: tuple[torch.Tensor], output: torch.Tensor) -> None:
        self.sizes[convolution] = list(inputs[0].shape)
        self.outputs[id(output)] = output, convolution, output._version

    def entered(self, activation: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        self.calls[activation] += 1
        _, convolution, version = self.outputs.get(id(inputs[0]), (None, None, -1))
        if convolution is not None and inputs[0]._version == version:
            self.after[convolution] = activation


def fuse_convolutions(network: nn.Module, example: torch.Tensor, precision: torch.dtype) -> nn.Module:
    """A copy of a network for the CPU that runs each convolution and the activation after it at once.

    As for ``fold_batch_norms``, which comes first, the copy is given back only where it computes the same.

    Args:
        network: In evaluation mode; left as it is.
        example: An input that it takes, float32, channels last; the fastest copy is made for its size.
        precision: float32 or bfloat16, under autocast.

    Returns:
        The copy, or the network itself.
    """
    fused = copy.deepcopy(network)
    try:
        with torch.no_grad(), torch.autocast("cpu", precision, enabled=precision != torch.float32):
            expected, flow = _watched(fused, example)
            _fuse(fused, flow, precision)
            same = torch.allclose(fused(example).float(), expected.float(), rtol=TOLERANCE, atol=TOLERANCE)
    except (RuntimeError, AttributeError, NotImplementedError):  # this build of PyTorch lacks the operations
        return network
    return fused if same else network


def _watched(network: nn.Module, example: torch.Tensor) -> tuple[torch.Tensor, _Flow]:
    flow = _Flow()
    hooks = [module.register_forward_hook(flow.left) for module in network.modules() if _is_plain(module)]
    hooks += [
        module.register_forward_pre_hook(flow.entered) for module in network.modules() if type(module) in ACTIVATIONS
    ]
    try:
        return network(example), flow
    finally:
        for hook in hooks:
            hook.remove()


def _fuse(network: nn.Module, flow: _Flow, precision: torch.dtype) -> None:
    replacements: dict[nn.Module, nn.Module] = {}
    for convolution, size in flow.sizes.items():
        activation = flow.after.get(convolution)
        replacements[convolution] = FusedConvolution(convolution, activation, precision, size)
        # One that is called elsewhere too stays, and does no harm the second time.
        if activation is not None and flow.calls[activation] == 1:
            replacements[activation] = nn.Identity()
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if child in replacements:
                setattr(parent, name, replacements[child])


def _is_plain(module: nn.Module) -> bool:
    return type(module) is nn.Conv2d and module.padding_mode == "zeros" and not isinstance(module.padding, str)
