"""The running app through ``gradio_client``: the web API, and what it answers to bad input."""

import gzip
import json
import os
import pickle
import shlex
import shutil
import signal
import socket
import struct
import zipfile
import zlib
from pathlib import Path

import httpx
import nibabel
import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
import torch
from dicom_series import SeriesWriter, affine_of, blob
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

import app
from evaluation.__main__ import main as evaluation_command
from evaluation.ui.compare.code import to_code
from evaluation.ui.compare.state import Request
from medseg_demo.__main__ import main as segment_command
from medseg_demo.models.architectures import build_network
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import save_checkpoint
from medseg_demo.samples import sample_path
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.settings import ROOT, Settings
from medseg_demo.ui.code import Source, segment_code

CHECKPOINT = "lungs-unet-lite0"
SOLID = "solid"  # a 3-D network


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    """The app with the bundled lungs checkpoint, a small 3-D network, and three checkpoints that cannot be used."""
    folder = tmp_path_factory.mktemp("checkpoints")
    shutil.copytree(ROOT / "checkpoints" / CHECKPOINT, folder / CHECKPOINT)
    shutil.copytree(ROOT / "checkpoints" / CHECKPOINT, folder / "misfit")
    config = folder / "misfit" / "config.json"
    config.write_text(config.read_text().replace("tu-tf_efficientnet_lite0", "tu-test_resnet"))
    shutil.copytree(ROOT / "checkpoints" / CHECKPOINT, folder / "pickled")
    (folder / "pickled" / "model.safetensors").unlink()
    (folder / "pickled" / "model.pth").write_bytes(pickle.dumps(Payload()))
    (folder / "empty").mkdir()
    save_solid(folder / SOLID)
    before = os.environ.get("GRADIO_TEMP_DIR")
    os.environ["GRADIO_TEMP_DIR"] = str(tmp_path_factory.mktemp("uploads"))
    settings = Settings(checkpoints_dir=folder, device="cpu")
    page = app.build_app(settings)
    options = app.launch_options(settings)
    _, url, _ = page.launch(server_name="127.0.0.1", server_port=free_port(), prevent_thread_lock=True, **options)
    yield url
    page.close()
    os.environ.pop("GRADIO_TEMP_DIR") if before is None else os.environ.update(GRADIO_TEMP_DIR=before)


def save_solid(folder: Path) -> None:
    torch.manual_seed(0)
    network = build_network("MonaiUNet", {"channels": (4, 8), "strides": (2,), "in_channels": 1, "classes": 3})
    card = ModelCard(
        task="things", class_names=("one", "other"), in_channels=1, input_size=(8, 16, 16), inference="tile"
    )
    save_checkpoint(folder, network.eval(), card)


class Payload:
    """A pickle that would leave a trace if it were executed."""

    def __reduce__(self):
        return (exec, ("import os; os.environ['MEDSEG_PICKLE_RAN'] = 'yes'",))


@pytest.fixture(scope="module")
def client(url, tmp_path_factory) -> Client:
    return Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


@pytest.fixture(scope="module")
def chest(tmp_path_factory) -> Path:
    """A small picture, so that the calls that are only about something else are quick."""
    path = tmp_path_factory.mktemp("images") / "small.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (96, 128), np.uint8)).save(path)
    return path


def test_the_chest_radiograph_comes_back_in_its_own_size(client):
    file, measured = client.predict(handle_file(sample_path("chest-xray")), CHECKPOINT, api_name="/segment")
    label_map = Image.open(file)
    assert label_map.size == (1841, 1955)
    assert set(np.unique(label_map)) == {0, 1}
    assert Path(file).name == "RG1_UNCR.png"
    lung = measured["classes"][0]
    assert lung["pixels"] == np.count_nonzero(label_map)
    assert 0.25 < lung["share"] < 0.55  # both lungs of an adult's chest from the front, heart included
    assert (measured["shape"], measured["spacing_mm"], measured["threshold"]) == ([1955, 1841], None, 0.5)


def test_arguments_have_names_and_the_threshold_counts(client, chest):
    low, high = (
        client.predict(file=handle_file(chest), checkpoint=CHECKPOINT, threshold=threshold, api_name="/segment")[1]
        for threshold in (0.001, 0.999)
    )
    assert (low["threshold"], high["threshold"]) == (0.001, 0.999)
    assert low["classes"][0]["pixels"] > high["classes"][0]["pixels"]


def test_a_volume_comes_back_as_nifti_with_its_geometry(client, tmp_path):
    rng = np.random.default_rng(0)
    volume = sitk.GetImageFromArray(rng.integers(-1000, 1000, (3, 40, 50)).astype(np.int16))
    volume.SetSpacing((0.5, 0.6, 2.0))
    sitk.WriteImage(volume, tmp_path / "scan.nii.gz")
    file, measured = client.predict(handle_file(tmp_path / "scan.nii.gz"), CHECKPOINT, api_name="/segment")
    label_map = sitk.ReadImage(file)
    assert Path(file).name == "scan.nii.gz"
    assert label_map.GetSize() == (50, 40, 3)
    assert label_map.GetSpacing() == pytest.approx((0.5, 0.6, 2.0))
    assert measured["shape"] == [3, 40, 50]


@pytest.fixture
def series_zip(tmp_path):
    """Writes a zip of so many DICOM series of (8, 20, 24) voxels."""

    def write(count: int) -> Path:
        writer = SeriesWriter(tmp_path / "study")
        for _ in range(count):
            writer.volume(blob(8, 20, 24))
        with zipfile.ZipFile(tmp_path / "study.zip", "w") as archive:
            for path in writer.folder.iterdir():
                archive.write(path, path.name)
        return tmp_path / "study.zip"

    return write


def test_a_zipped_series_through_a_3d_checkpoint_keeps_its_place_in_the_patient(client, series_zip):
    file, measured = client.predict(handle_file(series_zip(1)), SOLID, api_name="/segment")
    label_map = nibabel.load(file)
    assert Path(file).name == "study.nii.gz"
    assert label_map.shape == (24, 20, 8)
    assert label_map.affine == pytest.approx(np.diag([-1, -1, 1, 1]) @ affine_of(), abs=1e-4)  # LPS to RAS
    counts = np.bincount(np.asarray(label_map.dataobj).ravel(), minlength=3)
    assert [one["pixels"] for one in measured["classes"]] == counts[1:].tolist()
    voxel_ml = 0.5 * 0.75 * 3 / 1000
    assert [one["volume_ml"] for one in measured["classes"]] == pytest.approx(counts[1:] * voxel_ml)
    assert measured["shape"] == [8, 20, 24]


def test_of_several_series_one_must_be_sent(client, series_zip):
    with pytest.raises(AppError, match=r"study\.zip.* 2 ") as refusal:
        client.predict(handle_file(series_zip(2)), SOLID, api_name="/segment")
    assert "secret" not in str(refusal.value).lower()


def test_a_picture_for_a_3d_checkpoint_is_refused_with_the_way_out(client, chest):
    with pytest.raises(AppError, match=r"3-D network.*Choose a 2-D checkpoint"):
        client.predict(handle_file(chest), SOLID, api_name="/segment")


def test_checkpoints_are_listed_with_the_reason_of_the_unusable(client):
    records = {record["name"]: record for record in client.predict(api_name="/checkpoints")}
    assert list(records) == ["empty", CHECKPOINT, "misfit", "pickled", SOLID]
    assert records[CHECKPOINT]["usable"]
    assert records[CHECKPOINT]["card"]["in_channels"] == 1
    assert "no config.json" in records["empty"]["problem"]


ENDPOINTS = ["/checkpoints", "/compare", "/evaluate", "/explain", "/follow", "/segment"]


def test_only_the_web_api_is_visible(url, client):
    visible = client.view_api(return_format="dict", print_info=False)
    assert sorted(visible["named_endpoints"]) == ENDPOINTS
    assert visible["unnamed_endpoints"] == {}
    parameters = visible["named_endpoints"]["/segment"]["parameters"]
    assert [(one["parameter_name"], one["parameter_has_default"]) for one in parameters] == [
        ("file", False),
        ("checkpoint", False),
        *((name, True) for name in ("threshold", "flips", "denoise", "smallest_component", "fill_holes", "volume")),
        ("channels", True),
        ("crop", True),
        ("deidentify", True),
        ("channel_order", True),
    ]
    everything = httpx.get(f"{url}gradio_api/info?all_endpoints=true").json()
    assert sorted(everything["named_endpoints"]) == ENDPOINTS


@pytest.mark.parametrize("path", ["monitoring", "gradio_api/runs"])
def test_nothing_is_recorded(url, path):
    answer = httpx.get(url + path)
    assert answer.status_code in (403, 404) or "disabled" in answer.text.lower()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def claiming_png(side: int) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + png_chunk(b"IDAT", zlib.compress(b"\0" * 99)) + png_chunk(b"IEND", b"")


def saved(array: np.ndarray, path: Path, **options: bool) -> bytes:
    np.save(path, array, **options)
    return path.read_bytes()


@pytest.fixture(scope="module")
def bad_files(tmp_path_factory, chest) -> dict[str, Path]:
    """One file of each kind that the app must refuse with a reason."""
    folder = tmp_path_factory.mktemp("bad")
    scratch = folder / "scratch.npy"
    sitk.WriteImage(sitk.GetImageFromArray(np.arange(24000, dtype=np.int16).reshape(20, 30, 40)), folder / "v.nii")
    nifti, dicom = (folder / "v.nii").read_bytes(), sample_path("chest-xray").read_bytes()
    with zipfile.ZipFile(folder / "bomb", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("zeros.png", bytes(200 * 2**20))
    contents = {
        "empty.png": b"",
        "truncated.png": chest.read_bytes()[:2000],
        "truncated.dcm": dicom[: len(dicom) // 2],
        "truncated.nii": nifti[: len(nifti) // 2],
        "truncated.nii.gz": gzip.compress(nifti)[:500],
        "text.png": b"this is a note\n",
        "claims.png": claiming_png(60_000),
        "bomb.zip": (folder / "bomb").read_bytes(),
        "pickled.npy": saved(np.array([{"a": 1}], object), scratch, allow_pickle=True),
        "nan.npy": saved(np.array([[0.0, np.nan], [1.0, 2.0]]), scratch),
        "infinite.npy": saved(np.array([[0.0, np.inf], [1.0, 2.0]]), scratch),
        "flat.npy": saved(np.full((30, 30), 7, np.uint8), scratch),
        "two.npy": saved(np.arange(30 * 30 * 2, dtype=np.uint16).reshape(30, 30, 2), scratch),
        "seven.npy": saved(np.arange(30 * 30 * 7, dtype=np.uint16).reshape(30, 30, 7), scratch),
    }
    files = {name: folder / "files" / name for name in contents}
    (folder / "files").mkdir()
    for name, path in files.items():
        path.write_bytes(contents[name])
    return files


BAD_NAMES = (
    *("empty.png", "truncated.png", "truncated.dcm", "truncated.nii", "truncated.nii.gz", "text.png", "claims.png"),
    *("bomb.zip", "pickled.npy", "nan.npy", "infinite.npy", "flat.npy", "two.npy", "seven.npy"),
)


@pytest.mark.parametrize("name", BAD_NAMES)
def test_a_bad_file_is_refused_with_the_reason(client, bad_files, name):
    with pytest.raises(AppError) as refusal:
        client.predict(handle_file(bad_files[name]), CHECKPOINT, api_name="/segment")
    assert str(refusal.value).startswith(name)
    assert "reference" not in str(refusal.value)  # that is the answer to what was not foreseen


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", f"No checkpoint was chosen. Choose one of: {CHECKPOINT}"),
        ("nothing", f"'nothing' does not exist. Choose one of: {CHECKPOINT}"),
        ("../checkpoints/" + CHECKPOINT, "does not exist"),
        ("owner/repository", "does not exist"),
        ("misfit", "the weights do not fit"),
        ("pickled", "never executed"),
        ("empty", "no config.json"),
    ],
)
def test_a_bad_checkpoint_is_refused_with_the_reason(client, chest, name, reason):
    with pytest.raises(AppError, match=r".") as refusal:
        client.predict(handle_file(chest), name, api_name="/segment")
    assert reason in str(refusal.value)
    assert "MEDSEG_PICKLE_RAN" not in os.environ


@pytest.mark.parametrize("threshold", [0, 1, -3, "high"])
def test_a_bad_threshold_is_refused_with_the_reason(client, chest, threshold):
    with pytest.raises(AppError, match=r"The threshold is .* between 0 and 1"):
        client.predict(handle_file(chest), CHECKPOINT, threshold, api_name="/segment")


@pytest.mark.parametrize("answer", [{"flips": "no"}, {"fill_holes": 5}])
def test_what_is_neither_yes_nor_no_is_refused(client, chest, answer):
    with pytest.raises(AppError, match="Give true or false"):
        client.predict(handle_file(chest), CHECKPOINT, **answer, api_name="/segment")


@pytest.mark.parametrize("count", [0, 2])
def test_exactly_one_file_is_taken(client, chest, count):
    files = None if count == 0 else [handle_file(chest)] * count
    with pytest.raises(AppError):
        client.predict(files, CHECKPOINT, api_name="/segment")


def test_after_all_that_it_still_serves(client, chest, bad_files):
    with pytest.raises(AppError):
        client.predict(handle_file(bad_files["text.png"]), CHECKPOINT, api_name="/segment")
    assert client.predict(handle_file(chest), CHECKPOINT, api_name="/segment")[1]["name"] == "small"


def test_arguments_become_settings(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    options = app._parser().parse_args(["--checkpoints", str(tmp_path), "--port", "1234"])
    assert (options.host, options.port) == ("127.0.0.1", 1234)
    settings = app._settings(options)
    assert (settings.checkpoints_dir, settings.device) == (tmp_path, "cpu")
    assert settings.results_dir == Settings().results_dir


def test_on_a_space_it_listens_to_all(monkeypatch):
    monkeypatch.setenv("SPACE_ID", "owner/space")
    assert app._parser().parse_args([]).host == "0.0.0.0"


def test_an_unusable_setting_is_exit_2_without_a_traceback(monkeypatch, capsys):
    monkeypatch.setenv("MEDSEG_BATCH_SIZE", "many")
    assert app.main([]) == 2
    assert capsys.readouterr().err.startswith("error: MEDSEG_BATCH_SIZE")


def test_a_page_that_cannot_be_reached_is_exit_2_with_a_sentence(monkeypatch, capsys):
    def refuse(page, **options):
        raise ValueError("When localhost is not accessible, a shareable link must be created.")

    monkeypatch.setattr("gradio.Blocks.launch", refuse)
    monkeypatch.setenv("GRADIO_TEMP_DIR", "")  # main changes it
    handler = signal.getsignal(signal.SIGTERM)
    try:
        assert app.main(["--host", "localhost", "--port", "7891"]) == 2
    finally:
        signal.signal(signal.SIGTERM, handler)
    assert "cannot be reached under localhost:7891" in capsys.readouterr().err


def run_program(code: str, folder: Path, monkeypatch) -> dict[str, object]:
    """The names that a copied program leaves behind, run beside its files."""
    monkeypatch.chdir(folder)
    names: dict[str, object] = {}
    exec(compile(code, "copied", "exec"), names)
    return names


def test_copied_code_of_a_segmentation_gives_the_same_as_its_command_line(url, chest, tmp_path, monkeypatch):
    options = SegmentOptions(0.3, True, "median", smallest_component=5, fill_holes=True, crop=(0, 5, 6, 1, 50, 60))
    code = segment_code(Source(chest.name), CHECKPOINT, options, url)
    shutil.copy(chest, tmp_path)
    names = run_program(code.python, tmp_path, monkeypatch)
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    assert segment_command(shlex.split(code.command)[3:]) == 0
    ours, theirs = (np.asarray(Image.open(path)) for path in (tmp_path / "results" / "small.png", names["label_map"]))
    assert np.array_equal(ours, theirs)
    sent = names["measurements"]
    assert (sent["threshold"], sent["flips"], sent["denoise"], sent["fill_holes"]) == (0.3, True, "median", True)
    assert sent["crop"] == [0, 5, 6, 1, 50, 60]


def test_copied_code_of_a_comparison_gives_the_same_as_its_command_line(url, chest, tmp_path, monkeypatch):
    shutil.copy(chest, tmp_path)
    Image.fromarray(np.eye(96, 128, dtype=np.uint8)).save(tmp_path / "reference.png")
    request = Request((CHECKPOINT,), ("elsewhere/reference.png",))
    code = to_code([Source(chest.name)], request, url)
    names = run_program(code.python, tmp_path, monkeypatch)
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    assert evaluation_command(shlex.split(code.command)[3:]) == 0
    written = json.loads((tmp_path / "results" / "small_comparison.json").read_text())
    assert names["comparison"]["pairs"] == written["pairs"]
    assert "small_reference.png" in zipfile.ZipFile(names["archive"]).namelist()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"smallest_component": "many"}, "Give a whole number of pixels"),
        ({"denoise": "magic"}, "Choose one of: none"),
        ({"volume": 7}, "small"),
    ],
)
def test_odd_options_are_explained(client, chest, options, words):
    with pytest.raises(AppError, match=words):
        client.predict(file=handle_file(chest), checkpoint=CHECKPOINT, api_name="/segment", **options)
