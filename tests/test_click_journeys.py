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
# Row, column and radius of two coins.
CLICKED, BOXED = (51, 155, 23), (193, 212, 25)


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


def on_stage(page, row: float, column: float, shape) -> tuple[float, float]:
    """Where a pixel of an image that fits the stage lies on it."""
    box = page.locator("#ms-viewer canvas").first.bounding_box()
    height, width = shape
    scale = min(box["width"] / width, box["height"] / height)
    return box["width"] / 2 + (column + 0.5 - width / 2) * scale, box["height"] / 2 + (row + 0.5 - height / 2) * scale


def on_page(page, row: float, column: float, shape) -> tuple[float, float]:
    box = page.locator("#ms-viewer canvas").first.bounding_box()
    x, y = on_stage(page, row, column, shape)
    return box["x"] + x, box["y"] + y


def press(page, row: float, column: float, shape, **options: object) -> None:
    x, y = on_stage(page, row, column, shape)
    page.locator("#ms-viewer canvas").first.click(position={"x": x, "y": y}, **options)


def labels_of(page) -> np.ndarray:
    """The label map that is downloaded, once it holds what was clicked."""
    link = page.get_by_role("link", name="Label map").or_(page.get_by_role("button", name="Label map")).first
    expect(link).to_be_enabled()
    with page.expect_download() as download:
        link.click()
    return np.asarray(Image.open(io.BytesIO(Path(download.value.path()).read_bytes())))


def said(page):
    return page.locator("#ms-viewer .mv-edit-said")


def done(page, count: int) -> None:
    """Wait for so many steps that can be undone."""
    page.wait_for_function(
        "(count) => document.querySelector('#ms-viewer .mv-host').viewer.editor.done.length === count", arg=count
    )


def dice_of(labels: np.ndarray, coin: tuple[int, int, int]) -> float:
    row, column, radius = coin
    rows, columns = np.mgrid[: labels.shape[0], : labels.shape[1]]
    disk = (rows - row) ** 2 + (columns - column) ** 2 < radius**2
    near = (rows - row) ** 2 + (columns - column) ** 2 < (2 * radius) ** 2
    found = (labels > 0) & near
    return 2 * (disk & found).sum() / (disk.sum() + found.sum())


def test_three_clicks_find_a_thing_of_a_kind_that_the_network_never_saw_and_a_box_another(opened, coins):
    shape = data.coins().shape
    begin(opened, coins)
    row, column, _ = CLICKED
    for number, down in enumerate((0, 12, -12), start=1):
        press(opened, row + down, column, shape)
        done(opened, number)
    expect(said(opened)).to_contain_text("not saved")
    row, column, radius = BOXED
    for place, step in ((-radius, opened.mouse.down), (radius, opened.mouse.up)):
        opened.mouse.move(*on_page(opened, row + place, column + place, shape), steps=3)
        step()
    done(opened, 4)
    expect(opened.locator("#ms-correction")).to_contain_text("Corrected by hand")
    expect(opened.locator("#ms-measurements")).to_contain_text("object")
    labels = labels_of(opened)
    assert labels.shape == shape
    assert dice_of(labels, CLICKED) > 0.8
    assert dice_of(labels, BOXED) > 0.8


def test_a_click_is_taken_back_and_a_click_beside_the_object_takes_away(opened, coins):
    shape = data.coins().shape
    begin(opened, coins)
    row, column, _ = CLICKED
    press(opened, row, column, shape)
    done(opened, 1)
    first = opened.evaluate("document.querySelector('#ms-viewer .mv-host').viewer.slice.views[0].labels.data.join('')")
    press(opened, row + 12, column + 4, shape, button="right")
    done(opened, 2)
    opened.keyboard.press("Control+z")
    done(opened, 1)
    again = opened.evaluate("document.querySelector('#ms-viewer .mv-host').viewer.slice.views[0].labels.data.join('')")
    assert again == first
    told = opened.evaluate("document.querySelector('#ms-viewer .mv-host').viewer.editor.clicker.told.clicks.length")
    assert told == 1
    opened.keyboard.press("Control+Shift+z")
    done(opened, 2)


def test_clicks_by_the_keyboard(opened, coins):
    begin(opened, coins)
    opened.locator("#ms-viewer .mv-stage").first.focus()
    opened.keyboard.press("Enter")  # a cursor in the middle
    for _ in range(3):
        opened.keyboard.press("ArrowUp")
    opened.keyboard.press("Enter")
    opened.wait_for_function(
        "document.querySelector('#ms-viewer .mv-host').viewer.editor.clicker.told.clicks.length === 1"
    )
