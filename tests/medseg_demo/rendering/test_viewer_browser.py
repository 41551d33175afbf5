"""The viewer in a real browser, from a file: as in a report that is opened offline."""

import re

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import standalone_html, to_uint8, viewer_value

pytestmark = pytest.mark.browser

SIDE = 64
RNG = np.random.default_rng(7)
Y, X = np.mgrid[:SIDE, :SIDE]
DISTANCE = np.hypot(Y - 32, X - 30)
PROBABILITY = np.clip(1 - DISTANCE / 40, 0, 1).astype(np.float16)
MASK = LabelMap((PROBABILITY > 0.5).astype(np.uint8), ("lungs",))
REFERENCE = LabelMap((np.hypot(Y - 34, X - 34) < 18).astype(np.uint8), ("lungs",))
RADIOGRAPH = MedicalImage(
    RNG.integers(0, 65536, (SIDE, SIDE)).astype(np.uint16),
    "YX",
    Geometry((0.5, 0.5)),
    "scan",
    "PNG",
    16,
    (1000.0, 40000.0),
)


@pytest.fixture
def open_viewers(page, tmp_path):
    """Opens a page of viewers and waits until each shows its slice; gives back the page."""

    def open_page(*values):
        path = tmp_path / "page.html"
        path.write_text(standalone_html(values), encoding="utf-8")
        page.set_default_timeout(90_000)  # for machines with other work
        page.goto(path.as_uri())
        page.wait_for_function("[...document.querySelectorAll('.mv-host')].every((host) => host.viewer?.slice)")
        frame(page)
        return page

    return open_page


@pytest.fixture
def lungs(open_viewers):
    """A viewer with everything that an image of one class can have."""
    seen = to_uint8(RADIOGRAPH.pixels[::2, ::2], (0, 65535))[np.newaxis]
    note = "components under 20 px removed"
    return open_viewers(
        viewer_value(
            RADIOGRAPH, MASK, PROBABILITY[np.newaxis], seen.__getitem__, REFERENCE, threshold=0.5, postprocessing=note
        )
    )


def frame(page) -> None:
    page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")


def viewer(page, expression: str):
    """The value of an expression over ``viewer``, the first one of the page."""
    frame(page)
    return page.evaluate(f"() => {{ const viewer = document.querySelector('.mv-host').viewer; return {expression}; }}")


def press(page, *keys: str) -> None:
    page.locator(".mv-stage").first.focus()
    for key in keys:
        page.keyboard.press(key)
    frame(page)


def slide(page, label: str, value: float) -> None:
    page.get_by_role("slider", name=label).evaluate(
        "(input, value) => { input.value = value; input.dispatchEvent(new Event('input')); }", value
    )
    frame(page)


def at(page, x: float, y: float) -> tuple[float, float]:
    """Where a place of the picture lies on the page."""
    place = viewer(page, f"viewer.camera.toStage({x}, {y})")
    box = page.locator(".mv-stage").first.bounding_box()
    return box["x"] + place["x"], box["y"] + place["y"]


def array(page, expression: str) -> np.ndarray:
    return np.array(viewer(page, f"Array.from({expression})"))


def square_mm(text: str) -> float:
    return float(re.search(r"([\d.]+) mm²", text)[1])


def numpy_dice(prediction: np.ndarray, reference: np.ndarray) -> float:
    return 2 * (prediction & reference).sum() / (prediction.sum() + reference.sum())


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labels_and_deep_pixels_arrive_exactly(page, open_viewers, scheme):
    page.emulate_media(color_scheme=scheme)
    labels = RNG.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    names = tuple(f"class {value}" for value in range(1, 256))
    open_viewers(viewer_value(RADIOGRAPH, LabelMap(labels, names)))
    np.testing.assert_array_equal(array(page, "viewer.view.labels.data"), labels.ravel())
    np.testing.assert_array_equal(array(page, "viewer.slice.image.data"), RADIOGRAPH.pixels.ravel())
    colours = array(page, "viewer.state.classes.flatMap((item) => item.colour)").reshape(255, 3)
    painted = array(
        page,
        "viewer.layers.fill(viewer.value, viewer.state, viewer.view)"
        f".getContext('2d').getImageData(0, 0, {SIDE}, {SIDE}).data",
    ).reshape(SIDE, SIDE, 4)
    np.testing.assert_array_equal(painted[labels > 0][:, :3], colours[labels[labels > 0] - 1])
    assert (painted[labels == 0][:, 3] == 0).all()


def test_colour_images_arrive_exactly(page, open_viewers):
    colour = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    open_viewers(viewer_value(MedicalImage(colour, "YXC", Geometry(), "x", "PNG", 8, (0.0, 255.0))))
    painted = (
        "viewer.layers.image(viewer.value, viewer.state, viewer.slice).getContext('2d').getImageData(0, 0, 30, 20)"
    )
    np.testing.assert_array_equal(array(page, f"{painted}.data").reshape(20, 30, 4)[..., :3], colour)
    assert page.get_by_label("Window preset").is_hidden()


@pytest.mark.parametrize("threshold", [0.2, 0.45, 0.735])
def test_mask_area_and_dice_follow_the_threshold(lungs, threshold):
    slide(lungs, "Threshold", threshold)
    expected = threshold < PROBABILITY
    row = lungs.get_by_role("list", name="Classes").inner_text()
    assert square_mm(row) == pytest.approx(expected.sum() * 0.25, rel=5e-3)
    shown = float(re.search(r"Dice ([\d.]+)", row)[1])
    assert shown == pytest.approx(numpy_dice(expected, REFERENCE.labels > 0), abs=5e-5)
    np.testing.assert_array_equal(
        array(lungs, "viewer.layers.labels(viewer.value, viewer.state, viewer.view)"), expected.ravel()
    )
    notes = lungs.get_by_role("status").inner_text()
    assert "in place of 0.5" in notes
    assert "Not yet applied here: components under 20 px removed" in notes


def test_the_threshold_goes_back_to_that_of_the_result(lungs):
    reset = lungs.get_by_role("button", name="Back to the threshold")
    assert reset.is_disabled()
    slide(lungs, "Threshold", 0.9)
    reset.click()
    frame(lungs)
    assert lungs.get_by_role("status").inner_text() == ""
    np.testing.assert_array_equal(
        array(lungs, "viewer.layers.labels(viewer.value, viewer.state, viewer.view)"), MASK.labels.ravel()
    )


def test_it_says_when_nothing_is_found(lungs):
    slide(lungs, "Threshold", 1)
    assert "No pixel above 1; the highest probability is 1.000." in lungs.get_by_role("status").inner_text()


def test_errors_are_counted_and_visited_largest_first(lungs):
    press(lungs, "e")
    prediction, reference = MASK.labels > 0, REFERENCE.labels > 0
    legend = lungs.get_by_role("list", name="Legend").inner_text()
    for name, mask in {
        "True positive": prediction & reference,
        "False positive": prediction & ~reference,
        "False negative": ~prediction & reference,
    }.items():
        assert square_mm(legend.split(name)[1]) == pytest.approx(mask.sum() * 0.25, rel=5e-3)
    assert "Other class" not in legend
    press(lungs, "n")
    regions = viewer(lungs, "viewer.layers.made.get('errors 0').result.map((region) => region.pixels)")
    assert sum(regions) == (prediction != reference).sum()
    assert regions == sorted(regions, reverse=True)
    assert viewer(lungs, "viewer.camera.fitted") is False


def test_hiding_a_class_takes_it_off_the_stage(lungs):
    centre = "viewer.painter.canvas.width / 2, viewer.painter.canvas.height / 2, 1, 1"
    inside = f"viewer.painter.context.getImageData({centre}).data"
    tinted = array(lungs, inside)
    press(lungs, "1")
    assert not lungs.get_by_role("checkbox", name="lungs").is_checked()
    plain = array(lungs, inside)
    assert tinted.tolist() != plain.tolist()
    assert plain[0] == plain[1] == plain[2]  # grey again


def test_outlines_surround_the_mask_and_spare_its_inside(lungs):
    press(lungs, "o")
    centre = viewer(lungs, "viewer.camera.toStage(30.5, 32.5)")
    row = f"0, {int(centre['y'])}, viewer.painter.canvas.width, 1"
    colours = array(lungs, f"viewer.layers.made.get('outline 0').result.getContext('2d').getImageData({row}).data")
    drawn = np.flatnonzero(colours[3::4])
    inside = np.flatnonzero(MASK.labels[32])
    left, right = (viewer(lungs, f"viewer.camera.toStage({x}, 32).x") for x in (inside[0], inside[-1] + 1))
    # two pixels of the stage on either side, inside the mask
    assert drawn == pytest.approx([left, left + 1, right - 2, right - 1], abs=1)


def test_keys(lungs):
    press(lungs, "m")
    assert viewer(lungs, "viewer.state.mode") == "off"
    press(lungs, "m", "[", "[")
    assert viewer(lungs, "[viewer.state.mode, viewer.opacity]") == ["fill", 0.3]
    press(lungs, "c")
    assert lungs.get_by_role("button", name="Probability").get_attribute("aria-pressed") == "true"
    press(lungs, "c", "c", "c", ".")
    assert viewer(lungs, "[viewer.state.view, viewer.state.thresholds[0]]") == ["overlay", pytest.approx(0.51)]
    press(lungs, "+")
    assert viewer(lungs, "viewer.camera.fitted") is False
    press(lungs, "f")
    assert viewer(lungs, "viewer.camera.fitted") is True


def test_keys_do_nothing_while_the_focus_is_elsewhere(lungs):
    lungs.evaluate("document.activeElement.blur()")
    lungs.keyboard.press("m")
    assert viewer(lungs, "viewer.state.mode") == "fill"


def test_the_help_card_opens_and_closes(lungs):
    press(lungs, "?")
    card = lungs.get_by_role("dialog", name="Keys")
    assert card.is_visible()
    lungs.keyboard.press("Escape")
    assert card.is_hidden()


def test_the_readout_names_what_lies_under_the_pointer(lungs):
    lungs.mouse.move(*at(lungs, 30.5, 20.5))
    texts = lungs.locator(".mv-readout span").all_inner_texts()
    assert texts[:4] == ["x 30  y 20", "15.0, 10.0 mm", str(RADIOGRAPH.pixels[20, 30]), "lungs"]
    assert texts[4] == "ref. lungs"
    assert float(texts[5].removeprefix("p ")) == pytest.approx(float(PROBABILITY[20, 30]), abs=0.005)


def test_the_model_input_has_its_own_size(lungs):
    lungs.get_by_role("button", name="Model input").click()
    lungs.mouse.move(*at(lungs, 3.5, 5.5))
    seen = to_uint8(RADIOGRAPH.pixels[10, 6], (0, 65535))
    assert lungs.locator(".mv-readout span").all_inner_texts() == ["x 3  y 5", str(seen)]
    assert lungs.locator(".mv-scale").inner_text().endswith("px")


def test_presets_and_dragging_change_the_window(lungs):
    lungs.get_by_label("Window preset").select_option("Full range")
    painted = "viewer.layers.image(viewer.value, viewer.state, viewer.slice).getContext('2d')"
    shades = array(lungs, f"{painted}.getImageData(0, 0, {SIDE}, {SIDE}).data").reshape(SIDE, SIDE, 4)[..., 0]
    low, high = RADIOGRAPH.intensity_range
    expected = to_uint8(RADIOGRAPH.pixels, (low, high))
    assert np.abs(shades - expected.astype(int)).max() <= 1  # halves round up in the browser, to even in NumPy
    lungs.get_by_role("button", name="Window and level").click()
    lungs.mouse.move(*at(lungs, 30, 30))
    lungs.mouse.down()
    lungs.mouse.move(*at(lungs, 20, 30), steps=4)
    lungs.mouse.up()
    assert viewer(lungs, "viewer.windowWidth") < high - low
    assert lungs.get_by_label("Window preset").input_value() == "Custom"


def test_the_ruler_measures_millimetres(lungs):
    press(lungs, "r")
    lungs.mouse.move(*at(lungs, 10, 10))
    lungs.mouse.down()
    lungs.mouse.move(*at(lungs, 40, 50), steps=5)
    lungs.mouse.up()
    frame(lungs)
    assert lungs.locator(".mv-measured").inner_text() == "25.0 mm"  # 50 px of 0.5 mm


def test_control_and_wheel_zoom_about_the_pointer(lungs):
    x, y = at(lungs, 20, 40)
    lungs.mouse.move(x, y)
    lungs.keyboard.down("Control")
    lungs.mouse.wheel(0, -300)
    lungs.keyboard.up("Control")
    frame(lungs)
    assert viewer(lungs, "viewer.camera.scale / viewer.camera.fitScale()") > 1.5
    assert at(lungs, 20, 40) == pytest.approx((x, y), abs=1)


def test_two_fingers_zoom(lungs):
    lungs.evaluate(
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
    assert viewer(lungs, "viewer.camera.scale / viewer.camera.fitScale()") == pytest.approx(2)


def test_pixels_that_are_not_square_keep_their_shape(open_viewers):
    image = MedicalImage(np.eye(50, dtype=np.uint8), "YX", Geometry((2.0, 0.5)), "x", "PNG", 8, (0.0, 1.0))
    page = open_viewers(viewer_value(image))
    assert viewer(page, "viewer.camera.scaleY / viewer.camera.scaleX") == pytest.approx(4)


def volume_value(**options) -> dict[str, object]:
    pixels = np.stack([np.full((8, 8), 100 * z, np.int16) for z in range(12)])
    affine = np.diag([1.0, 1, 2, 1])
    image = MedicalImage(pixels, "ZYX", Geometry((2.0, 1.0, 1.0), affine), "ct", "NIfTI", 16, (0.0, 1200.0), "CT")
    return viewer_value(image, slice_index=5, **options)


def test_slices_turn_by_key_wheel_and_slider(open_viewers):
    page = open_viewers(volume_value(slice_indices=range(12)))
    value = "viewer.slice.image.data[0] * viewer.value.intensity.scale + viewer.value.intensity.offset"
    press(page, "ArrowUp", "ArrowUp")
    assert viewer(page, value) == 700
    page.mouse.move(*at(page, 4, 4))
    page.mouse.wheel(0, -30)
    page.wait_for_function("document.querySelector('.mv-host').viewer.slice.index === 6")
    slide(page, "Slice", 11)
    assert viewer(page, value) == 1100
    page.mouse.move(*at(page, 2.5, 6.5))
    texts = page.locator(".mv-readout span").all_inner_texts()
    assert texts[:3] == ["x 2  y 6  z 11", "L 2.0  P 6.0  S 22.0 mm", "1100 HU"]
    assert page.locator(".mv-letter").all_inner_texts() == ["R", "L", "A", "P"]


def test_missing_slices_are_asked_for_once_and_added(open_viewers):
    first = volume_value()
    page = open_viewers(first)
    page.evaluate(
        """() => {
          const { viewer } = document.querySelector('.mv-host');
          window.asked = [];
          viewer.store.host = { offersSlices: true, emit: (name, data) => window.asked.push([name, data]) };
        }"""
    )
    press(page, "ArrowUp", "ArrowUp")
    assert page.evaluate("asked") == [
        ["change_slice", {"plane": "axial", "slice": 6, "slices": [6], "key": first["key"]}]
    ]
    page.evaluate(
        "(value) => document.querySelector('.mv-host').viewer.show(value)",
        volume_value(slice_indices=[6, 7], key=first["key"]),
    )
    frame(page)
    assert page.locator(".mv-message").is_hidden()
    assert viewer(page, "viewer.slice.index") == 7


def test_a_new_result_of_the_same_image_keeps_zoom_and_window(lungs):
    press(lungs, "+", "+")
    lungs.get_by_label("Window preset").select_option("Full range")
    before = viewer(lungs, "[viewer.camera.scale, viewer.state.window]")
    value = viewer_value(RADIOGRAPH, MASK, PROBABILITY[np.newaxis], threshold=0.3)
    lungs.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value)
    assert viewer(lungs, "[viewer.camera.scale, viewer.state.window]") == before
    assert viewer(lungs, "viewer.state.thresholds[0]") == 0.3


def test_an_empty_viewer_says_so(lungs):
    lungs.evaluate("() => document.querySelector('.mv-host').viewer.show(null)")
    frame(lungs)
    assert lungs.locator(".mv-message").inner_text() == "No image yet"


def test_names_stay_text_and_viewers_stay_apart(open_viewers):
    nasty = "<img src=x onerror=alert(1)>"
    image = MedicalImage(RADIOGRAPH.pixels, "YX", Geometry(), nasty, "PNG", 16, (0.0, 65535.0))
    value = viewer_value(image, LabelMap(MASK.labels, (nasty,)))
    page = open_viewers(value, value)
    assert page.locator(".mv img").count() == 0
    assert page.locator(".mv-title").first.inner_text() == nasty
    press(page, "m")
    assert page.evaluate("[...document.querySelectorAll('.mv-host')].map((host) => host.viewer.state.mode)") == [
        "off",
        "fill",
    ]


def test_it_asks_the_network_for_nothing_and_leaves_no_global_names(page, open_viewers, tmp_path):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    (tmp_path / "empty.html").write_text("<!doctype html><title>Empty</title>", encoding="utf-8")
    page.goto((tmp_path / "empty.html").as_uri())
    before = set(page.evaluate("Object.getOwnPropertyNames(window)"))
    open_viewers(volume_value())
    assert set(page.evaluate("Object.getOwnPropertyNames(window)")) - before == set()
    assert [url for url in asked if not url.startswith("file:")] == []


@pytest.mark.parametrize("width", [320, 560])
def test_it_fits_narrow_windows(page, lungs, width):
    page.set_viewport_size({"width": width, "height": 700})
    press(page, "e")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = page.evaluate(
        """() => {
          const edge = document.querySelector('.mv').getBoundingClientRect().right;
          const nodes = [...document.querySelectorAll('.mv-bar *, .mv-panel *')].filter((node) => node.offsetParent);
          return nodes.filter((node) => node.getBoundingClientRect().right > edge).length;
        }"""
    )
    assert overflowing == 0


@pytest.mark.parametrize("mode", ["fill", "outline", "errors"])
def test_a_redraw_of_512_pixels_takes_less_than_a_frame(open_viewers, mode):
    noise = RNG.random((512, 512))
    image = MedicalImage((noise * 4095).astype(np.uint16), "YX", Geometry(), "x", "PNG", 16, (0.0, 4095.0))
    labels = LabelMap((noise > 0.5).astype(np.uint8), ("a",))
    probabilities = noise[np.newaxis].astype(np.float16)
    page = open_viewers(viewer_value(image, labels, probabilities, reference=labels, threshold=0.5))
    # Reading one pixel back makes the browser finish the drawing; the best of many is what the machine's load leaves.
    best = page.evaluate(
        """(mode) => {
          const { viewer } = document.querySelector('.mv-host');
          const times = [];
          for (let i = 0; i < 40; i += 1) {
            const start = performance.now();
            Object.assign(viewer.state, { thresholds: [0.3 + i / 200], window: [i, 4000], mode });
            viewer.drawNow();
            viewer.painter.context.getImageData(0, 0, 1, 1);
            times.push(performance.now() - start);
          }
          return Math.min(...times);
        }""",
        mode,
    )
    assert best < 16


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_words_and_controls_have_contrast(page, lungs, scheme):
    page.emulate_media(color_scheme=scheme)
    colours = page.evaluate(
        """() => {
          const style = getComputedStyle(document.querySelector('.mv'));
          const names = ['text', 'quiet', 'surface', 'raised', 'control', 'accent', 'pressed', 'pressed-text'];
          return Object.fromEntries(names.map((name) => [name, style.getPropertyValue(`--mv-${name}`).trim()]));
        }"""
    )
    for words, ground in [
        ("text", "surface"),
        ("text", "raised"),
        ("quiet", "surface"),
        ("quiet", "raised"),
        ("pressed-text", "pressed"),
    ]:
        assert contrast(colours[words], colours[ground]) >= 4.5, (words, ground)
    for part in ("control", "accent"):
        assert contrast(colours[part], colours["surface"]) >= 3, part


def contrast(first: str, second: str) -> float:
    """WCAG 2's contrast ratio of two #rrggbb colours."""
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
