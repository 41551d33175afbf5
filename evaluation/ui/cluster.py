"""The cluster that a server was started with: it works on the evaluations of its visitors."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from evaluation.errors import ClusterError
from evaluation.runs.predictors import Stopped
from evaluation.runs.work import Executor
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint

NOT_NOW = "The machines that score for this page do not answer now. Try again later, or tell who runs it."


@contextmanager
def cluster_of(engine: Engine, checkpoints: "Sequence[Checkpoint]", stop: threading.Event) -> Iterator[Executor | None]:
    """What works on the cases of a run: the server's cluster, where it has one; None is this process.

    A visitor's own checkpoint stays in this process, since nothing of it may be kept elsewhere.

    Args:
        engine: Knows the checkpoints and the settings.
        checkpoints: Of the folder, loaded; none are needed where only label maps are scored.
        stop: Ends the wait for the cluster when it is set.

    Raises:
        ClusterError: It cannot be used; on a public page nothing is said of its machines.
        Cancelled: ``stop`` was set before a machine was ready.
    """
    settings = engine.settings
    if not settings.ray_address or not checkpoints or any(checkpoint.private for checkpoint in checkpoints):
        yield None
        return
    from evaluation.runs.cluster.executor import RayExecutor

    pairs = [(checkpoint, engine.entry(checkpoint.name).folder) for checkpoint in checkpoints]
    try:
        with RayExecutor(pairs, settings, address=settings.ray_address, stop=stop) as executor:
            yield executor
    except Stopped:
        raise Cancelled from None
    except ClusterError:
        if settings.public:
            raise ClusterError(NOT_NOW) from None
        raise
