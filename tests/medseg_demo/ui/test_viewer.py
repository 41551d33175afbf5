import gradio as gr
import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.rendering import NamedPrediction, viewer_value
from medseg_demo.rendering.packing import unpack
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import Segmentation
from medseg_demo.ui.viewer import Viewer, image_value, segmentation_value


def segmentation_of(options: SegmentOptions) -> Segmentation:
    pixels = np.arange(12, dtype=np.uint8).reshape(3, 4)
    return Segmentation(
        image=MedicalImage(pixels, "YX", Geometry(), "scan", "PNG", 8, (0.0, 255.0)),
        label_map=LabelMap((pixels > 5).astype(np.uint8), ("lungs",)),
        probabilities=(pixels[np.newaxis] / 11).astype(np.float16),
        checkpoint="c",
        digest="d",
        card=ModelCard(class_names=("lungs",)),
        options=options,
        threshold=0.5,
        seconds={},
        compute="CPU",
    )


def test_a_segmentation_becomes_a_value():
    value = segmentation_value(segmentation_of(SegmentOptions(smallest_component=20, fill_holes=True)))
    assert (value["title"], value["predictions"][0]["threshold"]) == ("scan", 0.5)
    assert value["predictions"][0]["postprocessing"] == "components under 20 px removed and holes filled"
    assert unpack(value["slices"][0]["predictions"][0]["labels"]).sum() == 6
    assert segmentation_value(segmentation_of(SegmentOptions()))["predictions"][0]["postprocessing"] == ""


def test_a_segmentation_follows_the_controls_of_the_page():
    segmentation = segmentation_of(SegmentOptions())
    assert segmentation_value(segmentation)["can_crop"]
    followed = segmentation_value(segmentation, thresholds=[0.25], crop=[0, 1, 1, 1, 3, 4], slice_indices=[], key="")
    assert (followed["adds_slices"], followed["slices"]) == (True, [])
    assert (followed["thresholds"], followed["crop"]) == ([0.25], [0, 1, 1, 1, 3, 4])


def test_an_image_is_shown_without_a_network_alone_or_with_label_maps():
    image, label_map = segmentation_of(SegmentOptions()).image, segmentation_of(SegmentOptions()).label_map
    alone = image_value(image, crop=[0, 1, 1, 1, 3, 4])
    assert (alone["classes"], alone["can_crop"], alone["crop"]) == ([], True, [0, 1, 1, 1, 3, 4])
    several = image_value(image, {"reference": label_map, "mine": label_map})
    assert [one["name"] for one in several["predictions"]] == ["reference", "mine"]
    assert [one["name"] for one in several["classes"]] == ["lungs"]


def test_its_events_can_be_listened_to():
    with gr.Blocks() as blocks:
        viewer = Viewer(elem_id="v")
        viewer.select(lambda: None)
        viewer.change_slice(lambda: None)
        viewer.navigate(lambda: None)
        viewer.threshold(lambda: None)
        viewer.crop(lambda: None)
    targets = [event for fn in blocks.fns.values() for _, event in fn.targets]
    assert targets == ["select", "change_slice", "navigate", "threshold", "crop"]


def test_the_page_receives_the_value_as_it_is():
    value = segmentation_value(segmentation_of(SegmentOptions()))
    with gr.Blocks():
        viewer = Viewer()
    assert viewer.postprocess(value) == value
    assert viewer.postprocess(None) is None


@pytest.fixture
def volume_app():
    """An app with a viewer of a volume, whose slices are sent on demand, and a text of the last click."""
    pixels = np.stack([np.full((8, 8), 100 * z, np.int16) for z in range(30)])
    image = MedicalImage(pixels, "ZYX", Geometry(), "volume", "NRRD", 16, (0.0, 3000.0))
    probabilities = np.full((1, 30, 8, 8), 0.25, np.float16)
    prediction = NamedPrediction("net", LabelMap(np.zeros((30, 8, 8), np.uint8), ("core",)), probabilities, 0.5)

    def send(event: gr.EventData) -> dict[str, object]:
        return viewer_value(image, [prediction], plane=event.plane, slice_indices=event.slices, key=event.key)

    def click(event: gr.EventData) -> str:
        return f"{event.x} {event.y} {event.slice}"

    def move(event: gr.EventData) -> str:
        return f"{event.prediction} {event.value} {event.point}"

    def crop(event: gr.EventData) -> str:
        return str(event.box)

    with gr.Blocks(analytics_enabled=False) as blocks:
        viewer = Viewer(viewer_value(image, [prediction], slice_index=10, can_crop=True))
        text = gr.Textbox(label="Click")
        viewer.change_slice(send, None, viewer, queue=False, show_progress="hidden")
        viewer.select(click, None, text)
        viewer.threshold(move, None, text)
        viewer.crop(crop, None, text)
    _, url, _ = blocks.launch(prevent_thread_lock=True, quiet=True, enable_monitoring=False)
    yield url
    blocks.close()


@pytest.mark.browser
def test_slices_come_on_demand_and_clicks_reach_python(page, volume_app):
    from playwright.sync_api import expect

    page.goto(volume_app)
    stage = page.locator(".mv-stage")
    stage.click()
    page.get_by_label("Click").and_(page.locator("textarea, input")).wait_for()
    page.wait_for_function("document.querySelector('textarea').value === '4 4 10'")
    for _ in range(7):
        page.keyboard.press("ArrowUp")
    page.wait_for_function("document.querySelector('.mv-message').hidden")
    expect(page.locator(".mv-slices .mv-number").first).to_have_text("18 / 30")
    expect(page.locator(".mv-readout")).to_contain_text("1700")
    page.keyboard.press(",")
    page.wait_for_function("document.querySelector('textarea').value === '0 0.49 [17, 4, 4]'")
    page.keyboard.press("g")
    page.get_by_label("Crop box starts at z").fill("3")
    page.keyboard.press("Enter")
    page.wait_for_function("document.querySelector('textarea').value === '[3, 0, 0, 30, 8, 8]'")
