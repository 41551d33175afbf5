"""ONNX Runtime gives what OpenVINO gives; on the processor here, since its code is the same for both."""

from dataclasses import replace

import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper

from medseg_demo.models.backends import prepare
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute
from medseg_demo.models.conversion import ConversionError
from medseg_demo.models.onnx_runtime import OnnxRuntimeNetwork
from medseg_demo.models.origins.graph import GraphNetwork

runtime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")
CPU = Compute(torch.device("cpu"), torch.float32)
HOST = "CPUExecutionProvider"


def network(*, batch: int | str = "n", stride: int = 1) -> GraphNetwork:
    """One convolution of 3 × 3 from two channels to two."""
    weights = torch.randn(2, 2, 3, 3, generator=torch.Generator().manual_seed(0)).numpy()
    step = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1], strides=[stride, stride])
    taken = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 2, 32, 32])
    given = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2, 32 // stride, 32 // stride])
    graph = helper.make_graph([step], "g", [taken], [given], [numpy_helper.from_array(weights, "w")])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.checker.check_model(model)
    return GraphNetwork((model.SerializeToString(),), (1, 2, 32, 32), weights.size)


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(class_names=("one",), in_channels=2, input_size=(32, 32), head="softmax")


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("batch", ["n", 1])
def test_logits_are_those_of_openvino(card, batch, stride):
    given = network(batch=batch, stride=stride)
    images = torch.rand(3, 2, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = next(prepare(Checkpoint("a", card, given, ""), replace(CPU, backend="openvino")).logits([images]))
    found = next(OnnxRuntimeNetwork(given, card, CPU, parameters=36, provider=HOST).logits([images]))
    assert found.shape == (3, 2, 32, 32)
    assert torch.allclose(found, expected, atol=1e-5)


def test_without_cuda_openvino_runs_it_and_says_so(card):
    made = prepare(Checkpoint("a", card, network(), ""), replace(CPU, device=torch.device("cuda")))
    assert made.compute.backend == "openvino"
    assert "without CUDA" in made.note


def test_what_it_cannot_run_is_told(card):
    with pytest.raises(ConversionError, match="cannot run it"):
        OnnxRuntimeNetwork(replace(network(), parts=(b"no graph",)), card, CPU, parameters=1, provider=HOST)
