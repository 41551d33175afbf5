"""A checkpoint's network made fast on a device: by OpenVINO on the CPU, by PyTorch on CUDA, MPS and the CPU."""

import copy
import logging
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import torch
from torch import nn

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute, ThreadLimit, choose_compute, processors
from medseg_demo.models.conversion import ConversionError, import_openvino, kept_model, parameters_in, to_openvino
from medseg_demo.models.network import (
    Network,
    SavedNetwork,
    bytes_of,
    pad_where_needed,
    parameters_of,
    with_findings,
)
from medseg_demo.models.origins.graph import GraphNetwork
from medseg_demo.models.origins.origin import SAVED
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    import openvino

logger = logging.getLogger(__name__)

Mode = Literal["latency", "throughput"]

MOST_STREAMS = 16  # of one network: each holds its own activations
FEW = 2  # images for each thread: from this on, images side by side are faster than one over all threads
HINTS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}


def prepare(checkpoint: Checkpoint, compute: Compute) -> Network:
    """A checkpoint's network, ready to run; made once, and kept with the checkpoint.

    Args:
        checkpoint: From ``load_checkpoint``.
        compute: Where to run. Where OpenVINO cannot run this network, PyTorch does, and the network's ``note`` says so.

    Raises:
        RuntimeError: The network does not go onto the device.
    """
    return checkpoint.prepared.get(compute, lambda: _make(checkpoint, compute))


def _make(checkpoint: Checkpoint, compute: Compute) -> Network:
    card, network, note = checkpoint.card, checkpoint.network, compute.note
    compute = replace(compute, cache_dir=None) if checkpoint.private else compute
    if card.recipe and compute.automatic and compute.device.type == "cpu":
        compute = replace(compute, precision=torch.float32)  # as the library whose steps these are computes there
    if isinstance(network, GraphNetwork):
        return _make_graph(checkpoint, network, compute)
    shape, kind = (1, card.input_channels, *card.input_size), ""
    if isinstance(network, SavedNetwork):
        kind = SAVED
        ready = _make_kept(checkpoint, compute, shape) if compute.backend == "openvino" else None
        if ready is not None:
            return ready
    module = checkpoint.module
    padded = with_findings(module) if card.findings else pad_where_needed(module, card.input_size)
    if compute.backend == "openvino" and not getattr(card.recipe, "any_size", False):
        try:
            model = to_openvino(padded, shape, digest=checkpoint.digest, cache_dir=compute.cache_dir, kind=kind)
            return OpenVinoNetwork(model, card, compute, parameters=parameters_of(padded))
        except ConversionError as error:
            note = f"PyTorch runs {checkpoint.name!r} in place of OpenVINO: {error}."
            logger.warning(note)
    return TorchNetwork(padded, card, compute, note=note)


def _make_kept(checkpoint: Checkpoint, compute: Compute, shape: tuple[int, ...]) -> Network | None:
    """From the cache folder, without the network of PyTorch; None where that is needed after all."""
    with suppress(ConversionError):
        model = kept_model(shape, digest=checkpoint.digest, cache_dir=compute.cache_dir, kind=SAVED)
        if model is not None:
            return OpenVinoNetwork(model, checkpoint.card, compute, parameters=parameters_in(model))
    return None


def _make_graph(checkpoint: Checkpoint, network: GraphNetwork, compute: Compute) -> Network:
    note = compute.note
    if network.is_onnx and compute.device.type == "cuda":
        from medseg_demo.models.onnx_runtime import OnnxRuntimeNetwork

        try:
            return OnnxRuntimeNetwork(network, checkpoint.card, compute, parameters=checkpoint.parameters)
        except ConversionError as error:
            note = f"OpenVINO runs {checkpoint.name!r} on the CPU: {error}."
            logger.warning(note)
    if compute.backend != "openvino":
        own = choose_compute(Settings(device="cpu", backend="openvino", threads=compute.threads))
        precision = compute.precision if compute.device.type == "cpu" else own.precision
        compute = replace(own, precision=precision)
    try:
        model = network.model()
        return OpenVinoNetwork(model, checkpoint.card, compute, parameters=checkpoint.parameters, note=note)
    except ConversionError as error:
        raise InvalidCheckpointError(
            f"Checkpoint {checkpoint.name!r} is of OpenVINO, and {error}. Export it again on this machine."
        ) from None


class TorchNetwork:
    """A network that PyTorch runs, on any device of it; see Network.

    Args:
        network: In evaluation mode; left as it is.
        card: Its model card.
        compute: Where to run.
        note: As of Network.
    """

    def __init__(self, network: nn.Module, card: ModelCard, compute: Compute, *, note: str = "") -> None:
        self.channels: int = card.input_channels
        self.classes, self.dimensions = card.output_channels, len(card.input_size)
        self.parameters, self.device, self.note = parameters_of(network), compute.device, note
        self.compute = replace(compute, backend="torch")
        self.name = self.compute.name
        self._layout, self._finds = channels_last(self.dimensions), bool(card.findings)
        # A copy, where it leaves the CPU: somebody else may want it there.
        moved = network if compute.device.type == "cpu" else copy.deepcopy(network).to(compute.device)
        self._network = moved.to(memory_format=self._layout)
        self._threads = ThreadLimit(compute.threads) if compute.device.type == "cpu" and compute.threads else None

    @property
    def bytes(self) -> int:
        """Memory that its weights take besides those of the checkpoint."""
        return 0 if self.device.type == "cpu" else bytes_of(self._network)

    def logits(
        self, batches: Iterable[torch.Tensor], *, expected: int = 1, findings: list[torch.Tensor] | None = None
    ) -> Generator[torch.Tensor, None, None]:
        """See Network. On CUDA a batch is computed while the next one is put together."""
        reduced = self.compute.precision != torch.float32
        for batch in batches:
            limit: AbstractContextManager = self._threads.apply() if self._threads else nullcontext()
            with limit, torch.inference_mode(), torch.autocast(
                self.device.type, dtype=self.compute.precision, enabled=reduced
            ):  # fmt: skip
                images = batch.to(self.device, non_blocking=self.device.type == "cuda").contiguous(
                    memory_format=self._layout
                )
                result = self._network(images)
            if self._finds:
                result, found = result
                if findings is not None:
                    findings.append(found.float())
            yield result.float()


class OpenVinoNetwork:
    """A network that OpenVINO runs on the CPU; see Network.

    Args:
        model: As OpenVINO takes it, for one image or window at a time.
        card: Its model card.
        compute: Precision and threads count.
        parameters: How many weights it has.
        note: As of Network.
    """

    device = torch.device("cpu")

    def __init__(
        self, model: "openvino.Model", card: ModelCard, compute: Compute, *, parameters: int, note: str = ""
    ) -> None:
        self.note = note
        self.channels: int = card.input_channels
        self.classes, self.dimensions = card.output_channels, len(card.input_size)
        self.parameters, self.compute = parameters, replace(compute, backend="openvino")
        self.name, self._model = self.compute.name, model
        self._results = tuple(model.output(0).shape)[1:]
        self._findings = len(card.findings)
        self._compiled: dict[Mode, _Compiled] = {}
        self._lock = threading.Lock()
        self._weights = sum(one.get_byte_size() for one in model.get_ops() if one.get_type_name() == "Constant")
        self._ready("latency")  # so that what cannot be compiled shows while PyTorch can still be taken

    @property
    def bytes(self) -> int:
        """Memory that its weights take: as they came, and once more for each way of sharing the threads."""
        return self._weights * (1 + len(self._compiled))

    def logits(
        self, batches: Iterable[torch.Tensor], *, expected: int = 1, findings: list[torch.Tensor] | None = None
    ) -> Generator[torch.Tensor, None, None]:
        """See Network. Each image is a request of its own, and a batch is what comes back together."""
        threads = self.compute.threads_of_a_call
        compiled = self._ready("throughput" if threads > 1 and expected >= FEW * threads else "latency")
        waiting: deque[_Waiting] = deque()
        try:
            for batch in batches:
                results = torch.empty(len(batch), *self._results), torch.empty(len(batch), self._findings)
                for index, image in enumerate(batch):
                    if len(waiting) >= compiled.at_once:
                        yield from compiled.collect(waiting, findings)
                    waiting.append(_Waiting(compiled.start(image), results, index))
            while waiting:
                yield from compiled.collect(waiting, findings)
        finally:
            compiled.give_up(waiting)

    def _ready(self, mode: Mode) -> "_Compiled":
        with self._lock:
            if mode not in self._compiled:
                self._compiled[mode] = _Compiled(self._model, self.compute, mode)
            return self._compiled[mode]


class _Waiting(NamedTuple):
    """One image that is computed: where its results belong in those of its batch, logits and findings."""

    request: "openvino.InferRequest"
    results: tuple[torch.Tensor, torch.Tensor]
    place: int


class _Compiled:
    """One way of sharing the threads among images: "latency" takes all for each, "throughput" one for each.

    Attributes:
        at_once: How many images of one call are under way.
    """

    def __init__(self, model: "openvino.Model", compute: Compute, mode: Mode) -> None:
        openvino = import_openvino()
        threads = compute.threads_of_a_call
        of_one = threads if mode == "latency" else 1
        # Other calls at the same time find streams of their own: threads are of a call, not of the process.
        streams = max(1, min(max(processors(), threads) // of_one, MOST_STREAMS))
        # With a single stream the next image waits in it, so that it starts at once.
        self.at_once = max(2 if streams == 1 else 1, min(threads // of_one, streams))
        options = {
            "INFERENCE_PRECISION_HINT": HINTS[compute.precision],
            "INFERENCE_NUM_THREADS": of_one * streams,
            "NUM_STREAMS": streams,
            # Two processes would bind their threads to the same cores, and be as slow as one.
            "ENABLE_CPU_PINNING": False,
        }
        try:
            self._compiled = openvino.Core().compile_model(model, "CPU", options)
        except Exception as error:
            raise ConversionError(f"it cannot run this network ({type(error).__name__})") from error
        self._idle: deque = deque()  # deques are safe to use from several threads

    def start(self, image: torch.Tensor) -> "openvino.InferRequest":
        """Begin with one image (C, H, W) or (C, D, H, W)."""
        try:
            request = self._idle.pop()
        except IndexError:
            request = self._compiled.create_infer_request()
        np.copyto(request.input_tensors[0].data[0], image.numpy())
        request.start_async()
        return request

    def collect(self, waiting: deque[_Waiting], findings: list[torch.Tensor] | None) -> Iterator[torch.Tensor]:
        """Wait for the oldest image; a batch whose last one it is comes out."""
        request, (logits, found), index = waiting.popleft()
        request.wait()
        logits[index].copy_(torch.from_numpy(request.output_tensors[0].data[0]))
        if found.numel():
            found[index].copy_(torch.from_numpy(request.output_tensors[1].data[0]))
        self._idle.append(request)
        if index + 1 == len(logits):
            if findings is not None and found.numel():
                findings.append(found)
            yield logits

    def give_up(self, waiting: deque[_Waiting]) -> None:
        """Wait for what was begun, whose results nobody wants."""
        while waiting:
            request = waiting.popleft().request
            with suppress(RuntimeError):  # the first one that failed was told
                request.wait()
                self._idle.append(request)


def channels_last(dims: int) -> torch.memory_format:
    """The layout of memory in which PyTorch's convolutions of 2 or 3 dimensions are fast."""
    return torch.channels_last if dims == 2 else torch.channels_last_3d
