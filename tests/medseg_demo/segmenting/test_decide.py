import numpy as np

from medseg_demo.segmenting.decide import clean, to_labels


def drawing(text):
    return np.array([[int(c) if c.isdigit() else 0 for c in line] for line in text.split()], np.uint8)


def test_a_probability_equal_to_the_threshold_is_background():
    assert to_labels(np.array([[0.4, 0.5, 0.6]])[None], threshold=0.5).tolist() == [[0, 0, 1]]


def test_the_most_probable_class_wins():
    probabilities = np.array([[[0.5, 0.2, 0.1]], [[0.3, 0.5, 0.2]], [[0.2, 0.3, 0.7]]])
    labels = to_labels(probabilities, threshold=None)
    assert labels.dtype == np.uint8
    assert labels.tolist() == [[0, 1, 2]]


def test_specks_are_judged_by_faces_not_corners():
    labels = drawing("11.. 11.. ..1. ...2")
    assert (clean(labels, classes=2, smallest_component=2) == drawing("11.. 11.. .... ....")).all()
    assert (clean(labels, classes=2, smallest_component=1) == labels).all()


def test_a_component_of_exactly_the_smallest_size_stays():
    labels = drawing("111 ... 11.")
    assert (clean(labels, classes=1, smallest_component=3) == drawing("111 ... ...")).all()


def test_holes_are_filled_but_other_classes_stay():
    labels = drawing("11111 1.121 11111")
    assert (clean(labels, classes=2, fill_holes=True) == drawing("11111 11121 11111")).all()


def test_a_bay_is_no_hole():
    labels = drawing("111 1.. 111")
    assert (clean(labels, classes=1, fill_holes=True) == labels).all()


def test_components_of_a_volume_reach_through_slices():
    labels = np.zeros((3, 2, 2), np.uint8)
    labels[:, 0, 0] = 1
    assert clean(labels, classes=1, smallest_component=3).sum() == 3
    assert clean(labels, classes=1, smallest_component=4).sum() == 0


def test_holes_of_a_volume_are_filled_in_each_slice():
    labels = np.ones((3, 3, 3), np.uint8)
    labels[:, 1, 1] = 0
    assert clean(labels, classes=1, fill_holes=True).all()


def test_the_given_array_is_not_changed():
    labels = drawing("1.1")
    clean(labels, classes=1, smallest_component=5)
    assert labels.sum() == 2
