import io
import json
import os
import subprocess
import sys
import zipfile

import nibabel
import numpy as np
import pydicom
import pytest
import torch
from dicom_series import SeriesWriter, blob
from PIL import Image

from medseg_demo.__main__ import main
from medseg_demo.segmenting import many, pipeline
from medseg_demo.writing import label_map

pytestmark = pytest.mark.usefixtures("own_checkpoints")


def test_a_folder_becomes_label_maps_and_measurements(images, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "measurements.json"]
    with Image.open(out / "a.png") as labels:
        assert labels.size == (90, 70)
    assert [image["name"] for image in json.loads((out / "measurements.json").read_text())["images"]] == ["a", "b"]
    assert capsys.readouterr().out.splitlines()[0].startswith("a: bright ")


def test_heat_maps_lie_in_a_folder_of_their_own(images, tmp_path):
    out, arguments = tmp_path / "out", ["segment", str(images), "--checkpoint", "small"]
    assert main([*arguments, "--output", str(out), "--explain", "flips"]) == 0
    assert sorted(path.name for path in (out / "heat_maps").iterdir()) == ["a.png", "b.png"]
    with Image.open(out / "heat_maps" / "a.png") as heat:
        assert heat.size == (90, 70)
    (first, _) = json.loads((out / "measurements.json").read_text())["images"]
    assert first["heat_map"]["explain"] == "flips"
    assert main([*arguments, "--output", str(tmp_path / "o"), "--explain", "cam"]) == 2


def test_a_zip_is_read_like_a_folder(images, tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for path in images.iterdir():
            archive.write(path, f"deep/{path.name}")
    assert main(["segment", str(tmp_path / "all.zip"), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 0
    assert (tmp_path / "o" / "b.png").exists()


@pytest.fixture
def study(tmp_path):
    """A folder with two series."""
    for name, slices in (("before", 3), ("after", 4)):
        SeriesWriter(tmp_path / "study" / name).volume(blob(slices, 40, 50))
    return tmp_path / "study"


def test_a_folder_with_two_series_gives_two_label_maps(study, tmp_path):
    out = tmp_path / "out"
    assert main(["segment", str(study), "--checkpoint", "small", "--output", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["after.nii.gz", "before.nii.gz", "measurements.json"]
    assert nibabel.load(out / "after.nii.gz").shape == (50, 40, 4)


def test_a_zip_of_a_series_as_dicom_seg(study, tmp_path, capsys):
    with zipfile.ZipFile(tmp_path / "case 1.zip", "w") as archive:
        for path in (study / "after").iterdir():
            archive.write(path, path.name)
    arguments = ["--checkpoint", "small", "--output", str(tmp_path / "o"), "--format", "dicom-seg"]
    assert main(["segment", str(tmp_path / "case 1.zip"), *arguments]) == 0
    assert pydicom.dcmread(tmp_path / "o" / "case 1.dcm").Modality == "SEG"
    assert "identifiers" in capsys.readouterr().err


def test_a_damaged_series_is_named_and_the_other_is_done(study, tmp_path, capsys):
    path = next((study / "after").iterdir())
    path.write_bytes(path.read_bytes()[:-500])
    assert main(["segment", str(study), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 1
    assert f"error: after: {path.name}" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "o").glob("*.nii.gz")] == ["before.nii.gz"]


def test_one_volume_of_four_dimensions(tmp_path, capsys):
    values = np.random.default_rng(0).integers(0, 99, (50, 40, 3, 2), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "time.nii.gz")
    arguments = ["segment", str(tmp_path / "time.nii.gz"), "--checkpoint", "small", "--output", str(tmp_path / "o")]
    assert main(arguments) == 1
    assert "--volume" in capsys.readouterr().err
    assert main([*arguments, "--volume", "2", "--format", "nrrd"]) == 0
    assert (tmp_path / "o" / "time.nrrd").is_file()


def test_json_is_printed_alone(images, tmp_path, capsys):
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert {c["class_name"] for image in printed["images"] for c in image["classes"]} == {"bright"}


def test_a_damaged_file_is_named_and_the_rest_is_done(images, tmp_path, capsys):
    (images / "b.png").write_bytes((images / "b.png").read_bytes()[:100])
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 1
    assert "b.png" in capsys.readouterr().err
    assert [path.name for path in (tmp_path / "o").glob("*.png")] == ["a.png"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--checkpoint", "smal"], "other, small"),
        (["--checkpoint", "./nope"], "other, small"),
        (["--checkpoint", "../nope"], "other, small"),
        (["--checkpoint", "checkpoints/nope"], "other, small"),
        (["--checkpoint", "small", "--threshold", "2"], "threshold"),
        (["--checkpoint", "small", "--smallest-component", "-4"], "smallest component"),
    ],
)
def test_unusable_arguments_are_exit_code_two(images, tmp_path, capsys, arguments, message):
    assert main(["segment", str(images), *arguments, "--output", str(tmp_path / "o")]) == 2
    assert message in capsys.readouterr().err


def test_the_checkpoint_is_checked_before_any_file(tmp_path, capsys):
    assert main(["segment", str(tmp_path / "none"), "--checkpoint", "none", "--output", str(tmp_path / "o")]) == 2
    assert "Checkpoint 'none'" in capsys.readouterr().err


def named_in(folder):
    return [image["name"] for image in json.loads((folder / "measurements.json").read_text())["images"]]


def test_any_exception_while_one_result_is_written_is_one_line(images, tmp_path, monkeypatch, capsys):
    failures, right = [ValueError("of the patient")], label_map._write_png

    def fail_once(labels, path, colours):
        path.write_bytes(b"half")
        if failures:
            raise failures.pop()
        right(labels, path, colours)

    monkeypatch.setattr(label_map, "_write_png", fail_once)
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("error: a.png cannot be written (ValueError). ")
    assert "patient" not in told
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["b.png", "measurements.json"]
    assert named_in(tmp_path / "o") == ["b"]


def test_any_exception_while_one_file_is_segmented_is_one_line(images, tmp_path, monkeypatch, capsys):
    right = pipeline.to_tensor

    def fail(image, *others, **options):
        if image.name == "a":
            raise IndexError("of the patient")
        return right(image, *others, **options)

    monkeypatch.setattr(pipeline, "to_tensor", fail)
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 1
    (told,) = capsys.readouterr().err.splitlines()
    assert told.startswith("error: a.png: ")
    assert "IndexError" in told
    assert "patient" not in told
    assert named_in(tmp_path / "o") == ["b"]


def test_what_is_finished_is_told_when_it_is_interrupted(images, tmp_path, monkeypatch, capsys):
    def interrupted(items, *others, **options):
        yield next(right(items, *others, **options))
        raise KeyboardInterrupt

    right = many.segment_files
    monkeypatch.setattr(many, "segment_files", interrupted)
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 1
    assert capsys.readouterr().err == "Stopped. Finished files are kept.\n"
    assert named_in(tmp_path / "o") == ["a"]
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.png", "measurements.json"]


def test_nobody_reads_what_is_printed(images, tmp_path):
    """As ``| head -0`` does: no traceback."""
    command = [sys.executable, "-m", "medseg_demo", "segment", images, "--checkpoint", "small", "--output"]
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run([*command, tmp_path / "o"], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (1, b"")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_json_in_any_encoding(images, tmp_path, monkeypatch, encoding):
    path, printed = (images / "a.png").rename(images / "é漢.png"), io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(printed, encoding=encoding))
    assert main(["segment", str(path), "--json", "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 0
    sys.stdout.flush()
    assert json.loads(printed.getvalue().decode(encoding))["images"][0]["name"] == "é漢"


def test_channels_of_one_case_go_to_the_network_together(tmp_path, capsys):
    folder = tmp_path / "case"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for channel in range(2):
        values = noise.integers(0, 99, (50, 40, 3), dtype=np.int16)
        nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), folder / f"brain_000{channel}.nii.gz")
    arguments = ["segment", str(folder), "--checkpoint", "small", "--channels", "--output", str(tmp_path / "o")]
    assert main(arguments) == 1  # the checkpoint takes one channel
    (told,) = capsys.readouterr().err.splitlines()
    assert "'brain' has 2 channels" in told


def test_a_volume_and_all_of_them_exclude_each_other(images, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(
            ["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path), "--channels", "--volume", "1"]
        )
    assert ended.value.code == 2


def test_a_header_and_its_data_are_read_together(tmp_path):
    values = np.random.default_rng(0).integers(0, 99, (3, 50, 40), dtype=np.uint8)
    (tmp_path / "v.raw").write_bytes(values.tobytes())
    (tmp_path / "v.mhd").write_text(
        "ObjectType = Image\nNDims = 3\nDimSize = 40 50 3\nElementType = MET_UCHAR\nElementDataFile = v.raw\n"
    )
    given = [str(tmp_path / "v.mhd"), str(tmp_path / "v.raw")]
    assert main(["segment", *given, "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 0
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["measurements.json", "v.nii.gz"]


def test_a_folder_without_images_is_refused(tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main(["segment", str(tmp_path / "empty"), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 2
    assert "empty" in capsys.readouterr().err


def test_a_bad_folder_or_zip_is_named_and_the_rest_is_done(images, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    (tmp_path / "bad.zip").write_bytes(b"PK\x03\x04 no zip")
    inputs = [str(tmp_path / "empty"), str(images / "a.png"), str(tmp_path / "bad.zip"), str(images / "b.png")]
    assert main(["segment", *inputs, "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 1
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("error: empty: it holds no image")
    assert second.startswith("error: bad.zip: the zip cannot be unpacked")
    assert sorted(path.name for path in (tmp_path / "o").iterdir()) == ["a.png", "b.png", "measurements.json"]


def test_an_output_that_is_a_file_is_refused(images, tmp_path, capsys):
    (tmp_path / "o").write_text("")
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 2
    assert "--output o" in capsys.readouterr().err


def test_checkpoints_are_listed_with_their_problems(checkpoints, capsys):
    (checkpoints / "broken").mkdir()
    assert main(["checkpoints"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("broken: unusable: ")
    assert lines[2] == "small: bright things [Unet · tu-test_resnet]"
    assert main(["checkpoints", "--json"]) == 0
    assert [record["usable"] for record in json.loads(capsys.readouterr().out)] == [False, True, True]


def test_a_checkpoint_that_is_only_checked_when_loaded_says_so(checkpoints, small_network, capsys):
    (checkpoints / "small" / "model.safetensors").unlink()
    torch.save(small_network.state_dict(), checkpoints / "small" / "model.pth")
    assert main(["checkpoints"]) == 0
    line = "small: bright things [Unet · tu-test_resnet] (model.pth is checked only when it is loaded.)"
    assert capsys.readouterr().out.splitlines()[1] == line


def test_an_empty_checkpoints_folder_says_what_to_do(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(tmp_path / "none"))
    assert main(["checkpoints"]) == 0
    assert "MEDSEG_CHECKPOINTS_DIR" in capsys.readouterr().out


def test_the_module_runs_as_a_program_and_help_needs_no_torch():
    code = (
        "import sys; from medseg_demo.__main__ import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: print('torch' in sys.modules)"
    )
    printed = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert printed.endswith("False\n")
    wrong = subprocess.run([sys.executable, "-m", "medseg_demo", "nonsense"], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "Traceback" not in wrong.stderr


def test_a_crop_box_is_segmented_alone(images, tmp_path, capsys):
    out = tmp_path / "out"
    asked = ["segment", str(images), "--checkpoint", "small", "--output", str(out), "--crop"]
    Image.fromarray(np.random.default_rng(1).integers(0, 256, (30, 90), dtype=np.uint8)).save(images / "low.png")
    assert main([*asked, "0,0,10,1,40,60"]) == 1
    assert "'low': the crop box ends at y = 40, and the image has 30 along y" in capsys.readouterr().err
    with Image.open(out / "a.png") as labels:
        inside = np.asarray(labels)[:40, 10:60].sum()
        assert 0 < inside == np.asarray(labels).sum()
    assert main([*asked, "0,0,10"]) == 2
    assert "has 3 numbers" in capsys.readouterr().err
