"""What a person does to the viewer by slider, key and pointer, in a real browser."""

import re

import numpy as np
import pytest
from viewer_example import MASK, PROBABILITY, RADIOGRAPH, REFERENCE, SIDE

from medseg_demo.rendering import to_uint8

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser


def square_mm(text: str) -> float:
    return float(re.search(r"([\d.]+) mm²", text)[1])


def numpy_dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    return 2 * (prediction & reference).sum() / (prediction.sum() + reference.sum())


@pytest.mark.parametrize("threshold", [0.2, 0.45, 0.735])
def test_mask_area_and_dice_follow_the_threshold(lungs, threshold):
    lungs.slide("Threshold", threshold)
    expected = threshold < PROBABILITY
    row = lungs.page.get_by_role("list", name="Classes").inner_text()
    assert square_mm(row) == pytest.approx(expected.sum() * 0.25, rel=5e-3)
    shown = float(re.search(r"Dice ([\d.]+)", row)[1])
    assert shown == pytest.approx(numpy_dice(expected, REFERENCE.labels > 0), abs=5e-5)
    np.testing.assert_array_equal(
        lungs.array("viewer.layers.labels(viewer.value, viewer.state, viewer.view)"), expected.ravel()
    )
    notes = lungs.page.get_by_role("status").inner_text()
    assert "in place of 0.5" in notes
    assert "Not yet applied here: components under 20 px removed" in notes


def test_the_threshold_goes_back_to_that_of_the_result(lungs):
    reset = lungs.page.get_by_role("button", name="Back to the threshold")
    assert reset.is_disabled()
    lungs.slide("Threshold", 0.9)
    reset.click()
    lungs.settle()
    expect(lungs.page.get_by_role("status")).to_have_text("")
    np.testing.assert_array_equal(
        lungs.array("viewer.layers.labels(viewer.value, viewer.state, viewer.view)"), MASK.labels.ravel()
    )


def test_it_says_when_nothing_is_found(lungs):
    lungs.slide("Threshold", 1)
    expect(lungs.page.get_by_role("status")).to_contain_text("No pixel above 1; the highest probability is 1.000.")


def test_errors_are_counted_and_visited_largest_first(lungs):
    lungs.press("e")
    prediction, reference = MASK.labels > 0, REFERENCE.labels > 0
    legend = lungs.page.get_by_role("list", name="Legend").inner_text()
    for name, mask in {
        "True positive": prediction & reference,
        "False positive": prediction & ~reference,
        "False negative": ~prediction & reference,
    }.items():
        assert square_mm(legend.split(name)[1]) == pytest.approx(mask.sum() * 0.25, rel=5e-3)
    assert "Other class" not in legend
    lungs.press("n")
    regions = lungs.ask("viewer.layers.made.get('errors 0').result.map((region) => region.pixels)")
    assert sum(regions) == (prediction != reference).sum()
    assert regions == sorted(regions, reverse=True)
    assert lungs.ask("viewer.camera.fitted") is False


def test_hiding_a_class_takes_it_off_the_stage(lungs):
    centre = "viewer.painter.canvas.width / 2, viewer.painter.canvas.height / 2, 1, 1"
    inside = f"viewer.painter.context.getImageData({centre}).data"
    tinted = lungs.array(inside)
    lungs.press("1")
    expect(lungs.page.get_by_role("checkbox", name="lungs")).not_to_be_checked()
    plain = lungs.array(inside)
    assert tinted.tolist() != plain.tolist()
    assert plain[0] == plain[1] == plain[2]  # grey again


def test_keys(lungs):
    lungs.press("m")
    assert lungs.ask("viewer.state.mode") == "off"
    lungs.press("m", "[", "[")
    assert lungs.ask("[viewer.state.mode, viewer.opacity]") == ["fill", 0.3]
    lungs.press("c")
    expect(lungs.page.get_by_role("button", name="Probability")).to_have_attribute("aria-pressed", "true")
    lungs.press("c", "c", "c", ".")
    assert lungs.ask("[viewer.state.view, viewer.state.thresholds[0]]") == ["overlay", pytest.approx(0.51)]
    lungs.press("+")
    assert lungs.ask("viewer.camera.fitted") is False
    lungs.press("f")
    assert lungs.ask("viewer.camera.fitted") is True


def test_keys_do_nothing_while_the_focus_is_elsewhere(lungs):
    lungs.page.evaluate("document.activeElement.blur()")
    lungs.page.keyboard.press("m")
    assert lungs.ask("viewer.state.mode") == "fill"


def test_the_help_card_opens_and_closes(lungs):
    lungs.press("?")
    card = lungs.page.get_by_role("dialog", name="Keys")
    expect(card).to_be_visible()
    lungs.page.keyboard.press("Escape")
    expect(card).to_be_hidden()


def test_presets_and_dragging_change_the_window(lungs):
    lungs.page.get_by_label("Window preset").select_option("Full range")
    painted = "viewer.layers.image(viewer.value, viewer.state, viewer.slice).getContext('2d')"
    shades = lungs.array(f"{painted}.getImageData(0, 0, {SIDE}, {SIDE}).data").reshape(SIDE, SIDE, 4)[..., 0]
    low, high = RADIOGRAPH.intensity_range
    expected = to_uint8(RADIOGRAPH.pixels, (low, high))
    assert np.abs(shades - expected.astype(int)).max() <= 1  # halves round up in the browser, to even in NumPy
    lungs.page.get_by_role("button", name="Window and level").click()
    lungs.page.mouse.move(*lungs.place(0, 30, 30))
    lungs.page.mouse.down()
    lungs.page.mouse.move(*lungs.place(0, 20, 30), steps=4)
    lungs.page.mouse.up()
    assert lungs.ask("viewer.windowWidth") < high - low
    expect(lungs.page.get_by_label("Window preset")).to_have_value("Custom")


def test_the_ruler_measures_millimetres(lungs):
    lungs.press("r")
    lungs.page.mouse.move(*lungs.place(0, 10, 10))
    lungs.page.mouse.down()
    lungs.page.mouse.move(*lungs.place(0, 40, 50), steps=5)
    lungs.page.mouse.up()
    lungs.settle()
    expect(lungs.page.locator(".mv-rulers li")).to_have_text("1: 25.0 mm")  # 50 px of 0.5 mm


def test_control_and_wheel_zoom_about_the_pointer(lungs):
    x, y = lungs.place(0, 20, 40)
    lungs.page.mouse.move(x, y)
    lungs.page.keyboard.down("Control")
    lungs.page.mouse.wheel(0, -300)
    camera = "document.querySelector('.mv-host').viewer.camera"
    lungs.page.wait_for_function(f"{camera}.scale > 1.5 * {camera}.fitScale()")
    lungs.page.keyboard.up("Control")
    assert lungs.place(0, 20, 40) == pytest.approx((x, y), abs=1)


def test_two_fingers_zoom(lungs):
    lungs.page.evaluate(
        """() => {
          const stage = document.querySelector('.mv-stage');
          stage.setPointerCapture = () => {};
          const box = stage.getBoundingClientRect();
          const send = (type, pointerId, x) => stage.dispatchEvent(new PointerEvent(type, {
            pointerId, pointerType: 'touch', clientX: box.left + x, clientY: box.top + 200, bubbles: true }));
          send('pointerdown', 1, 300); send('pointerdown', 2, 400); send('pointermove', 2, 500);
          send('pointerup', 2, 500); send('pointerup', 1, 300);
        }"""
    )
    assert lungs.ask("viewer.camera.scale / viewer.camera.fitScale()") == pytest.approx(2)
