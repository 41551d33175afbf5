import numpy as np

from evaluation.comparison.error_regions import error_regions
from medseg_demo.image import Geometry, LabelMap


def test_the_largest_error_comes_first_in_the_images_unit():
    reference, prediction = np.zeros((20, 20), np.uint8), np.zeros((20, 20), np.uint8)
    reference[2:6, 2:6] = 1  # missed: 16 px
    prediction[10:12, 10:13] = 1  # invented: 6 px
    geometry = Geometry((0.5, 0.5))
    found = error_regions(LabelMap(reference, ("a",), geometry), LabelMap(prediction, ("a",), geometry))
    assert [(one["size"], one["box"]) for one in found] == [
        ("4.000 mm²", [0, 2, 2, 1, 6, 6]),
        ("1.500 mm²", [0, 10, 10, 1, 12, 13]),
    ]
    assert all(one["class_name"] == "a" for one in found)


def test_without_errors_or_prediction_there_is_nowhere_to_go():
    reference = LabelMap(np.ones((3, 4, 5), np.uint8), ("a",))
    assert error_regions(reference, reference) == []
    assert error_regions(reference, None) == []
