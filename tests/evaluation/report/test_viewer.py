import json

import numpy as np
import pytest

from evaluation.report import viewer
from evaluation.report.viewer import embedded_value, opening_slice
from evaluation.results.origins import CasePrediction, OpenedCase
from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.rendering.packing import unpack


@pytest.fixture
def case() -> OpenedCase:
    """A volume of 30 slices of noise: most of the reference lies on slice 8, most errors on slice 20."""
    pixels = np.random.default_rng(0).integers(0, 255, (30, 64, 64), np.uint8)
    reference = np.zeros_like(pixels)
    reference[7:10, 10:20, 10:20] = 1
    reference[8, 20:22, 10:20] = 1
    prediction = reference.copy()
    prediction[20, :8, :8] = 1
    image = MedicalImage(pixels, "ZYX", Geometry((1.0, 1.0, 1.0)), "case", "NIfTI", 8, (0.0, 255.0))
    expert, predicted = (LabelMap(labels, ("a",), image.geometry) for labels in (reference, prediction))
    return OpenedCase(image, expert, (CasePrediction("net", predicted),))


def axial(value) -> list[int]:
    return [one["index"] for one in value["slices"] if one["plane"] == "axial"]


def test_a_small_volume_is_embedded_whole(case):
    value, note = embedded_value(case, case.predictions[0], title="case")
    assert note == ""
    planes = [one["plane"] for one in value["slices"]]
    assert {plane: planes.count(plane) for plane in planes} == {"axial": 30, "coronal": 64, "sagittal": 64}
    assert value["point"][0] == 20


def test_a_volume_opens_where_most_is_wrong(case, monkeypatch):
    monkeypatch.setattr(viewer, "WHOLE_VOXELS", 0)
    assert opening_slice(case.reference, case.predictions[0].label_map) == 20
    assert opening_slice(case.reference, case.reference) == 8
    assert opening_slice(case.reference, None) == 8
    value, note = embedded_value(case, case.predictions[0], title="case")
    assert axial(value) == list(range(16, 25))
    assert value["point"][0] == 20
    assert note.startswith("Slices 17 to 25 of 30")
    assert [one["size"] for one in value["regions"]] == ["0.064 ml"]
    shown = next(one for one in value["slices"] if one["index"] == 20)
    assert unpack(shown["predictions"][0]["labels"]).sum() == 64


def test_a_value_never_exceeds_its_limit(case, monkeypatch):
    monkeypatch.setattr(viewer, "WHOLE_VOXELS", 0)
    whole = len(json.dumps(embedded_value(case, case.predictions[0], title="case")[0]))
    monkeypatch.setattr(viewer, "MOST_BYTES", whole // 2)
    value, note = embedded_value(case, case.predictions[0], title="case")
    assert len(json.dumps(value)) <= whole // 2
    assert 1 <= len(axial(value)) < 9
    assert 20 in axial(value)
    assert f"to {axial(value)[-1] + 1} of 30" in note


def test_an_image_is_embedded_whole():
    pixels = np.arange(64 * 64, dtype=np.uint16).reshape(64, 64)
    image = MedicalImage(pixels, "YX", Geometry(), "case", "PNG", 16, (0.0, 4095.0))
    labels = LabelMap((pixels > 2000).astype(np.uint8), ("a",), image.geometry)
    case = OpenedCase(image, labels, (CasePrediction("net", None, "not kept"),))
    value, note = embedded_value(case, case.predictions[0], title="case")
    assert (note, value["mode"], len(value["slices"]), value["regions"]) == ("", "errors", 1, [])
