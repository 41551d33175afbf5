"""The bare network, in the same precision, on tensors that are ready: by OpenVINO's public interface, or PyTorch's."""

import time
from collections.abc import Callable, Sequence

import torch

from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.compute import Compute, choose_compute
from medseg_demo.models.conversion import import_openvino
from medseg_demo.settings import Settings

CHECKPOINT = "lungs-unet-lite0"
HINTS = {torch.float32: "f32", torch.bfloat16: "bf16", torch.float16: "f16"}

Run = Callable[[int], float]


def bare_forward(batch_size: int, batches: int = 1) -> Callable[[], float]:
    """A function that runs the network over random batches and returns the seconds it took."""
    settings = Settings.from_environment()
    checkpoint, compute = load_checkpoint(CHECKPOINT, settings.checkpoints_dir), choose_compute(settings)
    run = bare_network(checkpoint, compute, batch_size)
    return lambda: run(batch_size * batches)


def bare_network(checkpoint: Checkpoint, compute: Compute, batch_size: int, shape: Sequence[int] = ()) -> Run:
    """A function that runs so many random inputs through a network and returns the seconds it took.

    OpenVINO takes one input at a time in its own latency mode for a batch of one, and otherwise as many side by side
    as its throughput mode wants, whatever the size of the batch.
    """
    card = checkpoint.card
    shape = tuple(shape) or (card.in_channels, *card.input_size)
    run = _openvino if compute.backend == "openvino" else _torch
    return run(checkpoint, compute, batch_size, shape)


def _openvino(checkpoint: Checkpoint, compute: Compute, batch_size: int, shape: Sequence[int]) -> Run:
    openvino = import_openvino()
    example = torch.rand(1, *shape)
    model = openvino.convert_model(checkpoint.module, example_input=example, input=[openvino.PartialShape([1, *shape])])
    hint = "LATENCY" if batch_size == 1 else "THROUGHPUT"
    options = {
        "INFERENCE_PRECISION_HINT": HINTS[compute.precision],
        "INFERENCE_NUM_THREADS": compute.threads_of_a_call,
        "PERFORMANCE_HINT": hint,
    }
    queue = openvino.AsyncInferQueue(openvino.Core().compile_model(model, "CPU", options), 1 if batch_size == 1 else 0)
    array = example.numpy()

    def run(images: int) -> float:
        start = time.perf_counter()
        for _ in range(images):
            queue.start_async([array], share_inputs=True)
        queue.wait_all()
        return time.perf_counter() - start

    return run


def _torch(checkpoint: Checkpoint, compute: Compute, batch_size: int, shape: Sequence[int]) -> Run:
    network = checkpoint.module.to(compute.device, memory_format=torch.channels_last)
    tensor = torch.rand(batch_size, *shape).to(compute.device, memory_format=torch.channels_last)
    reduced = compute.precision != torch.float32

    def run(images: int) -> float:
        start = time.perf_counter()
        with torch.inference_mode(), torch.autocast(compute.device.type, dtype=compute.precision, enabled=reduced):
            for _ in range(-(-images // batch_size)):
                network(tensor).cpu()
        return time.perf_counter() - start

    return run
