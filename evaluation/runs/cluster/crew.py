"""Who works for a run on a Ray cluster: an actor a node, or a share of a GPU, each of which holds the networks.

Workers come and go with the nodes. One whose versions or device would give other numbers is not used.
"""

import threading
import time
from collections import Counter, deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from evaluation.errors import ClusterError
from evaluation.runs.cluster.worker import Networks, Ready, Sent, versions
from evaluation.runs.local import READERS
from evaluation.runs.predictors import Stopped
from evaluation.runs.work import CaseTask
from medseg_demo import names
from medseg_demo.settings import BUNDLED, CHECKPOINTS, Settings

if TYPE_CHECKING:
    from medseg_demo.models.checkpoint import Checkpoint

SHARE = 0.49  # of a processor for a task that scores
OF_NETWORKS = 0.51  # of a node's processors, for what holds its networks: those of two runs have no room on one node
MOST_AT_ONCE = 8  # cases in a worker's network
PATIENCE_S = 600.0  # without a worker that is ready: they load many networks, perhaps from a slow disk
GRACE_S = 5.0  # at least, that others have once a worker is ready
MOST_STARTS = 3  # of workers of a node that end before they are ready
RENEWAL_S = 1.0
WAIT_S = 0.2

Upcoming = deque[deque[CaseTask]]  # of each case the checkpoints that have yet to predict it


@dataclass(eq=False)
class Worker:
    """An actor, from its start to its end."""

    node: str
    actor: Any
    opening: Any
    window: int
    store_bytes: float
    rest: deque[CaseTask] = field(default_factory=deque)
    running: int = 0
    ready: bool = False
    was_ready: bool = False


class Crew:
    """The workers of a run.

    Args:
        ray: The module, connected to a cluster.
        checkpoints: What the workers load.
        settings: Of the run.
        gpu_share: Of a GPU, that a worker takes where there are any.

    Attributes:
        settings: As given, as a reference.
        refused: Node → why it cannot work.
    """

    def __init__(self, ray: Any, checkpoints: list[Sent], settings: Settings, gpu_share: float) -> None:
        self._ray, self._gpu_share, self._device = ray, gpu_share, settings.device
        self._sent, self.settings = ray.put(checkpoints), ray.put(settings)
        self._workers: dict[str, list[Worker]] = {}
        self.refused: dict[str, str] = {}
        self._first: Ready | None = None
        self._failed_starts = Counter[str]()
        self._looked = -RENEWAL_S
        self._without_since: float | None = None

    @property
    def ready(self) -> list[Worker]:
        """The workers that can be given cases."""
        return [worker for worker in self._all() if worker.ready]

    @property
    def first(self) -> Ready:
        """The worker that was ready first, by which others are judged."""
        assert self._first is not None, "the crew is open"
        return self._first

    def doubt(self, worker: Worker) -> None:
        """Ask a worker that lost a case whether it still is there; it is given none until it answers."""
        worker.ready, worker.opening = False, worker.actor.open.remote()

    def open(self, stop: threading.Event) -> None:
        """Wait until each worker is ready, or some are and the others take much longer; refuse what would mix numbers.

        Those that are ready later work from then on: another run may hold their nodes until it ends.

        Raises:
            ClusterError: Nothing can work there.
            Stopped: ``stop`` was set meanwhile.
        """
        began, deadline = time.monotonic(), time.monotonic() + PATIENCE_S
        some_ready = False
        self.renew(deque())
        while any(not worker.ready for worker in self._all()) and time.monotonic() < deadline:
            if stop.wait(WAIT_S):
                raise Stopped
            self.renew(deque())
            if self.ready and not some_ready:
                some_ready, now = True, time.monotonic()
                deadline = min(deadline, now + max(GRACE_S, now - began))
        if not self.ready:
            raise ClusterError(self._nobody())
        if self.refused:
            raise ClusterError(" ".join(f"Node {node}: {why}." for node, why in self.refused.items()))

    def _nobody(self) -> str:
        if self.refused:
            return "No node of the cluster can work. " + " ".join(f"{n}: {why}." for n, why in self.refused.items())
        return (
            "The cluster has no free processor. Wait until others have ended, or add a node, and go on with --resume."
        )

    def end(self) -> None:
        """End all workers; others may have their places."""
        for worker in self._all():
            self._ray.kill(worker.actor)

    def renew(self, upcoming: Upcoming) -> None:
        """Take note of workers that have become ready or have ended, and start those that are missing."""
        for worker in self._all():
            if not worker.ready and self._ray.wait([worker.opening], timeout=0)[0]:
                self._judge(worker, upcoming)
        if time.monotonic() - self._looked < RENEWAL_S:
            return
        self._looked = time.monotonic()
        alive = [node for node in self._ray.nodes() if node["Alive"]]
        has_gpus = self._device != "cpu" and any(node["Resources"].get("GPU") for node in alive)
        for node in alive:
            name = f"{node['NodeManagerAddress']} ({node['NodeID'][:6]})"
            if name not in self.refused:
                workers = self._workers.setdefault(name, [])
                workers += self._start(node, name, has_gpus=has_gpus, there=len(workers))
        if self.ready:
            self._without_since = None
        elif self._without_since is None:
            self._without_since = self._looked
        elif self._looked - self._without_since > PATIENCE_S:
            raise ClusterError(self._nobody())

    def _judge(self, worker: Worker, upcoming: Upcoming) -> None:
        """Whether a worker can be used: it answered, or has ended."""
        fault = ""
        try:
            found: Ready = self._ray.get(worker.opening)
            fault = _other_versions(found) or found.fault or self._other_compute(found)
        except self._ray.exceptions.RayTaskError as error:  # such as a package that the node lacks
            fault = f"it cannot run this program ({type(error.cause).__name__})"
        except self._ray.exceptions.RayError:
            self._failed_starts[worker.node] += not worker.was_ready
            if self._failed_starts[worker.node] >= MOST_STARTS:
                self.refused[worker.node] = "its workers end as they start. Is this program installed there"
            self._end(worker, upcoming)
            return
        if fault:
            self.refused[worker.node] = fault
            self._end(worker, upcoming)
            return
        self._first = self._first or found
        worker.ready = worker.was_ready = True

    def _other_compute(self, found: Ready) -> str:
        """Where networks are run by something else than the first worker's, which would move scores."""
        for name, compute in (self._first or found).computes.items():
            first, other = _about(compute), _about(found.computes[name])
            if first != other:
                return f"networks run by {other} there and by {first} elsewhere. Set MEDSEG_DEVICE and MEDSEG_PRECISION"
        return ""

    def _end(self, worker: Worker, upcoming: Upcoming) -> None:
        self._workers[worker.node].remove(worker)
        if worker.rest:
            upcoming.appendleft(worker.rest)
        self._ray.kill(worker.actor)

    def _start(self, node: dict[str, Any], name: str, *, has_gpus: bool, there: int = 0) -> list[Worker]:
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        resources = node["Resources"]
        cpus, gpus = resources.get("CPU", 0.0), resources.get("GPU", 0.0) if has_gpus else 0.0
        count = int(gpus / self._gpu_share) if has_gpus else int(cpus >= 1)
        if count <= there or not cpus:
            return []
        threads = max(1, int(cpus / count))
        at_once = (2 if has_gpus else min(threads, MOST_AT_ONCE)) + READERS
        remote = self._ray.remote(Networks).options(
            num_cpus=min(1.0, OF_NETWORKS * cpus / count) if has_gpus else OF_NETWORKS * cpus,
            num_gpus=self._gpu_share if has_gpus else 0,
            max_restarts=0,
            max_task_retries=0,
            max_concurrency=at_once,
            scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False),
        )
        actors = [remote.remote(self.settings, self._sent, threads, at_once) for _ in range(count - there)]
        store_bytes = resources.get("object_store_memory", 2**30) / count
        window = at_once + max(1, threads // 2)
        return [Worker(name, actor, actor.open.remote(), window, store_bytes) for actor in actors]

    def _all(self) -> list[Worker]:
        return [worker for workers in self._workers.values() for worker in workers]


def pack(checkpoint: "Checkpoint", folder: Path) -> Sent:
    """The files that a checkpoint is loaded from, those of an ensemble's members beside it."""
    from medseg_demo.models.origins import origin_of

    own, files = names.folder_name(checkpoint.name), dict[str, bytes]()
    places = [(own, folder.absolute())]
    for member in checkpoint.members:
        beside = (folder.absolute().parent, BUNDLED / CHECKPOINTS)
        places.append((member.name, next(p / member.name for p in beside if (p / member.name).is_dir())))
    for name, place in places:
        for path in origin_of(place, name).files(place):
            if path.is_relative_to(place):
                files[f"{name}/{path.relative_to(place).as_posix()}"] = path.read_bytes()
    return Sent(checkpoint.name, own, files)


def _other_versions(found: Ready) -> str:
    """Where something that moves numbers has another version than here."""
    differing = [
        f"{name} is {found.versions.get(name)} there and {mine} here"
        for name, mine in versions().items()
        if found.versions.get(name) != mine
    ]
    return f"{', '.join(differing)}. Install the same versions" if differing else ""


def _about(compute: Any) -> str:
    return f"{compute.device.type}, {compute.precision}, {compute.backend}"
