"""Volumes in the viewer: three planes, the crosshair, and what the whole volume amounts to at any threshold."""

import re

import numpy as np
import pytest
from viewer_example import predicted

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import PLANES, cut, oriented, plane_view, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(11)
SHAPE = (6, 9, 12)
PIXELS = RNG.integers(0, 4000, SHAPE).astype(np.int16)
# Columns run to the right, rows to the front, slices to the head: each plane is shown flipped.
AFFINE = np.diag([-1.0, -2.0, 4.0, 1.0])
VOLUME = MedicalImage(PIXELS, "ZYX", Geometry((4.0, 2.0, 1.0), AFFINE), "mr", "NIfTI", 16, (0.0, 4000.0))
PROBABILITIES = RNG.random((1, *SHAPE)).astype(np.float16)
LABELS = LabelMap((PROBABILITIES[0] > 0.5).astype(np.uint8), ("core",))
REFERENCE = LabelMap((PIXELS > 1800).astype(np.uint8), ("core",))


@pytest.fixture
def volume(show):
    """A viewer that holds every slice of a volume with everything that belongs to it."""
    return show(
        viewer_value(
            VOLUME, predicted(LABELS, PROBABILITIES, 0.5, "components under 5 px removed"), reference=REFERENCE,
            slice_indices="all",
        )
    )  # fmt: skip


def shown_pixels(page, pane: int = 0) -> np.ndarray:
    plane = f"viewer.panes[{pane}].slice.image"
    values = page.array(f"{plane}.data") + page.ask("viewer.channel.intensity.offset")
    return values.reshape(page.ask(f"[{plane}.height, {plane}.width]"))


@pytest.mark.parametrize("plane", PLANES)
def test_each_plane_shows_its_slice_with_head_front_and_right_side_where_they_belong(volume, plane):
    volume.click(plane.capitalize())
    volume.slide("Slice", 3)
    view = plane_view(VOLUME, plane)
    np.testing.assert_array_equal(shown_pixels(volume), oriented(cut(PIXELS, plane, 3), view))
    letters = volume.page.locator(".mv-letter").all_inner_texts()
    assert letters == [view.orientation[side] for side in ("left", "right", "top", "bottom")]
    down, right = view.spacing_mm
    assert volume.ask("viewer.camera.scaleY / viewer.camera.scaleX") == pytest.approx(down / right)


def test_the_readout_names_voxel_and_place_on_every_plane(volume):
    volume.click("Sagittal")
    volume.slide("Slice", 7)
    volume.hover(2.5, 1.5)
    # the picture runs from front to back and from head to feet, against the array
    z, y, x = SHAPE[0] - 1 - 1, SHAPE[1] - 1 - 2, 7
    texts = volume.page.locator(".mv-readout span").all_inner_texts()
    assert texts[:3] == [
        f"x {x}  y {y}  z {z}",
        f"R {x:.1f}  A {2 * y:.1f}  S {4 * z:.1f} mm",
        str(PIXELS[z, y, x]),
    ]


def test_a_click_on_one_plane_moves_the_other_two(volume):
    volume.click("All three")
    assert volume.page.locator(".mv-stage").count() == 3
    volume.page.mouse.click(*volume.place(0, 3.5, 1.5))
    z, y, x = volume.ask("viewer.state.point")
    assert (y, x) == (SHAPE[1] - 1 - 1, SHAPE[2] - 1 - 3)
    for pane, (plane, index) in enumerate(zip(PLANES, (z, y, x), strict=True)):
        view = plane_view(VOLUME, plane)
        np.testing.assert_array_equal(shown_pixels(volume, pane), oriented(cut(PIXELS, plane, index), view))


def test_a_drag_on_one_plane_moves_the_other_two(volume):
    volume.click("All three")
    volume.page.mouse.move(*volume.place(1, 2.5, 2.5))
    volume.page.mouse.down()
    volume.page.mouse.move(*volume.place(1, 8.5, 4.5), steps=4)
    volume.page.mouse.up()
    z, _, x = volume.ask("viewer.state.point")
    assert (z, x) == (SHAPE[0] - 1 - 4, SHAPE[2] - 1 - 8)


def test_each_plane_has_its_slider_and_wheel(volume):
    volume.click("All three")
    for name, axis in (("Axial", 0), ("Coronal", 1), ("Sagittal", 2)):
        volume.slide(name, 2)
        assert volume.ask("viewer.state.point")[axis] == 2
    volume.page.mouse.move(*volume.place(2, 4.5, 3.5))
    volume.page.mouse.wheel(0, 60)
    volume.page.wait_for_function("document.querySelector('.mv-host').viewer.state.point[2] === 4")
    assert volume.ask("viewer.state.plane") == "sagittal"


def test_keys_turn_slices_of_the_plane_in_hand_and_go_from_plane_to_plane(volume):
    volume.press("v")
    assert volume.ask("viewer.state.plane") == "coronal"
    before = volume.ask("viewer.state.point")
    volume.press("ArrowUp", "Home", "ArrowUp")
    assert volume.ask("viewer.state.point") == [before[0], 1, before[2]]
    volume.press("End")
    assert volume.ask("viewer.state.point[1]") == SHAPE[1] - 1
    volume.press("v", "v")
    assert volume.ask("viewer.state.threePlanes") is True
    volume.press("v")
    assert volume.ask("[viewer.state.threePlanes, viewer.state.plane]") == [False, "axial"]


@pytest.mark.parametrize("threshold", [0.2, 0.455, 0.81])
def test_volume_and_dice_of_the_whole_follow_the_threshold(volume, threshold):
    volume.slide("Threshold", threshold)
    mask, reference = threshold < PROBABILITIES[0].astype(float), REFERENCE.labels > 0
    figures = volume.page.get_by_role("list", name="Classes").inner_text()
    whole = figures.split("Volume")[1]
    assert float(re.search(r"([\d.]+) ml", whole)[1]) == pytest.approx(mask.sum() * 8 / 1000, rel=1e-3)
    dice = 2 * (mask & reference).sum() / (mask.sum() + reference.sum())
    assert float(re.search(r"Dice ([\d.]+)", whole)[1]) == pytest.approx(dice, abs=1e-4)
    index = volume.ask("viewer.slice.index")
    part = 2 * (mask & reference)[index].sum() / (mask[index].sum() + reference[index].sum())
    assert float(re.search(r"Dice ([\d.]+)", figures.split("Volume")[0])[1]) == pytest.approx(part, abs=1e-4)
    notes = volume.page.get_by_role("status").inner_text()
    assert "Not yet applied here: components under 5 px removed" in notes


def test_another_slice_follows_the_threshold_too(volume):
    volume.slide("Threshold", 0.3)
    volume.press("Home")
    expected = oriented((PROBABILITIES[0, 0].astype(float) > 0.3).astype(int), plane_view(VOLUME, "axial"))
    labels = volume.array("viewer.layers.labels(viewer.value, viewer.state, viewer.view)")
    np.testing.assert_array_equal(labels.reshape(expected.shape), expected)


def test_the_ruler_knows_the_spacing_of_each_plane(volume):
    volume.click("Coronal")
    volume.press("r")
    volume.page.mouse.move(*volume.place(0, 2, 1))
    volume.page.mouse.down()
    volume.page.mouse.move(*volume.place(0, 5, 2), steps=4)
    volume.page.mouse.up()
    volume.settle()
    # 3 columns of 1 mm, 1 slice of 4 mm
    expect(volume.page.locator(".mv-rulers li")).to_have_text("1: 5.0 mm · Coronal 7")


def test_a_page_without_a_server_says_which_slice_it_lacks(show):
    page = show(viewer_value(VOLUME, predicted(LABELS), slice_index=2))
    page.press("ArrowUp")
    expect(page.page.locator(".mv-message")).to_have_text("Slice 4 is not in this page")


@pytest.mark.parametrize("width", [320, 390])
def test_three_planes_fit_a_phone(volume, width):
    volume.page.set_viewport_size({"width": width, "height": 700})
    volume.click("All three")
    assert volume.page.evaluate("document.documentElement.scrollWidth") <= width
    boxes = [volume.page.locator(".mv-stage").nth(pane).bounding_box() for pane in range(3)]
    assert all(box["width"] > 100 and box["height"] > 100 for box in boxes)
