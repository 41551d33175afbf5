import csv
import json

import pytest

from medseg_demo.errors import OutputError
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


def test_a_folder_that_is_not_there_is_told(tmp_path):
    with pytest.raises(OutputError, match=r"m\.json"):
        write_json([], tmp_path / "none" / "m.json")
    with pytest.raises(OutputError, match=r"m\.csv"):
        write_csv([], tmp_path / "none" / "m.csv")
