import pytest

from medseg_demo.test_sets.labels import Labels, channel_names_of, colours_of, labels_of, match_labels, read_labels


def labels(table):
    return read_labels({"labels": table})


@pytest.mark.parametrize(
    "table", [{"vessel": 2, "background": 0, "disc": 1}, {"0": "background", "2": "vessel", "1": "disc"}]
)
def test_names_and_numbers_may_stand_either_way_round(table):
    assert labels(table) == Labels.numbered(["disc", "vessel"])
    assert labels(table).is_plain


def test_values_may_have_gaps_and_any_order():
    found = labels({"ET": 4, "background": 0, "NCR": 1, "cortex": 1035})
    assert (found.class_names, found.values) == (("NCR", "ET", "cortex"), ((1,), (4,), (1035,)))
    assert found.lookup == {1: 1, 4: 2, 1035: 3}
    assert found.scored == {(1,): "NCR", (2,): "ET", (3,): "cortex"}


def test_a_class_may_be_the_union_of_values():
    found = labels({"background": 0, "hippocampus": [17, 53], "insula": 1035})
    assert found.lookup == {17: 1, 53: 1, 1035: 2}
    assert (found.piece_names, found.overlaps) == (("hippocampus", "insula"), False)


def test_regions_that_overlap_are_unions_of_pieces():
    found = labels({"background": 0, "whole": [1, 2, 4], "core": [1, 4], "ring": [4]})
    assert found.lookup == {1: 1, 2: 2, 4: 3}
    assert found.piece_names == ("core", "whole", "ring")
    assert found.scored == {(1, 2, 3): "whole", (1, 3): "core", (3,): "ring"}


def test_what_is_not_annotated_is_no_class():
    found = labels({"background": 0, "tumour": 1, "ignore": 2})
    assert (found.class_names, found.ignore) == (("tumour",), 2)
    assert labels({"0": "background", "1": "tumour", "255": "ignore"}).ignore == 255


def test_a_hundred_classes():
    found = labels({"background": 0, **{f"organ{value}": value for value in range(1, 105)}})
    assert found == Labels.numbered([f"organ{value}" for value in range(1, 105)])


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"a": 1, "b": 1}, "have one value"),
        ({"a": 0.5}, "the value of 'a' is 0.5"),
        ({"a": -1}, "the value of 'a' is -1"),
        ({"a": "x"}, "the value of 'a' is 'x'"),
        ({"a": True}, "the value of 'a' is True"),
        ({"a": [1, 2], "ignore": 2}, "2 is a class and not annotated"),
        ({"a": 1, "ignore": [2, 3]}, "'ignore' has to be one value"),
        ({" ": 1}, "has no name"),
        ({"a": 1, "ignore": 0}, "'ignore' has to be one value"),
        ({f"c{value}": value for value in range(1, 300)}, "at most 255"),
        ("tumour", "no table"),
    ],
)
def test_labels_that_cannot_be_used(table, said):
    with pytest.raises(ValueError, match=said):
        labels(table)
    faults: list[str] = []
    assert labels_of({"labels": table}, faults) is None
    assert len(faults) == 1


def test_the_only_label_stands_for_the_only_class():
    match = match_labels(Labels.numbered(["tumour"]), Labels.numbered(["class 1"]))
    assert match.lookup == {1: 1}
    assert "taken for the only class" in match.notes[0]


def test_a_part_of_the_classes_is_a_part_of_them():
    match = match_labels(Labels.numbered(["liver", "lesion"]), Labels.numbered(["lesion"]))
    assert match.lookup == {1: 2}
    assert "do not name 'liver'" in match.notes[0]


def test_a_value_in_two_classes_that_share_none_here_is_refused():
    theirs = Labels(("a", "b"), ((1, 2), (2,)))
    with pytest.raises(ValueError, match="'a', 'b' at once"):
        match_labels(Labels.numbered(["a", "b"]), theirs)


def test_a_table_of_colours_belongs_to_the_labels():
    faults: list[str] = []
    table = {"tumour": "#FF0000", "edge": "00ff00", "background": "#000000"}
    assert colours_of({"colours": table}, ("edge", "tumour"), faults) == {"tumour": "#ff0000", "edge": "#00ff00"}
    assert colours_of({"colours": {"b": "#0000ff", "a": "#00ff00"}}, None, faults) == {"b": "#0000ff", "a": "#00ff00"}
    assert colours_of({}, ("edge",), faults) is None
    assert faults == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (["#ff0000"], "must be written as"),
        ({"tumour": "red"}, "must be written as"),
        ({"tumour": 255}, "must be written as"),
        ({"tumor": "#ff0000"}, "names 'tumor'"),
        ({"tumour": "#000000"}, "names 'tumour'"),
        ({"background": "#ffffff"}, "names 'background'"),
        ({"tumour": "#ff0000", "edge": "#FF0000"}, "one colour to two classes"),
    ],
)
def test_a_table_that_cannot_be_used_is_a_fault(table, said):
    faults: list[str] = []
    colours_of({"colours": table}, ("tumour", "edge"), faults)
    assert len(faults) == 1
    assert said in faults[0]


@pytest.mark.parametrize(
    ("dataset", "names"),
    [
        ({}, ()),
        ({"modality": {"0": "CT"}}, ("CT",)),
        ({"channel_names": {"1": "b", "0": "a"}, "modality": {"0": "CT"}}, ("a", "b")),
        ({"modality": ["a", "b"]}, ("a", "b")),
        ({"modality": "CT"}, ()),
        ({"channel_names": {"0": "a", "2": "b"}}, ()),
        ({"channel_names": {"first": "a"}}, ()),
        ({"channel_names": {"0": "a", "1": " "}}, ("a", "channel 2")),
    ],
)
def test_channel_names(dataset, names):
    assert channel_names_of(dataset) == names
