"""What a visitor of the Follow tab does, in a real browser against ``python app.py``."""

import io
import json
import re
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medseg_demo.following.simulated import DAYS, GROWTH, draw_visit

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture
def opened(page, url, wait_until_built):
    """Opens the Follow tab by its address."""

    def go(theme="light"):
        page.goto(f"{url}?__theme={theme}&tab=follow")
        expect(page.locator("#fo-status")).to_contain_text("Nothing to follow yet")
        wait_until_built(page)
        return page

    return go


def changes(page) -> dict:
    with page.expect_download() as download:
        page.locator("#fo-archive").click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        return json.loads(archive.read("follow.json"))


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_five_simulated_visits_grow_as_is_stated_and_axe_finds_nothing(opened, theme, serious_faults):
    page = opened(theme)
    assert serious_faults() == {}
    page.locator("#fo-simulated").click()
    expect(page.locator("#fo-status")).to_contain_text("5 visits over 500 days")
    expect(page.locator("#fo-figure .main-svg").first).to_be_visible()
    expect(page.locator("#fo-viewer canvas").first).to_be_visible()
    page.get_by_role("button", name="Copy as code").locator("visible=true").click()
    expect(page.locator("#fo-code-command")).to_contain_text("--checkpoint nuclei-unet-tiny --output results/follow")
    assert serious_faults() == {}
    found = [row for row in changes(page)["changes"] if row["measure"] == "size"]
    assert [row["day"] for row in found] == list(DAYS)
    for row, growth in zip(found[1:], GROWTH[1:], strict=True):
        assert row["percent_low"] < 100 * (growth - 1) < row["percent_high"]


def test_own_visits_are_followed_and_equal_dates_are_said(opened, tmp_path):
    paths = [tmp_path / f"scan_{number}.png" for number in range(2)]
    for number, path in enumerate(paths):
        Image.fromarray(draw_visit(GROWTH[4 * number], number)[0]).save(path)
    page = opened()
    page.locator("#fo-upload input[type=file]").set_input_files(paths)
    expect(page.locator("#fo-preflight")).to_contain_text("not known")
    page.locator("#fo-run").click()
    expect(page.locator("#fo-status")).to_contain_text("Choose a checkpoint")
    page.locator("#fo-checkpoint input").click()
    page.get_by_role("option", name=re.compile("^nuclei-unet-tiny ·")).click()
    for dates, words in (("", "No date is known"), ("5, 5", "same date"), ("0, 90", "2 visits over 90 days")):
        page.locator("#fo-dates textarea, #fo-dates input").first.fill(dates)
        page.locator("#fo-run").click()
        expect(page.locator("#fo-status")).to_contain_text(words)
    areas = [draw_visit(GROWTH[4 * number], number)[1] for number in range(2)]
    size = next(row for row in changes(page)["changes"] if row["measure"] == "size" and row["visit"] == 2)
    assert size["percent_low"] < 100 * (areas[1] / areas[0] - 1) < size["percent_high"]
    assert np.isclose(size["percent"], 100 * (GROWTH[4] - 1), atol=8)
