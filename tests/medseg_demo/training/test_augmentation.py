import numpy as np
import pytest
import torch
from pydantic import ValidationError

from medseg_demo.errors import TrainingError
from medseg_demo.training.augmentation import RandColourd, build_augmentation, foreground_shares
from medseg_demo.training.config_parts import Augmentation
from medseg_demo.training.presets import PRESETS

GEOMETRY = Augmentation(
    flip_horizontal=0.5, flip_vertical=0.5, quarter_turns=0.5, affine=1.0, rotate_degrees=40, scale=0.3, shear=0.2,
    translate=0.1, intensity=0, histogram=0, blur=0, noise=0,
)  # fmt: skip
NOTHING = GEOMETRY.model_copy(
    update={"affine": 0.0, "flip_horizontal": 0.0, "flip_vertical": 0.0, "quarter_turns": 0.0}
)


def pair(size: int = 64) -> dict[str, torch.Tensor]:
    """An image that equals its labels: a block off the centre."""
    labels = torch.zeros(1, size, size)
    labels[:, 8:30, 12:50] = 1
    return {"image": labels.clone(), "label": labels}


@pytest.mark.parametrize("seed", range(8))
def test_labels_stay_on_the_image(seed):
    changed = build_augmentation(GEOMETRY, (64, 64), seed=seed)(pair())
    image, label = (np.asarray(changed[key]) for key in ("image", "label"))
    assert set(np.unique(label)) <= {0, 1}
    # The image is blended at the block's border, the labels are not: they agree wherever the blend is decided.
    assert (np.abs(image - label) < 0.5 + 1e-6).mean() > 0.995
    assert 0 < label.mean() < 1


def test_geometry_does_change():
    changed = build_augmentation(GEOMETRY, (64, 64), seed=1)(pair())
    assert (np.asarray(changed["label"]) != np.asarray(pair()["label"])).mean() > 0.05


def test_intensities_leave_labels_alone():
    config = NOTHING.model_copy(update={"intensity": 1.0, "histogram": 1.0, "blur": 1.0, "noise": 1.0, "colour": 0.2})
    changed = build_augmentation(config, (64, 64), seed=0)(pair())
    np.testing.assert_array_equal(np.asarray(changed["label"]), np.asarray(pair()["label"]))
    assert (np.asarray(changed["image"]) != np.asarray(pair()["image"])).mean() > 0.9
    assert np.isfinite(np.asarray(changed["image"])).all()


def test_nothing_asked_for_changes_nothing():
    changed = build_augmentation(NOTHING, (64, 64))(pair())
    np.testing.assert_array_equal(np.asarray(changed["image"]), np.asarray(pair()["image"]))


def test_large_images_are_cropped_and_small_ones_mirrored():
    big = build_augmentation(NOTHING, (32, 32))(pair())
    assert big["image"].shape == big["label"].shape == (1, 32, 32)
    ramp = torch.arange(40.0).view(1, 1, 40).expand(1, 40, 40)
    small = build_augmentation(NOTHING, (64, 64))({"image": ramp, "label": ramp})
    assert small["image"].shape == (1, 64, 64)
    assert set(np.unique(np.asarray(small["image"]))) == set(range(40))
    np.testing.assert_array_equal(np.asarray(small["image"]), np.asarray(small["label"]))


def test_same_seed_gives_the_same_image():
    config = Augmentation(affine=1.0, intensity=1.0, noise=1.0, colour=0.1)
    first, second = (build_augmentation(config, (64, 64), seed=5)(pair())["image"] for _ in range(2))
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second))
    other = build_augmentation(config, (64, 64), seed=6)(pair())["image"]
    assert (np.asarray(first) != np.asarray(other)).any()


def test_mixing_turns_hues_and_keeps_grey_alone_without_it():
    image = torch.zeros(3, 2, 2)
    image[0] = 1
    mixed = RandColourd("image", amount=0.0, mix=0.5, prob=1.0).set_random_state(0)({"image": image})["image"]
    assert (mixed[0] == 1).all(), "a channel keeps its own share"
    assert (mixed[1:] != 0).all()
    assert (mixed[1:].abs() <= 0.5).all()
    same = RandColourd("image", amount=0.0, prob=1.0).set_random_state(0)({"image": image})["image"]
    assert torch.equal(same, image)


def test_channels_change_on_their_own():
    step = RandColourd("image", amount=0.3, prob=1.0).set_random_state(0)
    changed = step({"image": torch.ones(3, 2, 2)})["image"]
    assert len({round(float(value), 5) for value in changed[:, 0, 0]}) == 3
    assert (changed == changed[:, :1, :1]).all()


def block() -> dict[str, torch.Tensor]:
    """A volume that equals its labels: a block off the centre."""
    labels = torch.zeros(1, 24, 32, 32)
    labels[:, 4:12, 6:20, 8:28] = 1
    return {"image": labels.clone(), "label": labels}


@pytest.mark.parametrize("seed", range(4))
def test_labels_stay_on_the_volume(seed):
    config = GEOMETRY.model_copy(update={"flip_depth": 0.5, "rotate_degrees": 20.0, "scale": 0.2})
    changed = build_augmentation(config, (24, 32, 32), seed=seed)(block())
    image, label = (np.asarray(changed[key]) for key in ("image", "label"))
    assert image.shape == label.shape == (1, 24, 32, 32)
    assert set(np.unique(label)) == {0, 1}
    assert (np.abs(image - label) < 0.5 + 1e-6).mean() > 0.99


@pytest.mark.parametrize(("name", "axis"), [("flip_depth", 1), ("flip_vertical", 2), ("flip_horizontal", 3)])
def test_each_flip_mirrors_its_axis_of_a_volume(name, axis):
    config = NOTHING.model_copy(update={name: 1.0})
    changed = build_augmentation(config, (24, 32, 32))(block())
    np.testing.assert_array_equal(np.asarray(changed["label"]), block()["label"].flip(axis).numpy())


def test_intensities_of_a_volume_change_alone():
    config = NOTHING.model_copy(update={"intensity": 1.0, "histogram": 1.0, "blur": 1.0, "noise": 1.0, "colour": 0.2})
    changed = build_augmentation(config, (24, 32, 32), seed=0)(block())
    np.testing.assert_array_equal(np.asarray(changed["label"]), block()["label"].numpy())
    assert (np.asarray(changed["image"]) != block()["image"].numpy()).mean() > 0.9


def test_volumes_are_cropped_and_mirrored_to_size():
    changed = build_augmentation(NOTHING, (16, 40, 32))(block())
    assert changed["image"].shape == changed["label"].shape == (1, 16, 40, 32)
    np.testing.assert_array_equal(np.asarray(changed["image"]), np.asarray(changed["label"]))


def spots() -> dict[str, torch.Tensor]:
    """A pixel of class 1, ten of class 2, far from each other in an image that equals its labels."""
    labels = torch.zeros(1, 96, 128)
    labels[0, 20, 30] = 1
    labels[0, 70, 90:100] = 2
    return {"image": labels.clone(), "label": labels}


def found(foreground: dict[tuple[int, ...], float], *, draws: int = 300) -> dict[int, float]:
    """The share of crops that hold each class."""
    crop = build_augmentation(NOTHING, (16, 16), foreground=foreground, seed=0)
    crops = [crop(spots()) for _ in range(draws)]
    assert all(one["label"].shape == (1, 16, 16) for one in crops)
    assert all((np.asarray(one["label"]) == np.asarray(one["image"])).all() for one in crops)
    return {
        value: float(np.mean([bool((np.asarray(one["label"]) == value).any()) for one in crops])) for value in (1, 2)
    }


def test_crops_are_centred_on_foreground_as_often_as_was_asked():
    assert sum(found({}).values()) < 0.15
    assert sum(found({(1, 2): 1.0}).values()) == 1.0
    assert 0.4 < sum(found({(1, 2): 0.5}).values()) < 0.7


def test_crops_may_be_centred_by_class():
    shares = found({(1,): 0.7, (2,): 0.2})
    assert 0.6 < shares[1] < 0.8
    assert 0.12 < shares[2] < 0.3


def test_a_crop_centred_on_a_pixel_has_it_in_its_middle_and_ends_at_the_border():
    crop = build_augmentation(NOTHING, (16, 16), foreground={(1,): 1.0})(spots())
    assert np.argwhere(np.asarray(crop["label"])[0]).tolist() == [[8, 8]]
    wide = build_augmentation(NOTHING, (64, 64), foreground={(1,): 1.0})(spots())
    assert np.argwhere(np.asarray(wide["label"])[0] == 1).tolist() == [[20, 30]]


def test_without_the_class_a_crop_lies_anywhere():
    assert sum(found({(3,): 1.0}).values()) < 0.15


def test_volumes_are_cropped_on_foreground_too():
    crop = build_augmentation(NOTHING, (4, 8, 8), foreground={(1,): 1.0})(block())
    assert np.asarray(crop["label"])[0, 2, 4, 4] == 1


def test_shares_go_by_names_of_classes():
    assert foreground_shares(0.5, ("a", "b")) == {(1, 2): 0.5}
    assert foreground_shares({"b": 0.25, "a": 0.0}, ("a", "b")) == {(2,): 0.25}
    assert foreground_shares(0.0, ("a",)) == {}
    with pytest.raises(TrainingError, match="'c' is no class; the names are a, b"):
        foreground_shares({"c": 0.1}, ("a", "b"))


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_keep_labels_whole_and_on_the_image(preset):
    config = Augmentation(preset=preset, intensity=0.0, histogram=0.0, blur=0.0, noise=0.0, affine=1.0)
    for seed in range(3):
        changed = build_augmentation(config, (64, 64), seed=seed)(pair())
        image, label = (np.asarray(changed[key]) for key in ("image", "label"))
        assert set(np.unique(label)) <= {0, 1}
        assert (np.abs(image - label) < 0.5 + 1e-6).mean() > 0.995


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_runs_on_images_and_volumes(preset):
    for size, channels in (((32, 32), 3), ((8, 32, 32), 1)):
        label = torch.zeros(1, *size)
        given = {"image": torch.rand(channels, *size), "label": label}
        changed = build_augmentation(Augmentation(preset=preset), size, seed=1)(given)
        assert changed["image"].shape == (channels, *size)
        assert np.isfinite(np.asarray(changed["image"])).all()


def test_keys_beside_a_preset_go_before_it():
    assert Augmentation(preset="fundus").rotate_degrees == 30
    mixed = Augmentation(preset="fundus", rotate_degrees=5)
    assert (mixed.rotate_degrees, mixed.colour) == (5, 0.15)
    assert Augmentation.model_validate(mixed.model_dump()) == mixed
    assert Augmentation(preset=None) == Augmentation()
    with pytest.raises(ValidationError, match="preset"):
        Augmentation(preset="xrays")
