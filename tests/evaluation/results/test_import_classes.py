"""Which class of an imported file is which class of a test set."""

import pytest

from evaluation.results.import_classes import class_notes, name_classes
from evaluation.results.table import Run
from medseg_demo.errors import OptionError


@pytest.mark.parametrize(
    ("found", "classes", "labels", "names"),
    [
        (("1", "2"), ("liver", "tumour"), True, ["liver", "tumour"]),  # by value
        (("2", "3"), ("liver", "tumour"), True, ["tumour", "class_3"]),
        (("255",), ("liver",), True, ["liver"]),  # the only one for the only one
        (("1",), None, True, ["class_1"]),
        (("tumour", "liver"), ("liver", "tumour"), False, ["tumour", "liver"]),  # by name
        (("lesion",), ("tumour",), False, ["tumour"]),
        (("mean",), ("liver", "tumour"), False, ["mean"]),  # over both, so neither
        (("class0", "class1"), ("liver", "tumour"), False, ["liver", "tumour"]),  # MONAI without names
        (("class0", "class1"), ("liver",), False, ["class0", "class1"]),  # which of them is not known
        (("a", "b"), ("liver", "tumour"), False, ["a", "b"]),
    ],
)
def test_classes_are_matched_by_value_by_name_or_as_the_only_one(found, classes, labels, names):
    assert list(name_classes(found, classes, {}, labels=labels).values()) == names


def test_two_classes_of_one_name_are_refused():
    with pytest.raises(OptionError, match="Classes 1, 2 of the file would all be called 'liver'"):
        name_classes(("1", "2"), ("liver", "tumour"), {"2": "liver"}, labels=True)


def test_the_notes_say_what_was_taken_for_what_and_what_fits_nothing():
    run = Run("net", "livers", source="import", settings={"file_classes": {"1": "liver", "a": "a", "liver": "liver"}})
    taken, foreign = class_notes([run], ("liver",))
    assert taken == "Class '1' of the file was taken for 'liver'."
    assert "'a' of the file is none of test set 'livers' (it has liver)" in foreign
    assert class_notes([Run("net", "livers", settings={"file_classes": {"a": "a"}})], None) == ()
