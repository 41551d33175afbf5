"""One file of ONNX beside ``medseg.json``: read as data, tried in a process of its own, and then run by OpenVINO."""

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import CARD_FILE, ModelCard, read_card
from medseg_demo.models.origins.graph import ACTIVATIONS, GraphNetwork, as_graph, in_words, output_fault
from medseg_demo.models.origins.origin import Described, Loaded, Origin, default_card, existing, in_gib

if TYPE_CHECKING:
    import onnx

SUFFIX = ".onnx"
DATA_SUFFIXES = (".data", "_data", ".bin")  # of tensors outside of the file, as exporters call them
LARGEST = 2**31 - 1  # bytes, with the tensors outside: no file of protobuf is larger
MOST_STEPS = 20_000
TRIAL_S = 300.0
TRIAL = Path(__file__).with_name("trial.py")
DOMAINS = ("", "ai.onnx")
# Steps that may not end, or that give something else each time.
REFUSED = {"Loop", "Scan", "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform",
           "RandomUniformLike"}  # fmt: skip
# Through these a result is what it was.
PLAIN = {"Identity", "Transpose", "Cast", "Reshape", "Squeeze", "Unsqueeze", "Resize", "Slice"}

Shape = tuple[int | None, ...]  # None where the graph leaves it open


@dataclass(frozen=True)
class OnnxGraph:
    """What a file of ONNX says of itself.

    Attributes:
        content: The file, tensors outside of it taken in.
        taken: The shape of its input.
        given: The shape of each output.
        activations: What each output is the result of: "sigmoid", "softmax", "labels", or "" for anything else.
        parameters: How many weights it has.
        opset: The version of its operators.
    """

    content: bytes = field(repr=False)
    taken: Shape
    given: tuple[Shape, ...]
    activations: tuple[str, ...]
    parameters: int
    opset: int


def read_graph(folder: Path, name: str) -> OnnxGraph:
    """The one file of ONNX in a folder, and what it says; nothing of it is run.

    Raises:
        InvalidCheckpointError: There are several, or it is too large, damaged, or holds what is not run here.
    """
    paths = _graphs(folder)
    if len(paths) != 1:
        raise _refused(name, f"*{SUFFIX}", "the folder holds several networks. Keep one")
    (path,) = paths
    try:
        size = sum(one.stat().st_size for one in (path, *_outside(folder)))
        if size > LARGEST:
            most = f"it has {in_gib(size)}, and {in_gib(LARGEST)} are read at most. Export it smaller"
            raise _refused(name, path.name, most)
        model = _parsed(path.read_bytes())
        fault = _fault(model) or _take_in(model, folder) or _unsound(model)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
        fault = f"it is damaged ({type(error).__name__}). Copy or export it again"
    except OSError as error:
        fault = f"it cannot be read ({error.strerror or type(error).__name__}). Copy it again"
    if fault:
        raise _refused(name, path.name, fault)
    (taken,) = _inputs(model)
    return OnnxGraph(
        content=model.SerializeToString(),
        taken=_shape(taken),
        given=tuple(map(_shape, model.graph.output)),
        activations=tuple(_activation(model.graph, one.name) for one in model.graph.output),
        parameters=sum(math.prod(one.dims) for one in model.graph.initializer if one.data_type in _floats()),
        opset=_opset(model),
    )


def _parsed(content: bytes) -> "onnx.ModelProto":
    import onnx

    try:
        return onnx.ModelProto.FromString(content)
    except Exception as error:  # protobuf has its own, of a package that is not named here
        raise ValueError(str(error)) from error


def _refused(name: str, file: str, fault: str) -> InvalidCheckpointError:
    return InvalidCheckpointError(f"Checkpoint {name!r}: {file} cannot be used: {fault}.")


def _graphs(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() == SUFFIX and path.is_file()))


def _outside(folder: Path) -> tuple[Path, ...]:
    return tuple(sorted(path for path in folder.iterdir() if path.name.endswith(DATA_SUFFIXES) and path.is_file()))


def _inputs(model: "onnx.ModelProto") -> "list[onnx.ValueInfoProto]":
    constants = {one.name for one in model.graph.initializer}
    return [one for one in model.graph.input if one.name not in constants]


def _opset(model: "onnx.ModelProto") -> int:
    return max((one.version for one in model.opset_import if one.domain in DOMAINS), default=0)


def _floats() -> set[int]:
    from onnx import TensorProto

    return {TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.DOUBLE}


def _fault(model: "onnx.ModelProto") -> str:
    """Why a graph is not run here; empty where nothing speaks against it."""
    from onnx import defs

    steps = [step for graph in _within(model.graph) for step in graph.node]
    opset = min(_opset(model), defs.onnx_opset_version())
    if not steps or not opset or not model.graph.output:
        return "it holds no network. Copy or export it again"
    if len(steps) > MOST_STEPS or len(model.functions):
        return f"it has functions of its own, or more than {MOST_STEPS} steps. Export it simplified"
    for step in steps:
        if step.domain not in DOMAINS or not defs.has(step.op_type, max_inclusive_version=opset):
            return f"its operator {step.op_type[:40]!r} is none of ONNX's, opset {opset}. Export it without"
        if step.op_type in REFUSED:
            return f"its operator {step.op_type!r} may never end, or gives something else each time. Export it without"
    if len(inputs := _inputs(model)) != 1:
        return f"it has {len(inputs)} inputs in place of one. Export it with the image alone"
    if inputs[0].type.tensor_type.elem_type not in _floats() or len(_shape(inputs[0])) not in (4, 5):
        return f"it takes {in_words(_said(_shape(inputs[0])))}, not float (N, C, H, W) or (N, C, D, H, W)"
    if _activation(model.graph, model.graph.output[0].name) == "labels":
        return "it gives labels in place of probabilities. Export it without its last step, ArgMax"
    return ""


def _within(graph: "onnx.GraphProto") -> "Iterator[onnx.GraphProto]":
    """A graph and those of its branches."""
    yield graph
    for step in graph.node:
        for attribute in step.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node:
                    yield from _within(inner)


def _tensors(model: "onnx.ModelProto") -> "Iterator[onnx.TensorProto]":
    for graph in _within(model.graph):
        yield from graph.initializer
        for step in graph.node:
            for attribute in step.attribute:
                yield from attribute.tensors
                if attribute.HasField("t"):
                    yield attribute.t


def _take_in(model: "onnx.ModelProto", folder: Path) -> str:
    """Take in the tensors that lie in files beside; why that cannot be, or one is not whole, else nothing."""
    from onnx import TensorProto

    beside = {path.name: path for path in _outside(folder)}
    if any(graph.sparse_initializer for graph in _within(model.graph)):
        return "it holds sparse tensors. Export it with dense ones"
    for tensor in _tensors(model):
        if tensor.data_location == TensorProto.EXTERNAL:
            place = {entry.key: entry.value for entry in tensor.external_data}
            path = beside.get(place.get("location", ""))
            if path is None:
                where = f"{tensor.name[:40]!r} lies in {Path(place.get('location', '')).name[:40]!r}"
                return f"its tensor {where}, no file beside it that ends in .data or .bin. Save it as one file"
            with path.open("rb") as file:
                file.seek(int(place.get("offset", 0)))
                tensor.raw_data = file.read(max(0, int(place.get("length", LARGEST))))
            del tensor.external_data[:]
            tensor.data_location = TensorProto.DEFAULT
    return ""


def _unsound(model: "onnx.ModelProto") -> str:
    """Why the tensors of a graph are none; empty where each is whole and finite.

    Raises:
        ValueError: One has other dimensions than it holds elements.
    """
    from onnx import numpy_helper

    for tensor in _tensors(model):
        values = numpy_helper.to_array(tensor)
        if min(tensor.dims, default=0) < 0:
            return f"its tensor {tensor.name[:40]!r} has a negative size. Copy or export it again"
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            steps = {name for step in model.graph.node for name in step.input}
            if tensor.name in steps:
                return f"its tensor {tensor.name[:40]!r} holds NaN or infinity. Export the network with sound weights"
    return ""


def _shape(value: "onnx.ValueInfoProto") -> Shape:
    return tuple(one.dim_value or None for one in value.type.tensor_type.shape.dim)


def _said(shape: Shape) -> "Sequence[Any]":
    return [side or "?" for side in shape]


def _activation(graph: "onnx.GraphProto", output: str) -> str:
    """What an output is the result of, steps that leave the values as they are passed over."""
    makers = {name: step for step in graph.node for name in step.output}
    for _ in range(len(makers)):
        step = makers.get(output)
        if step is None or step.op_type not in PLAIN:
            return ACTIVATIONS.get(step.op_type, "") if step else ""
        output = step.input[0] if step.input else ""
    return ""


def _recognises(folder: Path) -> bool:
    return folder.is_dir() and bool(_graphs(folder))


def _files(folder: Path) -> tuple[Path, ...]:
    return (*_graphs(folder), *existing(folder, CARD_FILE), *_outside(folder))


def _describe(folder: Path, name: str, cache_dir: Path | None) -> Described:
    return _described(read_graph(folder, name), folder, name)


def _described(graph: OnnxGraph, folder: Path, name: str) -> Described:
    """What the card says and, where it says nothing, the graph.

    Raises:
        InvalidCheckpointError: They contradict each other, or there is no card and the graph leaves its size open.
    """
    card, has_card = read_card(folder, name=name), True
    channels, *size = graph.taken[1:]
    outputs = _outputs(graph, card)
    place = outputs[0] if outputs else 0
    given = graph.given[place][1] if len(graph.given[place]) > 1 else None
    if card is None:
        has_card = False
        sides = tuple(side or 0 for side in size)
        if len(sides) == 3 and not all(sides):
            raise _refused(name, f"*{SUFFIX}", f"it takes volumes of any size. Add a {CARD_FILE} with input_size")
        card = default_card(
            channels or 3,
            given or 1,
            head=graph.activations[place],
            input_size=sides if all(sides) else (512, 512),
        )
    elif channels not in (None, card.input_channels) or len(size) != len(card.input_size):
        wanted = in_words((1, card.input_channels, *card.input_size))
        fault = f"it takes {in_words(_said(graph.taken))}, but {CARD_FILE} asks for {wanted}. Correct it"
        raise _refused(name, f"*{SUFFIX}", fault)
    card = as_graph(card, given or card.output_channels, graph.activations[place])
    made = card.exported
    shown = f"{made.architecture} · {made.format}" if made else f"ONNX, opset {graph.opset}"
    return Described(card, shown, has_card, "" if made else "Whether it can be run shows when it is loaded.")


def _outputs(graph: OnnxGraph, card: ModelCard | None) -> list[int]:
    """The outputs that may be logits: of the input's dimensions, and as many channels as the card may mean."""
    meant = (None,) if card is None else (None, len(card.class_names), len(card.class_names) + 1)
    return [
        place
        for place, shape in enumerate(graph.given)
        if len(shape) == len(graph.taken) and (card is None or shape[1] in meant)
    ]


def _load(folder: Path, name: str, cache_dir: Path | None) -> Loaded:
    graph = read_graph(folder, name)
    described = _described(graph, folder, name)
    card, file = described.card, _graphs(folder)[0].name
    shape = (1, card.input_channels, *card.input_size)
    found = _tried(graph.content, shape)
    if isinstance(found, str):
        raise _refused(name, file, found)
    full = sorted(range(len(found)), key=lambda place: found[place][2:] != shape[2:])  # a head of deep supervision last
    for place in full:
        settled = as_graph(card, found[place][1] if len(found[place]) > 1 else 0, graph.activations[place])
        if not output_fault(found[place], settled):
            network = GraphNetwork((graph.content,), shape, graph.parameters, place)
            return Loaded(replace(described, card=settled), network)
    raise _refused(name, file, output_fault(found[full[0]], card))


_trials: dict[tuple[str, tuple[int, ...]], tuple[tuple[int, ...], ...]] = {}  # of files that can be run


def _tried(content: bytes, shape: tuple[int, ...]) -> tuple[tuple[int, ...], ...] | str:
    """The shapes that a graph gives for one input, tried once in a process of its own; or why it cannot be run."""
    key = hashlib.sha256(content).hexdigest(), shape
    if key in _trials:
        return _trials[key]
    command = [sys.executable, "-P", str(TRIAL), json.dumps(shape)]
    try:
        answer = subprocess.run(command, input=content, capture_output=True, timeout=TRIAL_S, check=False).stdout
    except subprocess.TimeoutExpired:
        return f"it takes more than {TRIAL_S:.0f} seconds for one input. Choose a smaller input_size"
    except OSError as error:
        return f"no process can be started to try it ({error.strerror or type(error).__name__}). Try again"
    try:
        told = json.loads(answer)
    except ValueError:
        return "it ends the process that reads it, or needs more memory than there is. Export it again"
    if "fault" in told:
        why = _in_short(told["fault"])
        return f"OpenVINO cannot run it with an input of {in_words(shape)} ({why}). Correct {CARD_FILE} or export again"
    _trials[key] = tuple(tuple(one) for one in told["outputs"])
    return _trials[key]


def _in_short(fault: str) -> str:
    """The line of an error of OpenVINO that says what is wrong, without the places in its program."""
    lines = [line.strip() for line in fault.splitlines()]
    said = [line for line in lines if line and not line.startswith(("Check ", "Exception from", "While validating"))]
    return (said or lines)[0][:160].rstrip(".:")


ONNX = Origin("onnx", "ONNX", _recognises, _files, _describe, _load)
