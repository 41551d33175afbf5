"""A network of PyTorch → an ONNX file that tells nothing of the machine."""

import copy
import io
import warnings
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.conversion import ConversionError, import_openvino

OPSET = 18
TOLERANCE = 1e-3  # of logits in float32, absolute and relative


def to_onnx(network: nn.Module, shape: Sequence[int], name: str) -> bytes:
    """The ONNX file: input ``image`` (N, C, …), output ``logits`` (N, K, …), any N.

    Args:
        network: In evaluation mode; left as it is.
        shape: (1, C, H, W) or (1, C, D, H, W) of its input.
        name: The checkpoint's, for messages.

    Raises:
        InvalidCheckpointError: It cannot be exported, or computes something else then.
    """
    network = copy.deepcopy(network).cpu().float().to(memory_format=torch.contiguous_format).eval()
    # A batch of one is taken for a constant by the exporter.
    example = torch.rand(2, *shape[1:], generator=torch.Generator().manual_seed(0))
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            expected = network(example)
            program = torch.onnx.export(
                network,
                (example,),
                input_names=["image"],
                output_names=["logits"],
                opset_version=OPSET,
                dynamo=True,
                verbose=False,
                dynamic_shapes=({0: torch.export.Dim("batch", min=1)},),
            )
        content = _without_traces(program.model_proto)  # type: ignore[union-attr]
    except Exception as error:  # of any kind: the network's own code, the exporter's
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: PyTorch cannot export its network as ONNX ({type(error).__name__}). Try --format "
            "openvino."
        ) from None
    if not _computes_the_same(content, example, expected):
        raise InvalidCheckpointError(
            f"Checkpoint {name!r}: as ONNX its network computes something else. Try --format openvino."
        )
    return content


def _without_traces(model: Any) -> bytes:
    """The file without what PyTorch's exporter notes of each step: stack traces, with the paths of this machine."""
    del model.metadata_props[:]
    model.doc_string = ""
    for graph in (model.graph, *model.functions):
        for record in (graph, *graph.node, *graph.value_info):
            del record.metadata_props[:]
            record.doc_string = ""
    for record in (*model.graph.input, *model.graph.output, *model.graph.initializer):
        if hasattr(record, "metadata_props"):
            del record.metadata_props[:]
        record.doc_string = ""
    return model.SerializeToString()


def _computes_the_same(content: bytes, example: torch.Tensor, expected: torch.Tensor) -> bool:
    """Whether OpenVINO, which reads ONNX, gets the same logits; True where it is not installed."""
    try:
        openvino = import_openvino()
    except ConversionError:
        return True
    core = openvino.Core()
    try:
        compiled = core.compile_model(core.read_model(io.BytesIO(content)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
        result = torch.from_numpy(compiled(example.numpy())[0])
    except RuntimeError:
        return False
    return result.shape == expected.shape and torch.allclose(result, expected, rtol=TOLERANCE, atol=TOLERANCE)
