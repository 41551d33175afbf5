"""What a visitor does, in a real browser against ``python app.py``."""

import io
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture
def opened(page, url, wait_until_built):
    """The page, with its first paint finished."""
    page.goto(url + "?__theme=light")
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    wait_until_built(page)
    return page


@pytest.fixture
def scans(tmp_path):
    """Writes so many grey pictures and returns their paths."""

    def write(count: int, prefix: str = "scan", size: tuple[int, int] = (90, 120)) -> list[Path]:
        rng = np.random.default_rng(0)
        paths = [tmp_path / f"{prefix}_{index}.png" for index in range(count)]
        for path in paths:
            Image.fromarray(rng.integers(0, 255, size, np.uint8)).save(path, compress_level=0)
        return paths

    return write


def upload(page, *paths: Path) -> None:
    page.locator("#ms-upload input[type=file]").set_input_files(paths)


def press_segment(page) -> None:
    page.get_by_role("button", name="Segment", exact=True).click()


def downloaded(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).first.click()
    return Path(download.value.path()).read_bytes()


def test_the_first_paint_shows_a_finished_example(page, url, wait_until_built):
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(url)
    expect(page.locator("#ms-measurements")).to_contain_text("Mean confidence")
    expect(page.locator("#ms-viewer canvas").first).to_be_visible()
    expect(page.locator("#ms-preflight")).to_contain_text("DICOM")
    expect(page.get_by_role("button", name="Everything, zip")).to_be_visible()
    wait_until_built(page)
    assert [one for one in requested if not one.startswith((url, "data:", "blob:"))] == []


def test_an_upload_is_described_segmented_and_downloaded(opened, scans):
    upload(opened, *scans(1))
    expect(opened.locator("#ms-preflight")).to_contain_text("120 × 90 px")
    press_segment(opened)
    expect(opened.locator("#ms-heading")).to_contain_text("scan_0")
    expect(opened.locator("#ms-stop")).to_be_disabled()
    label_map = Image.open(io.BytesIO(downloaded(opened, "Label map")))
    assert label_map.size == (120, 90)
    assert set(np.unique(label_map)) <= {0, 1}
    names = zipfile.ZipFile(io.BytesIO(downloaded(opened, "Everything, zip"))).namelist()
    assert "label_maps/scan_0.png" in names


def test_a_bad_file_is_explained_and_the_result_stays(opened, tmp_path):
    bad = tmp_path / "notes.png"
    bad.write_text("this is no picture")
    upload(opened, bad)
    panel = opened.get_by_role("alert").filter(has_text="notes.png")
    expect(panel).to_be_visible()
    expect(panel).to_contain_text("Check that it is the image itself")
    expect(opened.locator("#ms-heading")).to_contain_text("RG1_UNCR")


def test_several_files_fill_a_gallery_whose_pictures_open(opened, scans, tmp_path):
    bad = tmp_path / "bad.png"
    bad.write_text("x")
    upload(opened, *scans(3), bad)
    expect(opened.locator("#ms-preflight")).to_contain_text("4 files")
    press_segment(opened)
    expect(opened.locator("#ms-status")).to_contain_text("1 of 4 files could not be segmented")
    pictures = opened.locator("#ms-gallery button.thumbnail-item")
    expect(pictures).to_have_count(3)
    expect(opened.locator("#ms-heading")).to_contain_text("scan_0")
    pictures.nth(2).click()
    expect(opened.locator("#ms-heading")).to_contain_text("scan_2")


def test_stop_keeps_what_is_done(opened, scans):
    upload(opened, *scans(20, size=(1200, 1600)))  # large, so that there is time to press Stop
    expect(opened.locator("#ms-preflight")).to_contain_text("20 files")
    press_segment(opened)
    expect(opened.locator("#ms-heading")).to_contain_text("scan_0")
    opened.get_by_role("button", name="Stop", exact=True).click()
    status = opened.locator("#ms-status")
    expect(status).to_contain_text("this result is partial")
    done = int(re.search(r"(\d+) of 20 files are done", status.inner_text())[1])
    assert 1 <= done < 20
    names = zipfile.ZipFile(io.BytesIO(downloaded(opened, "Everything, zip"))).namelist()
    assert sum(name.startswith("label_maps/") for name in names) == done


@pytest.mark.slow
def test_a_file_added_while_a_run_goes_on_is_the_next_to_be_segmented(opened, scans):
    upload(opened, *scans(20, size=(1200, 1600)))  # large, so that there is time to add another
    expect(opened.locator("#ms-preflight")).to_contain_text("20 files")
    press_segment(opened)
    expect(opened.locator("#ms-heading")).to_contain_text("scan_0")
    opened.locator("#ms-upload").get_by_role("button", name="Clear").click()
    upload(opened, *scans(1, "other"))
    expect(opened.locator("#ms-preflight")).to_contain_text("120 × 90 px")
    stop = opened.get_by_role("button", name="Stop", exact=True)
    expect(stop).to_be_disabled(timeout=180_000)
    expect(opened.locator("#ms-stale")).to_contain_text("This result is of 20 images")
    expect(opened.locator("#ms-preflight")).to_contain_text("other_0")
    names = zipfile.ZipFile(io.BytesIO(downloaded(opened, "Everything, zip"))).namelist()
    assert "label_maps/scan_0.png" in names
    assert "label_maps/other_0.png" not in names
    press_segment(opened)
    expect(opened.locator("#ms-heading")).to_contain_text("other_0")
    expect(opened.locator("#ms-stale")).to_be_hidden()


def test_changed_settings_mark_the_result_until_it_is_made_anew(opened, set_number):
    opened.get_by_role("button", name="Options").click()
    set_number(opened.get_by_label("Smallest component"), "5")
    expect(opened.locator("#ms-stale")).to_contain_text("Settings changed since this result")
    press_segment(opened)
    expect(opened.locator("#ms-stale")).to_be_hidden()


def test_a_sample_is_one_click(opened, scans):
    upload(opened, *scans(1))
    expect(opened.locator("#ms-preflight")).to_contain_text("scan_0")
    press_segment(opened)
    expect(opened.locator("#ms-heading")).to_contain_text("scan_0")
    opened.get_by_role("button", name="Chest radiograph").click()
    expect(opened.locator("#ms-heading")).to_contain_text("RG1_UNCR")


def test_it_works_with_the_keyboard_alone(opened, scans):
    upload(opened, *scans(1))
    expect(opened.locator("#ms-preflight")).to_contain_text("scan_0")
    opened.locator("#ms-checkpoint input").focus()
    reached = []
    for _ in range(8):
        opened.keyboard.press("Tab")
        reached.append(opened.evaluate("document.activeElement.innerText.trim()"))
        if reached[-1] == "Segment":
            break
    assert reached[-1] == "Segment", reached
    assert opened.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    opened.keyboard.press("Enter")
    expect(opened.locator("#ms-heading")).to_contain_text("scan_0")


def test_visitors_do_not_see_each_other(opened, scans, chromium, url):
    upload(opened, *scans(1, "private"))
    expect(opened.locator("#ms-preflight")).to_contain_text("private_0")
    press_segment(opened)
    expect(opened.locator("#ms-heading")).to_contain_text("private_0")
    other = chromium.new_page()
    other.goto(url)
    expect(other.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    assert "private_0" not in other.content()
    other.close()
