"""Visitors who go away: what they left running ends, and nobody waits for it."""

import threading
from pathlib import Path

import httpx
import pytest

import app
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui.segment.example import Example
from medseg_demo.ui.session import Session, Sessions

PATIENCE_S = 60
LARGE = 64 * 2**20  # bytes, more than a connection holds


class Endless:
    """In place of Engine.segment: an image called "endless" takes batch after batch until its job is cancelled."""

    def __init__(self, segment) -> None:
        self._segment = segment
        self.started, self.ended = threading.Event(), threading.Event()
        self.owners: list[str] = []
        self.going: set[str] = set()

    def __call__(self, image, checkpoint, *, job=None, progress=None, **options):
        if image.name != "endless":
            with job.turn():
                self.owners.append(job.owner)
            return self._segment(image, checkpoint, job=job, progress=progress, **options)
        self.going.add(job.owner)
        try:
            while True:
                with job.turn():
                    self.owners.append(job.owner)
                    self.started.set()
                progress(0, 100)
        except Cancelled:
            self.going.remove(job.owner)
            self.ended.set()
            raise


@pytest.fixture
def endless(known_engine, monkeypatch) -> Endless:
    endless = Endless(known_engine.segment)
    monkeypatch.setattr(known_engine, "segment", endless)
    return endless


@pytest.fixture
def sessions() -> Sessions:
    return Sessions()


@pytest.fixture
def address(known_engine, endless, sessions, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr("medseg_demo.ui.segment.example.list_samples", lambda: ())
    page = app.build_app(known_engine.settings, example=Example(known_engine), sessions=sessions)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(known_engine.settings))
    yield address
    sessions.end_all(patience_s=PATIENCE_S)
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


def test_one_who_leaves_while_downloading_leaves_no_file_and_nobody_waiting(address, sessions, picture):
    class Closed:
        session_hash = "leaver"

    session = sessions.opened(Session(), Closed())
    file = session.folder / "scan.npy"
    file.write_bytes(bytes(LARGE))
    # So much that the server still sends when the page is closed.
    with httpx.stream("GET", f"{address}gradio_api/file={file}", timeout=PATIENCE_S) as download:
        assert download.status_code == 200
        received = len(next(download.iter_bytes()))
        sessions.end(Closed())
        assert received < LARGE
    assert not file.exists()
    assert "event: complete" in answer(call(address, picture("scan.png")))


def begin(page, address: str, path: Path) -> None:
    """Segment a picture as a visitor does."""
    page.goto(address)
    page.locator("#ms-upload input[type=file]").set_input_files(path)
    page.locator("#ms-preflight").get_by_text("64 × 64 px").wait_for()
    page.locator("#ms-checkpoint input").click()
    page.get_by_role("option", name="half").first.click()
    page.locator("#ms-segment").click()


@pytest.mark.browser
@pytest.mark.slow
def test_a_closed_tab_ends_its_run_and_no_other_of_the_same_visitor(page, address, endless, picture):
    other = page.context.new_page()
    begin(other, address, picture("endless.png"))
    assert endless.started.wait(PATIENCE_S)
    begin(page, address, picture("scan.png"))
    page.locator("#ms-heading").get_by_text("scan").wait_for()
    assert len(endless.going) == 1
    other.close()
    assert endless.ended.wait(PATIENCE_S)
    begin(page, address, picture("endless.png"))
    page.locator("#ms-stop:enabled").click()
    page.locator("#ms-status").get_by_text("Stopped before the first result").wait_for()
    assert endless.going == set()
