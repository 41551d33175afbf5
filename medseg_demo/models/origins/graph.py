"""Networks that come as a graph, which PyTorch cannot take: of OpenVINO, or of ONNX."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from medseg_demo.models.card import CARD_FILE, ModelCard
from medseg_demo.models.conversion import import_openvino, read_model

if TYPE_CHECKING:
    import openvino

# By the name of the step that a result comes from, in ONNX and in OpenVINO.
ACTIVATIONS = {"Sigmoid": "sigmoid", "Softmax": "softmax", "SoftMax": "softmax", "ArgMax": "labels", "TopK": "labels"}


@dataclass(frozen=True, eq=False)
class GraphNetwork:
    """A network that OpenVINO runs on the CPU and, where it is of ONNX, ONNX Runtime on a GPU.

    Attributes:
        parts: The file of ONNX; or the graph of OpenVINO as XML, and its constants.
        shape: (1, C, H, W) or (1, C, D, H, W) of its input.
        parameters: How many weights it has.
        output: Which of its outputs is taken.
    """

    parts: tuple[bytes] | tuple[bytes, bytes]
    shape: tuple[int, ...]
    parameters: int
    output: int = 0

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return sum(map(len, self.parts))

    @property
    def is_onnx(self) -> bool:
        """Whether it is one file of ONNX."""
        return len(self.parts) == 1

    def model(self) -> "openvino.Model":
        """The network as OpenVINO compiles it: of one output, as large as its input.

        Raises:
            ConversionError: OpenVINO is not installed, or cannot read it.
        """
        model = read_model(*self.parts)
        if model.input(0).partial_shape.is_dynamic or tuple(model.input(0).shape) != self.shape:
            model.reshape(list(self.shape))
        result = model.output(self.output)
        if len(model.outputs) == 1 and tuple(result.shape)[2:] == self.shape[2:]:
            return model
        return import_openvino().Model([_enlarged(result, self.shape[2:])], model.get_parameters(), "network")


def _enlarged(result: "openvino.Output", size: Sequence[int]) -> "openvino.Node | openvino.Output":
    """Linear interpolation to the size of the input, as ``torch.nn.functional.interpolate`` does it."""
    if tuple(result.shape)[2:] == tuple(size):
        return result.get_node().input_value(0)
    from openvino import opset13

    axes = list(range(2, 2 + len(size)))
    return opset13.interpolate(result.get_node().input_value(0), list(size), "linear_onnx", "sizes", axes=axes)


def as_graph(card: ModelCard, channels: int, activation: str) -> ModelCard:
    """The card with what it does not say of itself, and a graph does: its head, and whether that is within.

    Args:
        card: As it was written.
        channels: Of the graph's result.
        activation: "sigmoid" or "softmax" where that is the graph's last step.
    """
    card = card.settled(channels)
    return card if card.activated is not None or not activation else card.model_copy(update={"activated": True})


def output_fault(found: Sequence[int], card: ModelCard) -> str:
    """Why what a graph gives is not what its card says; empty where it is.

    Some networks of transformers give logits of a quarter of the input's size; these are enlarged.
    """
    if card.findings:
        return f"it has no output for the findings that {CARD_FILE} names. Remove findings there"
    wanted = (1, card.network_channels, *card.input_size)
    smaller = len(found) == len(wanted) and all(
        0 < given <= side and side % given == 0 for given, side in zip(found[2:], wanted[2:], strict=True)
    )
    if tuple(found[:2]) == wanted[:2] and smaller:
        return ""
    return f"it gives {in_words(found)}, but {CARD_FILE} asks for {in_words(wanted)}. Correct it"


def in_words(shape: Sequence[int]) -> str:
    """A shape for people."""
    return " × ".join(map(str, shape))
