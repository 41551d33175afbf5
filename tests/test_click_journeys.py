"""What a visitor does who clicks at objects, in a real browser against ``python app.py``."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage import data

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CHECKPOINT = "any-clicks"
COINS = ((45, 48), (45, 156), (185, 209))  # row and column of the middle of three coins


@pytest.fixture
def opened(page, url, wait_until_built):
    """The page, with its first paint finished."""
    page.goto(url)
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    wait_until_built(page)
    return page


@pytest.fixture
def coins(tmp_path) -> Path:
    """A photograph of coins: nothing that the network learned from."""
    Image.fromarray(data.coins()).save(tmp_path / "coins.png")
    return tmp_path / "coins.png"


def begin(page, path: Path) -> None:
    """An empty label map of an image, to click into."""
    page.locator("#ms-upload input[type=file]").set_input_files(path)
    expect(page.locator("#ms-viewer")).to_contain_text(path.stem)
    choice = page.locator("#ms-checkpoint input").first
    choice.click()
    page.get_by_role("option", name=CHECKPOINT).click()
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ms-heading")).to_contain_text(CHECKPOINT)
    expect(
        page.locator("#ms-viewer").get_by_role("button", name="Click: a network finds the object (K)")
    ).to_have_attribute("aria-pressed", "true")


def press(page, row: float, column: float, shape, **options: object) -> None:
    """A press on a pixel of an image that fits the stage."""
    stage = page.locator("#ms-viewer canvas").first
    box = stage.bounding_box()
    height, width = shape
    scale = min(box["width"] / width, box["height"] / height)
    x = box["width"] / 2 + (column + 0.5 - width / 2) * scale
    y = box["height"] / 2 + (row + 0.5 - height / 2) * scale
    stage.click(position={"x": x, "y": y}, **options)


def labels_of(page) -> np.ndarray:
    """The label map that is downloaded, once it holds what was clicked."""
    link = page.get_by_role("link", name="Label map").or_(page.get_by_role("button", name="Label map")).first
    expect(link).to_be_enabled()
    with page.expect_download() as download:
        link.click()
    return np.asarray(Image.open(io.BytesIO(Path(download.value.path()).read_bytes())))


def said(page):
    return page.locator("#ms-viewer .mv-edit-said")


def test_three_clicks_find_three_things_of_a_kind_that_the_network_never_saw(opened, coins):
    shape = data.coins().shape
    begin(opened, coins)
    for number, (row, column) in enumerate(COINS, start=1):
        press(opened, row, column, shape)
        expect(said(opened)).to_contain_text("not saved")
        opened.wait_for_function(
            "(count) => document.querySelector('#ms-viewer .mv-host').viewer.editor.done.length === count", arg=number
        )
        opened.locator("#ms-viewer").get_by_role("button", name="Next object").click()
    expect(opened.locator("#ms-correction")).to_contain_text("Corrected by hand")
    expect(opened.locator("#ms-measurements")).to_contain_text("object")
    labels = labels_of(opened)
    assert labels.shape == shape
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    for row, column in COINS:  # of every coin most was found, and little beside it
        inside = (rows - row) ** 2 + (columns - column) ** 2 < 15**2
        around = (rows - row) ** 2 + (columns - column) ** 2 < 38**2
        assert labels[inside].mean() > 0.8
        assert labels[around & ((rows - row) ** 2 + (columns - column) ** 2 > 30**2)].mean() < 0.35


def test_a_click_is_taken_back_and_a_click_beside_the_object_takes_away(opened, coins):
    shape = data.coins().shape
    begin(opened, coins)
    steps = "(count) => document.querySelector('#ms-viewer .mv-host').viewer.editor.done.length === count"
    (row, column), _, _ = COINS
    press(opened, row, column, shape)
    opened.wait_for_function(steps, arg=1)
    first = opened.evaluate("document.querySelector('#ms-viewer .mv-host').viewer.slice.labels.data.join('')")
    press(opened, row + 12, column + 4, shape, button="right")
    opened.wait_for_function(steps, arg=2)
    opened.keyboard.press("Control+z")
    opened.wait_for_function(steps, arg=1)
    again = opened.evaluate("document.querySelector('#ms-viewer .mv-host').viewer.slice.labels.data.join('')")
    assert again == first
    told = opened.evaluate("document.querySelector('#ms-viewer .mv-host').viewer.editor.clicker.told.clicks.length")
    assert told == 1
    opened.keyboard.press("Control+Shift+z")
    opened.wait_for_function(steps, arg=2)


def test_clicks_by_the_keyboard(opened, coins):
    begin(opened, coins)
    opened.locator("#ms-viewer canvas").first.focus()
    opened.keyboard.press("Enter")  # a cursor in the middle
    for _ in range(3):
        opened.keyboard.press("ArrowUp")
    opened.keyboard.press("Enter")
    opened.wait_for_function(
        "document.querySelector('#ms-viewer .mv-host').viewer.editor.clicker.told.clicks.length === 1"
    )
