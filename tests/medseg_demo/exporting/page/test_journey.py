"""The page opened from a disk in a browser without a network: images of each kind, two networks, both languages."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from PIL import Image
from pydantic import TypeAdapter
from pydicom.data import get_testdata_file

from medseg_demo.exporting import export
from medseg_demo.models.card import ModelCard
from medseg_demo.models.catalog import load_checkpoint
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.reading import read_image, read_label_map
from medseg_demo.rendering.shown import Shown
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.settings import Settings

pytestmark = pytest.mark.slow

IDLE = "#medseg-page[aria-busy=false]"
SIZES = {"encoder_depth": 3, "decoder_channels": (16, 8, 8), "in_channels": 1, "encoder_weights": None}
CARDS = {
    "whole": ModelCard(task="bright", class_names=("bright",), in_channels=1, input_size=(64, 96), threshold=0.5),
    "tiles": ModelCard(
        task="bands", class_names=("grey", "white"), in_channels=1, input_size=(32, 32), inference="tile",
        normalisation={"method": "zscore"},
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Checkpoints, images of each kind, and the page."""
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install -r requirements-export.txt")
    folder, random = tmp_path_factory.mktemp("page"), np.random.default_rng(1)
    for name, card in CARDS.items():
        torch.manual_seed(3)
        network = smp.Unet("tu-test_resnet", classes=card.output_channels, **SIZES)
        for layer in network.modules():  # so that its normalisations are not those that do nothing
            if isinstance(layer, torch.nn.BatchNorm2d):
                torch.nn.init.uniform_(layer.running_var, 0.5, 2)
        save_checkpoint(folder / "checkpoints" / name, network, card)
    blobs = np.kron(random.integers(0, 256, (12, 16)), np.ones((6, 6)))
    Image.fromarray(blobs.astype(np.uint8)).save(folder / "grey.png")
    Image.fromarray((blobs * 150).astype(np.uint16)).save(folder / "wide.png")
    Image.fromarray(np.dstack([blobs, blobs[::-1], blobs]).astype(np.uint8)).save(folder / "photo.jpg", quality=95)
    np.save(folder / "float.npy", (blobs / 50 - 1).astype(np.float32))
    colours = np.dstack([blobs, blobs[::-1], blobs[:, ::-1]]).astype(np.uint8)
    Image.fromarray(np.dstack([colours, np.where(blobs > 60, 255, 90)]).astype(np.uint8)).save(
        folder / "opacity.webp", lossless=True
    )
    turned = Image.Exif()
    turned[0x0112] = 6
    Image.fromarray(colours).save(folder / "<img src=x onerror=fail()>.jpg", quality=95, exif=turned)
    (folder / "volume.nii").write_bytes(bytes(344) + b"n+1\0" + bytes(20))
    for name in ("MR_small.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_jpeg_no_color_transform.dcm", "CT_small.dcm"):
        path = get_testdata_file(name, download=False)
        if path:
            (folder / name).write_bytes(Path(path).read_bytes())
    settings = Settings(checkpoints_dir=folder / "checkpoints")
    export(list(CARDS), "page", folder / "page.html", images=[folder / "grey.png"], settings=settings)
    return folder


@pytest.fixture
def opened(chromium, folder):
    """Opens the page offline in a language; afterwards nothing was asked for, and no script had a fault."""
    seen, contexts = [], []

    def open_page(locale: str = "en-GB"):
        contexts.append(chromium.new_context(offline=True, locale=locale, accept_downloads=True))
        page = contexts[-1].new_page()
        page.set_default_timeout(120_000)
        page.on("pageerror", lambda error: seen.append(str(error)))
        page.on("request", lambda request: seen.append(request.url))
        page.goto((folder / "page.html").as_uri())
        page.wait_for_selector(IDLE)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert [one for one in seen if not one.startswith(("file:", "blob:", "data:"))] == []


def give(page, path: Path) -> None:
    page.set_input_files("#medseg-file", path)
    page.wait_for_selector(IDLE)


def saved(page, name: str) -> bytes:
    with page.expect_download() as download:
        page.click(f"#medseg-save-{name}")
    return Path(download.value.path()).read_bytes()


def expected(folder: Path, path: Path, name: str, **options):
    settings = Settings(checkpoints_dir=folder / "checkpoints", device="cpu", precision="float32", backend="torch")
    checkpoint = load_checkpoint(name, settings.checkpoints_dir)
    return segment(read_image(path), checkpoint, options=SegmentOptions(**options), settings=settings)


def agreement(first: np.ndarray, second: np.ndarray) -> float:
    both = int((first > 0).sum() + (second > 0).sum())
    return 2 * int(((first == second) & (first > 0)).sum()) / both if both else 1.0


KINDS = (
    "grey.png", "wide.png", "photo.jpg", "<img src=x onerror=fail()>.jpg", "opacity.webp", "float.npy", "MR_small.dcm",
    "CT_small.dcm", "SC_rgb_jpeg_dcmtk.dcm", "SC_jpeg_no_color_transform.dcm",
)  # fmt: skip


def test_images_of_each_kind_are_segmented_as_in_python(opened, folder):
    page = opened()
    for name in ("whole", "tiles"):
        page.select_option("#medseg-network-0", name)
        page.wait_for_selector(IDLE)
        for kind in KINDS:
            if not (folder / kind).exists():
                continue
            give(page, folder / kind)
            assert page.locator(".mp-alarm").inner_text() == "", kind
            found = np.asarray(Image.open(io.BytesIO(saved(page, "labels-0"))))
            wanted = expected(folder, folder / kind, name)
            assert agreement(found, wanted.label_map.labels) > 0.999, (name, kind)


def test_files_of_a_result_are_those_of_the_program(opened, folder):
    page = opened()
    give(page, folder / "MR_small.dcm")
    page.click(".mp-options summary")
    page.check("#medseg-fill")
    page.wait_for_selector(IDLE)
    page.fill("#medseg-smallest", "12")
    page.press("#medseg-smallest", "Tab")
    page.wait_for_selector(IDLE)
    wanted = expected(folder, folder / "MR_small.dcm", "whole", smallest_component=12, fill_holes=True)
    (folder / "labels.png").write_bytes(saved(page, "labels-0"))
    labels = read_label_map(folder / "labels.png", class_names=("bright",)).labels
    assert agreement(labels, wanted.label_map.labels) > 0.999
    (row,) = csv.DictReader(io.StringIO(saved(page, "table").decode()))
    (image,) = json.loads(saved(page, "json"))["images"]
    (measured,) = wanted.measurements
    assert float(row["area_mm2"]) == pytest.approx(measured.area_mm2, rel=0.002)
    assert image["classes"][0]["area_mm2"] == float(row["area_mm2"])
    assert image["spacing_mm"] == pytest.approx(wanted.image.geometry.spacing_mm)
    assert (image["smallest_component"], image["fill_holes"], image["checkpoint_sha256"]) == (12, True, wanted.digest)


def test_a_threshold_that_is_moved_decides_again(opened, folder):
    page = opened()
    before = page.locator(".mp-scroll td").first.inner_text()
    page.locator(".mv input[type=range][aria-label^=Threshold]").evaluate(
        "(input) => { input.value = input.max / 5; input.dispatchEvent(new Event('input')); }"
    )
    page.locator(".mp-scroll td", has_text=before).first.wait_for(state="detached")
    threshold = json.loads(saved(page, "json"))["images"][0]["threshold"]
    found = np.asarray(Image.open(io.BytesIO(saved(page, "labels-0"))))
    wanted = expected(folder, folder / "grey.png", "whole", threshold=threshold)
    assert agreement(found, wanted.label_map.labels) > 0.999


def test_two_networks_are_compared(opened):
    page = opened()
    page.select_option("#medseg-network-1", "tiles")
    page.wait_for_selector(IDLE)
    page.wait_for_function("() => document.querySelector('.mv-host').viewer.value.predictions.length === 2")
    assert page.locator(".mp-scroll tbody tr").count() == 3
    value = page.evaluate("() => ({ ...document.querySelector('.mv-host').viewer.value, slices: [] })")
    shown = TypeAdapter(Shown).validate_json(json.dumps(value), strict=True)
    assert [one.name for one in shown.classes] == ["bright", "grey", "white"]
    assert (shown.predictions[0].threshold, shown.predictions[1].threshold) == (0.5, None)
    assert shown.regions


def test_what_cannot_be_read_is_said_and_the_result_stays(opened, folder):
    page = opened()
    give(page, folder / "volume.nii")
    assert "volume" in page.locator(".mp-alarm").inner_text()
    assert page.locator(".mp-scroll tbody tr").count() == 1


def test_the_page_speaks_chinese_where_the_browser_does(opened):
    page = opened("zh-CN")
    assert page.locator(".mp-primary").inner_text() == "选择图像"
    page.select_option("#medseg-language", "en")
    assert page.locator(".mp-primary").inner_text() == "Choose an image"
    assert page.locator(".mp-scroll tbody tr").count() == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_serious_on_a_phone(page, folder, serious_faults, scheme):
    page.emulate_media(color_scheme=scheme)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto((folder / "page.html").as_uri())
    page.wait_for_selector(IDLE)
    page.select_option("#medseg-network-1", "tiles")
    page.wait_for_selector(IDLE)
    page.locator("#medseg-page details").evaluate_all("(all) => all.forEach((one) => { one.open = true; })")
    page.wait_for_selector("#medseg-page pre")
    give(page, folder / "volume.nii")
    assert serious_faults() == {}
    assert page.evaluate("document.documentElement.scrollWidth") == 390
