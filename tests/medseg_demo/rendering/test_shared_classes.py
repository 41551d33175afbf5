import numpy as np

from medseg_demo.image import LabelMap
from medseg_demo.rendering.shared_classes import relabelled, reordered, shared_names

FIRST = LabelMap(np.array([[0, 1, 2]], np.uint8), ("nerve", "vessel"))
SECOND = LabelMap(np.array([[1, 2, 0]], np.uint8), ("vessel", "bone"))


def test_classes_of_one_name_are_one_class():
    names = shared_names([FIRST, None, SECOND])
    assert names == ("nerve", "vessel", "bone")
    assert relabelled(FIRST, names).labels is FIRST.labels
    assert relabelled(SECOND, names).labels.tolist() == [[2, 3, 0]]
    assert relabelled(SECOND, names).class_names == names


def test_probabilities_follow_their_classes():
    maps = np.array([[[0.1]], [[0.2]]])
    assert reordered(maps, ("vessel", "bone"), ("nerve", "vessel", "bone")).ravel().tolist() == [0, 0.1, 0.2]
