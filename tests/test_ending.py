"""The app as a user starts it, ended while it computes."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import numpy as np
import pytest

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


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_ended_during_a_run_leaves_no_folder(volume, tmp_path, how):
    (tmp_path / "tmp").mkdir()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment = {**os.environ, "MEDSEG_DEVICE": "cpu", "TMPDIR": str(tmp_path / "tmp")}
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
        assert list((tmp_path / "tmp").glob("medseg-*"))
        server.send_signal(how)
        assert server.wait(60) == 0
        assert list((tmp_path / "tmp").glob("medseg-*")) == []
    finally:
        server.kill()
