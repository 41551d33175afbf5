"""A comparison as files, read back."""

import csv
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk  # noqa: N813
from PIL import Image

from evaluation.comparison.files import member_rows, to_document, write_comparison, zip_files
from evaluation.comparison.members import Comparison, Cost, Member, with_consensus
from evaluation.comparison.several import Figures
from medseg_demo.errors import OutputError
from medseg_demo.image import Geometry, LabelMap, MedicalImage

LEFT = np.array([[1, 0], [1, 0]], np.uint8)


def comparison(*maps, image_shape=(2, 2), spacing=None, reference=None):
    axes = "ZYX" if len(image_shape) == 3 else "YX"
    geometry = Geometry(spacing)
    image = MedicalImage(np.zeros(image_shape, np.uint8), axes, geometry, "my scan", "PNG", 8, (0.0, 255.0))
    members = [
        Member(
            f"net {place}", "checkpoint", LabelMap(labels, ("one",), geometry), cost=Cost(1000, 6000, 0.5, 0.12345, 3)
        )
        for place, labels in enumerate(maps)
    ]
    if reference is not None:
        members.append(Member("expert", "reference", LabelMap(reference, ("one",), geometry)))
    return Comparison(image, tuple(members))


def test_label_maps_and_tables_come_back(tmp_path):
    found = with_consensus(comparison(LEFT, np.eye(2, dtype=np.uint8), reference=LEFT), "majority")
    files = write_comparison(found, tmp_path / "out")
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == [
        "my_scan_comparison.json", "my_scan_expert.png", "my_scan_majority.png", "my_scan_members.csv",
        "my_scan_net_0.png", "my_scan_net_1.png", "my_scan_pairs.csv",
    ]  # fmt: skip
    assert np.asarray(Image.open(files.label_maps["net 0"])).tolist() == LEFT.tolist()
    assert np.asarray(Image.open(files.label_maps["majority"])).tolist() == [[1, 0], [0, 0]]
    rows = list(csv.DictReader(files.members.open()))
    assert [(row["name"], row["kind"], row["size"], row["dice"]) for row in rows] == [
        ("net 0", "checkpoint", "2.0", "1.0"),
        ("net 1", "checkpoint", "2.0", "0.5"),
        ("expert", "reference", "2.0", ""),
        ("majority", "consensus", "1.0", str(2 / 3)),
    ]
    assert (rows[0]["seconds"], rows[0]["timed_passes"], rows[0]["load_seconds"]) == ("0.1235", "3", "0.3765")
    assert (rows[0]["parameters"], rows[0]["weights_mb"]) == ("1000", "0.004")
    assert (rows[0]["memory_mb"], rows[2]["memory_mb"]) == ("0.01", "")
    assert len(list(csv.DictReader(files.pairs.open()))) == 6
    document = json.loads(files.document.read_text())
    assert document["consensus"] == {"method": "majority", "name": "majority", "tied_pixels": 2}
    assert document["agreement"] == {"2": 2, "3": 2}
    assert document["disagreement"]["regions"][0]["pixels"] == 2


def test_a_volume_is_written_with_its_spacing(tmp_path):
    labels = np.ones((2, 3, 4), np.uint8)
    found = comparison(labels, labels, image_shape=(2, 3, 4), spacing=(3.0, 2.0, 1.0))
    path = write_comparison(found, tmp_path).label_maps["net 0"]
    assert path.name == "my_scan_net_0.nii.gz"
    assert sitk.ReadImage(str(path)).GetSpacing() == pytest.approx((1.0, 2.0, 3.0))


def test_infinity_and_what_does_not_apply(tmp_path):
    found = comparison(LEFT, LEFT * 0, reference=LEFT * 0)
    files = write_comparison(found, tmp_path)
    rows = list(csv.DictReader(files.members.open()))
    assert [(row["dice"], row["hd95"]) for row in rows] == [("0.0", "inf"), ("", ""), ("", "")]
    document = json.loads(files.document.read_text())
    assert [row["hd95"] for row in document["sizes_and_scores"]] == ["inf", "nan", None]


def test_files_that_were_written_stay_where_they_are(tmp_path):
    found = comparison(LEFT, LEFT)
    first = write_comparison(found, tmp_path / "first")
    both = write_comparison(with_consensus(found, "staple"), tmp_path / "second", written=first.label_maps)
    assert both.label_maps["net 0"] == first.label_maps["net 0"]
    assert both.label_maps["STAPLE"].parent.name == "second"
    assert not (tmp_path / "second" / "my_scan_net_0.png").exists()
    archive = zip_files(both.paths, tmp_path / "all.zip")
    assert zipfile.ZipFile(archive).namelist() == [path.name for path in both.paths]


def test_names_cannot_leave_the_folder(tmp_path):
    geometry = Geometry()
    image = MedicalImage(np.zeros((2, 2), np.uint8), "YX", geometry, "../../x", "PNG", 8, (0.0, 255.0))
    members = (
        Member("../a", "label map", LabelMap(LEFT, ("one",))),
        Member("b", "label map", LabelMap(LEFT, ("one",))),
    )
    files = write_comparison(Comparison(image, members), tmp_path / "out")
    assert {path.parent for path in files.paths} == {tmp_path / "out"}


def test_a_folder_that_cannot_be_made_is_explained(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot be written"):
        write_comparison(comparison(LEFT, LEFT), tmp_path / "file" / "out")


def test_one_label_map_alone_is_written_too(tmp_path):
    found = comparison(LEFT)
    assert write_comparison(found, tmp_path).pairs.read_text().strip() == ""
    assert len(member_rows(Figures.of(found))) == 1
    assert to_document(found)["pairs"] == []


def test_names_that_become_one_file_are_told_apart(tmp_path):
    found = comparison(LEFT, LEFT)
    first, second = found.members
    alike = replace(found, members=(replace(first, name="a b"), replace(second, name="a:b")))
    files = write_comparison(alike, tmp_path)
    assert [path.name for path in files.label_maps.values()] == ["my_scan_a_b.png", "my_scan_a_b-2.png"]
    assert all(path.is_file() for path in files.paths)


def test_what_fails_leaves_no_part_of_a_file(tmp_path, monkeypatch):
    def fail(self, row):
        raise ValueError("unforeseen")

    monkeypatch.setattr("csv.DictWriter.writerow", fail)
    with pytest.raises(OutputError, match=r"_members\.csv cannot be written \(ValueError\)"):
        write_comparison(comparison(LEFT, LEFT), tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".png"}
