"""Networks of ONNX on a GPU, by ONNX Runtime where it is installed with CUDA (``pip install onnxruntime-gpu``)."""

from collections.abc import Generator, Iterable, Sequence
from dataclasses import replace

import torch
from torch.nn import functional as F

from medseg_demo.models.card import ModelCard
from medseg_demo.models.compute import Compute
from medseg_demo.models.conversion import ConversionError
from medseg_demo.models.origins.graph import GraphNetwork

CUDA = "CUDAExecutionProvider"
WAYS = {4: "bilinear", 5: "trilinear"}


class OnnxRuntimeNetwork:
    """A network that ONNX Runtime runs; see Network. Safe to use from several threads, as its sessions are.

    Inputs and logits lie in the computer's own memory: what is summed there needs no room on the card.

    Args:
        network: Of ONNX.
        card: Its model card.
        compute: What it is called for people.
        parameters: How many weights it has.
        provider: What runs it, which must be there: nothing is run by another one in silence.

    Raises:
        ConversionError: ONNX Runtime is not installed, has no such provider, or cannot run it.
    """

    device = torch.device("cpu")
    note = ""

    def __init__(
        self, network: GraphNetwork, card: ModelCard, compute: Compute, *, parameters: int, provider: str = CUDA
    ) -> None:
        try:
            import onnxruntime
        except ImportError as error:
            raise ConversionError("ONNX Runtime is not installed") from error
        if provider not in onnxruntime.get_available_providers():
            raise ConversionError("ONNX Runtime is installed without CUDA")
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # it would write into the server's output
        options.intra_op_num_threads = compute.threads
        try:
            self._session = onnxruntime.InferenceSession(network.parts[0], options, [provider])
        except Exception as error:  # of kinds of its own
            raise ConversionError(f"ONNX Runtime cannot run it ({type(error).__name__})") from error
        if self._session.get_providers()[0] != provider:
            raise ConversionError("ONNX Runtime finds no CUDA that it can use")
        self.channels: int = card.input_channels
        self.classes, self.dimensions = card.output_channels, len(card.input_size)
        self.parameters, self.compute = parameters, replace(compute, precision=torch.float32)
        self.name, self._bytes = self.compute.name, network.bytes
        (given,) = self._session.get_inputs()
        self._input, self._takes_batches = given.name, not isinstance(given.shape[0], int)
        self._output = self._session.get_outputs()[network.output].name

    @property
    def bytes(self) -> int:
        """Memory that its weights take besides those of the checkpoint."""
        return self._bytes

    def logits(
        self, batches: Iterable[torch.Tensor], *, expected: int = 1, findings: list[torch.Tensor] | None = None
    ) -> Generator[torch.Tensor, None, None]:
        """See Network."""
        for batch in batches:
            parts = [batch] if self._takes_batches else batch.split(1)
            yield torch.cat([self._run(part, batch.shape[2:]) for part in parts])

    def _run(self, part: torch.Tensor, size: Sequence[int]) -> torch.Tensor:
        (found,) = self._session.run([self._output], {self._input: part.contiguous().numpy()})
        result = torch.from_numpy(found)
        if result.shape[2:] == tuple(size):
            return result
        return F.interpolate(result, tuple(size), mode=WAYS[result.ndim], align_corners=False)
