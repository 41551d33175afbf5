"""What a visitor of the Compare tab does, and what a link opens, in a real browser against ``python app.py``."""

import io
import json
import re
import shutil
import zipfile
from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

from medseg_demo.samples import sample_path

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect


@pytest.fixture
def opened(page, url, wait_until_built):
    """The Compare tab, with its first paint finished."""
    page.goto(url + "?__theme=light")
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    page.get_by_role("tab", name="Compare").click()
    expect(page.locator("#cp-tables")).to_contain_text("lungs-unet-tiny")
    wait_until_built(page)
    return page


@pytest.fixture
def opened_volume(opened):
    """The same, with the hippocampus sample compared."""
    opened.get_by_role("button", name="Hippocampus (volume)").locator("visible=true").click()
    expect(opened.locator("#cp-tables")).to_contain_text("hippocampus-unet-gru")
    expect(opened.locator("#cp-viewer").get_by_role("button", name="All three")).to_be_visible()
    expect_in_viewer(opened, ["hippocampus-unet3d", "hippocampus-unet-gru"])
    expect_the_end(opened)
    return opened


@pytest.fixture
def long_volume(tmp_path) -> Path:
    """A volume of so many slices that there is time to do something else while it is segmented."""
    sample = nibabel.load(sample_path("hippocampus"))
    labels = np.tile(np.asarray(sample.dataobj), (1, 1, 48))
    nibabel.save(nibabel.Nifti1Image(labels, sample.affine, sample.header), tmp_path / "long.nii.gz")
    return tmp_path / "long.nii.gz"


@pytest.fixture
def scan(tmp_path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 255, (90, 120), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "scan.png")
    return tmp_path / "scan.png"


def expect_in_viewer(page, names: list[str]) -> None:
    """Wait until the viewer shows predictions of these names."""
    page.wait_for_function(
        """(names) => {
          const { value } = document.querySelector('#cp-viewer .mv-host').viewer;
          return value && value.predictions.map((one) => one.name).join() === names.join();
        }""",
        arg=names,
    )


def press_compare(page) -> None:
    page.locator("#cp-run").click()


def expect_the_end(page) -> None:
    """Wait until the run is over: pictures are there before the times and the files."""
    expect(page.locator("#cp-stop")).to_be_disabled(timeout=60_000)


def downloaded(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name)).locator(
            "visible=true"
        ).first.click()
    return Path(download.value.path()).read_bytes()


def test_an_upload_is_compared_swiped_and_downloaded(opened, scan):
    opened.locator("#cp-upload input[type=file]").set_input_files(scan)
    expect(opened.locator("#cp-preflight")).to_contain_text("120 × 90 px")
    expect(opened.locator("#cp-stale")).to_contain_text("This result is of RG1_UNCR")
    press_compare(opened)
    expect(opened.locator("#cp-tables")).to_contain_text("scan")
    expect_the_end(opened)
    expect(opened.locator("#cp-stale")).to_be_hidden()
    opened.locator("#cp-viewer").get_by_role("button", name="Swipe").click()
    divider = opened.locator("#cp-viewer input[type=range]:visible").first
    divider.focus()
    before = divider.input_value()
    divider.press("ArrowRight")
    expect(divider).not_to_have_value(before)
    label_map = Image.open(io.BytesIO(downloaded(opened, "lungs-unet-tiny")))
    assert label_map.size == (120, 90)
    names = zipfile.ZipFile(io.BytesIO(downloaded(opened, "Everything, zip"))).namelist()
    assert {"scan_lungs-unet-lite0.png", "scan_lungs-unet-tiny.png", "scan_members.csv"} <= set(names)


@pytest.mark.slow
def test_a_file_added_while_a_run_goes_on_is_the_next_to_be_compared(opened_volume, long_volume, tmp_path):
    page, other = opened_volume, shutil.copy(sample_path("hippocampus"), tmp_path / "other.nii.gz")
    upload, stop = page.locator("#cp-upload"), page.locator("#cp-stop")
    upload.locator("input[type=file]").set_input_files(long_volume)
    expect(page.locator("#cp-preflight")).to_contain_text("long")
    press_compare(page)
    expect(stop).to_be_enabled()
    upload.get_by_role("button", name="Clear").press("Enter")
    upload.locator("input[type=file]").set_input_files(other)
    expect(page.locator("#cp-preflight")).to_contain_text("other")
    expect(stop).to_be_disabled(timeout=180_000)
    expect(page.locator("#cp-stale")).to_contain_text("This result is of long")
    assert json.loads(downloaded(page, "Figures, JSON"))["image"] == "long"
    press_compare(page)
    expect(page.locator("#cp-tables")).to_contain_text("other")
    expect_the_end(page)
    expect(page.locator("#cp-stale")).to_be_hidden()


def test_the_first_paint_is_a_finished_comparison_and_next_disagreement_goes_to_the_largest(opened):
    expect(opened.locator("#cp-where")).to_contain_text("They differ on")
    expect(opened.locator("#cp-viewer canvas").first).to_be_visible()
    expect_in_viewer(opened, ["lungs-unet-lite0", "lungs-unet-tiny"])
    figures = json.loads(downloaded(opened, "Figures, JSON"))["disagreement"]
    viewer = opened.locator("#cp-viewer")
    viewer.get_by_role("button", name="Next disagreement").click()
    first = figures["regions"][0]
    expect(viewer).to_contain_text(f"Region 1 of {len(figures['regions'])}: lung")
    expect(viewer).to_contain_text(f"x {first['at'][2]}, y {first['at'][1]}")
    viewer.locator("canvas").first.focus()
    opened.keyboard.press("n")
    expect(viewer).to_contain_text(f"Region 2 of {len(figures['regions'])}")


def test_a_consensus_is_one_more_picture(opened):
    opened.get_by_label("Most votes").check()
    expect(opened.locator("#cp-tables")).to_contain_text("a tie is background")
    expect_in_viewer(opened, ["lungs-unet-lite0", "lungs-unet-tiny", "majority"])
    consensus = np.asarray(Image.open(io.BytesIO(downloaded(opened, "Consensus"))))
    assert set(np.unique(consensus)) == {0, 1}


def test_a_volume_goes_to_checkpoints_that_fit_it_and_is_swiped_between_both(opened_volume):
    expect(opened_volume.locator("#cp-checkpoints")).to_contain_text("hippocampus-unet-gru")
    expect(opened_volume.locator("#cp-checkpoints")).not_to_contain_text("lungs")
    viewer = opened_volume.locator("#cp-viewer")
    viewer.get_by_role("button", name="Swipe").click()
    shown = viewer.locator(".mv-title:visible")
    expect(shown).to_have_text(["hippocampus-unet3d", "hippocampus-unet-gru"])
    viewer.get_by_role("button", name="Flicker").click()
    viewer.get_by_role("button", name="All three").click()
    viewer.get_by_role("button", name="Agreement", exact=True).click()
    expect(shown.filter(has_text="Agreement")).to_have_count(3)


def test_next_disagreement_goes_into_the_region_of_a_volume(opened_volume):
    figures = json.loads(downloaded(opened_volume, "Figures, JSON"))["disagreement"]
    viewer = opened_volume.locator("#cp-viewer")
    for place, region in enumerate(figures["regions"][:2]):
        viewer.get_by_role("button", name="Next disagreement").click()
        z, y, x = region["at"]
        expect(viewer).to_contain_text(f"Region {place + 1} of {len(figures['regions'])}: {region['class_name']}")
        expect(viewer).to_contain_text(f"x {x}, y {y}, z {z}")
        point = opened_volume.evaluate("document.querySelector('#cp-viewer .mv-host').viewer.state.point")
        assert point == [z, y, x]


def test_a_consensus_of_a_volume_lies_where_the_volume_lies(opened_volume, tmp_path):
    sample = nibabel.load(sample_path("hippocampus"))
    for choice, name in (("Most votes", "majority"), ("Weighed votes (STAPLE)", "STAPLE")):
        opened_volume.get_by_label(choice).check()
        expect_in_viewer(opened_volume, ["hippocampus-unet3d", "hippocampus-unet-gru", name])
        expect_the_end(opened_volume)
        (tmp_path / f"{name}.nii.gz").write_bytes(downloaded(opened_volume, "Consensus"))
        consensus = nibabel.load(tmp_path / f"{name}.nii.gz")
        assert consensus.shape == sample.shape
        np.testing.assert_allclose(consensus.affine, sample.affine, atol=1e-4)
        assert set(np.unique(consensus.dataobj)) == {0, 1, 2}


def test_checkpoints_of_other_classes_are_explained(opened):
    opened.locator("#cp-checkpoints input").click()
    opened.get_by_role("option", name=re.compile(r"vessels-unet-tiny( ·|$)")).click()
    opened.keyboard.press("Escape")
    expect(opened.locator("#cp-stale")).to_contain_text("Settings changed")
    press_compare(opened)
    expect(opened.get_by_role("alert").filter(has_text="they share no class")).to_be_visible()
    expect(opened.locator("#cp-tables")).to_contain_text("lungs-unet-tiny")


def test_code_can_be_copied(opened):
    opened.context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened.locator("#cp-downloads").get_by_role("button", name="Copy as code").click()
    expect(opened.locator("#cp-code-python")).to_contain_text('api_name="/compare"')
    expect(opened.locator("#cp-code-link")).to_contain_text(
        "?sample=chest-xray&compare=lungs-unet-lite0,lungs-unet-tiny"
    )
    opened.locator("#cp-code-command").get_by_role("button", name="Copy").click()
    expect(opened.locator("#cp-code-command").get_by_role("button", name="Copied")).to_be_visible()
    copied = opened.evaluate("navigator.clipboard.readText()")
    assert "python -m evaluation compare RG1_UNCR.dcm --checkpoint lungs-unet-lite0" in copied


def test_a_link_opens_a_volume_with_a_checkpoint_that_is_not_its_first(page, url):
    page.goto(f"{url}?sample=hippocampus&checkpoint=hippocampus-unet2d-tiny")
    expect(page.locator("#ms-heading")).to_contain_text("hippocampus")
    expect(page.locator("#ms-heading")).to_contain_text("hippocampus-unet2d-tiny")
    expect(page.locator("#ms-viewer").get_by_role("button", name="All three")).to_be_visible()


def test_a_link_opens_a_comparison_of_a_volume(page, url):
    page.goto(f"{url}?sample=hippocampus&compare=hippocampus-unet2d-tiny,hippocampus-unet3d")
    expect(page.locator("#cp-tables")).to_contain_text("2-D: each slice is segmented on its own")
    expect_in_viewer(page, ["hippocampus-unet2d-tiny", "hippocampus-unet3d"])
    expect(page.get_by_role("tab", name="Compare")).to_have_attribute("aria-selected", "true")


def test_a_link_opens_a_case_of_a_run(page, url):
    page.goto(f"{url}?run=simulated-nuclei&case=simulated_07")
    expect(page.locator("#ev-case-head")).to_contain_text("simulated_07")
    expect(page.locator("#ev-drawer canvas").first).to_be_visible()
    expect(page.get_by_role("tab", name="Evaluate")).to_have_attribute("aria-selected", "true")


def test_a_link_to_a_case_that_is_not_there_opens_its_run(page, url):
    page.goto(f"{url}?run=lungs&case=none-such")
    expect(page.locator("#ev-status")).to_contain_text("This case is not there")
    expect(page.get_by_role("tab", name="Evaluate")).to_have_attribute("aria-selected", "true")


def test_a_hostile_link_is_refused(page, url):
    page.goto(f"{url}?sample=../../secret%3Cscript%3Ealert(1)%3C/script%3E")
    expect(page.locator("#ms-link")).to_contain_text("This link cannot be opened")
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
