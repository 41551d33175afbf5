"""Rulers and the crosshair in the viewer, and the colours that set them off from the classes."""

import itertools
import re

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, palette, viewer_script, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

PIXELS = np.random.default_rng(4).integers(0, 255, (5, 20, 24)).astype(np.uint8)
VOLUME = MedicalImage(PIXELS, "ZYX", Geometry((4.0, 2.0, 1.0)), "ct", "NIfTI", 8, (0.0, 255.0))
LABELS = LabelMap((PIXELS > 99).astype(np.uint8), ("a",))


def value(image: MedicalImage = VOLUME, count: int = 1) -> dict[str, object]:
    return viewer_value(
        image,
        [NamedPrediction(f"net-{i}", LABELS) for i in range(count)],
        slice_indices="all",
        plane="axial",
        slice_index=2,
    )


def drag(shown, start: tuple[float, float], end: tuple[float, float], pane: int = 0) -> None:
    shown.page.mouse.move(*shown.place(pane, *start))
    shown.page.mouse.down()
    shown.page.mouse.move(*shown.place(pane, *end), steps=4)
    shown.page.mouse.up()
    shown.settle()


def listed(shown) -> list[str]:
    return (
        shown.page.get_by_role("list", name="Rulers")
        .get_by_role("button", name=re.compile("^[0-9]"))
        .all_text_contents()
    )


@pytest.fixture
def two(show):
    """A volume with a ruler in each of two planes."""
    shown = show(value())
    shown.press("r")
    drag(shown, (2, 2), (6, 2))
    shown.click("Across y")
    drag(shown, (3, 1), (6, 2))
    return shown


def test_each_ruler_stays_in_its_plane_and_slice(two):
    assert listed(two) == ["1: 4.0 mm · Across z 3", "2: 5.0 mm · Across y 6"]
    two.press("ArrowUp", "c")
    assert len(listed(two)) == 2
    two.click("1: 4.0 mm · Across z 3")
    assert two.ask("[viewer.slice.plane, viewer.slice.index, viewer.state.ruler]") == ["axial", 2, 1]


def test_rulers_are_deleted_one_by_one_and_all(two):
    two.click("Delete ruler 1: 4.0 mm · Across z 3")
    assert listed(two) == ["2: 5.0 mm · Across y 6"]
    drag(two, (3, 3), (8, 3))
    two.press("Delete")
    assert len(listed(two)) == 1
    drag(two, (3, 3), (8, 3))
    two.click("Delete all")
    assert two.ask("viewer.state.rulers") == []


def test_an_end_is_dragged_and_a_click_leaves_nothing(two):
    drag(two, (6, 2), (3, 2))
    assert listed(two)[1] == "2: 4.0 mm · Across y 6"
    two.page.mouse.click(*two.place(0, 15, 3))
    two.settle()
    assert len(listed(two)) == 2


def test_a_ruler_by_keys(show):
    shown = show(value())
    shown.press("r", "Enter", "ArrowLeft", "Enter", "Shift+ArrowRight", "ArrowDown", "Enter")
    assert listed(shown) == ["1: 10.2 mm · Across z 3"]  # 10 columns of 1 mm, 1 row of 2 mm
    shown.press("ArrowUp")
    assert shown.ask("viewer.state.point[0]") == 3


def test_rulers_stay_with_their_image(two):
    other = MedicalImage(PIXELS[::-1].copy(), "ZYX", Geometry(), "other", "NIfTI", 8, (0.0, 255.0))
    for image, count in ((other, 0), (VOLUME, 2)):
        two.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value(image))
        two.settle()
        assert two.ask("viewer.state.rulers.length") == count
    two.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value(count=3))
    two.settle()
    assert two.ask("viewer.state.rulers.length") == 2


WHITE_PIXELS = """() => document.querySelector('.mv-host').viewer.panes.map(({ painter: { canvas, context } }) => {
  const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
  return new Uint32Array(data.buffer).reduce((sum, one) => sum + (one === 0xffffffff), 0);
})"""


def test_rulers_are_painted_in_every_pane_of_their_slice(show):
    shown = show(value(count=2))

    def whites() -> list[int]:
        return shown.page.evaluate(WHITE_PIXELS)

    before = whites()
    shown.press("r")
    drag(shown, (2, 2), (20, 17))
    assert all(after > 100 + one for one, after in zip(before, whites(), strict=True))


def lab(colours: np.ndarray) -> np.ndarray:
    """CIELAB with the white of D65, from sRGB (N, 3) in 0..255, by scikit-image."""
    color = pytest.importorskip("skimage.color")
    return color.rgb2lab(np.asarray(colours, float).reshape(-1, 1, 3) / 255)[:, 0]


def rgb(text: str) -> list[int]:
    return [int(text[i : i + 2], 16) for i in (1, 3, 5)]


CARD_COLOURS = {
    "white and lime": [(255, 255, 255), (239, 255, 191)],
    "all four marks": [(239, 255, 191), (217, 178, 255), (255, 191, 207), (255, 255, 255)],
    "red, green, blue": [(255, 0, 0), (0, 255, 0), (0, 0, 255)],
}


@pytest.mark.parametrize(
    "colours", [*(palette()[1 : n + 1].tolist() for n in (1, 7, 104, 255)), *CARD_COLOURS.values()]
)
def test_no_class_has_the_colour_of_the_crosshair_or_the_rulers(page, colours):
    script = viewer_script("page")
    marks = page.evaluate(
        "([script, colours]) => new Function('colours', `${script}; return chooseMarks(colours)`)(colours)",
        [script, [list(one) for one in colours]],
    )
    assert sorted(marks) == ["axial", "coronal", "ruler", "sagittal"]
    marked, classes = lab([rgb(one) for one in marks.values()]), lab(colours)
    assert np.linalg.norm(marked[:, None] - classes[None], axis=-1).min() >= 20
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(marked, 2)) >= 20
