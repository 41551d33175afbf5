"""A test set under stress: its cases, what cannot be changed, and what a run says of it."""

from contextlib import suppress
from dataclasses import replace

import numpy as np
import pytest
from stress_images import picture, volume

from evaluation.errors import CaseError
from evaluation.runs.cases import case_digest
from evaluation.stress import cases
from evaluation.stress.cases import (
    Stress,
    check_stress,
    chosen_corruptions,
    stress_of,
    stress_setting,
    stressed_cases,
    stressed_test_set,
)
from evaluation.stress.corruptions import Seen
from medseg_demo.errors import OptionError, TestSetError
from medseg_demo.test_sets.test_set import read_test_set

FLAT = Seen(frozenset({"radiograph"}), is_volume=False, channels=1)


@pytest.fixture
def test_set(make_test_set):
    return read_test_set(make_test_set(cases=2))


def test_a_case_as_it_is_comes_before_its_corruptions(test_set):
    found = stressed_test_set(test_set, ["noise", "turn"], (3, 1, 3))
    assert found.name == "squares-stress"
    assert [case.case_id for case in found.cases[:5]] == [
        "case_00", "case_00@noise-1", "case_00@noise-3", "case_00@turn-1", "case_00@turn-3",
    ]  # fmt: skip
    assert len(found.cases) == 10
    assert found.cases[0].columns == {"corruption": "none", "degree": "0", "group": "case_00"}
    assert found.cases[4].columns == {"corruption": "turn", "degree": "3", "group": "case_00"}


def test_columns_and_groups_of_the_test_set_are_kept(test_set):
    case = replace(test_set.cases[0], group="patient 7", metadata={"degree": "II", "site": "A"})
    columns = stressed_cases(case, ["blur"], (1,))[1].columns
    assert columns == {"corruption": "blur", "degree": "1", "case_degree": "II", "site": "A", "group": "patient 7"}


def test_hashes_tell_the_corruptions_apart_and_a_case_as_it_is_has_its_own(test_set):
    case = test_set.cases[0]
    found = [case_digest(one) for one in stressed_cases(case, ["blur", "noise"], (1, 2))]
    assert found[0] == case_digest(case)
    assert len(set(found)) == 5


def test_a_case_that_is_called_like_a_corrupted_one_is_refused(test_set):
    case = replace(test_set.cases[0], case_id="case_01@noise-1")
    with pytest.raises(TestSetError, match="'case_01@noise-1', as a case under stress is called"):
        stressed_test_set(replace(test_set, cases=(case, test_set.cases[1])), ["noise"], (1,))


@pytest.mark.parametrize(
    ("stress", "words"),
    [
        (Stress(("noise", "rain")), "no corruption rain. Choose from: noise, blur"),
        (Stress(degrees=(0, 2, 6)), "--stress-degrees 0 6 is not understood. Give whole numbers from 1 to 5"),
        (Stress(degrees=()), "Give whole numbers from 1 to 5"),
    ],
)
def test_what_cannot_be_done_is_said_before_an_image_is_read(stress, words):
    with pytest.raises(OptionError, match=words):
        check_stress(stress)


def test_without_torchio_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setattr(cases, "find_spec", lambda name: None)
    with pytest.raises(OptionError, match=r"pip install 'medseg-demo\[stress\]'"):
        check_stress(Stress())


def test_what_is_asked_for_is_taken_in_the_order_of_the_list():
    assert chosen_corruptions(Stress(("turn", "motion", "noise")), FLAT) == ("noise", "motion", "turn")
    assert "motion" not in chosen_corruptions(Stress(), FLAT)
    with pytest.raises(OptionError, match="missing-channel takes a channel away, and the image has only one"):
        chosen_corruptions(Stress(("noise", "missing-channel")), FLAT)
    with pytest.raises(OptionError, match="jpeg is a corruption of images, and this is a volume"):
        chosen_corruptions(Stress(("jpeg",)), FLAT._replace(is_volume=True))


def test_a_corruption_that_leaves_one_intensity_fails_the_case(test_set):
    image, reference = picture(channels=3)
    red = replace(image, pixels=image.pixels * np.array([1, 0, 0], np.uint8))
    found = [one for one in (_tried(case, red, reference, test_set) for case in "abcdefgh") if one]
    assert found  # where the drawn channel is red
    assert "missing-channel of degree 5 leaves nothing but one intensity of the image" in found[0]
    assert found[0].startswith("Case '")


def _tried(case_id, image, reference, test_set):
    case = stressed_cases(replace(test_set.cases[0], case_id=case_id), ["missing-channel"], (5,))[1]
    try:
        case.stressed(image, reference)
    except CaseError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("name", ["noise", "blur", "contrast", "low-resolution", "jpeg", "turn", "shift", "motion"])
def test_an_image_that_is_constant_by_itself_is_no_fault_of_a_corruption(name, test_set):
    image, reference = picture()
    flat = replace(image, pixels=np.full_like(image.pixels, 40), display_window=(40.0, 40.0))
    found, _ = stressed_cases(test_set.cases[0], [name], (2,))[1].stressed(flat, reference)
    assert found.pixels.dtype == np.uint8
    assert np.isfinite(found.pixels).all()


@pytest.mark.parametrize(
    "name", ["noise", "blur", "bias-field", "motion", "ghosting", "spike", "low-resolution", "turn"]
)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 5, 3), (2, 1, 40)])
def test_volumes_of_any_size_stay_as_large(name, shape, test_set):
    image, reference = volume()
    part = tuple(slice(length) for length in shape)
    small = replace(image, pixels=image.pixels[part].copy()), replace(reference, labels=reference.labels[part].copy())
    with suppress(CaseError):  # such as a mean over all of it
        found, moved = stressed_cases(test_set.cases[0], [name], (1,))[1].stressed(*small)
        assert found.pixels.shape == moved.labels.shape == small[0].pixels.shape


@pytest.mark.parametrize("kind", [np.int8, np.uint16, np.int32, np.uint32, np.float64])
def test_intensities_stay_within_their_type(kind, test_set):
    image, reference = volume()
    ends = (np.iinfo(kind).min, np.iinfo(kind).max) if np.issubdtype(kind, np.integer) else (-1e6, 1e6)
    low, high = image.intensity_range
    pixels = np.interp(image.pixels, (low, high), ends).astype(kind)
    given = replace(image, pixels=pixels, display_window=(float(ends[0]), float(ends[1])))
    found, _ = stressed_cases(test_set.cases[0], ["noise"], (2,))[1].stressed(given, reference)
    assert found.pixels.dtype == kind
    assert np.corrcoef(found.pixels.ravel().astype(float), pixels.ravel().astype(float))[0, 1] > 0.85


def test_a_run_says_what_it_did_so_that_a_case_can_be_made_again():
    said = stress_setting("lungs", ["noise"], (2, 1))
    assert stress_of(said) == ("lungs", ("noise",), (1, 2))


@pytest.mark.parametrize(
    "said",
    [
        {}, {"stress": None}, {"stress": {"version": 0}}, {"stress": {"version": 1, "test_set": "a"}},
        {"stress": {"version": 1, "test_set": "a", "corruptions": ["rain"], "degrees": [1]}},
        {"stress": {"version": 1, "test_set": 3, "corruptions": ["noise"], "degrees": [1]}},
        {"stress": {"version": 1, "test_set": "a", "corruptions": [["noise"]], "degrees": [9]}},
    ],
)  # fmt: skip
def test_what_another_program_wrote_there_is_left_alone(said):
    assert stress_of(said) is None
