"""Visitors who go away: what they left running ends, and nobody waits for it."""

import threading
from pathlib import Path

import httpx
import pytest

import app
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui.segment.example import Example

PATIENCE_S = 60


class Endless:
    """In place of Engine.segment: an image called "endless" takes batch after batch until its job is cancelled."""

    def __init__(self, segment) -> None:
        self._segment = segment
        self.started, self.ended = threading.Event(), threading.Event()
        self.owners: list[str] = []

    def __call__(self, image, checkpoint, *, job=None, progress=None, **options):
        if image.name != "endless":
            with job.turn():
                self.owners.append(job.owner)
            return self._segment(image, checkpoint, job=job, progress=progress, **options)
        try:
            while True:
                with job.turn():
                    self.owners.append(job.owner)
                    self.started.set()
                progress(0, 100)
        except Cancelled:
            self.ended.set()
            raise


@pytest.fixture
def endless(known_engine, monkeypatch) -> Endless:
    endless = Endless(known_engine.segment)
    monkeypatch.setattr(known_engine, "segment", endless)
    return endless


@pytest.fixture
def address(known_engine, endless, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr("medseg_demo.ui.segment.example.list_samples", lambda: ())
    page = app.build_app(known_engine.settings, example=Example(known_engine))
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(known_engine.settings))
    yield address
    page.sessions.end_all(patience_s=PATIENCE_S)
    page.close(verbose=False)


def call(address: str, path: Path, endpoint: str = "segment", checkpoint: object = "half") -> str:
    """Ask the web API for something; the address of the answer, which is a stream."""
    with path.open("rb") as file:
        (uploaded,) = httpx.post(f"{address}gradio_api/upload", files={"files": file}).json()
    parameters = httpx.get(f"{address}gradio_api/info").json()["named_endpoints"][f"/{endpoint}"]["parameters"]
    others = [parameter["parameter_default"] for parameter in parameters[2:]]
    data = [{"path": uploaded, "meta": {"_type": "gradio.FileData"}}, checkpoint, *others]
    event = httpx.post(f"{address}gradio_api/call/{endpoint}", json={"data": data}).json()["event_id"]
    return f"{address}gradio_api/call/{endpoint}/{event}"


def answer(stream: str) -> str:
    return httpx.get(stream, timeout=PATIENCE_S).text


@pytest.mark.parametrize(("endpoint", "checkpoint"), [("segment", "half"), ("compare", ["half", "strict"])])
def test_a_client_that_goes_away_ends_its_run(address, endless, picture, endpoint, checkpoint):
    with httpx.stream("GET", call(address, picture("endless.png"), endpoint, checkpoint), timeout=PATIENCE_S):
        assert endless.started.wait(PATIENCE_S)
    assert endless.ended.wait(PATIENCE_S)
    left = endless.owners[0]
    assert "event: complete" in answer(call(address, picture("scan.png")))
    assert endless.owners[-1] != left  # not one batch of his after that of the next one


def test_one_who_stays_waits_for_a_batch_of_the_other_and_no_longer(address, endless, picture):
    with httpx.stream("GET", call(address, picture("endless.png")), timeout=PATIENCE_S):
        assert endless.started.wait(PATIENCE_S)
        assert "event: complete" in answer(call(address, picture("scan.png")))
        assert not endless.ended.is_set()


def test_memory_that_does_not_suffice_fails_one_run_alone(address, endless, picture):
    def fail(image, checkpoint, **options):
        raise MemoryError

    segment, endless._segment = endless._segment, fail
    assert "event: error" in answer(call(address, picture("scan.png")))
    endless._segment = segment
    assert "event: complete" in answer(call(address, picture("scan.png")))
