"""Several predictions of one image in the viewer: linked panes, swipe, flicker, agreement, and their differences."""

import re
from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering import NamedPrediction, viewer_value

expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

pytestmark = pytest.mark.browser

SIDE = 40
Y, X = np.mgrid[:SIDE, :SIDE]
RNG = np.random.default_rng(5)
IMAGE = MedicalImage(
    RNG.integers(0, 255, (SIDE, SIDE)).astype(np.uint8), "YX", Geometry((0.5, 0.5)), "cells", "PNG", 8, (0.0, 255.0)
)
PROBABILITY = np.clip(1.2 - np.hypot(Y - 20, X - 18) / 16, 0, 1).astype(np.float16)


def disc(x: float, radius: float) -> np.ndarray:
    return (np.hypot(Y - 20, X - x) < radius).astype(np.uint8)


MAPS = [(PROBABILITY > 0.5).astype(np.uint8), disc(22, 10), disc(18, 6), disc(25, 8)]
PREDICTIONS = [
    NamedPrediction("unet", LabelMap(MAPS[0], ("cell",)), PROBABILITY[np.newaxis], 0.5, "holes filled"),
    *(NamedPrediction(f"net-{i}", LabelMap(MAPS[i], ("cell",))) for i in (1, 2, 3)),
]
REFERENCE = LabelMap(disc(20, 9), ("cell",))
REGIONS = [
    {"class_name": "cell", "size": "12.3 mm²", "box": [0, 4, 6, 1, 14, 20]},
    {"class_name": "cell", "size": "3.1 mm²", "box": [0, 30, 31, 1, 35, 37]},
]


def stages(shown) -> int:
    return shown.page.locator(".mv-stage").count()


@pytest.mark.parametrize("count", [2, 3, 4])
def test_side_by_side_has_a_named_pane_for_each(show, count):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:count]))
    titles = shown.page.locator(".mv-title:not(.mv-title-right)").all_inner_texts()
    assert titles == [one.name for one in PREDICTIONS[:count]]
    for pane, labels in enumerate(MAPS[:count]):
        np.testing.assert_array_equal(shown.array(f"viewer.panes[{pane}].view.labels.data"), labels.ravel())


def test_zoom_pan_and_window_are_linked_and_the_pointer_shows_in_each_pane(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2]))
    shown.hover(10.5, 12.5)
    cursor = shown.page.locator(".mv-cursor").nth(1)
    box = cursor.bounding_box()
    centre = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    assert centre == pytest.approx(shown.place(1, 10.5, 12.5), abs=1.5)
    expect(shown.page.locator(".mv-cursor").nth(0)).to_be_hidden()
    shown.press("+", "+", "Shift+ArrowLeft")
    assert shown.place(0, 5, 5)[1] == pytest.approx(shown.place(1, 5, 5)[1], abs=1)
    expect(shown.page.locator(".mv-readout")).to_contain_text("unet: ")


def test_errors_and_dice_of_each_prediction(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], reference=REFERENCE) | {"mode": "errors"})
    text = shown.page.get_by_role("list", name="Classes").inner_text()
    reference = REFERENCE.labels > 0
    expected = [2 * (one & reference).sum() / (one.sum() + reference.sum()) for one in (m > 0 for m in MAPS[:2])]
    assert [float(one) for one in re.findall(r"Dice ([\d.]+)", text)] == pytest.approx(expected, abs=1e-4)
    assert shown.ask("viewer.state.mode") == "errors"
    expect(shown.page.get_by_role("list", name="Legend")).to_be_visible()


def test_the_legend_of_errors_of_three_is_that_of_the_pane_in_hand(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:3], reference=REFERENCE, mode="errors"))
    legend = shown.page.locator(".mv-outcome-legend")
    for pane in (0, 2):
        shown.page.locator(".mv-stage").nth(pane).focus()
        expect(legend).to_contain_text(PREDICTIONS[pane].name)
        both = ((MAPS[pane] > 0) & (REFERENCE.labels > 0)).sum() * 0.25
        size = re.search(r"True positive([\d.]+) mm²", legend.text_content())[1]
        assert float(size) == pytest.approx(both, rel=5e-3)


def test_each_threshold_moves_its_own_prediction(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2]))
    assert shown.page.get_by_role("slider", name="Threshold of net-1").count() == 0
    shown.slide("Threshold of unet", 0.3)
    labels = [shown.array(f"viewer.layers.labels(viewer.value, viewer.state, viewer.slice.views[{i}])") for i in (0, 1)]
    np.testing.assert_array_equal(labels[0], (PROBABILITY.astype(float) > 0.3).ravel())
    np.testing.assert_array_equal(labels[1], MAPS[1].ravel())
    expect(shown.page.get_by_role("status")).to_contain_text("unet: Threshold 0.3 in place of 0.5.")


def test_swipe_shows_one_prediction_on_each_side_of_the_divider(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], layout="swipe"))
    assert stages(shown) == 1
    for share, which in ((0.02, "net-1"), (0.98, "unet")):
        shown.slide("Divider", share)
        shown.hover(20, 20)
        expect(shown.page.locator(".mv-readout")).to_contain_text(f"{which}: ")
    box = shown.page.locator(".mv-divider").bounding_box()
    middle = box["x"] + box["width"] / 2
    shown.page.mouse.move(middle, box["y"] + 40)
    shown.page.mouse.down()
    shown.page.mouse.move(middle - 200, box["y"] + 40, steps=4)
    shown.page.mouse.up()
    assert shown.ask("viewer.state.divider") < 0.85
    shown.press("}")
    assert float(shown.page.get_by_role("slider", name="Divider").input_value()) > 0.7


def test_flicker_goes_by_timer_and_by_key(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], layout="flicker"))
    shown.page.wait_for_function("document.querySelector('.mv-host').viewer.state.front === 1")
    shown.click("Start or stop the timer (space)")
    front = shown.ask("viewer.state.front")
    shown.press("b")
    assert shown.ask("viewer.state.front") == 1 - front
    expect(shown.page.locator(".mv-front")).to_have_text(["unet", "net-1"][1 - front])


def test_flicker_rests_where_less_motion_is_wanted(page, show):
    page.emulate_media(reduced_motion="reduce")
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], layout="flicker"))
    expect(shown.page.get_by_role("button", name="Start or stop")).to_have_attribute("aria-pressed", "false")


def test_agreement_of_two_tells_which_one_stands_alone(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], layout="agreement"))
    first, second = (one > 0 for one in MAPS[:2])
    legend = shown.page.get_by_role("list", name="Agreement").inner_text()
    for name, mask in {"Only unet": first & ~second, "Only net-1": second & ~first, "Both": first & second}.items():
        size = float(re.search(r"([\d.]+) mm²", legend.split(name)[1])[1])
        assert size == pytest.approx(mask.sum() * 0.25, rel=5e-3)
    assert "Different classes" not in legend


def test_agreement_of_four_counts_votes(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS, layout="agreement"))
    votes = np.sum(MAPS, axis=0)
    np.testing.assert_array_equal(
        shown.array("viewer.layers.agreement(viewer.value, viewer.state, viewer.slice)"), votes.ravel()
    )
    legend = shown.page.get_by_role("list", name="Agreement").inner_text()
    assert [name in legend for name in ("1 of 4", "2 of 4", "3 of 4", "All 4")] == [True] * 4


def test_a_consensus_has_no_vote_in_the_agreement(show):
    consensus = replace(PREDICTIONS[2], name="majority", counted=False)
    shown = show(viewer_value(IMAGE, [*PREDICTIONS[:2], consensus], layout="agreement"))
    legend = shown.page.get_by_role("list", name="Agreement").inner_text()
    assert [name in legend for name in ("Only unet", "Only net-1", "Both")] == [True] * 3
    found = shown.array("viewer.layers.agreement(viewer.value, viewer.state, viewer.slice)")
    np.testing.assert_array_equal(found > 0, (MAPS[0] + MAPS[1] > 0).ravel())
    shown.click("Side by side")
    assert stages(shown) == 3


def test_pixels_of_different_classes_are_no_agreement(show):
    other = NamedPrediction("other", LabelMap(MAPS[0] * 2, ("a", "cell b")))
    shown = show(viewer_value(IMAGE, [PREDICTIONS[0], other], layout="agreement"))
    found = shown.array("viewer.layers.agreement(viewer.value, viewer.state, viewer.slice)")
    np.testing.assert_array_equal(found, MAPS[0].ravel() * 4)
    expect(shown.page.get_by_role("list", name="Agreement")).to_contain_text("Different classes")


def test_n_and_p_go_through_the_regions_and_say_where_they_are(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], regions=REGIONS))
    said = shown.page.locator(".mv-region-text")
    expect(said).to_have_attribute("aria-live", "polite")
    expect(said).to_have_text(re.compile("^2 regions differ"))
    shown.press("n")
    expect(said).to_have_text("Region 1 of 2: cell, 12.3 mm² at x 12, y 8")
    middle = shown.ask("viewer.camera.toPicture(viewer.camera.stage.width / 2, viewer.camera.stage.height / 2)")
    assert (middle["x"], middle["y"]) == pytest.approx((13, 9))
    shown.press("n", "n")
    expect(said).to_have_text(re.compile("^Region 1 of 2"))
    shown.press("p")
    expect(said).to_have_text(re.compile("^Region 2 of 2"))


def test_regions_say_when_the_threshold_has_moved_since(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2], regions=REGIONS))
    said = shown.page.locator(".mv-region-text")
    since = "(at the thresholds of the result)"
    expect(said).not_to_contain_text(since)
    shown.slide("Threshold of unet", 0.3)
    expect(said).to_have_text(f"2 regions differ; N goes to the largest {since}")
    shown.press("n")
    expect(said).to_have_text(f"Region 1 of 2: cell, 12.3 mm² at x 12, y 8 {since}")
    shown.press("t")
    expect(said).to_have_text("Region 1 of 2: cell, 12.3 mm² at x 12, y 8")


def test_errors_of_the_live_mask_need_no_such_words(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:1], reference=REFERENCE))
    shown.slide("Threshold", 0.3)
    shown.press("n")
    expect(shown.page.locator(".mv-region-text")).to_have_text(re.compile(r"^Region 1 of \d+: .* at x \d+, y \d+$"))


def test_of_competing_classes_it_says_why_there_is_no_threshold(show):
    maps = np.stack([PROBABILITY, 1 - PROBABILITY]) * np.float16(0.5)
    both = NamedPrediction("softmax", LabelMap(MAPS[0], ("cell", "rim")), maps)
    shown = show(viewer_value(IMAGE, [PREDICTIONS[0], both, PREDICTIONS[1]]))
    said = shown.page.locator(".mv-no-threshold")
    expect(said).to_have_text("No threshold for softmax: each pixel takes its most probable class.")
    expect(shown.page.get_by_role("slider", name="Threshold of unet")).to_be_visible()
    shown.click("Probability")
    expect(said).to_be_hidden()
    volume = MedicalImage(IMAGE.pixels[np.newaxis], "ZYX", Geometry(), "v", "NIfTI", 8, (0.0, 255.0))
    labels = LabelMap(MAPS[0][np.newaxis], ("cell", "rim"))
    alone = viewer_value(volume, [NamedPrediction("softmax", labels, maps[:, np.newaxis])], layout="single")
    shown.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", alone)
    shown.click("Overlay")
    expect(said).to_have_text("No threshold: each voxel takes its most probable class.")


def test_without_probabilities_nothing_is_said_of_thresholds(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[1:3]))
    expect(shown.page.locator(".mv-no-threshold")).to_be_hidden()


def test_the_region_stays_in_the_middle_when_the_layout_changes(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS, regions=REGIONS, layout="swipe"))
    shown.press("n", "n")
    for layout in ("Side by side", "Agreement", "Swipe"):
        shown.click(layout)
        shown.settle()
        size, place, corners = shown.ask(
            "((camera, { width, height }) => [[width, height], camera.toPicture(width / 2, height / 2),"
            " [camera.toStage(31, 30), camera.toStage(37, 35)]])(viewer.camera, viewer.camera.stage)"
        )
        assert (place["x"], place["y"]) == pytest.approx((34, 32.5))
        assert all(0 < one["x"] < size[0] and 0 < one["y"] < size[1] for one in corners)
    shown.press("+")
    before = shown.ask("viewer.camera.scale")
    shown.click("Side by side")
    shown.settle()
    assert shown.ask("viewer.camera.scale") == pytest.approx(before)


def test_regions_of_a_volume_move_the_slice(show):
    pixels = RNG.integers(0, 255, (8, 20, 20)).astype(np.uint8)
    volume = MedicalImage(pixels, "ZYX", Geometry((2.0, 1.0, 1.0)), "v", "NIfTI", 8, (0.0, 255.0))
    predictions = [
        NamedPrediction(name, LabelMap((pixels > level).astype(np.uint8), ("a",)))
        for name, level in (("x", 9), ("y", 99))
    ]
    regions = [{"class_name": "a", "size": "1.2 ml", "box": [5, 1, 2, 8, 4, 9], "at": [6, 2, 3]}]
    shown = show(viewer_value(volume, predictions, regions=regions, slice_indices="all", layout="agreement"))
    shown.press("n")
    assert shown.ask("viewer.state.point") == [6, 2, 3]
    assert shown.ask("viewer.slice.index") == 6
    expect(shown.page.locator(".mv-region-text")).to_have_text("Region 1 of 1: a, 1.2 ml at x 3, y 2, z 6")
    shown.click("All three")
    assert stages(shown) == 3
    shown.settle()
    middles = shown.ask(
        "viewer.panes.map(({ camera }) => camera.toPicture(camera.stage.width / 2, camera.stage.height / 2))"
    )
    assert [(one["x"], one["y"]) for one in middles] == [(5.5, 2.5), (5.5, 6.5), (2.5, 6.5)]


def test_a_new_result_of_the_same_image_keeps_layout_and_focus(show):
    shown = show(viewer_value(IMAGE, PREDICTIONS[:2]))
    shown.press("l")
    assert shown.ask("viewer.state.layout") == "swipe"
    value = viewer_value(IMAGE, PREDICTIONS[:3])
    shown.page.evaluate("(value) => document.querySelector('.mv-host').viewer.show(value)", value)
    assert shown.ask("viewer.state.layout") == "swipe"
    assert shown.page.evaluate("document.activeElement.className") == "mv-stage"
    shown.page.get_by_label("Second prediction").select_option("net-2")
    assert shown.ask("viewer.state.pair") == [0, 2]


@pytest.mark.parametrize("width", [320, 390])
@pytest.mark.parametrize("layout", ["side", "swipe", "flicker", "agreement"])
def test_layouts_fit_a_phone(page, show, width, layout):
    page.set_viewport_size({"width": width, "height": 700})
    shown = show(viewer_value(IMAGE, PREDICTIONS, layout=layout, reference=REFERENCE, regions=REGIONS))
    assert shown.page.evaluate("document.documentElement.scrollWidth") <= width
