"""Checkpoints that OpenVINO alone runs: ``openvino.xml`` and ``openvino.bin`` beside ``medseg.json``."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard, read_card
from medseg_demo.models.conversion import ConversionError, read_model
from medseg_demo.models.origins.origin import Described, Loaded, Origin, existing

if TYPE_CHECKING:
    import openvino

GRAPH_FILE, GRAPH_WEIGHTS_FILE = "openvino.xml", "openvino.bin"
# Where each constant lies in the file of weights. What is written there otherwise, OpenVINO refuses when it reads it.
_PLACES = re.compile(rb'offset="(\d{1,15})"[^>]{0,200}?size="(\d{1,15})"')


@dataclass(frozen=True, eq=False)
class IntermediateNetwork:
    """A network that OpenVINO alone runs.

    Attributes:
        xml: Its graph.
        weights: Its constants.
        shape: (1, C, H, W) or (1, C, D, H, W) of its input.
        parameters: How many weights it has.
    """

    xml: bytes
    weights: bytes
    shape: tuple[int, ...]
    parameters: int

    @property
    def bytes(self) -> int:
        """Memory that it takes."""
        return len(self.xml) + len(self.weights)

    def model(self) -> "openvino.Model":
        """The network as OpenVINO compiles it.

        Raises:
            ConversionError: OpenVINO is not installed, or cannot read it.
        """
        model = read_model(self.xml, self.weights)
        if model.input(0).partial_shape.is_dynamic or tuple(model.input(0).shape) != self.shape:
            model.reshape(list(self.shape))
        return model


def _recognises(folder: Path) -> bool:
    return (folder / GRAPH_FILE).is_file()


def _files(folder: Path) -> tuple[Path, ...]:
    return existing(folder, GRAPH_FILE, CARD_FILE, GRAPH_WEIGHTS_FILE)


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    card = _read_card(folder, name)
    made = card.exported
    return Described(card, f"{made.architecture} · {made.format}" if made else "OpenVINO")


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    described = _describe(folder, name, cache_dir)
    return Loaded(described, _load_network(folder, described.card, name))


def _read_card(folder: Path, name: str) -> ModelCard:
    """The card of such a folder, which it must have.

    Raises:
        InvalidCheckpointError: It is missing or faulty, or a file of the network is missing or cut off.
    """
    card = read_card(folder, name=name)
    if card is None:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {GRAPH_FILE} has no {CARD_FILE} beside it, without which nothing is known of its "
            "classes. Add one; docs/checkpoints.md lists its keys."
        )
    try:
        least, size = _end_of_weights(folder / GRAPH_FILE), (folder / GRAPH_WEIGHTS_FILE).stat().st_size
    except OSError:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {GRAPH_FILE} has no {GRAPH_WEIGHTS_FILE} beside it. Copy both files of the network."
        ) from None
    if size < least:
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: {GRAPH_WEIGHTS_FILE} is damaged (it is shorter than {GRAPH_FILE} says). Copy or "
            "export it again."
        )
    return card


def _load_network(folder: Path, card: ModelCard, name: str) -> IntermediateNetwork:
    """The network of such a folder, seen to be what its card says.

    Raises:
        InvalidCheckpointError: OpenVINO is not installed or cannot read it, or it does not fit the card.
    """
    shape = (1, card.in_channels, *card.input_size)
    exported = card.exported
    try:
        xml, weights = ((folder / file).read_bytes() for file in (GRAPH_FILE, GRAPH_WEIGHTS_FILE))
        model = read_model(xml, weights)
        found = _check(model, shape, card.output_channels)
    except OSError as error:
        found = f"{error.strerror or type(error).__name__}. Copy or export it again"
    except ConversionError as error:
        found = f"OpenVINO runs it, and {error}. Install openvino, or export it again"
    if found:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {GRAPH_FILE} cannot be used: {found}.")
    constants = (one for one in model.get_ops() if one.get_type_name() == "Constant")
    parameters = exported.parameters if exported else sum(one.data.size for one in constants if one.data.ndim > 1)
    return IntermediateNetwork(xml, weights, shape, parameters)


def _check(model: "openvino.Model", shape: Sequence[int], classes: int) -> str:
    """Why a model does not fit its card; empty where it does."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs in place of one of each"
    try:
        model.reshape(list(shape))
        given = tuple(model.output(0).shape)
    except RuntimeError:
        return f"it takes no input of {_text(shape)}, as {CARD_FILE} says. Correct input_size and in_channels"
    if given != (1, classes, *shape[2:]):
        return f"it gives {_text(given)}, but {CARD_FILE} asks for {_text((1, classes, *shape[2:]))}. Correct it"
    return ""


def _text(shape: Sequence[int]) -> str:
    return " × ".join(map(str, shape))


def _end_of_weights(path: Path) -> int:
    places = _PLACES.findall(path.read_bytes())
    return max((int(offset) + int(length) for offset, length in places), default=0)


OPENVINO = Origin("openvino", "OpenVINO", _recognises, _files, _describe, _load)
