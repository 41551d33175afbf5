"""What a visitor does with a volume, in a real browser against ``python app.py``."""

import io
import re
import shutil
import zipfile
from pathlib import Path

import highdicom
import nibabel
import numpy as np
import pytest
import torch
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

from medseg_demo.models.architectures import build_network
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.ui import texts

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

SHAPE = (12, 40, 48)  # Z, Y, X
TILT = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]]) @ [[1, 0, 0], [0, 0.96, -0.28], [0, 0.28, 0.96]]
AFFINE = np.block([[TILT * (-0.8, -0.8, 2.5), np.array([[12.0], [5], [-30]])], [np.zeros((1, 3)), 1.0]])  # RAS


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory) -> Path:
    """Two small networks with random weights, "flat" for slices and "solid" for volumes, of one class each."""
    folder = tmp_path_factory.mktemp("checkpoints")
    torch.manual_seed(0)
    networks = {
        "flat": (
            "Unet",
            (64, 64),
            {"encoder_name": "tu-test_resnet", "encoder_depth": 3, "decoder_channels": (16, 8, 8)},
        ),
        "solid": ("MonaiUNet", (16, 32, 32), {"channels": (4, 8), "strides": (2,)}),
    }
    for name, (architecture, size, parameters) in networks.items():
        network = build_network(architecture, {**parameters, "in_channels": 1, "classes": 1})
        card = ModelCard(
            task="things", class_names=("thing",), in_channels=1, input_size=size, threshold=0.5,
            inference="resize" if len(size) == 2 else "tile",
        )  # fmt: skip
        save_checkpoint(folder / name, network.eval(), card)
    return folder


@pytest.fixture(scope="module")
def url(serve, checkpoints):
    with serve("--checkpoints", str(checkpoints)) as address:
        yield address


def block(shape: tuple[int, int, int] = SHAPE) -> np.ndarray:
    """A bright block in noise, int16 (Z, Y, X)."""
    voxels = np.random.default_rng(0).normal(0, 20, shape).astype(np.int16)
    voxels[3:9, 10:30, 12:36] += 400
    return voxels


@pytest.fixture
def nifti(tmp_path) -> Path:
    nibabel.save(nibabel.Nifti1Image(block().transpose(2, 1, 0), AFFINE), tmp_path / "scan.nii.gz")
    return tmp_path / "scan.nii.gz"


@pytest.fixture
def study(tmp_path) -> Path:
    """A folder with two CT series, of 12 and of 5 slices, as a scanner would leave them: names say nothing."""
    folder = tmp_path / "study"
    folder.mkdir()
    for number, slices in ((1, 12), (2, 5)):
        series, frame = generate_uid(), generate_uid()
        for index, pixels in enumerate(block()[:slices]):
            write_slice(folder / f"IM{number}{index:03}", pixels, index, series, frame)
    return folder


def write_slice(path: Path, pixels: np.ndarray, index: int, series: str, frame: str) -> None:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = CTImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    dataset.SOPClassUID, dataset.SOPInstanceUID = CTImageStorage, meta.MediaStorageSOPInstanceUID
    dataset.StudyInstanceUID, dataset.SeriesInstanceUID, dataset.FrameOfReferenceUID = "1.2.3", series, frame
    dataset.PatientID = dataset.PatientName = "SECRET"
    dataset.PatientBirthDate = dataset.PatientSex = dataset.StudyDate = dataset.StudyTime = ""
    dataset.StudyID = dataset.AccessionNumber = dataset.ReferringPhysicianName = ""
    dataset.Modality, dataset.SeriesNumber, dataset.InstanceNumber = "CT", 1, index + 1
    dataset.ImageOrientationPatient, dataset.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [0, 0, 3.0 * index]
    dataset.PixelSpacing, dataset.SliceThickness = [0.7, 0.7], 3.0
    dataset.Rows, dataset.Columns = pixels.shape
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 16
    dataset.HighBit, dataset.PixelRepresentation = 15, 1
    dataset.RescaleIntercept, dataset.RescaleSlope = 0, 1
    dataset.PixelData = pixels.tobytes()
    dataset.save_as(path, enforce_file_format=True)


@pytest.fixture
def opened(page, url, wait_until_built):
    """The page, ready; the test fails if it asked for anything elsewhere."""
    requested = []
    page.on("request", lambda request: requested.append(request.url))
    page.goto(url + "?__theme=light")
    expect(page.locator("#ms-status")).to_contain_text("Nothing to show yet")
    wait_until_built(page)
    yield page
    assert [one for one in requested if not one.startswith((url, "data:", "blob:"))] == []


def choose(page, field: str, name: str) -> None:
    page.locator(f"{field} input").click()
    page.get_by_role("option", name=name).click()


def segment(page, checkpoint: str) -> None:
    choose(page, "#ms-checkpoint", checkpoint)
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ms-heading")).to_contain_text(checkpoint)


def downloaded(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.get_by_role("button", name=name, exact=True).click()
    return Path(download.value.path()).read_bytes()


def exported(page, name: str) -> bytes:
    """A file of the panel of other formats."""
    choose(page, "#ms-format", name)
    page.locator("#ms-prepare").click()
    with page.expect_download() as download:
        page.locator("#ms-export a").first.click()
    return Path(download.value.path()).read_bytes()


def millilitres(text: str) -> float:
    return float(re.search(r"([\d.]+) ml", text)[1])


def test_a_nifti_is_segmented_in_three_planes_and_comes_out_as_it_went_in(opened, nifti, tmp_path):
    opened.locator("#ms-upload input[type=file]").set_input_files(nifti)
    card = opened.locator("#ms-preflight")
    expect(card).to_contain_text("48 × 40 px, 12 slices")
    expect(card).to_contain_text("0.8 × 0.8 × 2.5 mm")
    segment(opened, "solid")
    viewer = opened.locator("#ms-viewer")
    viewer.get_by_role("button", name="All three", exact=True).click()
    expect(viewer.locator("canvas:visible")).to_have_count(3)
    (tmp_path / "out.nii.gz").write_bytes(downloaded(opened, "Label map"))
    label_map = nibabel.load(tmp_path / "out.nii.gz")
    assert label_map.shape == SHAPE[::-1]
    assert np.allclose(label_map.affine, AFFINE, atol=1e-5)
    assert set(np.unique(label_map.dataobj)) == {0, 1}
    voxel_ml = abs(np.linalg.det(AFFINE[:3, :3])) / 1000
    shown = millilitres(opened.locator("#ms-measurements").inner_text())
    assert shown == pytest.approx(np.count_nonzero(label_map.dataobj) * voxel_ml, rel=0.01)


def test_slices_window_and_outline(opened, nifti):
    opened.locator("#ms-upload input[type=file]").set_input_files(nifti)
    expect(opened.locator("#ms-preflight")).to_contain_text("12 slices")
    segment(opened, "flat")
    viewer = opened.locator("#ms-viewer")
    place = viewer.get_by_text(re.compile(r"^\d+ / 12$")).first
    before = int(place.inner_text().split()[0])
    viewer.locator("canvas").first.hover()
    opened.mouse.wheel(0, 300 if before < 6 else -300)  # down is the next one
    expect(place).not_to_have_text(f"{before} / 12")
    viewer.get_by_role("button", name="Outline", exact=True).click()
    expect(viewer.get_by_role("button", name="Outline", exact=True)).to_have_attribute("aria-pressed", "true")
    viewer.get_by_label("Width").fill("200")
    expect(viewer.get_by_label("Window preset")).to_have_value("Custom")


def test_the_heat_map_of_a_volume_goes_on_and_off_by_a_key(opened, nifti, tmp_path):
    opened.locator("#ms-upload input[type=file]").set_input_files(nifti)
    expect(opened.locator("#ms-preflight")).to_contain_text("12 slices")
    choose(opened, "#ms-checkpoint", "solid")
    opened.get_by_role("button", name="Options").click()
    choose(opened, "#ms-explain", texts.FLIPS_HEAT)
    opened.get_by_role("button", name="Segment", exact=True).click()
    legend = opened.locator("#ms-viewer .mv-heat:visible")
    expect(legend.first).to_be_visible()
    canvas = opened.locator("#ms-viewer canvas:visible").first
    with_heat = canvas.screenshot()
    opened.locator("#ms-viewer .mv-stage").first.focus()
    opened.keyboard.press("h")
    expect(legend).to_have_count(0)
    without = canvas.screenshot()
    opened.keyboard.press("h")
    expect(legend.first).to_be_visible()
    assert with_heat != without
    with opened.expect_download() as download:
        opened.locator("#ms-get-heat_map").click()
    shutil.copy(download.value.path(), tmp_path / "heat.nii.gz")
    heat = nibabel.load(tmp_path / "heat.nii.gz")
    assert heat.shape == SHAPE[::-1]
    assert np.allclose(heat.affine, AFFINE, atol=1e-5)
    assert 0 < np.asarray(heat.dataobj).max() <= 1


def test_the_live_threshold_says_what_a_new_run_finds(opened, nifti, set_number):
    opened.locator("#ms-upload input[type=file]").set_input_files(nifti)
    expect(opened.locator("#ms-preflight")).to_contain_text("12 slices")
    segment(opened, "solid")
    viewer = opened.locator("#ms-viewer")
    expect(viewer).to_contain_text(re.compile(r"[\d.]+ ml"))
    before = re.search(r"[\d.]+ ml", viewer.inner_text())[0]
    viewer.get_by_label("Threshold", exact=True).fill("0.45")
    expect(viewer).not_to_contain_text(before)  # the next frame draws it
    live = millilitres(viewer.inner_text())
    opened.get_by_role("button", name="Options").click()
    set_number(opened.get_by_label("number input for Threshold"), "0.45")
    opened.get_by_role("button", name="Segment", exact=True).click()
    expect(opened.locator("#ms-heading")).to_contain_text("0.45")
    assert live == pytest.approx(millilitres(opened.locator("#ms-measurements").inner_text()), rel=0.02)


def test_a_zip_of_two_series_asks_which_one_and_gives_a_dicom_seg(opened, study, tmp_path):
    archive = tmp_path / "study.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for path in study.iterdir():
            file.write(path, path.name)
    opened.locator("#ms-upload input[type=file]").set_input_files(archive)
    expect(opened.locator("#ms-preflight")).to_contain_text("48 × 40 px, 12 slices")
    choose(opened, "#ms-study", re.compile("× 5,"))
    expect(opened.locator("#ms-preflight")).to_contain_text("48 × 40 px, 5 slices")
    choose(opened, "#ms-study", re.compile("× 12,"))
    expect(opened.locator("#ms-preflight")).to_contain_text("12 slices")
    segment(opened, "solid")
    opened.get_by_role("button", name="Other formats").click()
    found = highdicom.seg.segread(io.BytesIO(exported(opened, "DICOM SEG")))
    expect(opened.locator("#ms-export-note")).to_contain_text("identifiers")
    assert (
        len({item.ReferencedSOPInstanceUID for item in found.ReferencedSeriesSequence[0].ReferencedInstanceSequence})
        == 12
    )
    assert "SECRET" not in opened.content()


def test_a_folder_is_one_upload(opened, study):
    opened.locator(
        "#ms-folder ~ input[type=file], #ms-folder input[type=file], input[webkitdirectory]"
    ).first.set_input_files(study)
    expect(opened.locator("#ms-study")).to_be_visible()
    expect(opened.locator("#ms-preflight")).to_contain_text("12 slices")


def test_the_surface_is_shown_or_the_reason_why_not(opened, nifti):
    opened.locator("#ms-upload input[type=file]").set_input_files(nifti)
    expect(opened.locator("#ms-preflight")).to_contain_text("12 slices")
    segment(opened, "solid")
    opened.get_by_role("button", name="Surface in 3-D").click()
    assert opened.locator("#ms-surface canvas").count() == 0
    opened.get_by_role("button", name="Show the surface").click()
    shown = opened.locator("#ms-surface canvas").first.or_(opened.get_by_text("This browser has no WebGL")).first
    expect(shown).to_be_visible()


def test_without_webgl_the_page_says_so(page, url, nifti):
    page = page.context.new_page()  # of its own: a script that runs first cannot be taken back
    page.add_init_script("HTMLCanvasElement.prototype.getContext = ((own) => function (kind, ...rest) "
                         "{ return /webgl/.test(kind) ? null : own.call(this, kind, ...rest); })"
                         "(HTMLCanvasElement.prototype.getContext)")  # fmt: skip
    page.goto(url)
    page.locator("#ms-upload input[type=file]").set_input_files(nifti)
    expect(page.locator("#ms-preflight")).to_contain_text("12 slices")
    segment(page, "solid")
    page.get_by_role("button", name="Surface in 3-D").click()
    page.get_by_role("button", name="Show the surface").click()
    expect(page.get_by_text("This browser has no WebGL")).to_be_visible()


def test_a_picture_for_a_3d_checkpoint_is_explained(opened, tmp_path):
    Image.fromarray(np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)).save(tmp_path / "flat.png")
    opened.locator("#ms-upload input[type=file]").set_input_files(tmp_path / "flat.png")
    expect(opened.locator("#ms-preflight")).to_contain_text("64 × 64 px")
    choose(opened, "#ms-checkpoint", "solid")
    opened.get_by_role("button", name="Segment", exact=True).click()
    expect(opened.get_by_role("alert")).to_contain_text("3-D network")
    expect(opened.get_by_role("alert")).to_contain_text("Choose a 2-D checkpoint")
