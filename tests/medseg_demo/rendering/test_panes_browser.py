"""How panes share the stage, which predictions are shown, and what stays in view, in a real browser."""

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, viewer_script, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

NAMES = ["lungs-unet-lite0", "lungs-unet-tiny", "hippocampus-of-the-decathlon-unet3d", "net-4", "net-5", "net-6"]
PIXELS = np.random.default_rng(3).integers(0, 255, (24, 30, 30)).astype(np.uint8)
VOLUME = MedicalImage(PIXELS, "ZYX", Geometry((1.0, 1.0, 1.0)), "v", "NIfTI", 8, (0.0, 255.0))
IMAGE = MedicalImage(PIXELS[0], "YX", Geometry(), "i", "PNG", 8, (0.0, 255.0))
MANY = tuple(f"{side} structure number {i}" for i in range(52) for side in ("left", "right"))


def predictions(count: int, image: MedicalImage = IMAGE) -> list[NamedPrediction]:
    labels = (image.pixels > 99).astype(np.uint8)
    return [NamedPrediction(name, LabelMap(labels, ("cell",))) for name in NAMES[:count]]


@pytest.fixture
def run(page):
    """The value of an expression over the viewer's functions."""

    def evaluate(expression: str):
        return page.evaluate("([script, code]) => new Function(`${script}; return ${code}`)()", [script, expression])

    script = viewer_script("page")
    return evaluate


@pytest.mark.parametrize(
    ("count", "stage", "columns", "rows"),
    [
        (2, (900, 500), 2, 1),
        (2, (400, 700), 1, 2),
        (6, (900, 600), 3, 2),
        (6, (1500, 260), 6, 1),
        (8, (900, 500), 4, 2),
    ],
)
def test_square_pictures_lie_in_the_grid_that_shows_them_largest(run, count, stage, columns, rows):
    width, height = stage
    grid = run(f"bestGrid([[100, 100]], {count}, {{ width: {width}, height: {height} }})")
    assert (len(grid["columns"]), len(grid["rows"])) == (columns, rows)
    sides = [min(width / c, height / -(-count // c)) for c in range(1, count + 1)]
    assert grid["area"] == pytest.approx(count * max(sides) ** 2)


@pytest.mark.parametrize(("width", "height", "flow"), [(600, 900, "row"), (900, 600, "column")])
def test_three_planes_are_rows_of_a_tall_stage_and_columns_of_a_wide_one(run, width, height, flow):
    grid = run(f"bestGrid([[100, 100], [100, 80], [100, 20]], 2, {{ width: {width}, height: {height} }})")
    assert grid["flow"] == flow
    planes = grid["rows" if flow == "row" else "columns"]
    assert planes == ([1, 0.8, 0.5] if flow == "row" else [1, 1, 1])


@pytest.mark.parametrize("count", [3, 4, 5, 6])
def test_each_share_of_agreement_looks_different(run, count):
    names = [f"net-{i}" for i in range(count)]
    found = run(f"agreementCategories({names}).map(({{ colour, pattern }}) => [colour.join(), pattern])")
    assert len(found) == count + 1
    assert len({tuple(one) for one in found}) == count + 1


def test_the_grid_follows_the_size_of_the_window(show):
    shown = show(viewer_value(IMAGE, predictions(2)))

    def places() -> list[dict[str, float]]:
        return [shown.page.locator(".mv-stage").nth(pane).bounding_box() for pane in (0, 1)]

    wide = places()
    assert wide[0]["y"] == wide[1]["y"]
    shown.page.set_viewport_size({"width": 390, "height": 900})
    shown.page.locator(".mv-stages").evaluate("(node) => { node.style.height = '700px'; }")
    shown.settle()
    tall = places()
    assert tall[0]["x"] == tall[1]["x"]


def test_a_person_chooses_which_predictions_are_shown(show):
    shown = show(viewer_value(IMAGE, predictions(6)))
    assert shown.ask("viewer.panes.length") == 6
    shown.click("net-5")
    shown.click(NAMES[0])
    assert shown.ask("viewer.seenPredictions") == [1, 2, 3, 5]
    expect(shown.page.get_by_role("button", name="net-5", exact=True)).to_have_attribute("aria-pressed", "false")
    for name in (NAMES[1], NAMES[2], "net-4", "net-6"):
        shown.click(name)
    assert shown.ask("viewer.seenPredictions") == [5]  # the last one stays


def test_three_planes_of_the_three_that_were_chosen(show):
    shown = show(viewer_value(VOLUME, predictions(6, VOLUME), slice_indices="all"))
    shown.click("All three")
    assert shown.ask("viewer.seenPredictions") == [0, 1, 2]
    assert shown.ask("viewer.panes.length") == 9
    shown.click("net-6")
    assert 5 in shown.ask("viewer.seenPredictions")
    assert shown.ask("viewer.panes.length") == 9
    boxes = [shown.page.locator(".mv-stage").nth(pane).bounding_box() for pane in range(9)]
    assert len({round(box["x"]) for box in boxes}) == len({round(box["y"]) for box in boxes}) == 3


def test_long_names_end_in_the_middle_and_are_whole_to_a_screen_reader(show):
    shown = show(viewer_value(IMAGE, predictions(3), layout="swipe"))
    title = shown.page.locator(".mv-stage .mv-title").first
    assert title.get_attribute("data-tail") == "unet-lite0"
    option = shown.page.get_by_label("Second prediction").locator("option").nth(2)
    assert option.text_content() == "hippocampus-o…lon-unet3d"
    shown.click("Side by side")
    chip = shown.page.get_by_role("button", name=NAMES[2], exact=True)
    assert chip.get_attribute("title") == NAMES[2]
    assert chip.evaluate("(node) => getComputedStyle(node, '::after').content").startswith('"lon-unet3d"')


def test_legends_and_classes_are_in_view_beside_the_stages(page, show):
    page.set_viewport_size({"width": 1000, "height": 700})
    reference = LabelMap((PIXELS[0] > 120).astype(np.uint8), ("cell",))
    shown = show(viewer_value(IMAGE, predictions(2), reference=reference, mode="errors"))
    for name in ("Legend", "Classes"):
        expect(shown.page.get_by_role("list", name=name)).to_be_in_viewport(ratio=1)
    shown.click("Agreement")
    expect(shown.page.get_by_role("list", name="Agreement")).to_be_in_viewport(ratio=1)


def test_a_hundred_classes_take_a_line_each_scroll_inside_and_are_searched(show):
    labels = (PIXELS[0] % 105).astype(np.uint8)
    shown = show(viewer_value(IMAGE, [NamedPrediction("atlas", LabelMap(labels, MANY))]))
    heights = shown.page.locator(".mv-classes li").evaluate_all("(rows) => rows.map((row) => row.offsetHeight)")
    assert len(heights) == 104
    assert max(heights) <= 32
    assert shown.page.evaluate("document.documentElement.scrollHeight") < 1200
    shown.page.get_by_role("searchbox", name="Find a class").fill("LEFT structure number 7")
    shown.settle()
    expect(shown.page.get_by_role("checkbox")).to_have_count(1)
    shown.click("None")
    assert shown.ask("viewer.state.classes.filter((one) => !one.shown).map((one) => one.name)") == [MANY[14]]
    shown.page.get_by_role("searchbox").fill("")
    shown.settle()
    expect(shown.page.get_by_role("checkbox")).to_have_count(104)


def test_the_card_of_keys_keeps_the_focus_and_gives_it_back(page, show):
    page.set_viewport_size({"width": 390, "height": 500})
    shown = show(viewer_value(IMAGE, predictions(1)))
    shown.press("?")
    card = shown.page.get_by_role("dialog", name="Keys")
    box = card.bounding_box()
    assert box["x"] >= 0
    assert box["y"] >= 0
    assert box["x"] + box["width"] <= 390
    assert box["y"] + box["height"] <= 500
    assert card.evaluate("(node) => node.scrollHeight > node.clientHeight && node.matches(':modal')")
    for key in ("Tab", "Tab", "m"):
        shown.page.keyboard.press(key)
    assert shown.ask("viewer.state.mode") == "fill"  # keys do nothing behind the card
    shown.page.keyboard.press("Escape")
    expect(card).to_be_hidden()
    assert shown.page.evaluate("document.activeElement.className") == "mv-stage"


TARGETS = """(least) => [...document.querySelectorAll('.mv button, .mv select, .mv input, .mv .mv-name')]
  .filter((node) => node.checkVisibility() && !node.matches('[type=checkbox]'))
  .map((node) => [node.getAttribute('aria-label') || node.textContent, node.getBoundingClientRect()])
  .filter(([, box]) => Math.min(box.width, box.height) < least)
  .map(([name, box]) => `${name} ${box.width} ${box.height}`)"""


@pytest.mark.parametrize(("touch", "least"), [(False, 24), (True, 44)])
def test_targets_are_large_enough(chromium, show, touch, least, tmp_path):
    shown = show(viewer_value(VOLUME, predictions(6, VOLUME), slice_indices="all"))
    address = shown.page.url
    context = chromium.new_context(viewport={"width": 390, "height": 844}, has_touch=touch, is_mobile=touch)
    page = context.new_page()
    page.goto(address)
    page.wait_for_function("document.querySelector('.mv-host').viewer?.slice")
    page.locator(".mv-stage").first.focus()
    page.keyboard.press("r")
    page.keyboard.press("Enter")
    type(shown)(page).settle()
    small = page.evaluate(TARGETS, least)
    width = page.evaluate("document.documentElement.scrollWidth")
    context.close()
    assert small == []
    assert width <= 390


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_panes_rulers_and_a_long_list_of_classes_are_accessible(page, show, serious_faults, scheme):
    page.emulate_media(color_scheme=scheme)
    labels = LabelMap((PIXELS % 105).astype(np.uint8), MANY)
    several = [NamedPrediction(name, labels) for name in NAMES]
    shown = show(viewer_value(VOLUME, several, reference=labels, mode="errors", slice_indices="all"))
    shown.press("r", "Enter", "Enter", "ArrowRight", "Enter", "Enter", "Enter", "Enter")
    shown.click("All three")
    shown.click("net-5")
    assert serious_faults() == {}
    shown.press("?")
    assert serious_faults() == {}
