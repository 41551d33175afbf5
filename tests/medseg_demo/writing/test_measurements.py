import csv
import json
from dataclasses import replace

import pytest

from medseg_demo.errors import OutputError
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.writing.measurements import summary, write_csv, write_json


def test_measurements_as_json_and_csv(tmp_path, square, brightness, settings):
    result = segment(square, brightness, settings=settings)
    write_json([summary(result)], tmp_path / "m.json")
    (image,) = json.loads((tmp_path / "m.json").read_text())["images"]
    assert image["name"] == "made"
    assert image["shape"] == [100, 120]
    assert image["spacing_mm"] is None
    assert image["checkpoint"] == "brightness"
    write_csv([("made", "brightness", measured) for measured in result.measurements], tmp_path / "m.csv")
    with (tmp_path / "m.csv").open() as file:
        (row,) = csv.DictReader(file)
    assert row["class_name"] == "bright"
    assert row["area_mm2"] == ""
    assert int(row["pixels"]) == image["classes"][0]["pixels"] == result.label_map.labels.sum()
    (inside,) = image["classes"][0]["intensities"]
    assert float(row["intensity_mean"]) == inside["mean"] > 200
    assert row["intensity_unit"] == ""


def test_the_crop_box_and_named_channels_are_written(tmp_path, square, brightness, settings):
    result = segment(square, brightness, options=SegmentOptions(crop=(0, 10, 10, 1, 90, 100)), settings=settings)
    assert summary(result)["crop"] == [0, 10, 10, 1, 90, 100]
    (one,) = result.measurements
    named = replace(one, intensities=tuple(replace(one.intensities[0], channel=name) for name in ("T1", "T2")))
    absent = replace(one, intensities=())
    write_csv([("a", "net", absent), ("b", "net", named)], tmp_path / "m.csv")
    with (tmp_path / "m.csv").open() as file:
        first, second = csv.DictReader(file)
    assert first["intensity_mean_T2"] == ""
    assert float(second["intensity_mean_T2"]) == one.intensities[0].mean


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"m\.json"):
        write_json([], tmp_path / "none" / "m.json")
    with pytest.raises(OutputError, match=r"m\.csv"):
        write_csv([], tmp_path / "none" / "m.csv")


def test_names_in_files_are_valid_utf_8(tmp_path, square, brightness, settings):
    image = replace(square, name="K\udcf6nig\n1")
    result = segment(image, brightness, settings=settings)
    write_json([{**summary(result), "notes": ["\udcff"]}], tmp_path / "m.json")
    (written,) = json.loads((tmp_path / "m.json").read_bytes().decode())["images"]
    assert (written["name"], written["notes"]) == ("K?nig?1", ["?"])
    write_csv([(image.name, "brightness", measured) for measured in result.measurements], tmp_path / "m.csv")
    assert "K?nig?1" in (tmp_path / "m.csv").read_bytes().decode()


def test_what_fails_leaves_the_file_that_was_there(tmp_path):
    (tmp_path / "m.json").write_text("old")
    with pytest.raises(OutputError, match=r"m\.json"):
        write_json([{"value": float("nan")}], tmp_path / "m.json")
    with pytest.raises(OutputError, match=r"m\.csv"):
        write_csv([("a", "b", None)], tmp_path / "m.csv")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("m.json", "old")]
