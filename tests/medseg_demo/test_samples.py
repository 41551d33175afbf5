import nibabel
import numpy as np
import pytest

from medseg_demo.errors import OptionError
from medseg_demo.models.card import read_card
from medseg_demo.reading import read_image
from medseg_demo.samples import SAMPLES, list_samples, sample_path
from medseg_demo.settings import ROOT

CHECKPOINTS = ROOT / "checkpoints"


def test_every_sample_can_be_read():
    assert list_samples() == SAMPLES
    images = {sample.name: read_image(sample_path(sample.name)) for sample in SAMPLES}
    chest = images["chest-xray"]
    assert (chest.axes, chest.pixels.shape, chest.bit_depth, chest.modality) == ("YX", (1955, 1841), 15, "CR")
    assert chest.geometry.spacing_mm is None
    assert images["retina"].pixels.shape == (1411, 1411, 3)
    assert images["stained-tissue"].pixels.shape == (512, 512, 3)
    assert images["hippocampus"].shape == (40, 51, 36)
    assert images["hippocampus"].geometry.spacing_mm == pytest.approx((1, 1, 1))


def test_the_hippocampus_is_cut_out_of_the_template():
    path = sample_path("hippocampus")
    assert path.name == "hippocampus.nii.gz"
    assert path == sample_path("hippocampus")  # made once
    part, whole = nibabel.load(path), nibabel.load(SAMPLES[-1].packaged_file)
    assert part.shape == (36, 51, 40)
    assert nibabel.aff2axcodes(part.affine) == nibabel.aff2axcodes(whole.affine)
    # Array indices of the two files at one place of the brain, here in the left hippocampus.
    place = [-26, -20, -15, 1]
    indices = [tuple(np.rint(np.linalg.inv(image.affine) @ place)[:3].astype(int)) for image in (part, whole)]
    assert part.dataobj[indices[0]] == whole.dataobj[indices[1]]
    assert nibabel.affines.apply_affine(part.affine, [0, 0, 0])[1:] == pytest.approx((-49, -32))


def test_samples_say_where_they_come_from():
    for sample in SAMPLES:
        assert sample.licence
        assert sample.credit
        assert sample.path == sample_path(sample.name)
        assert sample.packaged_file.is_file()
        assert sample.task == read_card(CHECKPOINTS / sample.checkpoint).task
    assert len({sample.checkpoint for sample in SAMPLES}) == len(SAMPLES)


def test_a_missing_package_leaves_its_samples_out(monkeypatch):
    monkeypatch.setattr("medseg_demo.samples.find_spec", lambda name: None)
    assert list_samples() == ()
    with pytest.raises(OptionError, match="pip install scikit-image"):
        sample_path("retina")


def test_an_unknown_name_lists_the_others():
    with pytest.raises(OptionError, match=r"'x'.*chest-xray, retina, stained-tissue, hippocampus"):
        sample_path("x")
