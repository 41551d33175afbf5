"""Channels that are no colours in the viewer: one to look at, each with its own window, and a blend of three."""

from dataclasses import replace

import numpy as np
import pytest
from viewer_example import predicted

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, shown, standalone_html, to_uint8, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

NAMES = ("T1", "T1ce", "T2", "FLAIR")
RNG = np.random.default_rng(3)
SHAPE = (5, 24, 32)
PIXELS = np.stack([RNG.integers(0, 1000 * (i + 1), SHAPE) - 50 * i for i in range(4)], axis=-1).astype(np.int16)
WINDOWS = tuple((-50.0 * i, 1000.0 * (i + 1)) for i in range(4))
VOLUME = MedicalImage(
    PIXELS, "ZYXC", Geometry((3.0, 1.0, 1.0)), "case", "NIfTI", 16, WINDOWS[0], channel_names=NAMES,
    channel_windows=WINDOWS,
)  # fmt: skip
LABELS = LabelMap((PIXELS[..., 0] > 700).astype(np.uint8), ("tumour",))


@pytest.fixture
def volume(show):
    return show(viewer_value(VOLUME, predicted(LABELS), slice_index=2, slice_indices="all"))


def painted(page, pane: int = 0) -> np.ndarray:
    """The picture of a pane, (Y, X, RGB), as it is painted at the slice's own resolution."""
    of = f"viewer.panes[{pane}]"
    pixels = page.array(
        f"(() => {{ const drawn = {of}.painter.layers.image(viewer.value, viewer.state, {of}.slice);"
        "return drawn.getContext('2d').getImageData(0, 0, drawn.width, drawn.height).data; })()"
    )
    size = page.ask(f"[{of}.slice.image.height, {of}.slice.image.width]")
    return pixels.reshape(*size, 4)[..., :3]


def assert_grey_of(page, channel: int, index: int = 2, window=None, pane: int = 0) -> None:
    expected = to_uint8(PIXELS[index, ..., channel], window or WINDOWS[channel])
    shades = painted(page, pane)
    assert np.abs(shades - expected[..., np.newaxis].astype(int)).max() <= 1


def test_it_opens_with_the_first_channel_and_says_which(volume):
    assert_grey_of(volume, 0)
    expect(volume.page.locator(".mv-title").first).to_have_text("case · T1")
    chosen = volume.page.get_by_label("Channel", exact=True)
    assert chosen.locator("option").all_inner_texts() == [*NAMES, "Colour blend"]
    assert "4 channels (T1, T1ce, T2, FLAIR)" in volume.page.locator("canvas[role=img]").first.get_attribute(
        "aria-label"
    )


def test_keys_step_through_the_channels_and_the_blend(volume):
    for channel in (1, 2, 3):
        volume.press(">")
        assert_grey_of(volume, channel)
    volume.press(">")
    assert volume.ask("viewer.state.blended")
    volume.press(">")
    assert_grey_of(volume, 0)
    volume.press("<", "<")
    assert_grey_of(volume, 3)


def test_each_channel_keeps_its_own_window(volume):
    chosen = volume.page.get_by_label("Channel", exact=True)
    volume.slide("Level", 300)
    volume.slide("Width", 200)
    assert_grey_of(volume, 0, window=(200, 400))
    chosen.select_option("T2")
    assert_grey_of(volume, 2)
    volume.page.get_by_label("Window preset").select_option("Full range")
    low, high = PIXELS[..., 2].min(), PIXELS[..., 2].max()
    assert_grey_of(volume, 2, window=(float(low), float(high)))
    chosen.select_option("T1")
    assert_grey_of(volume, 0, window=(200, 400))


def test_the_blend_shows_up_to_three_channels_as_red_green_and_blue(volume):
    volume.slide("Width", 200)
    window = tuple(volume.ask("viewer.state.window"))
    volume.page.get_by_label("Channel", exact=True).select_option("Colour blend")
    planes = [to_uint8(PIXELS[2, ..., i], window if i == 0 else WINDOWS[i]) for i in range(3)]
    assert np.abs(painted(volume) - np.stack(planes, -1).astype(int)).max() <= 1
    expect(volume.page.locator(".mv-title").first).to_have_text("case · T1 + T1ce + T2")
    volume.page.get_by_label("Green of the blend").select_option("FLAIR")
    volume.page.get_by_label("Blue of the blend").select_option("None")
    shown = painted(volume)
    assert np.abs(shown[..., 1] - to_uint8(PIXELS[2, ..., 3], WINDOWS[3]).astype(int)).max() <= 1
    assert not shown[..., 2].any()
    expect(volume.page.get_by_label("Window preset")).to_be_hidden()


def test_the_readout_names_the_channels_that_are_shown(volume):
    volume.press(">")
    volume.hover(4.5, 3.5)
    texts = volume.page.locator(".mv-readout span").all_inner_texts()
    assert f"T1ce {PIXELS[2, 3, 4, 1]}" in texts
    volume.page.get_by_label("Channel", exact=True).select_option("Colour blend")
    volume.hover(5.5, 3.5)
    values = "  ".join(f"{name} {PIXELS[2, 3, 5, i]}" for i, name in enumerate(NAMES[:3]))
    assert values in volume.page.locator(".mv-readout span").all_text_contents()


def test_all_planes_show_the_channel(volume):
    volume.press(">", "v", "v", "v")
    z, y, x = volume.ask("viewer.state.point")
    cuts = [PIXELS[z, :, :, 1], PIXELS[:, y, :, 1], PIXELS[:, :, x, 1]]
    for pane, plane in enumerate(cuts):
        expected = to_uint8(plane, WINDOWS[1]).astype(int)
        assert np.abs(painted(volume, pane)[..., 0] - expected).max() <= 1


def test_linked_panes_show_one_channel(show):
    predictions = [NamedPrediction(name, LABELS) for name in ("one", "other")]
    page = show(viewer_value(VOLUME, predictions, slice_index=2))
    page.press(">", ">")
    for pane in (0, 1):
        assert_grey_of(page, 2, pane=pane)
    assert page.page.locator(".mv-title:not(.mv-title-right)").all_inner_texts() == ["one · T2", "other · T2"]


def test_what_the_network_saw_is_shown_channel_by_channel(show):
    seen = RNG.integers(0, 256, (1, 6, 8, 4)).astype(np.uint8)
    flat = replace(VOLUME, pixels=PIXELS[0], axes="YXC", geometry=Geometry())
    page = show(viewer_value(flat, predicted(LabelMap(LABELS.labels[0], ("tumour",))), model_input=seen.__getitem__))
    page.click("Model input")
    page.press(">")
    drawn = "viewer.layers.model(viewer.value, viewer.state, viewer.slice)"
    pixels = page.array(f"{drawn}.getContext('2d').getImageData(0, 0, 8, 6).data").reshape(6, 8, 4)
    np.testing.assert_array_equal(pixels[..., :3], np.repeat(seen[0, ..., 1:2], 3, -1))
    page.page.get_by_label("Channel", exact=True).select_option("Colour blend")
    page.page.get_by_label("Red of the blend").select_option("None")
    pixels = page.array(f"{drawn}.getContext('2d').getImageData(0, 0, 8, 6).data").reshape(6, 8, 4)
    np.testing.assert_array_equal(pixels[..., 1:3], seen[0, ..., 1:3])
    assert not pixels[..., 0].any()


def test_an_image_in_colour_or_grey_has_no_channels_to_choose(show):
    grey = replace(VOLUME.channel(0), channel_names=())
    page = show(viewer_value(grey, predicted(LABELS)))
    expect(page.page.get_by_label("Channel", exact=True)).to_be_hidden()
    page.press(">", "<")
    assert page.ask("[viewer.state.channel, viewer.state.blended]") == [0, False]


def test_large_channels_are_asked_for_one_at_a_time(show, monkeypatch):
    monkeypatch.setattr(shown, "MOST_TOGETHER", 0)
    first = viewer_value(VOLUME, predicted(LABELS), slice_index=2)
    page = show(first)
    assert page.ask("viewer.slice.images.map(Boolean)") == [True, False, False, False]
    expect(page.page.locator(".mv-message").first).to_be_hidden()
    page.page.evaluate(
        """() => {
          const { viewer } = document.querySelector('.mv-host');
          window.asked = [];
          viewer.host = viewer.store.host = { offersSlices: true, emit: (name, data) => window.asked.push(data) };
        }"""
    )
    page.press(">")
    expect(page.page.locator(".mv-message").first).to_have_text("Loading T1ce …")
    (asked,) = page.page.evaluate("asked")
    assert asked == {"plane": "axial", "slice": 2, "slices": [2], "channels": [1], "key": first["key"]}
    more = viewer_value(
        VOLUME,
        predicted(LABELS),
        plane="axial",
        slice_indices=asked["slices"],
        channels=asked["channels"],
        key=first["key"],
    )
    page.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", more)
    page.page.wait_for_function("document.querySelector('.mv-host').viewer.slice.images[1]")
    assert_grey_of(page, 1)
    assert page.ask("viewer.slice.images.map(Boolean)") == [True, True, False, False]
    page.press("<")
    assert_grey_of(page, 0)


def test_a_page_without_a_server_says_which_channel_it_lacks(page, tmp_path, monkeypatch):
    monkeypatch.setattr(shown, "MOST_TOGETHER", 0)
    path = tmp_path / "page.html"
    path.write_text(standalone_html([viewer_value(VOLUME, predicted(LABELS))]), encoding="utf-8")
    page.goto(path.as_uri())
    page.wait_for_function("document.querySelector('.mv-host').viewer?.slice")
    page.get_by_label("Channel", exact=True).select_option("FLAIR")
    expect(page.locator(".mv-message").first).to_have_text("FLAIR is not in this page")
