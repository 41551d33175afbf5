"""Exports of a small network: whole folders that are run like any other, and files that tell nothing of the machine."""

import io
import json

import numpy as np
import pytest
import torch
from PIL import Image

from medseg_demo import exporting
from medseg_demo.__main__ import main
from medseg_demo.errors import InvalidCheckpointError, OptionError, OutputError
from medseg_demo.exporting import FORMATS, export
from medseg_demo.exporting.run import dice
from medseg_demo.models.catalog import list_checkpoints, load_checkpoint
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.models.compute import Compute
from medseg_demo.segmenting.windows import predict
from medseg_demo.settings import Settings

CPU = Compute(torch.device("cpu"), torch.float32)


@pytest.fixture
def exporter(checkpoints):
    return Settings(checkpoints_dir=checkpoints, device="cpu", precision="float32")


@pytest.fixture
def test_set(tmp_path):
    """Nine bright squares in noise: six to train on, three to validate."""
    folder, random = tmp_path / "squares", np.random.default_rng(0)
    rows = ["case_id,split"]
    for kind in ("images", "masks"):
        (folder / kind).mkdir(parents=True)
    for number in range(9):
        image, mask = random.integers(0, 60, (64, 64)).astype(np.uint8), np.zeros((64, 64), np.uint8)
        image[10 : 30 + number, 20:50] = 220
        mask[10 : 30 + number, 20:50] = 1
        for kind, pixels in (("images", image), ("masks", mask)):
            Image.fromarray(pixels).save(folder / kind / f"case_{number}.png")
        rows.append(f"case_{number},{'train' if number < 6 else 'val'}")
    (folder / "cases.csv").write_text("\n".join(rows) + "\n")
    (folder / "dataset.json").write_text('{"labels": {"background": 0, "bright": 1}}')
    return folder


def test_openvino_is_a_checkpoint_folder_like_any_other(exporter, checkpoints, test_set):
    export("small", "openvino", checkpoints / "sibling", test_set=test_set, settings=exporter)
    assert sorted(path.name for path in (checkpoints / "sibling").iterdir()) == [
        "README.md",
        "medseg.json",
        "openvino.bin",
        "openvino.xml",
    ]
    original, sibling = (load_checkpoint(name, checkpoints) for name in ("small", "sibling"))
    tensor = torch.rand(2, 1, 64, 64)
    torch.testing.assert_close(predict(sibling, tensor, CPU), predict(original, tensor, CPU), rtol=0, atol=1e-2)
    card = sibling.card
    assert (card.exported.original, card.exported.digest) == ("small", original.digest)
    assert card.exported.parameters == original.parameters
    assert card.exported.images_per_second > 0
    assert card.scores["val"]["n"] == card.scores["val, original"]["n"] == 3
    assert card.scores["val, beside the original's label maps"]["dice_worst"] > 0.98
    assert (card.task, card.class_names, card.threshold) == (original.card.task, ("bright",), 0.5)
    text = (checkpoints / "sibling" / "README.md").read_text()
    assert f"{card.scores['val']['dice_mean']:.4f}" in text
    assert "`small` (Unet · tu-test_resnet)" in text
    assert {entry.name for entry in list_checkpoints(checkpoints) if not entry.problem} >= {"sibling", "small"}


@pytest.mark.slow
@pytest.mark.parametrize("given", ["test set", "images"])
def test_int8_is_calibrated_and_close(exporter, checkpoints, test_set, given):
    pytest.importorskip("nncf", reason="nncf is not installed: pip install -r requirements-export.txt")
    source = (
        {"test_set": test_set} if given == "test set" else {"images": sorted((test_set / "images").glob("*_[0-4].png"))}
    )
    export("small", "openvino-int8", checkpoints / "small-int8", settings=exporter, **source)
    sibling = load_checkpoint("small-int8", checkpoints)
    assert b"FakeQuantize" in (checkpoints / "small-int8" / "openvino.xml").read_bytes()
    assert sibling.card.exported.calibration.startswith("4 windows of")
    assert bool(sibling.card.scores) == (given == "test set")
    result = predict(sibling, torch.rand(2, 1, 64, 64), CPU)
    assert result.shape == (2, 1, 64, 64)


def test_onnx_computes_the_same_in_batches_of_any_size(exporter, checkpoints, tmp_path):
    pytest.importorskip("onnxscript", reason="onnxscript is not installed: pip install -r requirements-export.txt")
    from medseg_demo.models.conversion import import_openvino

    export("small", "onnx", tmp_path / "network.onnx", settings=exporter)
    export("small", "onnx", tmp_path / "folder", settings=exporter)
    content = (tmp_path / "network.onnx").read_bytes()
    assert (tmp_path / "folder" / "model.onnx").read_bytes() == content
    assert json.loads((tmp_path / "folder" / "medseg.json").read_text())["exported"]["format"] == "onnx"
    openvino = import_openvino()
    compiled = openvino.Core().compile_model(
        openvino.Core().read_model(io.BytesIO(content)), "CPU", {"INFERENCE_PRECISION_HINT": "f32"}
    )
    network = load_folder(checkpoints / "small").module
    for size in (1, 3):
        images = torch.rand(size, 1, 64, 64)
        with torch.inference_mode():
            torch.testing.assert_close(
                torch.from_numpy(compiled(images.numpy())[0]), network(images), rtol=1e-3, atol=1e-3
            )
    for trace in (b"stack_trace", b"site-packages", b".py", b"forward"):
        assert trace not in content


def test_files_of_openvino_tell_nothing_of_the_machine(exporter, tmp_path):
    export("small", "openvino", tmp_path / "sibling", settings=exporter)
    for path in (tmp_path / "sibling").iterdir():
        assert str(tmp_path).encode() not in path.read_bytes()
        assert b"site-packages" not in path.read_bytes()


def test_what_cannot_be_exported_leaves_nothing(exporter, tmp_path, monkeypatch):
    def fail(*rest):
        raise InvalidCheckpointError("no")

    monkeypatch.setattr("medseg_demo.exporting.run._measured", fail)
    with pytest.raises(InvalidCheckpointError):
        export("small", "openvino", tmp_path / "sibling", settings=exporter)
    assert not [path for path in tmp_path.iterdir() if path.name != "checkpoints"]


def test_options_that_do_not_go_together(exporter, tmp_path, monkeypatch):
    (tmp_path / "there").mkdir()
    for file_format, output, message in (
        ("tflite", "new", "Choose one of: onnx"),
        ("openvino", "there", "is there already"),
        ("openvino-int8", "new", "--test-set"),
    ):
        with pytest.raises(OptionError, match=message):
            export("small", file_format, tmp_path / output, settings=exporter)
    with pytest.raises(OutputError, match="folder"):
        export("small", "openvino", tmp_path / "none" / "new", settings=exporter)
    monkeypatch.setattr(exporting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"nncf.*requirements-export\.txt"):
        export("small", "openvino-int8", tmp_path / "new", images=[tmp_path], settings=exporter)


def test_an_export_is_not_exported_again(exporter, checkpoints, tmp_path):
    export("small", "openvino", checkpoints / "sibling", settings=exporter)
    with pytest.raises(InvalidCheckpointError, match="exported from"):
        export("sibling", "openvino", tmp_path / "again", settings=exporter)


def test_command_line(exporter, checkpoints, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")
    assert main(["export", "small", "--format", "openvino", "--output", str(tmp_path / "sibling")]) == 0
    assert load_folder(tmp_path / "sibling").card.exported.format == "openvino"
    assert main(["export", "none", "--format", "openvino", "--output", str(tmp_path / "other")]) == 2
    assert "none" in capsys.readouterr().err
    assert set(FORMATS) == {"onnx", "openvino", "openvino-int8", "page"}


def test_dice_of_label_maps():
    first, second = np.array([1, 1, 2, 0]), np.array([1, 0, 2, 2])
    assert dice(first, second, 2) == pytest.approx((2 / 3 + 2 / 3) / 2)
    assert dice(first, first, 3) == 1
    assert dice(np.zeros(3), np.zeros(3), 1) == 1
