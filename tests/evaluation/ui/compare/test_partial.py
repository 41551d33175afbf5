"""The Compare tab while a run goes on, and right after it, in a real browser."""

import threading

import numpy as np
import pytest

import app
from medseg_demo.ui.segment.example import Example

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

VIEWER = "document.querySelector('#cp-viewer .mv-host').viewer"


@pytest.fixture
def second_may_run(known_engine, monkeypatch):
    """Until this is set, "strict" does not begin."""
    segment, may_run = known_engine.segment, threading.Event()

    def wait_before(image, checkpoint, **options):
        if checkpoint.name == "strict":
            may_run.wait(60)
        return segment(image, checkpoint, **options)

    monkeypatch.setattr(known_engine, "segment", wait_before)
    yield may_run
    may_run.set()


@pytest.fixture
def address(known_engine, tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path / "gradio"))
    monkeypatch.setattr("medseg_demo.ui.segment.example.list_samples", lambda: ())
    blocks = app.build_app(known_engine.settings, example=Example(known_engine))
    _, address, _ = blocks.launch(prevent_thread_lock=True, quiet=True, **app.launch_options(known_engine.settings))
    yield address
    blocks.close()


def compare(page, address, files, said):
    """Compare two checkpoints on files, once the page says that it has read them."""
    page.goto(address)
    page.get_by_role("tab", name="Compare").click()
    page.locator("#cp-upload input[type=file]").set_input_files(files)
    expect(page.locator("#cp-preflight")).to_contain_text(said, timeout=60_000)
    page.locator("#cp-checkpoints input").click()
    for name in ("half", "strict"):
        page.get_by_role("option", name=name).click()
    page.keyboard.press("Escape")
    page.locator("#cp-run").click()


def test_the_slices_of_a_volume_come_before_the_run_is_over(page, address, second_may_run, tmp_path):
    volume = np.zeros((30, 64, 64), np.uint8)
    volume[3, :, :32] = 255
    np.save(tmp_path / "volume.npy", volume)
    compare(page, address, [tmp_path / "volume.npy"], "30 slices")
    page.wait_for_function(f"{VIEWER}.panes[0]?.slice?.index === 3")
    viewer = page.locator("#cp-viewer")
    viewer.locator("canvas").first.click()
    page.keyboard.press("End")
    page.wait_for_function(f"{VIEWER}.panes[0].slice?.index === 29", timeout=20_000)
    assert page.evaluate(f"{VIEWER}.value.predictions.map((one) => one.name)") == ["half"]
    second_may_run.set()
    expect(page.locator("#cp-tables")).to_contain_text("strict", timeout=60_000)


def test_several_images_are_flipped_through_and_downloaded(page, address, picture):
    compare(page, address, [picture("a.png"), picture("b.png")], "2 files")
    expect(page.locator("#cp-means")).to_contain_text("Means over 2 images", timeout=60_000)
    expect(page.locator("#cp-get-everything")).to_be_visible()
    expect(page.locator("#cp-image input")).to_have_value("a")
    page.locator("#cp-viewer canvas").first.click()
    page.keyboard.press("j")
    expect(page.locator("#cp-image input")).to_have_value("b", timeout=20_000)
    page.wait_for_function(f"{VIEWER}.value.title === 'b'")
