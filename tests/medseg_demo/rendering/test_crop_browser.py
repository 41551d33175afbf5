"""The crop box in a real browser: drawn, adjusted by handles and numbers, seen in all planes, told to the page."""

import numpy as np
import pytest

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.rendering import viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

SHAPE = (20, 40, 50)
AFFINE = np.diag([1.0, 1, 2, 1])  # to the left, back and head: x and y as they are stored, z turned on its head
VOLUME = MedicalImage(
    np.zeros(SHAPE, np.int16), "ZYX", Geometry((2.0, 1.0, 1.0), AFFINE), "ct", "NIfTI", 16, (0.0, 1.0), "CT"
)
PICTURE = MedicalImage(np.full((40, 60), 255, np.uint8), "YX", Geometry(), "x-ray", "PNG", 8, (0.0, 255.0))

BOX = [5, 10, 20, 15, 30, 40]


def opened(show, image, crop=None, **options):
    shown = show(viewer_value(image, can_crop=True, crop=crop, slice_indices="all", **options))
    shown.page.evaluate(
        """() => {
          window.told = [];
          document.querySelector('.mv-host').viewer.host = { emit: (name, data) => window.told.push([name, data]) };
        }"""
    )
    shown.press("g")
    return shown


def drag(shown, start: tuple[float, float], end: tuple[float, float], pane: int = 0) -> None:
    """From one place of a pane's picture to another."""
    mouse = shown.page.mouse
    mouse.move(*shown.place(pane, *start))
    mouse.down()
    mouse.move(*shown.place(pane, *end), steps=4)
    mouse.up()
    shown.settle()


def told(shown) -> list[list[int] | None]:
    """The boxes that the page was told of."""
    return [data["box"] for name, data in shown.page.evaluate("told") if name == "crop"]


def test_a_drag_draws_a_box_and_tells_it_once(show):
    shown = opened(show, PICTURE)
    drag(shown, (10, 5), (30, 25))
    assert shown.ask("viewer.state.crop") == [0, 5, 10, 1, 25, 30]
    assert shown.page.evaluate("told") == [
        ["crop", {"box": [0, 5, 10, 1, 25, 30], "key": shown.ask("viewer.value.key")}]
    ]
    expect(shown.page.get_by_role("group", name="Crop box")).to_contain_text("20 × 20 px")


def test_a_box_of_a_volume_leaves_the_axis_across_as_it_is(show):
    shown = opened(show, VOLUME)
    drag(shown, (20, 10), (40, 30))
    assert told(shown) == [[0, 10, 20, 20, 30, 40]]
    shown.click("Coronal")
    drag(shown, (30, 0.2), (30, 5), pane=0)  # the upper edge lies at the edge of the volume: the head, z = 20
    assert told(shown)[-1] == [0, 10, 20, 15, 30, 40]
    drag(shown, (30, 19.8), (30, 15))  # and the lower one at the feet
    assert told(shown)[-1] == BOX


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        ((20, 10), (15, 12), [5, 12, 15, 15, 30, 40]),  # a corner
        ((40, 20), (45, 20), [5, 10, 20, 15, 30, 45]),  # a side
        ((30, 30), (30, 0), [5, 0, 20, 15, 10, 40]),  # a side over the opposite one
        ((30, 20), (35, 25), [5, 15, 25, 15, 35, 45]),  # all of it
        ((30, 20), (60, 20), [5, 10, 30, 15, 30, 50]),  # up to the edge of the volume
        ((5, 2), (15, 8), [5, 2, 5, 15, 8, 15]),  # another box in the same slices
    ],
)
def test_handles_sides_and_the_inside_are_dragged(show, start, end, expected):
    shown = opened(show, VOLUME, BOX, slice_index=8)
    drag(shown, start, end)
    assert told(shown) == [expected]


def test_a_new_box_beside_the_slices_of_the_old_one_holds_all_slices(show):
    shown = opened(show, VOLUME, BOX, slice_index=2)
    drag(shown, (5, 2), (15, 8))
    assert told(shown) == [[0, 2, 5, 20, 8, 15]]


def test_numbers_do_what_drags_do_and_stay_inside(show):
    shown = opened(show, VOLUME)
    for verb, axis, number in [
        ("starts", "z", "5"),
        ("ends", "z", "15"),
        ("ends", "x", "999"),
        ("starts", "y", "12.4"),
    ]:
        field = shown.page.get_by_label(f"Crop box {verb} at {axis}")
        field.fill(number)
        field.press("Enter")
    assert told(shown) == [[5, 0, 0, 20, 40, 50], [5, 0, 0, 15, 40, 50], [5, 0, 0, 15, 40, 50], [5, 12, 0, 15, 40, 50]]
    expect(shown.page.get_by_label("Crop box ends at x")).to_have_value("50")
    expect(shown.page.get_by_role("group", name="Crop box")).to_contain_text("50 × 28 × 10 voxels, 50 × 28 × 20 mm")
    field = shown.page.get_by_label("Crop box starts at y")
    field.press("ArrowUp")
    assert told(shown)[-1] == [5, 13, 0, 15, 40, 50]


def test_it_is_removed_by_key_and_button(show):
    shown = opened(show, PICTURE, [0, 5, 10, 1, 25, 30])
    shown.press("Delete")
    drag(shown, (10, 5), (30, 25))
    shown.click("Remove box")
    assert told(shown) == [None, [0, 5, 10, 1, 25, 30], None]
    assert shown.ask("viewer.state.crop") is None


def test_the_whole_image_is_no_box(show):
    shown = opened(show, PICTURE)
    drag(shown, (0.2, 0.2), (59.8, 39.8))
    assert told(shown) == [None]


def shade(shown, pane: int, x: float, y: float) -> int:
    of = f"viewer.panes[{pane}].painter"
    place = shown.ask(f"viewer.panes[{pane}].camera.toStage({x}, {y})")
    at = ", ".join(f"Math.round({place[axis]} * {of}.ratio)" for axis in "xy")
    return shown.ask(f"{of}.context.getImageData({at}, 1, 1).data[0]")


def test_it_darkens_what_lies_outside_in_all_planes(show):
    bright = MedicalImage(np.full(SHAPE, 9, np.uint8), "ZYX", VOLUME.geometry, "ct", "NIfTI", 8, (0.0, 9.0))
    shown = opened(show, bright, BOX, slice_index=8)
    shown.click("All three")
    for pane, (inside, outside) in enumerate([((22, 12), (10, 5)), ((22, 8), (22, 2)), ((12, 8), (35, 8))]):
        assert shade(shown, pane, *inside) == 255
        assert shade(shown, pane, *outside) < 130
    shown.page.evaluate("() => document.querySelector('.mv-host').viewer.goTo(2, 'axial')")
    assert shade(shown, 0, 22, 12) < 130


def test_the_box_is_that_of_the_value(show):
    shown = opened(show, PICTURE)
    assert shown.ask("viewer.state.crop") is None
    for crop in ([0, 5, 10, 1, 25, 30], None):
        value = viewer_value(PICTURE, can_crop=True, crop=crop)
        shown.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value)
        assert shown.ask("viewer.state.crop") == crop
    followed = viewer_value(PICTURE, can_crop=True, crop=BOX, slice_indices=[], key="")  # typed on the page
    shown.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", followed)
    assert shown.ask("viewer.state.crop") == BOX
    more = viewer_value(PICTURE, can_crop=True, slice_indices=[0], key=value["key"])
    shown.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", more)
    assert shown.ask("viewer.state.crop") == BOX
    assert told(shown) == []


def test_where_no_box_is_used_none_is_offered(show):
    shown = show(viewer_value(PICTURE))
    shown.press("g")
    assert shown.ask("viewer.state.tool") == "pan"
    expect(shown.page.get_by_role("button", name="Crop box: drag on a plane, then its handles (G)")).to_be_hidden()
