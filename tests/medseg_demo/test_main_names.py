"""Names of what the command line reads and writes: equal, odd, or those of the inputs themselves."""

import json
import os
import shutil
import subprocess
import sys
import zipfile

import nibabel
import numpy as np
import pytest
from dicom_series import SeriesWriter, blob
from PIL import Image

from medseg_demo.__main__ import main
from medseg_demo.reading import find_studies, read_image

pytestmark = pytest.mark.usefixtures("own_checkpoints")


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
