"""What a visitor does with an upload before and after a network ran, in a real browser against ``python app.py``."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SHAPE = 96, 128


@pytest.fixture
def opened(page, url, wait_until_built):
    """The page, with its first paint finished."""
    page.goto(url)
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    wait_until_built(page)
    return page


@pytest.fixture
def scan(tmp_path) -> Path:
    """A grey picture that is bright on the right."""
    pixels = np.tile(np.linspace(0, 255, SHAPE[1], dtype=np.uint8), (SHAPE[0], 1))
    Image.fromarray(pixels).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


def give(page, *paths: Path) -> None:
    page.locator("#ms-upload input[type=file]").set_input_files(paths)
    expect(page.locator("#ms-viewer")).to_contain_text(paths[0].stem)


def downloaded(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).first.click()
    return Path(download.value.path()).read_bytes()


def segment(page) -> None:
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ms-heading")).to_contain_text("Checkpoint")


def test_an_upload_is_shown_before_it_is_segmented_and_a_label_map_lies_over_it(opened, scan, tmp_path):
    give(opened, scan)
    expect(opened.locator("#ms-measurements")).to_be_hidden()
    expect(opened.locator("#ms-downloads")).to_be_hidden()
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, 64:] = 255
    Image.fromarray(labels).save(tmp_path / "drawn.png")
    opened.locator("#ms-over input[type=file]").set_input_files(tmp_path / "drawn.png")
    expect(opened.locator("#ms-over-table")).to_contain_text("50.0\u202f%")
    overlay = opened.locator("#ms-viewer").get_by_role("button", name="Overlay", exact=True)
    expect(overlay).to_have_attribute("aria-pressed", "true")
    segment(opened)
    expect(opened.locator("#ms-viewer")).to_contain_text("Dice")


def test_the_keys_turn_over_what_was_given(opened, scan, tmp_path):
    Image.open(scan).rotate(90).save(tmp_path / "other.png")
    give(opened, scan, tmp_path / "other.png")
    expect(opened.locator("#ms-heading")).to_contain_text("Image 1 of 2")
    opened.locator("#ms-viewer canvas").first.click()
    opened.keyboard.press("j")
    expect(opened.locator("#ms-heading")).to_contain_text("Image 2 of 2")
    expect(opened.locator("#ms-viewer")).to_contain_text("other")


def test_the_threshold_of_the_viewer_is_that_of_page_and_files(opened):
    opened.get_by_role("button", name="Options").click()
    before = Image.open(io.BytesIO(downloaded(opened, "Label map")))
    slider = opened.locator("#ms-viewer").get_by_label("Threshold", exact=True)
    slider.fill("0.9")
    expect(opened.locator("#ms-heading")).to_contain_text("0.9")
    expect(opened.get_by_label("number input for Threshold")).to_have_value("0.9")
    expect(opened.locator("#ms-stale")).to_be_hidden()
    labels = np.asarray(Image.open(io.BytesIO(downloaded(opened, "Label map"))))
    assert 0 < labels.sum() < np.asarray(before).sum()
    (image,) = json.loads(downloaded(opened, "Measurements, JSON"))["images"]
    assert (image["threshold"], image["classes"][0]["pixels"]) == (0.9, labels.sum())
    opened.get_by_label("number input for Threshold").fill("0.4")
    opened.get_by_label("number input for Threshold").press("Tab")
    expect(opened.locator("#ms-heading")).to_contain_text("0.4")
    expect(slider).to_have_value("0.4")


def test_a_crop_box_is_drawn_and_segmented_alone(opened, scan):
    give(opened, scan)
    opened.locator("#ms-viewer").get_by_role("button", name=re.compile("^Crop")).first.click()
    stage = opened.locator("#ms-viewer canvas").first.bounding_box()
    middle = stage["x"] + stage["width"] / 2, stage["y"] + stage["height"] / 2
    opened.mouse.move(middle[0] - 60, middle[1] - 60)
    opened.mouse.down()
    opened.mouse.move(middle[0] + 60, middle[1] + 60, steps=4)
    opened.mouse.up()
    opened.get_by_role("button", name="Options").click()
    text = opened.locator("#ms-crop").get_by_role("textbox")
    expect(text).to_have_value(re.compile(r"^0, \d+, \d+, 1, \d+, \d+$"))
    _, top, left, _, bottom, right = map(int, text.input_value().split(","))
    segment(opened)
    labels = np.asarray(Image.open(io.BytesIO(downloaded(opened, "Label map"))))
    assert labels.shape == SHAPE
    labels = labels.copy()
    labels[top:bottom, left:right] = 0
    assert not labels.any()
