import pytest

from medseg_demo.test_sets.labels import channel_names_of, class_names_of, colours_of


def test_names_and_numbers_may_stand_either_way_round():
    for labels in ({"vessel": 2, "background": 0, "disc": 1}, {"0": "background", "2": "vessel", "1": "disc"}):
        assert class_names_of({"labels": labels}, []) == ("disc", "vessel")


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
