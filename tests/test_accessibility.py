"""The Segment and the Compare tab as axe sees them, in a real browser against ``python app.py``."""

import re

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

THEMES = pytest.mark.parametrize("theme", ["light", "dark"])


@pytest.fixture
def scans(tmp_path) -> list[str]:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    paths = [str(tmp_path / f"scan_{number}.png") for number in range(2)]
    for path in paths:
        Image.fromarray(pixels).save(path)
    return paths


@THEMES
def test_the_segment_tab_before_and_after_an_upload(page, url, theme, scans, serious_faults):
    page.goto(f"{url}?__theme={theme}")
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    assert serious_faults() == {}
    page.locator("#ms-upload input[type=file]").set_input_files(scans)
    expect(page.locator("#ms-preflight")).to_contain_text("2 files")
    page.get_by_role("button", name="Options").click()
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ms-gallery button.thumbnail-item")).to_have_count(2)
    assert serious_faults() == {}


@THEMES
def test_a_volume_in_three_planes(page, url, theme, serious_faults):
    page.goto(f"{url}?__theme={theme}&sample=hippocampus")
    expect(page.locator("#ms-heading")).to_contain_text("hippocampus")
    page.locator("#ms-viewer").get_by_role("button", name="All three", exact=True).click()
    expect(page.locator("#ms-viewer canvas:visible")).to_have_count(3)
    assert serious_faults() == {}


@THEMES
def test_the_compare_tab_in_each_layout(page, url, theme, serious_faults):
    page.goto(f"{url}?__theme={theme}")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#cp-tables")).to_contain_text("lungs-unet-tiny")
    for layout in ("Side by side", "Swipe", "Flicker", "Agreement"):
        page.locator("#cp-viewer").get_by_role("button", name=layout, exact=True).click()
        assert serious_faults() == {}, layout


def test_files_can_be_added_with_the_keyboard_by_one_button(page, url, scans):
    page.goto(url)
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    page.locator("#ms-upload input[type=file]").set_input_files(scans[0])
    expect(page.locator("#ms-preflight")).to_contain_text("scan_0")
    add = page.locator("#ms-upload").get_by_role("button", name="Add files")
    add.focus()
    with page.expect_file_chooser() as chooser:
        page.wait_for_timeout(500)  # the browser hears of it a little later than this line
        page.keyboard.press("Enter")
    chooser.value.set_files(scans[1])
    expect(page.locator("#ms-preflight")).to_contain_text("2 files")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.ariaLabel") == "Clear"


def test_uploads_are_told_apart_by_their_names(page, url):
    page.goto(url)
    page.get_by_role("tab", name="Compare").click()
    page.get_by_role("button", name="Add references or label maps").click()
    uploads = page.locator("button.upload-container:visible")
    expect(uploads).to_have_count(3)
    for upload in uploads.all():
        expect(upload).to_have_accessible_name(re.compile("Click to Upload$"))
    assert len(set(uploads.evaluate_all("all => all.map((one) => one.ariaLabel)"))) == 3
