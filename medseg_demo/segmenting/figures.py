"""What a checkpoint's network costs: weights, operations, and its time here."""

import time
from contextlib import suppress
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch.func import functional_call

from medseg_demo.errors import InvalidCheckpointError
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.models.network import pad_where_needed
from medseg_demo.segmenting.turns import Job
from medseg_demo.segmenting.windows import choose_compute, predict

if TYPE_CHECKING:
    from medseg_demo.segmenting.engine import Engine

PASSES = 3  # that are timed, of which the median counts
SLOW_S = 5.0  # what takes longer is timed once


@dataclass(frozen=True)
class Figures:
    """Of one input of the card's size: a whole image, or a tile.

    Attributes:
        parameters: How many weights the network has.
        gflops: Operations in 10⁹, a multiplication and its addition being two; None of a network that is no module of
            PyTorch, or whose steps cannot be counted.
        milliseconds: Of the network alone.
        compute: Device, precision and threads, in words.
    """

    parameters: int
    gflops: float | None
    milliseconds: float
    compute: str


def find_figures(engine: "Engine", name: str, job: Job) -> Figures:
    """Measure a checkpoint on this computer.

    Args:
        engine: Runs the network; a lent GPU is not asked for.
        name: Of the checkpoint.
        job: What it is a part of.

    Raises:
        MedsegError: The checkpoint cannot be used.
        Cancelled: The job was cancelled.
    """
    engine = engine.here
    checkpoint = engine.loaded(name)
    compute = choose_compute(engine.settings)
    example = torch.zeros(1, checkpoint.card.input_channels, *checkpoint.card.input_size)
    taken: list[float] = []
    for _ in range(1 + PASSES):  # the first one makes the network ready
        job.check()
        with job.turn():
            start = time.perf_counter()
            predict(checkpoint, example, compute)
            taken.append(time.perf_counter() - start)
        if taken[-1] > SLOW_S and len(taken) > 1:
            break
    named = engine.compute_of(checkpoint).name
    return Figures(checkpoint.parameters, gflops_of(checkpoint), 1000 * median(taken[1:]), named)


def gflops_of(checkpoint: Checkpoint) -> float | None:
    """As of Figures; nothing is computed, the shapes alone are followed."""
    from torch.utils.flop_counter import FlopCounterMode

    card = checkpoint.card
    with suppress(InvalidCheckpointError, RuntimeError, NotImplementedError, TypeError):
        module = pad_where_needed(checkpoint.module, card.input_size)
        state = {name: tensor.to("meta") for name, tensor in module.state_dict().items()}
        example = torch.empty(1, card.input_channels, *card.input_size, device="meta")
        with FlopCounterMode(display=False) as counted, torch.no_grad():
            functional_call(module, state, (example,), tie_weights=False)
        return counted.get_total_flops() / 1e9 or None
    return None
