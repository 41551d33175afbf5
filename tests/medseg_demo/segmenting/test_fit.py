from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import ModelCard, read_card
from medseg_demo.reading import read_image
from medseg_demo.segmenting.fit import KINDS, check_fit

CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"

CHEST = "Chest radiograph, frontal"
BRAIN = "MRI of the brain, T1-weighted, cropped to one hippocampus"
CELLS = "Light microscopy (fluorescence, stained tissue, brightfield)"
EYES = "Colour fundus photograph"

VOLUME_CARD = ModelCard(class_names=("a",), in_channels=1, input_size=(16, 32, 16), inference="tile")
STANDING = np.diag([-1.0, -1.0, 1.0, 1.0])


def volume(shape=(20, 30, 20), spacing_mm=(1.0, 1.0, 1.0), affine=STANDING) -> MedicalImage:
    return MedicalImage(
        np.zeros(shape, np.uint8), "ZYX", Geometry(spacing_mm, affine), "made", "NIfTI", 8, (0.0, 255.0)
    )


def test_an_image_that_fits_gives_no_warning(square, card):
    assert check_fit(square, card) == []


def test_what_does_not_fit_an_image(make_image, card):
    colour = make_image(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), "YXC")
    assert "colour is dropped" in check_fit(colour, card)[0]
    grey_stored_as_colour = make_image(np.repeat(np.eye(64, dtype=np.uint8)[..., None], 3, axis=-1), "YXC")
    assert check_fit(grey_stored_as_colour, card) == []
    grey = make_image(np.eye(64, dtype=np.uint8))
    assert "grey is repeated" in check_fit(grey, card.model_copy(update={"in_channels": 3}))[0]
    assert "expects 300 to 400" in check_fit(grey, card.model_copy(update={"window": (300.0, 400.0)}))[0]
    assert "small" in check_fit(make_image(np.eye(10, dtype=np.uint8)), card)[0]
    assert "padding" in check_fit(make_image(np.zeros((64, 200), np.uint8)), card)[0]
    assert "no model card" in check_fit(grey, card, has_card=False)[0]


def test_slices_in_a_2d_network_are_told(card):
    assert check_fit(volume((3, 64, 64)), card) == ["The checkpoint is 2-D: each slice is segmented on its own."]


def test_a_volume_that_fits_a_3d_network():
    assert check_fit(volume(), VOLUME_CARD) == []


@pytest.mark.parametrize(
    ("image", "spacing_mm", "part"),
    [
        (volume(affine=None), None, "no orientation"),
        (volume(spacing_mm=None), (1.0, 1.0, 2.0), "works at 2 × 1 × 1 mm"),
        (volume((3, 30, 20)), None, r"small (20 × 30 × 3 voxels)"),
        (volume(spacing_mm=(0.1, 1.0, 1.0)), (1.0, 1.0, 1.0), "small"),
    ],
)
def test_what_does_not_fit_a_3d_network(image, spacing_mm, part):
    (warning,) = check_fit(image, VOLUME_CARD.model_copy(update={"spacing_mm": spacing_mm}))
    assert part in warning


@pytest.mark.parametrize("card", [VOLUME_CARD, VOLUME_CARD.model_copy(update={"input_size": (32, 16)})])
def test_a_volume_of_far_more_than_was_learned_from(card):
    learned = card.model_copy(update={"training": {"largest_mm": [40.0, 25.0, 20.0]}})
    assert "81 × 60 × 51 mm, but" in check_fit(volume((60, 51, 81)), learned)[-1]
    assert not any("learned from" in warning for warning in check_fit(volume((60, 40, 81)), learned))
    assert not any("learned from" in warning for warning in check_fit(volume(spacing_mm=None), learned))


def test_an_image_does_not_fit_a_3d_network(square):
    (warning,) = check_fit(square, VOLUME_CARD)
    assert "2-D image" in warning


@pytest.mark.parametrize(
    ("modality", "code", "said"),
    [
        (CHEST, "CT", "The file says CT, but"),
        (CHEST, "MR", "The file says MR, but"),
        (CHEST, "MG", "The file says MG (mammogram), but"),
        (BRAIN, "CR", "The file says CR (radiograph), but"),
        (BRAIN, "PT", "The file says PT (nuclear medicine), but"),
        (CELLS, "US", "The file says US (ultrasound), but"),
        (EYES, "OPT", "The file says OPT (optical coherence tomogram), but"),
        ("Contrast-enhanced CT", "OCT", "The file says OCT (optical coherence tomogram), but"),
    ],
)
def test_another_kind_of_image_than_was_learned_from(square, card, modality, code, said):
    (warning,) = check_fit(replace(square, modality=code), card.model_copy(update={"modality": modality}))
    assert warning.startswith(said)
    assert f"({modality})" in warning


@pytest.mark.parametrize(
    ("modality", "codes"),
    [
        (CHEST, ("CR", "DX", "DR", "RG")),
        ("Chest X-ray", ("CR", "DX")),
        (BRAIN, ("MR",)),
        (CELLS, ("SM", "GM")),
        (EYES, ("OP",)),
        ("CT and MR of the abdomen", ("CT", "MR")),
        ("Planned dose of the pelvis", ("RTDOSE",)),
        ("Mammography", ("MG",)),
        ("Panoramic dental radiograph", ("PX", "DX")),
        ("Fluorescein angiography", ("OP", "XA")),
        ("unknown", ("CT", "MR")),
    ],
)
def test_the_same_kind_of_image_or_a_card_that_names_none(square, card, modality, codes):
    named = card.model_copy(update={"modality": modality})
    for code in (*codes, "OT", "NONSENSE", None):
        assert check_fit(replace(square, modality=code), named) == []


def test_every_code_is_written_as_dicom_writes_it():
    assert all(code.isupper() and len(code) <= 16 for kind in KINDS for code in kind.codes)


@pytest.mark.parametrize(
    ("file", "checkpoint", "said"),
    [
        ("RG1_UNCR.dcm", "lungs-unet-lite0", None),
        ("RG1_UNCR.dcm", "lungs-unet-tiny", None),
        ("RG1_UNCR.dcm", "hippocampus-unet2d-tiny", "CR (radiograph)"),
        ("CT_small.dcm", "lungs-unet-lite0", "CT"),
        ("MR_small.dcm", "lungs-unet-lite0", "MR"),
        ("MR_small.dcm", "hippocampus-unet2d-tiny", None),
    ],
)
def test_real_files_and_the_bundled_checkpoints(file, checkpoint, said):
    image = read_image(get_testdata_file(file, download=False))
    found = [warning for warning in check_fit(image, read_card(CHECKPOINTS / checkpoint)) if "The file says" in warning]
    assert [warning.split("The file says ")[1].split(", but")[0] for warning in found] == ([said] if said else [])


def test_channels_that_are_no_colours(make_image, card):
    pixels = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    image = replace(make_image(pixels, "YXC"), channel_names=("T1", "T2", "PD"))
    (refused,) = check_fit(image, card)
    assert "3 channels (T1, T2, PD), and the checkpoint takes 1: it cannot be segmented" in refused
    (told,) = check_fit(image, card.model_copy(update={"in_channels": 3}))
    assert "no colours: the checkpoint gets them in this order" in told


def test_the_channel_whose_intensities_do_not_fit_is_named(make_image):
    pixels = np.stack([np.eye(64), np.eye(64) * 1000, np.eye(64)], axis=-1).astype(np.float32)
    image = replace(make_image(pixels, "YXC"), channel_names=("T1", "T2", "PD"))
    card = ModelCard(class_names=("a",), in_channels=3, input_size=(64, 64), window=(5, 500))
    assert [line for line in check_fit(image, card) if "Intensities" in line] == [
        "Intensities of T1 run from 0 to 1, but the checkpoint expects 5 to 500: check the rescaling of the file.",
        "Intensities of PD run from 0 to 1, but the checkpoint expects 5 to 500: check the rescaling of the file.",
    ]


def test_a_window_of_ct_wants_negative_intensities(square, card):
    ct = card.model_copy(update={"window": (-160.0, 240.0)})
    assert "No intensity is negative" in check_fit(square, ct)[0]
    assert check_fit(replace(square, pixels=square.pixels.astype(np.int16) - 100), ct) == []
