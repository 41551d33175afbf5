"""A volume's label map is corrected in a real browser against ``python app.py``, and saved as it was painted."""

import gzip
from pathlib import Path

import nibabel
import numpy as np
import pytest
import torch

from medseg_demo.models.architectures import build_network
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.ui.correct import texts

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SHAPE = (12, 40, 48)  # Z, Y, X
VIEWER = "document.querySelector('#ms-viewer .mv-host').viewer"


@pytest.fixture(scope="module")
def url(serve, tmp_path_factory):
    """The app with a network of the hippocampus's two classes that finds neither, so that all of it is painted."""
    folder = tmp_path_factory.mktemp("checkpoints")
    network = build_network("MonaiUNet", {"channels": (4, 8), "strides": (2,), "in_channels": 1, "classes": 2})
    for parameter in network.parameters():
        torch.nn.init.zeros_(parameter)
    card = ModelCard(
        task="hippocampus", class_names=("anterior", "posterior"), in_channels=1, input_size=(16, 32, 32),
        threshold=None, inference="tile",
    )  # fmt: skip
    save_checkpoint(folder / "parts", network.eval(), card)
    with serve("--checkpoints", str(folder)) as address:
        yield address


@pytest.fixture
def result(page, url, tmp_path, wait_until_built):
    """The page with the result of a drawn volume."""
    voxels = np.random.default_rng(0).normal(0, 20, SHAPE).astype(np.int16)
    voxels[3:9, 10:30, 12:36] += 400
    nibabel.save(nibabel.Nifti1Image(voxels.transpose(2, 1, 0), np.diag([-1.0, -1, 2, 1])), tmp_path / "scan.nii.gz")
    page.goto(url + "?__theme=light")
    expect(page.locator("#ms-status")).to_contain_text("Nothing to show yet")
    wait_until_built(page)
    page.locator("#ms-upload input[type=file]").set_input_files(tmp_path / "scan.nii.gz")
    expect(page.locator("#ms-preflight")).to_contain_text("scan")
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ms-heading")).to_contain_text("parts")
    return page


def paint(page, index: int, *places: tuple[float, float]) -> None:
    """A stroke of the brush on an axial slice, through places of its picture."""
    page.evaluate(f"{VIEWER}.goTo({index})")
    page.wait_for_function(f"{VIEWER}.slice?.index === {index}")
    stage = page.locator("#ms-viewer .mv-stage").first
    stage.scroll_into_view_if_needed()
    box, revision = stage.bounding_box(), page.evaluate(f"{VIEWER}.editor.sync.next")
    for number, (x, y) in enumerate(places):
        at = page.evaluate(f"{VIEWER}.camera.toStage({x}, {y})")
        page.mouse.move(box["x"] + at["x"], box["y"] + at["y"], steps=1 if number == 0 else 3)
        if number == 0:
            page.mouse.down()
    page.mouse.up()
    page.wait_for_function(f"{VIEWER}.editor.sync.revision === {revision}")


def saved(page) -> bytes:
    """The NIfTI file that the panel of other formats makes, unpacked."""
    page.locator("#ms-format input").click()
    page.get_by_role("option", name="NIfTI", exact=True).click()
    page.locator("#ms-prepare").click()
    with page.expect_download() as download:
        page.locator("#ms-export a").first.click()
    assert download.value.suggested_filename == "scan-corrected.nii.gz"
    return gzip.decompress(Path(download.value.path()).read_bytes())


def shown_labels(page) -> np.ndarray:
    """(Z, Y, X) as the browser has it, slice by slice; the affine of the volume turns nothing."""
    found = []
    for index in range(SHAPE[0]):
        page.evaluate(f"{VIEWER}.goTo({index})")
        page.wait_for_function(f"{VIEWER}.slice?.index === {index}")
        found.append(page.evaluate(f"Array.from({VIEWER}.slice.views[0].labels.data)"))
    return np.array(found, np.uint8).reshape(SHAPE)


def labels_in(content: bytes) -> np.ndarray:
    return np.asarray(nibabel.Nifti1Image.from_bytes(content).dataobj).astype(np.uint8).transpose(2, 1, 0)


def test_a_painted_and_filled_label_map_is_saved_as_it_was_painted(result):
    result.get_by_role("button", name="Correct", exact=True).click()
    result.evaluate(f"{VIEWER}.set({{ label: 2, brush: 7 }})")
    paint(result, 3, (20.5, 20.5), (24.5, 20.5))
    paint(result, 7, (22.5, 22.5), (26.5, 20.5))
    result.get_by_role("button", name="Fill between slices").click()
    result.wait_for_function(f"{VIEWER}.editor.changedSlices.length === 5")
    expect(result.locator("#ms-correction")).to_contain_text("5 of 12 slices")
    result.get_by_role("button", name="Other formats").click()
    first = saved(result)
    labels = labels_in(first)
    assert (labels[3, 20, 20:25] == 2).all()
    assert (labels[5, 20, 23:25] == 2).all()
    assert np.array_equal(shown_labels(result), labels)
    expect(result.locator("#ms-viewer .mv-edit-said")).to_contain_text("Saved")
    result.locator("#ms-viewer .mv-stage").first.focus()
    for keys in ("Control+z", "Control+Shift+Z"):
        for _ in range(10):  # three edits, and seven that find nothing
            result.keyboard.press(keys)
    result.wait_for_function(f"{VIEWER}.editor.sync.revision === 9")
    assert saved(result) == first


def test_edits_made_without_a_connection_arrive_and_are_kept_when_another_image_comes(result, tmp_path):
    result.get_by_role("button", name="Correct", exact=True).click()
    result.evaluate(f"{VIEWER}.set({{ label: 2, brush: 7 }})")
    paint(result, 3, (20.5, 20.5), (24.5, 20.5))
    result.context.set_offline(True)
    result.locator("#ms-viewer .mv-stage").first.focus()
    result.keyboard.press("Control+z")
    result.keyboard.press("Control+y")
    expect(result.locator("#ms-viewer .mv-edit-said")).to_contain_text("connection is lost")
    result.context.set_offline(False)
    result.wait_for_function(f"{VIEWER}.editor.sync.revision === 3")
    nibabel.save(nibabel.Nifti1Image(np.eye(30, dtype=np.int16)[None], np.eye(4)), tmp_path / "other.nii.gz")
    result.get_by_label("Clear").first.click()
    result.locator("#ms-upload input[type=file]").set_input_files(tmp_path / "other.nii.gz")
    expect(result.locator("#ms-kept-note")).to_contain_text(texts.KEPT_TITLE)
    expect(result.locator("#ms-kept")).to_contain_text("scan-corrected")
