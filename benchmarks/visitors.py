"""(e) A 2-D request beside a large volume, and (f) many visitors at once, through the web API of a running app."""

import json
import math
import statistics
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import nibabel as nib
import numpy as np
import psutil
from gradio_client import Client, handle_file
from gradio_client.utils import Status

from benchmarks.forward import CHECKPOINT
from benchmarks.images import write_chest_images
from benchmarks.programs import PATIENCE_S, server
from benchmarks.ratio import Ratio

VOLUME_CHECKPOINT = "hippocampus-unet3d"
COMPARED = ["lungs-unet-lite0", "lungs-unet-tiny"]
LARGE = (310, 434, 310)  # ten windows along each axis of VOLUME_CHECKPOINT, at its own spacing
SMALL = (70, 98, 70)  # two along each axis
VISITORS = 64
CONNECTING = 32
MANY = 1_000  # requests
WARM_UP = 3
READ_S = 10.0  # in which the large volume is read
SETTLED_S = 20.0  # in which a page that was closed gives back what it held


@dataclass(frozen=True)
class Request:
    """One visitor's request.

    Attributes:
        endpoint: Of the web API.
        file: What is sent.
        arguments: The others.
    """

    endpoint: str
    file: Path
    arguments: dict[str, object]

    def send(self, client: Client) -> str:
        """What came back, as far as it is the same each time."""
        result = client.predict(file=handle_file(self.file), api_name=self.endpoint, **self.arguments)
        measured = result[1]
        if self.endpoint == "/segment":
            return json.dumps([measured["name"], measured["classes"]])
        return json.dumps([measured["image"], measured["pairs"]])


def beside_a_volume(*, rounds: int) -> Ratio:
    """(e): the volume computes all the while, and is given up at the end."""
    with tempfile.TemporaryDirectory() as folder, server(["app.py"]) as (url, *_):
        image, volume = write_chest_images(Path(folder), 1)[0], _write_volume(Path(folder) / "large.nii", LARGE, seed=0)
        small = Request("/segment", image, {"checkpoint": CHECKPOINT})
        client, other = (_client(url, folder) for _ in range(2))
        alone = _seconds(small, client, rounds)
        job = other.submit(file=handle_file(volume), checkpoint=VOLUME_CHECKPOINT, api_name="/segment")
        while job.status().code != Status.PROCESSING:
            time.sleep(0.1)
        time.sleep(READ_S)
        beside = _seconds(small, client, rounds)
        if job.done():
            raise RuntimeError("the volume was done before the requests beside it were")
    texts = f"{1000 * beside:.0f} ms", f"{1000 * alone:.0f} ms alone"
    return Ratio("(e) 2-D request beside a volume of 1000 windows", *texts, beside / alone, "at most", 2)


def many_visitors(visitors: int = VISITORS) -> Iterator[Ratio]:
    """(f): visitors who connect together, who ask together, and what many requests leave in memory.

    Raises:
        AssertionError: A visitor got an answer that is not that of his own file.
    """
    with tempfile.TemporaryDirectory() as folder, server(["app.py"]) as (url, _, pid):
        requests = _mixed(Path(folder), visitors)
        client = _client(url, folder)
        for request in requests[:3]:
            request.send(client)
        yield _connecting(url, folder)
        start = time.perf_counter()
        expected = [request.send(client) for request in requests]
        work = time.perf_counter() - start
        before = _megabytes(pid)
        answers, seconds = _at_once(url, folder, requests)
        assert answers == expected, "an answer was another one's"
        time.sleep(SETTLED_S)
        grown = _megabytes(pid) - before
        kept = _kept_by_many(client, requests[0], pid)
    late = sorted(seconds)[math.ceil(0.95 * len(seconds)) - 1]
    name = f"(f) {visitors} visitors at once"
    yield Ratio(
        f"{name}, 95 % within", f"{late:.1f} s", f"{work:.1f} s one after the other", late / work, "at most", 1.5
    )
    yield Ratio(f"{name}, memory kept", f"{grown:.0f} MB", "before they came", grown, "at most", 150)
    yield kept


def _connecting(url: str, folder: str) -> Ratio:
    """How long the slowest of many waits who open the page together."""
    gate = threading.Barrier(CONNECTING)

    def connect(_: int) -> float:
        gate.wait()
        start = time.perf_counter()
        client = _client(url, folder)
        seconds = time.perf_counter() - start
        client.close()
        return seconds

    with ThreadPoolExecutor(CONNECTING) as pool:
        slowest = max(pool.map(connect, range(CONNECTING)))
    return Ratio(f"(f) {CONNECTING} connect at once, the last", f"{slowest:.2f} s", "", slowest, "at most", 2)


def _kept_by_many(client: Client, request: Request, pid: int) -> Ratio:
    """What the second half of many requests leaves in the server's memory; the first fills what is kept on purpose."""
    half = 0.0
    for number in range(MANY):
        if number == MANY // 2:
            half = _megabytes(pid)
        request.send(client)
    kept = _megabytes(pid) - half
    return Ratio(f"(f) memory of the last {MANY // 2} of {MANY} requests", f"{kept:.0f} MB", "", kept, "at most", 30)


def _mixed(folder: Path, count: int) -> list[Request]:
    """2-D images, volumes and comparisons in turn, each of a file of its own."""
    images = write_chest_images(folder, count)
    made: list[Request] = []
    for number, image in enumerate(images):
        if number % 3 == 0:
            made.append(Request("/segment", image, {"checkpoint": CHECKPOINT}))
        elif number % 3 == 1:
            volume = _write_volume(folder / f"volume_{number}.nii", SMALL, seed=number)
            made.append(Request("/segment", volume, {"checkpoint": VOLUME_CHECKPOINT}))
        else:
            made.append(Request("/compare", image, {"checkpoints": COMPARED}))
    return made


def _at_once(url: str, folder: str, requests: list[Request]) -> tuple[list[str], list[float]]:
    """Each from a client of its own, all let go at the same moment: answers, and how long each waited."""
    clients = [_client(url, folder) for _ in requests]
    gate = threading.Barrier(len(requests))

    def visit(client: Client, request: Request) -> tuple[str, float]:
        gate.wait()
        start = time.perf_counter()
        return request.send(client), time.perf_counter() - start

    with ThreadPoolExecutor(len(requests)) as pool:
        found = list(pool.map(visit, clients, requests))
    for client in clients:
        client.close()
    return [answer for answer, _ in found], [seconds for _, seconds in found]


def _client(url: str, folder: str) -> Client:
    """One visitor's, patient with a server that has much to do."""
    return Client(url, verbose=False, download_files=folder, httpx_kwargs={"timeout": PATIENCE_S})


def _seconds(request: Request, client: Client, rounds: int) -> float:
    return statistics.median([_timed(request, client) for _ in range(rounds + WARM_UP)][WARM_UP:])


def _timed(request: Request, client: Client) -> float:
    start = time.perf_counter()
    request.send(client)
    return time.perf_counter() - start


def _write_volume(path: Path, shape: tuple[int, int, int], *, seed: int) -> Path:
    noise = np.random.default_rng(seed).integers(0, 256, shape, np.uint8)
    nib.save(nib.Nifti1Image(noise, np.eye(4)), path)
    return path


def _megabytes(pid: int) -> float:
    return psutil.Process(pid).memory_info().rss / 2**20
