"""The app as a user starts it, ended while it computes."""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from medseg_demo.ui.public.folder import sweep_dead

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def volume(tmp_path) -> Path:
    """So large that its segmentation goes on for long."""
    np.save(tmp_path / "volume.npy", np.random.default_rng(0).integers(0, 255, (160, 256, 256), np.uint8))
    return tmp_path / "volume.npy"


def wait_for(address: str, server: subprocess.Popen) -> None:
    while server.poll() is None:
        try:
            if httpx.get(address, timeout=60).status_code == 200:
                return
        except httpx.TransportError:
            time.sleep(0.3)
    pytest.fail("the app did not start")


@pytest.fixture
def begun(volume, tmp_path) -> Iterator[tuple[subprocess.Popen, Path]]:
    """A server in the middle of a run, and the folder for what is temporary."""
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MEDSEG_DEVICE": "cpu", "TMPDIR": str(temporary)}
    server = subprocess.Popen([sys.executable, "app.py", "--port", str(port)], cwd=ROOT, env=environment)
    address = f"http://127.0.0.1:{port}/"
    try:
        wait_for(address, server)
        with volume.open("rb") as file:
            (uploaded,) = httpx.post(f"{address}gradio_api/upload", files={"files": file}, timeout=60).json()
        parameters = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"]["/segment"]["parameters"]
        others = [parameter["parameter_default"] for parameter in parameters[2:]]
        data = [{"path": uploaded, "meta": {"_type": "gradio.FileData"}}, "hippocampus-unet3d", *others]
        assert "event_id" in httpx.post(f"{address}gradio_api/call/segment", json={"data": data}).json()
        assert list(temporary.glob("medseg-*"))
        yield server, temporary
    finally:
        server.kill()


@pytest.mark.slow
@pytest.mark.parametrize("how", [[signal.SIGINT], [signal.SIGTERM, signal.SIGHUP]])  # the second must not count
def test_a_server_that_is_ended_during_a_run_leaves_nothing(begun, how):
    server, temporary = begun
    for one in how:
        server.send_signal(one)
    assert server.wait(60) == 0
    # A number that Gradio draws once an installation, when it is imported.
    assert {path.name for path in temporary.rglob("*") if path.is_file()} <= {"hash_seed.txt"}
    assert list(temporary.glob("medseg-*")) == []


@pytest.mark.slow
def test_what_a_killed_server_left_is_deleted_by_the_next(begun, monkeypatch):
    server, temporary = begun
    server.kill()
    server.wait(60)
    assert list(temporary.rglob("volume.npy"))
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    sweep_dead()
    assert list(temporary.glob("medseg-server-*")) == []
