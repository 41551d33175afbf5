"""The viewer with an image alone, and its threshold together with that of the page, in a real browser."""

import numpy as np
import pytest
from viewer_example import MASK, PROBABILITY, RADIOGRAPH, REFERENCE, predicted

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

PIXELS = np.arange(6 * 8 * 10, dtype=np.float32).reshape(6, 8, 10) / 4
VOLUME = MedicalImage(PIXELS, "ZYX", Geometry((2.0, 1.0, 1.0)), "mr", "NIfTI", 32, (0.0, 120.0))
LABELS = np.zeros((6, 8, 10), np.uint8)
LABELS[4, 2:5, 3:7] = 1


def record_events(shown) -> None:
    """From now on what the viewer tells the page lies in ``told``."""
    shown.page.evaluate(
        """() => {
          const { viewer } = document.querySelector('.mv-host');
          window.told = [];
          const emit = (name, data) => window.told.push([name, data]);
          viewer.host = viewer.store.host = { offersSlices: true, emit };
        }"""
    )


def give(shown, value: dict[str, object]) -> None:
    shown.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value)
    shown.settle()


def test_a_volume_alone_has_planes_windows_and_values(show):
    shown = show(viewer_value(VOLUME, slice_indices="all"))
    planes = shown.page.get_by_role("group", name="Plane").get_by_role("button")
    expect(planes).to_have_text(["Across z", "Across y", "Across x", "All three"])
    shown.click("Across y")
    assert shown.ask("[viewer.slice.plane, viewer.slice.index]") == ["coronal", 4]
    shown.page.get_by_label("Window preset").select_option("Full range")
    assert shown.ask("viewer.state.window") == [0, PIXELS.max()]
    shown.hover(3.5, 1.5)
    expect(shown.page.locator(".mv-readout")).to_contain_text("≈ 30.75")
    for hidden in ("Opacity", "Threshold"):
        expect(shown.page.get_by_role("slider", name=hidden, exact=True)).to_be_hidden()
    shown.click("All three")
    assert shown.ask("viewer.panes.length") == 3


def test_slices_of_an_image_alone_are_asked_for(show):
    first = viewer_value(VOLUME)
    shown = show(first)
    record_events(shown)
    shown.press("ArrowUp")
    ((name, asked),) = shown.page.evaluate("told")
    assert (name, asked["slices"], asked["key"]) == ("change_slice", [4], first["key"])
    give(shown, viewer_value(VOLUME, slice_indices=asked["slices"], key=first["key"]))
    assert shown.ask("viewer.slice.index") == 4


def test_a_reference_alone_lies_over_the_image(show):
    shown = show(viewer_value(RADIOGRAPH, reference=REFERENCE))
    np.testing.assert_array_equal(shown.array("viewer.view.labels.data"), REFERENCE.labels.ravel())
    expect(shown.page.locator(".mv-classes li")).to_have_count(1)


def test_a_result_opens_where_it_found_something_in_the_image_that_was_shown(show):
    shown = show(viewer_value(VOLUME, slice_indices="all"))
    assert shown.ask("viewer.state.point[0]") == 3
    result = [NamedPrediction("net", LabelMap(LABELS, ("core",)))]
    give(shown, viewer_value(VOLUME, result, slice_indices="all"))
    assert shown.ask("viewer.slice.index") == 4
    shown.press("ArrowDown", "ArrowDown")
    give(shown, viewer_value(VOLUME, result, slice_indices="all"))
    assert shown.ask("viewer.slice.index") == 2


def test_a_threshold_is_told_once_it_is_let_go(lungs):
    record_events(lungs)
    lungs.page.get_by_role("slider", name="Threshold", exact=True).evaluate(
        """(slider) => {
          for (const value of [0.3, 0.4, 0.45]) {
            slider.value = value;
            slider.dispatchEvent(new Event('input'));
          }
        }"""
    )
    lungs.page.wait_for_function("told.length > 0")
    ((name, told),) = lungs.page.evaluate("told")
    assert (name, told["prediction"], told["value"]) == ("threshold", 0, 0.45)
    assert (told["key"], told["point"]) == tuple(lungs.ask("[viewer.value.key, viewer.state.point]"))


def test_a_slider_that_is_held_keeps_its_threshold_for_itself(lungs):
    record_events(lungs)
    box = lungs.page.get_by_role("slider", name="Threshold", exact=True).bounding_box()
    lungs.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    lungs.page.mouse.down()
    lungs.slide("Threshold", 0.2)
    lungs.page.wait_for_timeout(900)
    assert lungs.page.evaluate("told") == []
    lungs.page.mouse.up()
    lungs.page.wait_for_function("told.length > 0")
    assert lungs.page.evaluate("told[0][1].value") == 0.2


def test_the_viewer_follows_the_threshold_of_the_page(lungs):
    prediction = predicted(MASK, PROBABILITY[np.newaxis], 0.5)
    record_events(lungs)
    give(lungs, viewer_value(RADIOGRAPH, prediction, thresholds=[0.25], slice_indices=[], key=""))
    assert lungs.ask("viewer.state.thresholds") == [0.25]
    labels = lungs.array("viewer.layers.labels(viewer.value, viewer.state, viewer.view)")
    np.testing.assert_array_equal(labels, (PROBABILITY > 0.25).ravel())
    other = MedicalImage(RADIOGRAPH.pixels[::-1].copy(), "YX", Geometry(), "other", "PNG", 16, (0.0, 1.0))
    give(lungs, viewer_value(other, prediction, thresholds=[0.9], slice_indices=[], key=""))  # that of another image
    assert lungs.ask("viewer.state.thresholds") == [0.25]
    lungs.page.wait_for_timeout(600)
    assert lungs.page.evaluate("told") == []  # what the page said is not told back


def test_a_result_on_its_way_takes_back_neither_threshold_nor_focus(lungs):
    """What came of an earlier threshold arrives while the next one is chosen."""
    record_events(lungs)
    result = viewer_value(RADIOGRAPH, predicted(MASK, PROBABILITY[np.newaxis], 0.3), reference=REFERENCE)
    slider = lungs.page.get_by_role("slider", name="Threshold", exact=True)
    slider.focus()
    lungs.page.evaluate(
        """(value) => {
          const { viewer } = document.querySelector('.mv-host');
          viewer.setThreshold(0, 0.35);
          return viewer.show(value);
        }""",
        result,
    )
    assert lungs.ask("[viewer.state.thresholds[0], viewer.value.predictions[0].threshold]") == [0.35, 0.3]
    expect(slider).to_be_focused()
    lungs.page.wait_for_function("told.length > 0")
    assert lungs.page.evaluate("told.map(([, data]) => [data.value, data.key])") == [[0.35, result["key"]]]


def test_a_result_waits_for_the_slider_that_is_held(lungs):
    record_events(lungs)
    box = lungs.page.get_by_role("slider", name="Opacity", exact=True).bounding_box()
    lungs.page.mouse.move(box["x"] + box["width"] / 3, box["y"] + box["height"] / 2)
    lungs.page.mouse.down()
    result = viewer_value(RADIOGRAPH, predicted(MASK), reference=REFERENCE)
    lungs.page.evaluate("(value) => { document.querySelector('.mv-host').viewer.show(value); }", result)
    lungs.page.wait_for_timeout(300)
    assert lungs.ask("viewer.value.key") != result["key"]
    lungs.page.mouse.up()
    lungs.page.wait_for_function(f"document.querySelector('.mv-host').viewer.value.key === '{result['key']}'")
