"""The viewer in a real browser, from a file: as in a report that is opened offline."""

import numpy as np
import pytest
from viewer_example import MASK, PROBABILITY, RADIOGRAPH, SIDE, predicted

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import to_uint8, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

RNG = np.random.default_rng(7)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_labels_and_deep_pixels_arrive_exactly(page, show, scheme):
    page.emulate_media(color_scheme=scheme)
    labels = RNG.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
    names = tuple(f"class {value}" for value in range(1, 256))
    shown = show(viewer_value(RADIOGRAPH, predicted(LabelMap(labels, names))))
    np.testing.assert_array_equal(shown.array("viewer.view.labels.data"), labels.ravel())
    np.testing.assert_array_equal(shown.array("viewer.slice.image.data"), RADIOGRAPH.pixels.ravel())
    colours = shown.array("viewer.state.classes.flatMap((item) => item.colour)").reshape(255, 3)
    painted = shown.array(
        "viewer.layers.fill(viewer.value, viewer.state, viewer.view)"
        f".getContext('2d').getImageData(0, 0, {SIDE}, {SIDE}).data",
    ).reshape(SIDE, SIDE, 4)
    np.testing.assert_array_equal(painted[labels > 0][:, :3], colours[labels[labels > 0] - 1])
    assert (painted[labels == 0][:, 3] == 0).all()


def test_colour_images_arrive_exactly(page, show):
    colour = RNG.integers(0, 256, (20, 30, 3)).astype(np.uint8)
    shown = show(viewer_value(MedicalImage(colour, "YXC", Geometry(), "x", "PNG", 8, (0.0, 255.0))))
    painted = (
        "viewer.layers.image(viewer.value, viewer.state, viewer.slice).getContext('2d').getImageData(0, 0, 30, 20)"
    )
    np.testing.assert_array_equal(shown.array(f"{painted}.data").reshape(20, 30, 4)[..., :3], colour)
    expect(page.get_by_label("Window preset")).to_be_hidden()


def test_outlines_surround_the_mask_and_spare_its_inside(lungs):
    lungs.press("o")
    centre = lungs.ask("viewer.camera.toStage(30.5, 32.5)")
    row = f"0, {int(centre['y'])}, viewer.painter.canvas.width, 1"
    colours = lungs.array(f"viewer.layers.made.get('outline 0').result.getContext('2d').getImageData({row}).data")
    drawn = np.flatnonzero(colours[3::4])
    inside = np.flatnonzero(MASK.labels[32])
    left, right = (lungs.ask(f"viewer.camera.toStage({x}, 32).x") for x in (inside[0], inside[-1] + 1))
    # two pixels of the stage on either side, inside the mask
    assert drawn == pytest.approx([left, left + 1, right - 2, right - 1], abs=1)


def test_the_readout_names_what_lies_under_the_pointer(lungs):
    lungs.hover(30.5, 20.5)
    texts = lungs.page.locator(".mv-readout span").all_inner_texts()
    assert texts[:4] == ["x 30  y 20", "15.0, 10.0 mm", str(RADIOGRAPH.pixels[20, 30]), "lungs"]
    assert texts[4] == "ref. lungs"
    assert float(texts[5].removeprefix("p ")) == pytest.approx(float(PROBABILITY[20, 30]), abs=0.005)


def test_the_model_input_has_its_own_size(lungs):
    lungs.page.get_by_role("button", name="Model input").click()
    lungs.hover(3.5, 5.5)
    seen = to_uint8(RADIOGRAPH.pixels[10, 6], (0, 65535))
    expect(lungs.page.locator(".mv-readout span")).to_have_text(["x 3  y 5", str(seen)])
    assert lungs.page.locator(".mv-scale").inner_text().endswith("px")


def test_pixels_that_are_not_square_keep_their_shape(show):
    image = MedicalImage(np.eye(50, dtype=np.uint8), "YX", Geometry((2.0, 0.5)), "x", "PNG", 8, (0.0, 1.0))
    shown = show(viewer_value(image))
    assert shown.ask("viewer.camera.scaleY / viewer.camera.scaleX") == pytest.approx(4)


def volume_value(**options) -> dict[str, object]:
    pixels = np.stack([np.full((8, 8), 100 * z, np.int16) for z in range(12)])
    affine = np.diag([1.0, 1, 2, 1])
    geometry = Geometry((2.0, 1.0, 1.0), affine)
    image = MedicalImage(pixels, "ZYX", geometry, "ct", "DICOM", 16, (0.0, 1200.0), "CT", unit="HU")
    return viewer_value(image, slice_index=5, **options)


def test_slices_turn_by_key_wheel_and_slider(show):
    shown = show(volume_value(slice_indices=range(12)))
    value = "viewer.slice.image.data[0] * viewer.channel.intensity.scale + viewer.channel.intensity.offset"
    shown.press("ArrowUp", "ArrowUp")
    assert shown.ask(value) == 700
    shown.page.mouse.move(*shown.place(0, 4, 4))
    shown.page.mouse.wheel(0, -30)
    shown.page.wait_for_function("document.querySelector('.mv-host').viewer.slice.index === 6")
    shown.slide("Slice", 11)
    assert shown.ask(value) == 1100
    shown.hover(2.5, 6.5)
    texts = shown.page.locator(".mv-readout span").all_inner_texts()
    assert texts[:3] == ["x 2  y 6  z 11", "L 2.0  P 6.0  S 22.0 mm", "1100 HU"]
    expect(shown.page.locator(".mv-letter")).to_have_text(["R", "L", "A", "P"])


def test_missing_slices_are_asked_for_once_and_added(show):
    first = volume_value()
    shown = show(first)
    shown.page.evaluate(
        """() => {
          const { viewer } = document.querySelector('.mv-host');
          window.asked = [];
          viewer.store.host = { offersSlices: true, emit: (name, data) => window.asked.push([name, data]) };
        }"""
    )
    shown.press("ArrowUp", "ArrowUp")
    assert shown.page.evaluate("asked") == [
        ["change_slice", {"plane": "axial", "slice": 6, "slices": [6], "channels": [0], "key": first["key"]}]
    ]
    shown.page.evaluate(
        "(value) => document.querySelector('.mv-host').viewer.show(value)",
        volume_value(slice_indices=[6, 7], key=first["key"]),
    )
    shown.settle()
    expect(shown.page.locator(".mv-message")).to_be_hidden()
    assert shown.ask("viewer.slice.index") == 7


def test_a_new_result_of_the_same_image_keeps_zoom_and_window(lungs):
    lungs.press("+", "+")
    lungs.page.get_by_label("Window preset").select_option("Full range")
    before = lungs.ask("[viewer.camera.scale, viewer.state.window]")
    value = viewer_value(RADIOGRAPH, predicted(MASK, PROBABILITY[np.newaxis], 0.3))
    lungs.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value)
    assert lungs.ask("[viewer.camera.scale, viewer.state.window]") == before
    assert lungs.ask("viewer.state.thresholds[0]") == 0.3


def test_an_empty_viewer_says_so(lungs):
    lungs.page.evaluate("() => document.querySelector('.mv-host').viewer.show(null)")
    lungs.settle()
    expect(lungs.page.locator(".mv-message")).to_have_text("No image yet")


def test_names_stay_text_and_viewers_stay_apart(show):
    nasty = "<img src=x onerror=alert(1)>"
    image = MedicalImage(RADIOGRAPH.pixels, "YX", Geometry(), nasty, "PNG", 16, (0.0, 65535.0))
    value = viewer_value(image, predicted(LabelMap(MASK.labels, (nasty,))))
    shown = show(value, value)
    assert shown.page.locator(".mv img").count() == 0
    expect(shown.page.locator(".mv-title").first).to_have_text(nasty)
    shown.press("m")
    assert shown.page.evaluate("[...document.querySelectorAll('.mv-host')].map((host) => host.viewer.state.mode)") == [
        "off",
        "fill",
    ]


def test_it_asks_the_network_for_nothing_and_leaves_no_global_names(page, show, tmp_path):
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    (tmp_path / "empty.html").write_text("<!doctype html><title>Empty</title>", encoding="utf-8")
    page.goto((tmp_path / "empty.html").as_uri())
    before = set(page.evaluate("Object.getOwnPropertyNames(window)"))
    show(volume_value())
    assert set(page.evaluate("Object.getOwnPropertyNames(window)")) - before == set()
    assert [url for url in asked if not url.startswith("file:")] == []


@pytest.mark.parametrize("width", [320, 560])
def test_it_fits_narrow_windows(page, lungs, width):
    page.set_viewport_size({"width": width, "height": 700})
    lungs.press("e")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    overflowing = page.evaluate(
        """() => {
          const edge = document.querySelector('.mv').getBoundingClientRect().right;
          const nodes = [...document.querySelectorAll('.mv-bar *, .mv-panel *')].filter((node) => node.offsetParent);
          return nodes.filter((node) => node.getBoundingClientRect().right > edge).length;
        }"""
    )
    assert overflowing == 0


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
