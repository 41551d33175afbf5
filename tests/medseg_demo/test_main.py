import io
import json
import os
import shutil
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
from medseg_demo.reading import find_studies, read_image
from medseg_demo.segmenting import many, pipeline
from medseg_demo.writing import label_map


@pytest.fixture(autouse=True)
def _environment(monkeypatch, checkpoints):
    monkeypatch.setenv("MEDSEG_CHECKPOINTS_DIR", str(checkpoints))
    monkeypatch.setenv("MEDSEG_DEVICE", "cpu")


@pytest.fixture
def images(tmp_path):
    folder = tmp_path / "images"
    folder.mkdir()
    noise = np.random.default_rng(0)
    for name in ("a", "b"):
        Image.fromarray(noise.integers(0, 256, (70, 90), dtype=np.uint8)).save(folder / f"{name}.png")
    return folder


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


def written_to(folder):
    return sorted(path.name for path in folder.iterdir())


def named_in(folder):
    return [image["name"] for image in json.loads((folder / "measurements.json").read_bytes().decode())["images"]]


def test_inputs_of_one_stem_get_their_folders(images, tmp_path):
    (tmp_path / "more").mkdir()
    shutil.copy(images / "a.png", tmp_path / "more")
    out = tmp_path / "o"
    assert main(["segment", str(images), str(tmp_path / "more"), "--checkpoint", "small", "--output", str(out)]) == 0
    assert written_to(out) == ["b.png", "images_a.png", "measurements.json", "more_a.png"]
    assert named_in(out) == ["images_a", "b", "more_a"]


def test_a_pacs_export_of_equal_names(tmp_path):
    export = tmp_path / "export" / "PA000001"
    for number in (1, 2):
        SeriesWriter(export / f"SE00000{number}").volume(blob(1, 40, 50))
        only = next((export / f"SE00000{number}").iterdir())
        only.rename(only.with_name("IM000001"))
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        for path in (path for path in export.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(tmp_path))
    for given, out in ((export, tmp_path / "o1"), (tmp_path / "export.zip", tmp_path / "o2")):
        assert main(["segment", str(given), "--checkpoint", "small", "--output", str(out)]) == 0
        stems = [name.split(".")[0] for name in written_to(out)]
        assert stems == ["SE000001_IM000001", "SE000002_IM000001", "measurements"]


def test_series_of_equal_names_get_their_folders(tmp_path):
    export = tmp_path / "export"
    for patient in ("P1", "P2"):
        SeriesWriter(export / patient / "head").volume(blob(3, 40, 50))
    shutil.make_archive(str(tmp_path / "all"), "zip", export)
    given = ([export], [export / "P1" / "head", export / "P2" / "head"], [tmp_path / "all.zip"])
    for number, paths in enumerate(given):
        out = tmp_path / f"o{number}"
        assert main(["segment", *map(str, paths), "--checkpoint", "small", "--output", str(out)]) == 0
        assert written_to(out) == ["P1_head.nii.gz", "P2_head.nii.gz", "measurements.json"]


def test_two_zips_of_equal_names_are_told_apart_by_their_own(images, tmp_path):
    for name in ("before", "after"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            archive.write(images / "a.png", "a.png")
    zips = [str(tmp_path / f"{name}.zip") for name in ("before", "after")]
    assert main(["segment", *zips, "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 0
    assert written_to(tmp_path / "o") == ["after_a.png", "before_a.png", "measurements.json"]


def test_what_folders_do_not_tell_apart_is_numbered(images, tmp_path):
    shutil.copy(images / "a.png", images / "a.tif")  # its bytes say what it is
    assert main(["segment", str(images), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 0
    assert written_to(tmp_path / "o") == ["a-2.png", "a.png", "b.png", "measurements.json"]


ODD_NAMES = ("K\udcf6nig", "-a b#c%20'd\"é漢🧠", "two\nlines \x1b[31m", "x" * 247, ".hidden", "con")


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_file_of_any_name_is_segmented_and_told(images, tmp_path, capsys, name):
    path = (images / "a.png").rename(images / f"{name}.png")
    out = tmp_path / "o"
    assert main(["segment", "--checkpoint", "small", "--output", str(out), "--", str(path)]) == 0
    (stem,) = named_in(out)
    assert written_to(out) == sorted([f"{stem}.png", "measurements.json"])
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{stem}: ")
    assert printed.out.strip().isprintable()


DAMAGED = {
    ".png": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0",
    ".tif": b"II*\0\x08\0\0\0\xff\xff",
    ".nrrd": b"NRRD0004\ntype: uint8\ndimension: 3\nsizes: 4 4 4\nencoding: raw\n\nab",
    ".mha": b"ObjectType = Image\nNDims = 3\nDimSize = 4 4 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\nab",
    ".nii": b"\x5c\x01\0\0" + bytes(348),
    ".nii.gz": b"\x1f\x8b\x08" + bytes(40),
    ".dcm": bytes(128) + b"DICM\x02\0",
    ".npy": b"\x93NUMPY\x01\0v\0{",
    ".zip": b"PK\x03\x04 no zip",
}


def test_damaged_files_whose_names_are_no_utf_8_end_in_words(images, tmp_path):
    """In a process of its own: version 0.1 ended it with std::logic_error."""
    paths = [images / f"K\udcf6nig{suffix}" for suffix in DAMAGED]
    for path, content in zip(paths, DAMAGED.values(), strict=True):
        path.write_bytes(content)
    command = [sys.executable, "-m", "medseg_demo", "segment", *map(os.fsencode, paths), images / "a.png"]
    ended = subprocess.run(
        [*command, "--checkpoint", "small", "--output", tmp_path / "o"],
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        capture_output=True,
        check=False,
    )
    told = ended.stderr.decode("ascii").splitlines()
    assert ended.returncode == 1
    assert [line.split(":")[:2] for line in told] == [["error", f" K?nig{suffix}"] for suffix in DAMAGED]
    assert written_to(tmp_path / "o") == ["a.png", "measurements.json"]


def test_a_series_whose_folder_is_no_utf_8(tmp_path, capsys):
    SeriesWriter(tmp_path / "in" / "K\udcf6ln").volume(blob(3, 40, 50))
    folders = [tmp_path / "in" / "K\udcf6ln", tmp_path / "out\udcff"]
    for file_format in ("auto", "nrrd", "dicom-seg"):
        given = ["segment", str(folders[0]), "--checkpoint", "small", "--format", file_format]
        assert main([*given, "--output", str(folders[1])]) == 0
    assert written_to(folders[1]) == ["K_ln.dcm", "K_ln.nii.gz", "K_ln.nrrd", "measurements.json"]
    (image,) = find_studies([folders[0]], unpack_to=tmp_path / "none")
    assert image.name == read_image(image).name == "K?ln"


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
    assert written_to(tmp_path / "o") == ["b.png", "measurements.json"]
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
    assert written_to(tmp_path / "o") == ["a.png", "measurements.json"]


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
    assert written_to(tmp_path / "o") == ["measurements.json", "v.nii.gz"]


def _contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def refuses(tmp_path, capsys):
    """Segment into a folder that holds an input: exit code 2, a message, and no file is written."""

    def check(inputs, output, result, *options):
        before = _contents(tmp_path)
        arguments = ["segment", *map(str, inputs), "--checkpoint", "small", "--output", str(output), *options]
        assert main(arguments) == 2
        message = capsys.readouterr().err
        assert f"--output {output}: the result {result} would replace" in message
        assert "Choose another folder" in message
        assert _contents(tmp_path) == before

    return check


def test_an_image_is_not_replaced_by_its_label_map(images, refuses):
    refuses([images / "a.png"], images, "a.png")
    refuses([images], images, "a.png")
    refuses([images / "b.png", images / "a.png"], images / ".." / "images", "b.png")


def test_a_volume_is_not_replaced_by_its_label_map(tmp_path, refuses):
    values = np.random.default_rng(0).integers(0, 99, (50, 40, 3), dtype=np.int16)
    nibabel.save(nibabel.Nifti1Image(values, np.eye(4)), tmp_path / "volume.nii.gz")
    refuses([tmp_path / "volume.nii.gz"], tmp_path, "volume.nii.gz")


def test_dicom_files_are_not_replaced_by_a_dicom_seg(tmp_path, refuses):
    folder = tmp_path / "head"
    SeriesWriter(folder).volume(blob(3, 40, 50))
    first = min(folder.iterdir()).rename(folder / "head.dcm")
    refuses([first], folder, "head.dcm", "--format", "dicom-seg")
    refuses([folder], folder, "head.dcm", "--format", "dicom-seg")  # the series is called so as well


def test_a_file_that_was_left_out_of_a_folder_is_not_replaced(tmp_path, refuses):
    folder = tmp_path / "head"
    SeriesWriter(folder).volume(blob(3, 40, 50))
    (folder / "head.nii.gz").write_text("no image")
    refuses([folder], folder, "head.nii.gz")


def test_an_image_is_not_replaced_through_a_link(images, tmp_path, refuses):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "a.png").symlink_to(images / "a.png")
    refuses([images / "a.png"], tmp_path / "out", "a.png")


def test_results_may_lie_beside_the_inputs_and_be_replaced(images, tmp_path):
    Image.open(images / "a.png").save(images / "c.bmp")
    before = (images / "c.bmp").read_bytes()
    for _ in range(2):
        assert main(["segment", str(images / "c.bmp"), "--checkpoint", "small", "--output", str(images)]) == 0
        assert main(["segment", str(images / "a.png"), "--checkpoint", "small", "--output", str(tmp_path / "o")]) == 0
    assert (images / "c.bmp").read_bytes() == before
    assert {"a.png", "c.png"} <= {path.name for path in (*images.iterdir(), *(tmp_path / "o").iterdir())}


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
