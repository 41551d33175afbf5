"""``python -m benchmarks --only ray``: an evaluation on Ray against one process, and two nodes against one.

Clusters are started before, and workers have loaded their networks: what is compared is the work on the cases, from the
pre-flight to the table. Every side gives the same table to the byte.
"""

import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from pathlib import Path

from benchmarks.ratio import Ratio
from evaluation.runs.cluster.executor import RayExecutor
from evaluation.runs.request import RunOptions
from evaluation.runs.runner import run
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.compute import processors
from medseg_demo.settings import Settings
from medseg_demo.test_sets.simulated import ensure_simulated_nuclei
from medseg_demo.test_sets.test_set import TestSet, read_test_set

COPIES = 10  # of the 24 nuclei
CHECKPOINT = "nuclei-unet-lite0"
SIDES = {"same": (processors(),), "one": (1,), "two": (1, 1)}  # name → processors of each node


def measure(*, rounds: int, copies: int = COPIES, sides: dict[str, tuple[int, ...]] = SIDES) -> Iterator[Ratio]:
    """The overhead of Ray on the same processors, and what a second node brings."""
    settings = Settings.from_environment()
    name, folder = CHECKPOINT, settings.checkpoints_dir / CHECKPOINT
    checkpoint = load_checkpoint(name, settings.checkpoints_dir)
    with tempfile.TemporaryDirectory() as temporary, ExitStack() as stack:
        test_set = repeated(read_test_set(ensure_simulated_nuclei(settings.test_sets_dir)), Path(temporary), copies)
        addresses = {side: stack.enter_context(cluster(nodes)) for side, nodes in sides.items()}
        seconds: dict[str, list[float]] = {side: [] for side in ("local", *sides)}
        tables = set()
        for _ in range(rounds + 1):  # the first fills disk caches
            for side, taken in seconds.items():
                output = Path(temporary, f"run-{side}")
                shutil.rmtree(output, ignore_errors=True)
                executor: AbstractContextManager[RayExecutor | None] = nullcontext()
                if side != "local":
                    executor = RayExecutor([(checkpoint, folder)], settings, address=addresses[side])
                with executor as elsewhere:
                    start = time.perf_counter()
                    run([test_set], [checkpoint], output, options=RunOptions(), settings=settings, executor=elsewhere)
                    taken.append(time.perf_counter() - start)
                tables.add((output / "scores.csv").read_bytes())
        assert len(tables) == 1, "the sides give different tables"
    took = {side: statistics.median(taken[1:]) for side, taken in seconds.items()}
    about = f"{len(test_set.cases)} nuclei"
    if "same" in took:
        ratio = took["same"] / took["local"]
        yield Ratio(
            f"Ray, {about}", f"{took['same']:.1f} s", f"{took['local']:.1f} s in one process", ratio, "at most", 1.25
        )
    if {"one", "two"} <= took.keys():
        ratio = took["one"] / took["two"]
        yield Ratio(
            f"Ray, two nodes, {about}", f"{took['two']:.1f} s", f"{took['one']:.1f} s on one", ratio, "at least", 1.7
        )


def repeated(test_set: TestSet, folder: Path, copies: int) -> TestSet:
    """A test set whose cases occur several times, under other names."""
    place = folder / test_set.folder.name
    for case in test_set.cases:
        for kind, path in (("images", case.image_path), ("masks", case.mask_path)):
            (place / kind).mkdir(parents=True, exist_ok=True)
            for number in range(copies):
                (place / kind / f"{case.case_id}-{number}{path.suffix}").symlink_to(path.absolute())
    if (test_set.folder / "dataset.json").is_file():
        shutil.copy(test_set.folder / "dataset.json", place)
    return read_test_set(place)


@contextmanager
def cluster(nodes: tuple[int, ...]) -> Iterator[str]:
    """A cluster on this machine: a head without processors, and nodes of so many each; its address."""
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    from ray.cluster_utils import Cluster

    running = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        for cpus in nodes:
            running.add_node(num_cpus=cpus)
        yield running.address
    finally:
        running.shutdown()
