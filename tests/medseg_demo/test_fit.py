import numpy as np
import pytest

from medseg_demo.fit import check_fit
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import ModelCard

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


def test_an_image_does_not_fit_a_3d_network(square):
    (warning,) = check_fit(square, VOLUME_CARD)
    assert "2-D image" in warning
