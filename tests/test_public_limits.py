"""The page at its limits: uploads, their size, their sum and the queue, each refused in words."""

import os
from pathlib import Path

import pytest
from served_page import API, start

from medseg_demo.settings import ROOT, Settings


@pytest.fixture(scope="module")
def strict(tmp_path_factory):
    """A page with limits that are soon reached."""
    before = os.environ.get("GRADIO_TEMP_DIR")
    settings = Settings(
        checkpoints_dir=ROOT / "checkpoints", device="cpu", max_uploads_a_minute=3, max_session_mb=1, max_total_mb=2,
        max_queued=0,
    )  # fmt: skip
    running = start(settings, tmp_path_factory.mktemp("strict"))
    yield running
    running.page.close()
    os.environ.pop("GRADIO_TEMP_DIR") if before is None else os.environ.update(GRADIO_TEMP_DIR=before)


def test_too_many_uploads_are_refused_with_how_long_to_wait(strict):
    client = strict.browser()
    for _ in range(3):
        strict.upload(client, b"x")
    answer = client.post(f"{API}/upload", files={"files": ("a", b"x")})
    assert answer.status_code == 429
    assert 0 < int(answer.headers["retry-after"]) <= 60
    assert f"in {answer.headers['retry-after']} s" in answer.text
    assert strict.upload(strict.browser(), b"x")


def test_an_upload_that_is_too_large_is_refused_with_the_limit(strict):
    answer = strict.browser().post(f"{API}/upload", files={"files": ("a", bytes(3 * 2**20))})
    assert answer.status_code == 413
    assert "1 MiB" in answer.text


def test_the_oldest_finished_upload_makes_room(strict):
    client = strict.browser()
    first, second, third = (strict.upload(client, bytes(400_000)) for _ in range(3))
    assert not Path(first).exists()
    assert Path(second).exists()
    assert Path(third).exists()


def test_a_full_queue_says_when_to_come_again(strict):
    answer = strict.browser().post(f"{API}/queue/join", json={"data": [], "fn_index": 0, "session_hash": "a"})
    assert answer.status_code == 429
    assert answer.headers["retry-after"] in answer.json()["detail"]
