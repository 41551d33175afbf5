"""Channels go where their names say, or a person says; never by chance."""

import numpy as np
import pytest

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.segmenting.channels import arranged, assignment, match_channels, order_of, to_channels

BRAIN = ("flair", "t1", "t1ce", "t2")


def study(names=BRAIN) -> MedicalImage:
    pixels = np.zeros((2, 4, 4, len(names)), np.int16) + np.arange(len(names), dtype=np.int16)
    return MedicalImage(
        pixels, "ZYXC", Geometry(), "a", "NIfTI", 16, (0, 1), channel_names=names,
        channel_windows=tuple((0.0, 1.0 + place) for place in range(len(names))),
    )  # fmt: skip


def card(*names, channels=0) -> ModelCard:
    return ModelCard(class_names=("tumour",), in_channels=channels or len(names), channel_names=names)


@pytest.mark.parametrize(
    ("given", "wanted", "order"),
    [
        (BRAIN, ("T1", "T1c", "T2", "FLAIR"), (1, 2, 3, 0)),
        (("t1n", "t1c", "t2w", "t2f"), ("T1w", "T1gd", "T2-weighted", "FLAIR"), (0, 1, 2, 3)),
        (("0000", "0001"), ("0001", "0000"), (1, 0)),
        (("MR_T1", "MR-T2"), ("T2", "T1"), (1, 0)),
        (("ADC", "DWI", "T2W"), ("T2", "ADC", "DWI"), (2, 0, 1)),
        (("red stain", "dapi"), ("DAPI", "Red-Stain"), (1, 0)),
        (("T1", "T2"), ("FLAIR", "T1"), None),
        (("T1", "t1w"), ("T1", "T2"), None),
        (("a", "b"), ("a", "a"), None),
        (BRAIN, (), None),
    ],
)
def test_names_that_mean_the_same(given, wanted, order):
    assert match_channels(given, wanted) == order


def test_channels_come_in_the_order_of_the_network_with_all_that_belongs_to_them():
    found = arranged(study(), card("T1", "T1c", "T2", "FLAIR"))
    assert found.pixels[0, 0, 0].tolist() == [1, 2, 3, 0]
    assert found.channel_names == ("t1", "t1ce", "t2", "flair")
    assert [high for _, high in found.channel_windows] == [2, 3, 4, 1]


def test_a_network_of_one_modality_takes_its_own_of_a_study():
    found = arranged(study(), card("FLAIR"))
    assert (found.channels, found.axes, found.pixels.max()) == (1, "ZYX", 0)


def test_a_person_says_otherwise():
    assert order_of(study(), card("T1", "T2"), ("FLAIR", "4")) == (0, 3)
    assert to_channels(" flair, 4 ,") == ("flair", "4")
    assert to_channels(" ") is None
    assert to_channels(None) is None  # what a box that was never shown sends


@pytest.mark.parametrize("named", [("flair", "swi"), ("0", "1"), ("5", "1"), ("flair",), ("1", "2", "3")])
def test_what_a_person_cannot_mean_is_told(named):
    with pytest.raises(OptionError):
        order_of(study(), card("T1", "T2"), named)


def test_what_is_told_of_it():
    assert assignment(study(), card("T1", "FLAIR")) == "Channels: T1 ← t1, FLAIR ← flair."
    assert "taken in their order: T1 ← a, T2 ← b." in assignment(study(("a", "b")), card("T1", "T2"))
    assert assignment(study(), card(channels=4)) == ""


def test_what_has_no_names_to_go_by_is_left_as_it_lies():
    image = study(("a", "b"))
    assert arranged(image, card("T1", "T2")) is image
    assert arranged(image, card(channels=2)) is image
