"""What a visitor of the Live tab does, in a real browser against ``python app.py``."""

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest

from medseg_demo.reading.video import open_video
from medseg_demo.segmenting.engine import Engine
from medseg_demo.settings import Settings

pytest.importorskip("av", reason="PyAV is not installed")
from videos import ultrasound, write_video

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CHECKPOINT = "nuclei-unet-tiny-int8"
SIZE = (96, 128)
FRAMES = 20


@pytest.fixture
def opened(page, url, wait_until_built):
    """The Live tab, ready."""
    page.goto(url + "?__theme=light")
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    page.get_by_role("tab", name="Live").click()
    expect(page.locator("#lv-checkpoint input").first).to_have_value(re.compile(CHECKPOINT))
    wait_until_built(page)
    return page


@pytest.fixture
def cine(tmp_path) -> Path:
    return write_video(tmp_path / "heart.mp4", ultrasound(FRAMES, SIZE))


def watch(page, path: Path) -> None:
    """Watch every frame of a video, until its files are there."""
    page.locator("#lv-upload input[type=file]").set_input_files(path)
    expect(page.locator("#lv-upload")).to_contain_text(path.stem)
    page.locator("#lv-in-time input").uncheck()
    page.locator("#lv-watch").click()
    expect(page.locator("#lv-status")).to_contain_text("frames were segmented")
    expect(page.locator("#lv-get-table")).to_be_visible()


def downloaded(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).first.click()
    return Path(download.value.path()).read_bytes()


def test_the_annotated_video_plays_and_its_curve_is_that_of_the_label_maps(opened, cine):
    watch(opened, cine)
    film = opened.locator("#lv-video video")
    expect(film).to_be_visible()
    shown = film.evaluate(
        """async (film) => {
          film.muted = true;
          await film.play();
          const start = performance.now();
          while (film.currentTime < 0.3 && performance.now() - start < 20000)
            await new Promise((done) => setTimeout(done, 50));
          return [film.currentTime, film.videoWidth, film.videoHeight, film.duration, film.error && film.error.message];
        }"""
    )
    assert shown[0] >= 0.3
    assert shown[1:3] == [SIZE[1], SIZE[0]]
    assert shown[3] == pytest.approx(FRAMES / 25, abs=0.1)
    assert shown[4] is None

    rows = list(csv.DictReader(io.StringIO(downloaded(opened, "Areas of each frame, CSV").decode())))
    settings = Settings(device="cpu")
    engine = Engine(settings)
    with open_video(cine, settings=settings) as video:
        maps = [engine.segment(frame.read(), CHECKPOINT).label_map.labels for frame in video.frames]
    assert [int(row["area_px_nucleus"]) for row in rows] == [np.count_nonzero(labels) for labels in maps]
    assert len({row["area_px_nucleus"] for row in rows}) > FRAMES // 2  # it beats


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_the_live_tab_as_axe_sees_it(opened, url, theme, cine, serious_faults):
    opened.goto(f"{url}?__theme={theme}")
    expect(opened.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    opened.get_by_role("tab", name="Live").click()
    opened.get_by_role("button", name="Camera").click()
    expect(opened.locator("#lv-camera button").first).to_be_visible()
    assert serious_faults() == {}
    watch(opened, cine)
    assert serious_faults() == {}


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("NotAllowedError", "Allow it in the address bar"),
        ("NotFoundError", "Connect one"),
        ("NotReadableError", "using"),
    ],
)
def test_a_camera_that_is_denied_missing_or_busy_is_said(opened, name, words):
    opened.evaluate(
        "(name) => { navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', name); }; }", name
    )
    opened.get_by_role("button", name="Camera").click()
    camera = opened.locator("#lv-camera")
    camera.get_by_role("button", name="Start the camera").click()
    expect(camera.get_by_role("status")).to_contain_text(words)
    expect(camera.get_by_role("button", name="Start the camera")).to_be_enabled()


def test_watch_after_the_simulated_film_shows_it_again(opened):
    opened.locator("#lv-film").click()
    expect(opened.locator("#lv-status")).to_contain_text("frames were segmented")
    opened.locator("#lv-in-time input").uncheck()
    expect(opened.locator("#lv-stale")).to_contain_text("Settings changed")
    opened.locator("#lv-watch").click()
    expect(opened.locator("#lv-stale")).not_to_contain_text("Settings changed")
    expect(opened.locator("#lv-status")).to_contain_text("125 frames were segmented")
