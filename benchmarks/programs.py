"""Programs that are started, timed and ended: servers and import-only interpreters."""

import contextlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
PATIENCE_S = 120


class Server(NamedTuple):
    """A server that runs: its address, the seconds from its start to its first answer with status 200, its process."""

    url: str
    seconds: float
    pid: int


@contextlib.contextmanager
def server(arguments: Sequence[str], *, folder: Path = ROOT, **environment: str) -> Iterator[Server]:
    """Run ``python ARGUMENTS --port N`` in a folder, with what else is named in its environment."""
    port = _free_port()
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments, "--port", str(port)],
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "GRADIO_ANALYTICS_ENABLED": "False", **environment},
    )
    try:
        while not _answers(port):
            if process.poll() is not None or time.perf_counter() - start > PATIENCE_S:
                raise RuntimeError(f"python {' '.join(arguments)} did not answer on port {port}")
            time.sleep(0.01)
        yield Server(f"http://127.0.0.1:{port}", time.perf_counter() - start, process.pid)
    finally:
        process.terminate()
        process.wait(timeout=30)


def seconds_to_import(modules: str) -> float:
    """From the start of a fresh interpreter until it has imported the modules (comma-separated)."""
    start = time.perf_counter()
    code = f"import {modules}\nprint('done', flush=True)"
    with subprocess.Popen([sys.executable, "-c", code], cwd=ROOT, stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        return time.perf_counter() - start


def seconds_of(arguments: Sequence[object], project: Path = ROOT) -> float:
    """What ``python ARGUMENTS`` takes from start to end in a checkout of this project.

    Raises:
        CalledProcessError: It did not succeed.
    """
    start = time.perf_counter()
    environment = {**os.environ, "PYTHONPATH": str(project)}
    command = [sys.executable, *map(str, arguments)]
    subprocess.run(command, cwd=project, env=environment, check=True, capture_output=True)
    return time.perf_counter() - start


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
