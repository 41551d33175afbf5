"""What holds on every tab and in every window, in a real browser against ``python app.py``."""

import re

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.browser, pytest.mark.slow]
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

WINDOWS = [(1440, 900), (390, 844), (720, 450)]  # the last is a laptop's at 200 %
TABS = {"Segment": "#ms-segment", "Compare": "#cp-run", "Evaluate": "#ev-run"}
LONG = "patient-study-of-the-second-visit-with-contrast-agent-axial-reconstruction-number-"

# The contrast of an element's edge with what lies behind the element.
EDGE_CONTRAST = """
element => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1); canvas.fillStyle = colour; canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  let behind = element.parentElement;
  while (behind.parentElement && rgba(getComputedStyle(behind).backgroundColor)[3] < 255) behind = behind.parentElement;
  const edge = getComputedStyle(element);
  if (parseFloat(edge.borderTopWidth) < 1) return 1;
  const pair = [edge.borderTopColor, getComputedStyle(behind).backgroundColor].map(rgba).map(light);
  return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
}
"""


@pytest.fixture
def open_page(page, url, wait_until_built):
    """Opens the page in a window, with its first paint finished."""

    def open_in(width: int = 1000, height: int = 900, theme: str = "light") -> None:
        page.set_viewport_size({"width": width, "height": height})
        page.goto(f"{url}?__theme={theme}")
        expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
        wait_until_built(page)

    return open_in


def open_tab(page, name: str) -> None:
    tab = page.get_by_role("tab", name=name, exact=True)
    if not tab.is_visible():  # on a phone those without room are in a menu
        page.locator(".overflow-menu > button").click()
        tab = page.locator(".overflow-dropdown").get_by_text(name, exact=True)
    tab.click()


@pytest.mark.parametrize(("width", "height"), WINDOWS)
def test_the_button_of_each_tab_and_stop_are_in_view_however_far_the_page_is_scrolled(page, open_page, width, height):
    open_page(width, height)
    for tab, button in TABS.items():
        open_tab(page, tab)
        for selector in (button, button.split("-")[0] + "-stop"):
            expect(page.locator(selector)).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width, tab
        for end in (0, 100_000):
            page.evaluate("(y) => window.scrollTo(0, y)", end)
            for selector in (button, button.split("-")[0] + "-stop"):
                box = page.locator(selector).bounding_box()
                assert box["x"] >= 0, (tab, box)
                assert box["x"] + box["width"] <= width, (tab, box)
                assert box["y"] >= 0, (tab, box)
                assert box["y"] + box["height"] <= height, (tab, box)
                middle = [box["x"] + box["width"] / 2, box["y"] + box["height"] / 2]
                found = "([x, y, one]) => !!document.elementFromPoint(x, y)?.closest(one)"
                assert page.evaluate(found, [*middle, selector]), (tab, selector, "is covered")


def test_a_server_that_is_gone_or_was_started_anew_is_said(page, open_page, wait_until_built):
    open_page()
    notice, focus = page.locator("#ms-server"), "() => window.dispatchEvent(new Event('focus'))"
    with page.expect_response("**/app_id"):
        page.evaluate(focus)
    wait_until_built(page)
    expect(notice).to_have_count(0)
    page.route("**/app_id", lambda route: route.abort())
    page.evaluate(focus)
    expect(notice).to_contain_text("does not answer")
    page.unroute("**/app_id")
    page.route("**/app_id", lambda route: route.fulfill(json={"app_id": "another"}))
    page.evaluate(focus)
    expect(notice).to_contain_text("was started anew")
    expect(notice.get_by_role("button", name="Reload the page")).to_be_visible()
    page.unroute("**/app_id")
    page.evaluate(focus)
    expect(notice).to_have_count(0)


def test_dropdowns_have_an_edge_in_the_dark(page, open_page, wait_until_built):
    open_page(theme="dark")
    for tab in TABS:
        open_tab(page, tab)
        wait_until_built(page)
        dropdowns = page.locator(".wrap:has(> .wrap-inner)").locator("visible=true")
        ratios = [one.evaluate(EDGE_CONTRAST) for one in dropdowns.all()]
        assert ratios, tab
        assert min(ratios) >= 3, tab


def test_on_a_phone_the_viewer_stands_directly_below_the_upload(page, open_page, tmp_path):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)).save(tmp_path / "scan.png")
    open_page(390, 844)
    page.locator("#ms-upload input[type=file]").set_input_files(tmp_path / "scan.png")
    expect(page.locator("#ms-preflight")).to_contain_text("120 × 90 px")
    expect(page.locator("#ms-viewer canvas").first).to_be_visible()
    tops = {
        name: page.locator(name).bounding_box()
        for name in ("#ms-upload", "#ms-viewer", "#ms-preflight", "#ms-checkpoint")
    }
    assert list(tops) == sorted(tops, key=lambda name: tops[name]["y"])
    between = tops["#ms-viewer"]["y"] - tops["#ms-upload"]["y"] - tops["#ms-upload"]["height"]
    assert between < 844 / 4  # a hint and the button for folders, and no card


def test_names_with_a_common_start_are_told_apart_and_figures_stay_in_the_frame(page, open_page, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    paths = [tmp_path / f"{LONG}{end}.png" for end in ("first", "second")]
    for path in paths:
        Image.fromarray(pixels).save(path)
    open_page(390, 844)
    page.locator("#ms-upload input[type=file]").set_input_files(paths)
    expect(page.locator("#ms-preflight")).to_contain_text("2 files")
    page.locator("#ms-segment").click()
    expect(page.locator("#ms-gallery button.thumbnail-item")).to_have_count(2)
    expect(page.locator("#ms-stop")).to_be_disabled()
    names = page.locator(".ms-right .ms-name").locator("visible=true")
    expect(names).not_to_have_count(0)
    for name in names.all():
        tail = name.locator("span").last.bounding_box()
        box = name.bounding_box()
        assert tail["x"] + tail["width"] <= box["x"] + box["width"] + 1
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    for frame in page.locator(".ms-scroll").locator("visible=true").all():
        assert frame.evaluate("one => getComputedStyle(one).overflowX") == "auto"
        box = frame.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 390


def choose(page, selector: str, name: str | re.Pattern) -> None:
    page.locator(f"{selector} input").click()
    page.get_by_role("option", name=name).first.click()


def test_a_plot_that_cannot_be_drawn_goes_and_the_next_one_comes(page, open_page):
    open_page()
    open_tab(page, "Evaluate")
    plot = page.locator("#ev-plot .ev-plot")
    expect(plot.locator(".main-svg").first).to_be_visible()
    choose(page, "#ev-plot-name", re.compile("^By group"))
    expect(plot).to_contain_text("by density")
    choose(page, "#ev-plot-name", re.compile("^Two checkpoints"))
    expect(plot).not_to_contain_text("by density")
    page.get_by_role("button", name="How means are taken").click()
    choose(page, "#ev-compared", "nuclei-unet-tiny")  # alone: none chosen is all of them
    expect(page.get_by_text("This plot cannot be drawn")).to_be_visible()
    expect(plot.locator(".main-svg")).to_have_count(0)
    choose(page, "#ev-plot-name", re.compile("^Every case"))
    expect(page.get_by_text("This plot cannot be drawn")).to_have_count(0)
    expect(plot.locator(".main-svg").first).to_be_visible()
