"""Checkpoints that OpenVINO alone runs: ``openvino.xml`` and ``openvino.bin`` beside ``medseg.json``."""

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard, read_card
from medseg_demo.models.conversion import ConversionError, read_model
from medseg_demo.models.origins.graph import ACTIVATIONS, GraphNetwork, as_graph, in_words, output_fault
from medseg_demo.models.origins.origin import Described, Loaded, Origin, existing

if TYPE_CHECKING:
    import openvino

GRAPH_FILE, GRAPH_WEIGHTS_FILE = "openvino.xml", "openvino.bin"
# Where each constant lies in the file of weights. What is written there otherwise, OpenVINO refuses when it reads it.
_PLACES = re.compile(rb'offset="(\d{1,15})"[^>]{0,200}?size="(\d{1,15})"')


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
    card, network = _load_network(folder, described.card, name)
    return Loaded(replace(described, card=card), network)


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


def _load_network(folder: Path, card: ModelCard, name: str) -> tuple[ModelCard, GraphNetwork]:
    """The network of such a folder, seen to be what its card says, and the card with what the graph says.

    Raises:
        InvalidCheckpointError: OpenVINO is not installed or cannot read it, or it does not fit the card.
    """
    shape = (1, card.input_channels, *card.input_size)
    exported = card.exported
    try:
        xml, weights = ((folder / file).read_bytes() for file in (GRAPH_FILE, GRAPH_WEIGHTS_FILE))
        model = read_model(xml, weights)
        card, found = _settled(model, card, shape)
    except OSError as error:
        found = f"{error.strerror or type(error).__name__}. Copy or export it again"
    except ConversionError as error:
        found = f"OpenVINO runs it, and {error}. Install openvino, or export it again"
    if found:
        raise InvalidCheckpointError(f"Checkpoint {name!r}: {GRAPH_FILE} cannot be used: {found}.")
    constants = (one for one in model.get_ops() if one.get_type_name() == "Constant")
    parameters = exported.parameters if exported else sum(one.data.size for one in constants if one.data.ndim > 1)
    return card, GraphNetwork((xml, weights), shape, parameters)


def _settled(model: "openvino.Model", card: ModelCard, shape: Sequence[int]) -> tuple[ModelCard, str]:
    """The card with the head that the model has, and why the model does not fit it; empty where it does."""
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        return card, f"it has {len(model.inputs)} inputs and {len(model.outputs)} outputs in place of one of each"
    try:
        model.reshape(list(shape))
        given = tuple(model.output(0).shape)
    except RuntimeError:
        return card, f"it takes no input of {in_words(shape)}, as {CARD_FILE} says. Correct input_size and in_channels"
    last = model.output(0).get_node().input_value(0).get_node().get_type_name()
    card = as_graph(card, given[1] if len(given) > 1 else 0, ACTIVATIONS.get(last, ""))
    return card, output_fault(given, card)


def _end_of_weights(path: Path) -> int:
    places = _PLACES.findall(path.read_bytes())
    return max((int(offset) + int(length) for offset, length in places), default=0)


OPENVINO = Origin("openvino", "OpenVINO", _recognises, _files, _describe, _load)
