from itertools import pairwise

import numpy as np
import pytest

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.test_sets import simulated_brain as simulation
from medseg_demo.test_sets.case import read_case_image, read_case_reference
from medseg_demo.test_sets.simulated_brain import simulate_slice, write_simulated_brain
from medseg_demo.test_sets.test_set import read_test_set

CHANNELS = list(simulation.CONTRASTS)


@pytest.fixture(scope="module")
def drawn():
    return [simulate_slice(subject, subject % 2, 7) for subject in range(6)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_simulated_brain(tmp_path_factory.mktemp("sets") / "brain", cases=6, seed=7)


def means(slices, channel: str) -> dict[str, float]:
    """Mean signal of each class."""
    values = np.concatenate([one.channels[CHANNELS.index(channel)].ravel() for one in slices])
    labels = np.concatenate([one.labels.ravel() for one in slices])
    return {name: values[labels == value].mean() for value, name in enumerate(simulation.CLASSES, start=1)}


def test_contrasts_order_tissues_as_in_mri(drawn):
    t1, t2, flair = (means(drawn, name) for name in ("T1", "T2", "FLAIR"))
    assert t1["white matter"] > t1["grey matter"] > t1["csf"]
    assert t2["csf"] > t2["grey matter"] > t2["white matter"]
    assert flair["grey matter"] > flair["white matter"] > flair["csf"]


def test_lesions_are_bright_in_flair_and_t2_and_dark_in_t1(drawn):
    for channel, sign in (("FLAIR", 1), ("T2", 1), ("T1", -1)):
        found = means(drawn, channel)
        assert sign * (found["lesion"] - found["white matter"]) > 0.05 * found["white matter"], channel


def test_every_contrast_but_pd_has_lesions_that_it_alone_shows():
    clear = [{CHANNELS[at] for at in np.flatnonzero(np.abs(shift) > 0.1)} for _, shift in simulation.LESIONS.values()]
    assert [{"T1"} in clear, {"T2"} in clear, {"FLAIR"} in clear] == [True] * 3


def test_chance_comes_from_the_seed_alone(drawn):
    again, other = simulate_slice(0, 0, 7), simulate_slice(0, 0, 8)
    assert np.array_equal(again.channels, drawn[0].channels)
    assert np.array_equal(again.labels, drawn[0].labels)
    assert not np.array_equal(other.labels, drawn[0].labels)


def test_subjects_differ_in_shape(drawn):
    brains = [one.labels > 0 for one in drawn[::2]]
    assert all((first ^ second).sum() > 200 for first, second in pairwise(brains))


def test_lesions_lie_where_white_matter_was(monkeypatch):
    """Without lesions and spaces the same slice is white matter there."""
    with_them = simulate_slice(1, 1, 7)
    monkeypatch.setattr(simulation, "_draw_lesions", lambda tissue, random: (tissue, np.zeros((4, *tissue.shape)), 0))
    without = simulate_slice(1, 1, 7)
    lesion = with_them.labels == simulation.LESION
    assert lesion.sum() > 20
    assert (without.labels[lesion] == simulation.WHITE).mean() > 0.9  # of a border pixel most was something else


def test_the_folder_is_a_test_set_of_four_named_channels_that_says_it_is_simulated(folder):
    test_set = read_test_set(folder)
    assert test_set.name == simulation.NAME
    assert "simulated" in (folder / "README.md").read_text()
    assert test_set.class_names == simulation.CLASSES
    assert test_set.splits == ("test", "train", "val")
    assert [case.group for case in test_set.cases] == [f"brain_{n:03}" for n in (1, 1, 2, 2, 3, 3)]
    case = test_set.cases[0]
    image = read_case_image(case)
    expected = simulate_slice(0, 0, 7)
    assert image.channel_names == tuple(CHANNELS)
    assert image.geometry.spacing_mm == pytest.approx((1.6, 1.6, 1.6))
    assert np.array_equal(image.slices[0], np.moveaxis(expected.channels, 0, -1))
    assert np.array_equal(read_case_reference(case, class_names=None, image=image).labels[0], expected.labels)


def test_splits_never_share_a_subject(folder):
    cases = read_test_set(folder).cases
    assert len({(case.group, case.split) for case in cases}) == len({case.group for case in cases})


@pytest.mark.parametrize("wrong", [{"cases": 5}, {"seed": -1}])
def test_too_few_cases_and_seeds_below_0_are_refused(tmp_path, wrong):
    with pytest.raises(OptionError, match="at least 6 cases"):
        write_simulated_brain(tmp_path / "brain", **wrong)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_is_kept(folder):
    with pytest.raises(OutputError, match="brain is there already"):
        write_simulated_brain(folder, cases=6)
