import numpy as np
import pytest
from PIL import Image

from medseg_demo.errors import OutputError
from medseg_demo.test_sets import simulated as simulation
from medseg_demo.test_sets.simulated import ensure_simulated_nuclei, simulate_field, simulate_nuclei
from medseg_demo.test_sets.test_set import read_test_set


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return ensure_simulated_nuclei(tmp_path_factory.mktemp("sets"))


def field(density="medium", noise="low", seed=3):
    return simulate_field("field", density, noise, np.random.default_rng(seed))


def test_the_folder_is_a_test_set_that_says_it_is_simulated(folder):
    test_set = read_test_set(folder, split="test")
    assert "simulated" in test_set.name
    assert "simulated" in (folder / "README.md").read_text()
    assert test_set.class_names == ("nucleus",)
    assert len(test_set.cases) == 24
    kinds = [(case.metadata["density"], case.metadata["noise"]) for case in test_set.cases]
    assert {kinds.count(kind) for kind in set(kinds)} == {4}
    assert len(set(kinds)) == 6


def test_files_are_what_was_drawn(folder):
    drawn = next(simulate_nuclei())
    with (
        Image.open(folder / "images" / "simulated_01.png") as image,
        Image.open(folder / "masks" / "simulated_01.png") as mask,
    ):
        assert np.array_equal(image, drawn.image)
        assert np.array_equal(mask, drawn.mask * np.uint8(255))


def test_chance_comes_from_the_seed_alone():
    first, again, other = field(), field(), field(seed=4)
    assert np.array_equal(first.image, again.image)
    assert np.array_equal(first.mask, again.mask)
    assert first.image.shape != other.image.shape or not np.array_equal(first.mask, other.mask)


def test_masks_are_exact(monkeypatch):
    """Without blur, haze and noise, light is where the mask is, and nowhere else."""
    seen = []
    monkeypatch.setattr(simulation, "_photograph", lambda light, *_: seen.append(light) or light)
    drawn = field("dense")
    assert np.array_equal(seen[0] > 0, drawn.mask)


def test_nuclei_touch_but_hardly_overlap():
    from scipy import ndimage

    drawn = field("dense")
    parts = ndimage.label(drawn.mask)[1]
    assert parts < 0.8 * drawn.nuclei
    assert drawn.mask.sum() > 0.75 * drawn.nuclei * np.pi * (0.8 * simulation.RADIUS_PX) ** 2


def test_nuclei_are_brighter_and_high_noise_is_noisier():
    quiet, loud = field(noise="low"), field(noise="high")
    for drawn in (quiet, loud):
        assert drawn.image[drawn.mask].mean() > 3 * drawn.image[~drawn.mask].mean()
    assert loud.image[~loud.mask].std() > 1.3 * quiet.image[~quiet.mask].std()


def test_its_name_is_that_of_its_folder(folder):
    assert read_test_set(folder).name == folder.name == simulation.NAME


def test_it_is_made_once(folder):
    (folder / "marker").write_text("")
    assert ensure_simulated_nuclei(folder.parent) == folder
    assert (folder / "marker").exists()
    assert [path.name for path in folder.parent.iterdir()] == [folder.name]


def test_a_full_disk_leaves_nothing_behind(tmp_path, monkeypatch):
    def fill_up(fields, folder):
        (folder / "images").mkdir()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(simulation, "simulate_nuclei", lambda: iter(()))
    monkeypatch.setattr(simulation, "_write", fill_up)
    with pytest.raises(OutputError, match="No space left on device"):
        ensure_simulated_nuclei(tmp_path / "sets")
    assert list((tmp_path / "sets").iterdir()) == []
