"""What the owner does in the case drawer: correct a prediction in a real browser, and make it the reference."""

import numpy as np
import pytest
from PIL import Image

from medseg_demo.test_sets.simulated import ensure_simulated_nuclei

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

CASE = "simulated_07"


@pytest.fixture
def opened(page, serve, tmp_path):
    """A case of the simulated nuclei in the drawer, with the page over folders of the test's own."""
    with serve("--test-sets", str(tmp_path / "sets"), "--results", str(tmp_path / "results")) as url:
        page.goto(f"{url}?run=simulated-nuclei&case={CASE}&__theme=light")
        expect(page.locator("#ev-case-head")).to_contain_text(CASE)
        expect(page.locator("#ev-viewer canvas").first).to_be_visible()
        yield page


def drag(page, start, end):
    """Across the picture, by shares of its sides."""
    canvas = page.locator("#ev-viewer canvas").first
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    places = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in (start, end)]
    page.mouse.move(*places[0])
    page.mouse.down()
    page.mouse.move(*places[1], steps=5)
    page.mouse.up()


def test_a_corrected_prediction_becomes_the_reference(opened, tmp_path):
    mask = ensure_simulated_nuclei(tmp_path / "sets") / "masks" / f"{CASE}.png"
    before = mask.read_bytes()
    opened.locator("#ev-correcting").get_by_role("button").first.click()
    opened.locator("#ev-correct input").first.click()
    opened.get_by_role("option", name="nuclei-unet-tiny").click()
    expect(opened.locator("#ev-corrected")).to_contain_text("is shown as it is")
    opened.locator("#ev-viewer").get_by_role("button", name="Correct", exact=True).click()
    drag(opened, (0.35, 0.4), (0.65, 0.6))
    expect(opened.locator("#ev-corrected")).to_contain_text("Dice before and after")
    opened.locator("#ev-correct-write").click()
    with opened.expect_download() as download:
        opened.locator("#ev-correct-file").click()
    painted = np.asarray(Image.open(download.value.path()))
    opened.locator("#ev-as-reference").click()
    opened.locator("#ev-reference-yes").click()
    expect(opened.locator("#ev-corrected")).to_contain_text("was replaced")
    expect(opened.locator("#ev-corrected")).to_contain_text("masks/replaced_references/")
    (kept,) = (mask.parent / "replaced_references").iterdir()
    assert kept.read_bytes() == before
    assert (np.asarray(Image.open(mask)) > 0).tolist() == (painted > 0).tolist()
