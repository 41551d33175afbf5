from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from medseg_demo.image import MedicalImage
from medseg_demo.models.card import read_card
from medseg_demo.reading import read_image
from medseg_demo.samples import SAMPLES, sample_path
from medseg_demo.segmenting.appearance import FIGURES, appearance, spread, unlike
from medseg_demo.segmenting.fit import check_fit

CHECKPOINTS = Path(__file__).parents[3] / "checkpoints"


@pytest.fixture
def radiograph(make_image) -> MedicalImage:
    """Dark around, bright in the middle, in 256 greys."""
    distance = np.abs(np.linspace(-1, 1, 128))
    return make_image((255 * (1 - np.maximum(distance[:, None], distance[None]))).astype(np.uint8))


@pytest.fixture
def trained(card, radiograph):
    return card.model_copy(update={"appearance": spread([appearance(radiograph)]), "modality": "Chest radiograph"})


def test_figures_of_a_picture_of_known_parts(make_image):
    pixels = np.full((40, 40, 3), 255, np.uint8)
    pixels[:20] = (255, 0, 0)
    pixels[:2] = pixels[-2:] = pixels[:, :2] = pixels[:, -2:] = 0
    found = appearance(make_image(pixels, "YXC"))
    inside = 36 * 18 / 1600
    assert found["black"] == pytest.approx(1 - 2 * inside)
    assert found["black_border"] == 1
    assert found["white"] == pytest.approx(inside)
    assert found["saturation"] == pytest.approx(inside)
    assert found["border"] == pytest.approx(-(1 + 0.299) / 2, abs=1e-6)
    assert (found["volume"], found["negative"], found["values"]) == (0, 0, 1)


def test_outliers_among_the_training_images_do_not_count():
    seen = [dict.fromkeys((figure.name for figure in FIGURES), value) for value in (*[0.2] * 199, 9.0)]
    assert set(spread(seen).values()) == {(0.2, 0.2)}
    assert spread([]) == {}


def test_nothing_is_said_where_nobody_kept_what_the_training_images_looked_like(radiograph, card, trained):
    strange = replace(radiograph, pixels=255 - radiograph.pixels)
    assert unlike(strange, card) == []
    assert unlike(radiograph, trained) == []
    assert unlike(strange, trained)[0] in check_fit(strange, trained)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda grey: 255 - grey, "border is brighter than its middle"),
        (lambda grey: grey // 32 * 32, "holds 8 different values only"),
        (lambda grey: np.where(grey < 150, 0, grey), "\u202f% of it is black"),
        (lambda grey: np.where(grey > 60, 255, grey), "\u202f% of it is white"),
        (lambda grey: grey.astype(np.int16) - 120, "% of its intensities are negative, as in CT"),
    ],
)
def test_what_differs_is_said(radiograph, trained, change, words):
    (warning,) = unlike(replace(radiograph, pixels=change(radiograph.pixels)), trained)
    assert words in warning
    assert "Chest radiograph" in warning


def test_a_volume_and_a_colour_picture_are_no_radiographs(radiograph, trained):
    grey = radiograph.pixels
    (warning,) = unlike(replace(radiograph, pixels=np.stack([grey] * 3), axes="ZYX"), trained)
    assert "it has slices" in warning
    (warning,) = unlike(replace(radiograph, pixels=np.stack([grey, grey // 2, grey // 3], -1), axes="YXC"), trained)
    assert "more colourful" in warning


@pytest.mark.parametrize("sample", SAMPLES, ids=lambda sample: sample.name)
def test_each_sample_looks_like_what_its_checkpoint_was_trained_on(sample):
    assert unlike(read_image(sample.path), read_card(CHECKPOINTS / sample.checkpoint)) == []


@pytest.mark.parametrize(
    ("sample", "other"),
    [
        ("hippocampus", "lungs-unet-tiny-int8"),
        ("retina", "lungs-unet-lite0"),
        ("stained-tissue", "lungs-unet-tiny"),
        ("chest-xray", "vessels-unet-tiny"),
        ("stained-tissue", "vessels-unet-lite0"),
        ("hippocampus", "nuclei-unet-lite0"),
        ("retina", "hippocampus-unet2d-tiny"),
    ],
)
def test_another_kind_of_image_is_noticed_without_tags(sample, other):
    assert unlike(read_image(sample_path(sample)), read_card(CHECKPOINTS / other))


def test_a_ct_is_no_mr():
    image = replace(read_image(get_testdata_file("CT_small.dcm", download=False)), modality=None)
    (warning,) = unlike(image, read_card(CHECKPOINTS / "hippocampus-unet2d-tiny"))
    assert "negative, as in CT" in warning
