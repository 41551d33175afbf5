"""Somebody's own checkpoint, from its file to a result in the page, in a real browser against ``python app.py``."""

import io
import json
import re
import secrets
import shutil
import zipfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import nibabel
import numpy as np
import pytest
import segmentation_models_pytorch as smp
import torch
from bundles import write_bundle, write_weights
from PIL import Image

from medseg_demo.settings import ROOT

pytestmark = pytest.mark.browser
expect = pytest.importorskip("playwright.sync_api", reason="playwright is not installed").expect

NNUNET = Path(__file__).parent / "medseg_demo/models/origins/nnunet/picture"
SMALL = {
    "encoder_name": "tu-test_resnet",
    "encoder_weights": None,
    "in_channels": 1,
    "decoder_channels": (16, 8, 8, 8, 8),
}
OWN = "mine-7319"  # a word that is nowhere else on the page
BESIDE = ("lungs-unet-lite0", "lungs-unet-tiny", "lungs-unet-tiny-int8")


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A folder of checkpoints that pages of this module add to."""
    folder = tmp_path_factory.mktemp("checkpoints")
    for name in BESIDE:
        shutil.copytree(ROOT / "checkpoints" / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def address(serve, place):
    with serve("--checkpoints", str(place)) as found:
        yield found


def open_models(page, address: str, wait_until_built) -> None:
    page.goto(address + "?__theme=light")
    expect(page.locator("#ms-heading")).to_contain_text("RG1_UNCR")
    page.get_by_role("tab", name="Models").click()
    expect(page.locator("#mm-list")).to_contain_text(BESIDE[0])
    wait_until_built(page)


def zipped(folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder), "zip", folder.parent, folder.name))


def smp_folder(folder: Path) -> Path:
    smp.Unet(**SMALL, classes=1).save_pretrained(folder / "net")
    return zipped(folder / "net")


def bare_weights(folder: Path) -> Path:
    torch.save(smp.FPN("mit_b0", encoder_weights=None).state_dict(), folder / "net.pth")
    return folder / "net.pth"


def lightning(folder: Path) -> Path:
    state = {f"model.{name}": value for name, value in smp.Unet(**SMALL, classes=1).state_dict().items()}
    whole = {"state_dict": state, "epoch": 3, "pytorch-lightning_version": "2.6.6", "hyper_parameters": {"lr": 1e-3}}
    torch.save(whole, folder / "net.ckpt")
    return folder / "net.ckpt"


def exported(folder: Path) -> Path:
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.Conv2d(4, 1, 1))
    example = (torch.rand(1, 1, 64, 64),)
    torch.onnx.export(network.eval(), example, folder / "net.onnx", external_data=False, verbose=False)
    return folder / "net.onnx"


def bundle(folder: Path) -> Path:
    return zipped(write_weights(write_bundle(folder / "net")))


def nnunet(folder: Path) -> Path:
    """In larger windows than those of its few pixels, of which the sample would have thousands."""
    model = Path(shutil.copytree(NNUNET / "model", folder / "net"))
    plans = json.loads((model / "plans.json").read_text())
    plans["configurations"]["2d"]["patch_size"] = [128, 128]
    (model / "plans.json").write_text(json.dumps(plans))
    return zipped(model)


def segformer(folder: Path) -> Path:
    import transformers

    size = {"depths": [1] * 4, "hidden_sizes": [8, 16, 24, 32], "decoder_hidden_size": 16}
    config = transformers.SegformerConfig(**size, num_labels=2, id2label={0: "background", 1: "tissue"})
    transformers.SegformerForSemanticSegmentation(config).save_pretrained(folder / "net")
    transformers.SegformerImageProcessor(size={"height": 64, "width": 64}).save_pretrained(folder / "net")
    return zipped(folder / "net")


def volume(folder: Path) -> Path:
    values = np.random.default_rng(0).integers(0, 200, (20, 24, 16), np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.diag([1.5, 1.5, 2.0, 1.0])), folder / "case.nii.gz")
    return folder / "case.nii.gz"


def picture(folder: Path) -> Path:
    return Path(shutil.copy(NNUNET / "images/case_0000.png", folder / "case.png"))


absent = pytest.mark.skipif(find_spec("transformers") is None, reason="the extra transformers is absent")
JOURNEYS = [
    pytest.param(smp_folder, picture, "tissue", id="smp"),
    pytest.param(bare_weights, picture, "tissue", id="pth"),
    pytest.param(exported, picture, "tissue", id="onnx"),
    pytest.param(bundle, volume, "liver, tumour", id="monai"),
    pytest.param(nnunet, picture, "", id="nnunet"),
    pytest.param(segformer, picture, "", id="transformers", marks=absent),
]


@pytest.mark.slow
@pytest.mark.parametrize(("write", "image", "classes"), JOURNEYS)
def test_a_file_becomes_a_result_in_the_page(
    page, address, place, tmp_path, request, wait_until_built, write: Callable[[Path], Path],
    image: Callable[[Path], Path], classes: str,
):  # fmt: skip
    torch.manual_seed(0)
    name = f"own-{request.node.callspec.id}"
    open_models(page, address, wait_until_built)
    add(page, write(tmp_path), name, classes)
    assert (place / name / "added.json").is_file()
    page.get_by_role("button", name="Open in Segment").click()
    expect(page.locator("#ms-checkpoint input")).to_have_value(re.compile(f"^{name} "))
    given = image(tmp_path)
    page.locator("#ms-upload input[type=file]").set_input_files(given)
    expect(page.locator("#ms-preflight")).to_contain_text("case")
    page.get_by_role("button", name="Segment", exact=True).click()
    expect(page.locator("#ms-heading")).to_contain_text("case")
    for one in filter(None, classes.split(", ")):
        expect(page.locator("#ms-measurements")).to_contain_text(one)
    labels = label_map(page, tmp_path)
    assert labels.shape == pixels(given).shape[: labels.ndim]
    assert labels.max() <= len(classes.split(", "))


def add(page, given: Path, name: str, classes: str) -> None:
    """From the file to the saved checkpoint, by what the page offers alone."""
    page.get_by_role("button", name="Add a checkpoint").click()
    page.locator("#mm-files input[type=file]").set_input_files(given)
    expect(page.locator("#mm-recognised")).to_contain_text(given.name)
    expect(page.locator("#mm-add-result")).to_contain_text("Mean confidence")
    for place, words in (("#mm-name", name), ("#mm-classes", classes)):
        if words:
            page.locator(f"{place} input, {place} textarea").first.fill(words)
            page.keyboard.press("Tab")
    for one in filter(None, classes.split(", ")):  # what is tried again, of volumes at a press, bears the new names
        page.get_by_role("button", name="Try it").click()
        expect(page.locator("#mm-add-result")).to_contain_text(one)
    page.locator("#mm-save").click()
    expect(page.locator("#mm-said")).to_contain_text(f"{name} was saved")
    expect(page.locator("#mm-list tr.mm-open")).to_contain_text(name)
    expect(page.locator("#mm-details")).to_contain_text(name)


def pixels(path: Path) -> np.ndarray:
    return np.asarray(nibabel.load(path).dataobj if path.name.endswith(".nii.gz") else Image.open(path))


def label_map(page, folder: Path) -> np.ndarray:
    """The one in the zip of everything."""
    with page.expect_download() as download:
        page.get_by_role("button", name="Everything, zip").or_(page.get_by_role("link", name="Everything, zip")).click()
    with zipfile.ZipFile(io.BytesIO(Path(download.value.path()).read_bytes())) as archive:
        (inside,) = (one for one in archive.namelist() if one.startswith("label_maps/"))
        return pixels(Path(archive.extract(inside, folder / "results")))


@pytest.mark.slow
def test_what_is_opened_in_compare_first_joins_the_default_ones(page, address, wait_until_built):
    open_models(page, address, wait_until_built)
    page.locator("#mm-list").get_by_role("button", name=BESIDE[2]).click()
    expect(page.locator("#mm-details")).to_contain_text(BESIDE[2])
    page.get_by_role("button", name="Open in Compare").click()
    for name in BESIDE:
        expect(page.locator("#cp-checkpoints").get_by_text(re.compile(f"^{name} "))).to_be_visible()


@pytest.fixture
def visitors(chromium):
    """Two strangers with a browser each."""
    contexts = [chromium.new_context(viewport={"width": 1000, "height": 900}) for _ in range(2)]
    for context in contexts:
        context.set_default_timeout(90_000)
    expect.set_options(timeout=90_000)
    yield [context.new_page() for context in contexts]
    for context in contexts:
        context.close()


def answer_of(page, address: str, endpoint: str, checkpoint: str, given: Path) -> dict:
    """What an endpoint says to the browser of a page, past the queue."""
    send, parameters = page.context.request, f"{address}gradio_api/info"
    asked = send.get(parameters).json()["named_endpoints"][f"/{endpoint}"]["parameters"]
    files = {"name": given.name, "mimeType": "image/png", "buffer": given.read_bytes()}
    (path,) = send.post(f"{address}gradio_api/upload", multipart={"files": files}).json()
    values = {one["parameter_name"]: one["parameter_default"] for one in asked}
    values |= {"file": {"path": path, "meta": {"_type": "gradio.FileData"}}}
    values |= {"checkpoint": checkpoint} if "checkpoint" in values else {"checkpoints": [checkpoint, BESIDE[0]]}
    body = {"data": [values[one["parameter_name"]] for one in asked], "session_hash": secrets.token_hex(6)}
    return send.post(f"{address}gradio_api/run/{endpoint}", data=body).json()


@pytest.mark.slow
def test_a_stranger_neither_sees_nor_names_what_another_added(visitors, serve, place, tmp_path, wait_until_built):
    owner, stranger = visitors
    (temporary := tmp_path / "tmp").mkdir()
    with serve("--public", "--checkpoints", str(place), TMPDIR=str(temporary)) as address:
        open_models(owner, address, wait_until_built)
        add(owner, lightning(tmp_path), OWN, "tissue")
        row = owner.locator("#mm-list tr.mm-open")
        expect(row).to_contain_text("this session only")
        owner.get_by_role("button", name="Remove", exact=True).click()
        expect(owner.locator("#mm-question")).to_contain_text(f"Remove {OWN}?")
        assert not (place / OWN).exists()
        assert list(temporary.rglob(f"checkpoints/{OWN}"))

        open_models(stranger, address, wait_until_built)
        assert OWN not in stranger.content()
        given = picture(tmp_path)
        for endpoint in ("segment", "compare"):
            assert OWN in answer_of(stranger, address, endpoint, OWN, given)["error"]
            assert "lung" in str(answer_of(stranger, address, endpoint, BESIDE[1], given)["data"])
        assert list(temporary.rglob(f"checkpoints/{OWN}"))

        owner.context.close()
        for _ in range(100):
            if not list(temporary.rglob(OWN)):
                return
            stranger.wait_for_timeout(300)
        pytest.fail("its folder is still there")
