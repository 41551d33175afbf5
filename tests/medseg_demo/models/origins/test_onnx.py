"""Checkpoint folders of ONNX: what the graph says, what is refused, and that nothing ends the process."""

import random

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import ModelCard, write_card
from medseg_demo.models.catalog import list_checkpoints
from medseg_demo.models.checkpoint import digest, load_folder
from medseg_demo.models.compute import Compute
from medseg_demo.models.origins.onnx import LARGEST, read_graph
from medseg_demo.segmenting.windows import predict

CPU = Compute(torch.device("cpu"), torch.float32)
SIZE = (8, 8)


def graph(*last, channels=2, taken=1, size=SIZE, weights=None, steps=(), inputs=(), outputs=()):
    """A convolution of 1 × 1, and the steps that come after it."""
    values = np.arange(channels * taken, dtype=np.float32).reshape(channels, taken, *[1] * len(size))
    kernel = numpy_helper.from_array(values if weights is None else weights, "kernel")
    nodes = [helper.make_node("Conv", ["image", "kernel"], ["conv"]), *steps]
    names = ["conv", *(f"step{index}" for index in range(len(last)))]
    for index, (kind, fields) in enumerate(last):
        nodes.append(helper.make_node(kind, [names[index]], [names[index + 1]], **fields))
    whole = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", taken, *size]), *inputs],
        [helper.make_tensor_value_info(names[-1], TensorProto.FLOAT, ["N", channels, *size]), *outputs],
        [kernel],
    )
    return helper.make_model(whole, opset_imports=[helper.make_opsetid("", 18)])


@pytest.fixture
def folder(tmp_path):
    def make(model, card=None, name="net", **fields):
        place = tmp_path / name
        place.mkdir(exist_ok=True)
        (place / "model.onnx").write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
        fields = {"class_names": ("a",), "in_channels": 1, "input_size": SIZE, **fields}
        if card is not False:
            write_card(card or ModelCard(**fields), place)
        return place

    return make


def test_it_is_listed_loaded_and_run(folder):
    place = folder(graph(channels=1, weights=np.full((1, 1, 1, 1), 2, np.float32)))
    (entry,) = list_checkpoints(place.parent)
    assert (entry.problem, entry.origin, entry.architecture) == (None, "ONNX", "ONNX, opset 18")
    checkpoint = load_folder(place)
    assert checkpoint.parameters == 1
    tensor = torch.rand(3, 1, 8, 12)
    torch.testing.assert_close(predict(checkpoint, tensor, CPU), (2 * tensor).sigmoid(), rtol=0, atol=1e-4)
    with pytest.raises(InvalidCheckpointError, match="graph"):
        _ = checkpoint.module


@pytest.mark.parametrize(
    ("last", "channels", "names", "head", "activated"),
    [
        ((), 2, ("a",), "softmax", None),
        ((), 2, ("a", "b"), "sigmoid", None),
        ((("Sigmoid", {}),), 1, ("a",), None, True),
        ((("Sigmoid", {}), ("Identity", {})), 2, ("a", "b"), "sigmoid", True),
        ((("Softmax", {"axis": 1}),), 3, ("a", "b"), None, True),
    ],
)
def test_head_and_activation_are_what_the_graph_says(folder, last, channels, names, head, activated):
    place = folder(graph(*last, channels=channels), class_names=names)
    card = load_folder(place).card
    assert (card.head, card.activated) == (head, activated)
    (entry,) = list_checkpoints(place.parent)
    assert entry.card == card


@pytest.mark.parametrize(
    ("last", "channels", "taken", "names", "head"),
    [
        ((), 1, 3, ("class_1",), None),
        ((), 3, 4, ("class_1", "class_2"), None),
        ((("Sigmoid", {}),), 2, 1, ("class_1", "class_2"), "sigmoid"),
        ((), 2, 1, ("class_1",), "softmax"),
    ],
)
def test_without_a_card_the_graph_gives_one(folder, last, channels, taken, names, head):
    checkpoint = load_folder(folder(graph(*last, channels=channels, taken=taken), card=False))
    assert not checkpoint.has_card
    assert checkpoint.card.class_names == names
    assert (checkpoint.card.in_channels, checkpoint.card.input_size, checkpoint.card.head) == (taken, SIZE, head)


def test_logits_of_a_quarter_of_the_size_are_enlarged(folder):
    last = [("AveragePool", {"kernel_shape": [4, 4], "strides": [4, 4]})]
    model = graph(*last, channels=1, weights=np.ones((1, 1, 1, 1), np.float32))
    checkpoint = load_folder(folder(model))
    tensor = torch.rand(1, 1, 8, 8)
    small = torch.nn.functional.avg_pool2d(tensor, 4)
    expected = torch.nn.functional.interpolate(small, SIZE, mode="bilinear").sigmoid()
    torch.testing.assert_close(predict(checkpoint, tensor, CPU), expected, rtol=0, atol=1e-4)


def test_of_several_outputs_the_one_of_the_cards_shape_is_taken(folder):
    label = helper.make_tensor_value_info("label", TensorProto.FLOAT, ["N", 2, 1, 1])
    step = helper.make_node("GlobalAveragePool", ["conv"], ["label"])
    model = graph(steps=[step], outputs=[label])
    model.graph.output.reverse()
    assert load_folder(folder(model)).network.output == 1


def test_tensors_may_lie_in_a_file_beside(folder):
    model = graph(weights=np.array([1, 2], np.float32).reshape(2, 1, 1, 1))
    place = folder(b"", name="outside")
    onnx.save(model, place / "model.onnx", save_as_external_data=True, location="m.onnx.data", size_threshold=0)
    before = digest(place)
    assert read_graph(place, "outside").parameters == 2
    assert load_folder(place).card.head == "softmax"
    (place / "m.onnx.data").write_bytes(np.array([1, 3], np.float32).tobytes())
    assert digest(place) != before


def outside(location, **more):
    model = graph()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in {"location": location, **more}.items():
        tensor.external_data.add(key=key, value=value)
    return model


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "missing.bin", "", "medseg.json"])
def test_no_file_elsewhere_is_read(folder, location):
    place = folder(outside(location))
    (place.parent / "secret.bin").write_bytes(bytes(8))
    with pytest.raises(InvalidCheckpointError, match="no file beside it"):
        load_folder(place)


@pytest.mark.parametrize("more", [{"offset": "4"}, {"length": "4"}, {"offset": "-1"}, {"offset": "x"}])
def test_a_lying_place_within_a_file_is_refused(folder, more):
    place = folder(outside("w.bin", **more))
    (place / "w.bin").write_bytes(bytes(8))
    with pytest.raises(InvalidCheckpointError, match=r"damaged|cannot be read"):
        load_folder(place)


def lying(model):
    model.graph.initializer[0].dims[0] = 10**9
    return model


def without_outputs(model):
    del model.graph.output[:]
    return model


def of_domain(model, domain):
    model.graph.node[0].domain = domain
    return model


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (b"", "no network"),
        (b"no protobuf", "damaged"),
        (graph().SerializeToString()[:-20], "damaged|no network|inputs"),
        (graph(("FancyStep", {})), "FancyStep"),
        (of_domain(graph(), "com.somebody"), "none of ONNX's"),
        (graph(("RandomUniformLike", {})), "RandomUniformLike"),
        (graph(("ArgMax", {"axis": 1})), "ArgMax"),
        (graph(inputs=[helper.make_tensor_value_info("age", TensorProto.FLOAT, [1])]), "2 inputs"),
        (graph(weights=np.full((2, 1, 1, 1), np.nan, np.float32)), "NaN"),
        (lying(graph()), "damaged"),
        (without_outputs(graph()), "no network"),
        (graph(channels=4), "gives 1 × 4 × 8 × 8"),
        (graph(taken=3), "asks for 1 × 1 × 8 × 8"),
        (graph(size=(8, 8, 8)), "asks for 1 × 1 × 8 × 8"),
        (graph(("Tile", {})), "OpenVINO cannot run it"),
    ],
)
def test_what_cannot_be_used_is_told(folder, model, message):
    with pytest.raises(InvalidCheckpointError, match=message):
        load_folder(folder(model))


def loop():
    body = helper.make_graph(
        [helper.make_node("Identity", ["go"], ["again"])],
        "body",
        [helper.make_tensor_value_info(name, kind, []) for name, kind in (("i", 7), ("go", 9))],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, [])],
    )
    return graph(steps=[helper.make_node("Loop", ["", "true"], [], body=body)])


def grown():
    """A constant of 4 TB."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6], np.int64), "shape")
    model = graph(
        steps=[
            helper.make_node("Constant", [], ["s"], value=shape),
            helper.make_node("ConstantOfShape", ["s"], ["huge"]),
            helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
            helper.make_node("Add", ["conv", "sum"], ["more"]),
        ]
    )
    model.graph.output[0].name = "more"
    return model


@pytest.mark.parametrize(("model", "message"), [(loop(), "Loop"), (grown(), "OpenVINO cannot run|ends the process")])
def test_what_never_ends_or_fills_the_memory_is_refused(folder, model, message):
    with pytest.raises(InvalidCheckpointError, match=message):
        load_folder(folder(model))


def test_a_file_that_is_too_large_is_refused_before_it_is_read(folder):
    place = folder(b"")
    with (place / "model.onnx").open("wb") as file:
        file.truncate(10 * 2**30)
    with pytest.raises(InvalidCheckpointError, match=r"10\.0 GiB of files, and 8\.0 GiB"):
        load_folder(place)
    with (place / "model.onnx").open("wb") as file:
        file.truncate(LARGEST + 1)
    with pytest.raises(InvalidCheckpointError, match=r"2\.0 GiB are read"):
        read_graph(place, "net")


def test_two_files_of_onnx_are_one_too_many(folder):
    place = folder(graph())
    (place / "other.onnx").write_bytes(b"")
    with pytest.raises(InvalidCheckpointError, match="several"):
        load_folder(place)


@pytest.mark.slow
def test_no_mutation_of_a_file_ends_the_process(folder):
    """Most are refused as data; the rest in a process of their own."""
    content, chance = graph(("Sigmoid", {}), channels=1).SerializeToString(), random.Random(0)
    told: list[str] = []
    for _ in range(150):
        mutated = bytearray(content)
        for _ in range(chance.choice([1, 1, 2, 8])):
            mutated[chance.randrange(len(mutated))] = chance.randrange(256)
        try:
            load_folder(folder(bytes(mutated)))
        except InvalidCheckpointError as error:
            told.append(str(error))
    assert len(told) > 50
