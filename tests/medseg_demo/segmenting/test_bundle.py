from dataclasses import replace
from pathlib import Path

import nibabel
import numpy as np
import pytest
from bundles import (
    ARGMAX,
    HALF,
    INVERT,
    LOAD,
    SCALE,
    SIGMOID,
    SOFTMAX,
    SPACED,
    by_monai,
    compose,
    unet,
    windows,
    write_weights,
)
from bundles import write_bundle as write
from PIL import Image
from scipy import ndimage

from medseg_demo import load_checkpoint, read_image, segment
from medseg_demo.errors import InputMismatchError, InvalidCheckpointError
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.pipeline import SegmentOptions
from medseg_demo.settings import Settings

TORCH = Settings(device="cpu", backend="torch", threads=1)
AS_IT_LIES = np.diag([0.9, 0.8, 3.0, 1.0])
# Columns are x, y, z of the array: its z runs to the right, its x up, its y to the back.
PERMUTED = np.array([[0, 0, 1.1, -5], [0, -0.9, 0, 3], [2.5, 0, 0, 9], [0, 0, 0, 1]])
TO_LEFT_AND_BACK = np.diag([-1.1, -1.1, 2.0, 1.0])
TURNED = np.array([[1.05, -0.33, 0, 0], [0.33, 1.05, 0, 0], [0, 0, 2, 0], [0, 0, 0, 1]])
KEEP_LARGEST = {"_target_": "KeepLargestConnectedComponentd", "keys": "pred", "applied_labels": [1, 2]}
RESIZED = {"_target_": "Resized", "keys": "image", "spatial_size": [16, 16, 16]}
LPS = [{**SPACED[0], "axcodes": "LPS"}, *SPACED[1:]]
REGIONS = "$lambda x: torch.where(x[[2]] > 0, 4, torch.where(x[[0]] > 0, 1, torch.where(x[[1]] > 0, 2, 0)))"


def write_volume(path: Path, affine: np.ndarray, *, channels: int = 1, shape: tuple[int, ...] = (24, 22, 14)) -> Path:
    noise = np.random.default_rng(3).normal(size=(channels, *shape))
    volume = np.stack([ndimage.gaussian_filter(one, 1.5) for one in noise], -1) * 900
    volume[:3] = 0
    nibabel.save(nibabel.Nifti1Image(np.squeeze(volume).astype(np.float32), affine), path)
    return path


def labels_of(folder: Path, file: Path, *, channels: bool = False, settings: Settings = TORCH) -> np.ndarray:
    """(X, Y, Z), in MONAI's order."""
    found = segment(read_image(file, channels=channels), load_checkpoint(folder), settings=settings)
    return found.label_map.labels.T


CASES = {
    "as it lies": ({}, AS_IT_LIES),
    "permuted axes": ({}, PERMUTED),
    "oblique": ({}, TURNED),
    "LPS": (
        {
            "preprocessing": compose(*LOAD, *LPS),
            "inferer": windows(16, 16, 16, mode="gaussian", padding_mode="replicate"),
        },
        TO_LEFT_AND_BACK,
    ),
    "labels are brought back": (
        {"postprocessing": compose(SOFTMAX, ARGMAX, KEEP_LARGEST, {**INVERT, "nearest_interp": True})},
        AS_IT_LIES,
    ),
    "foreground, padded, whole": (
        {
            "preprocessing": compose(
                *LOAD,
                *SPACED,
                {"_target_": "CropForegroundd", "keys": "image", "source_key": "image"},
                {"_target_": "DivisiblePadd", "keys": "image", "k": 8},
            ),
            "inferer": {"_target_": "SimpleInferer"},
        },
        AS_IT_LIES,
    ),
    "resized": (
        {
            "preprocessing": compose(*LOAD, RESIZED, SCALE),
            "inferer": {"_target_": "SimpleInferer"},
            "postprocessing": compose(INVERT, ARGMAX),
        },
        AS_IT_LIES,
    ),
    "slices": (
        {
            "network_def": unet(dimensions=2),
            "preprocessing": compose(*LOAD, SCALE),
            "inferer": {"_target_": "SliceInferer", "roi_size": [16, 16], "spatial_dim": 2},
        },
        AS_IT_LIES,
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_label_maps_are_those_of_monai_itself(case, tmp_path):
    parts, affine = CASES[case]
    folder = write_weights(write(tmp_path / "bundle", **parts))
    file = write_volume(tmp_path / "volume.nii.gz", affine)
    theirs = by_monai(folder, file)[0]
    assert len(np.unique(theirs)) > 1
    np.testing.assert_array_equal(labels_of(folder, file), theirs)


def test_openvino_runs_a_bundle_as_monai_does(tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    file = write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES)
    ours = labels_of(folder, file, settings=replace(TORCH, backend="openvino"))
    assert np.mean(ours != by_monai(folder, file)[0]) < 1e-3


def test_one_class_is_where_its_probability_is_above_the_bundles_threshold(tmp_path):
    folder = write(
        tmp_path / "bundle",
        network_def=unet(outputs=1),
        postprocessing=compose(SIGMOID, INVERT, {**HALF, "threshold": 0.4}),
    )
    file = write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES)
    write_weights(folder)
    found = segment(read_image(file), load_checkpoint(folder), settings=TORCH)
    assert found.threshold == pytest.approx(0.4)
    np.testing.assert_array_equal(found.label_map.labels.T, by_monai(folder, file)[0])
    higher = segment(read_image(file), load_checkpoint(folder), settings=TORCH, options=SegmentOptions(threshold=0.7))
    assert 0 < np.count_nonzero(higher.label_map.labels) < np.count_nonzero(found.label_map.labels)


def test_regions_are_written_in_the_order_of_the_zoos_lambda(tmp_path):
    folder = write(
        tmp_path / "bundle",
        network_def=unet(inputs=4),
        preprocessing=compose(*LOAD, {"_target_": "NormalizeIntensityd", "keys": "image", "channel_wise": True}),
        postprocessing=compose(SIGMOID, INVERT, HALF, {"_target_": "Lambdad", "keys": "pred", "func": REGIONS}),
    )
    file = write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES, channels=4)
    write_weights(folder)
    theirs = by_monai(folder, file)[0]
    ours = labels_of(folder, file, channels=True)
    np.testing.assert_array_equal(np.array([0, 2, 1, 4])[ours], theirs)  # ours are values 1, 2, … in that order


def test_images_of_several_names_are_the_channels_in_their_order(tmp_path):
    keys = ["t2", "adc"]
    before = ({**one, "keys": keys} for one in (*LOAD, *SPACED))
    folder = write(
        tmp_path / "bundle",
        network_def=unet(inputs=2),
        preprocessing=compose(*before, {"_target_": "ConcatItemsd", "keys": keys, "name": "image"}),
        postprocessing=compose(SOFTMAX, {**INVERT, "orig_keys": "t2"}, ARGMAX),
    )
    file = write_volume(tmp_path / "both.nii.gz", TO_LEFT_AND_BACK, channels=2)
    write_weights(folder)
    both = nibabel.load(file)
    files = [tmp_path / "t2.nii.gz", tmp_path / "adc.nii.gz"]
    for index, path in enumerate(files):
        nibabel.save(nibabel.Nifti1Image(both.get_fdata(dtype=np.float32)[..., index], both.affine), path)
    theirs = by_monai(folder, files, keys=("t2", "adc"))[0]
    np.testing.assert_array_equal(labels_of(folder, file, channels=True), theirs)
    assert load_checkpoint(folder).card.channel_names == ("t2", "adc")


def test_a_colour_picture_lies_as_monai_reads_it(tmp_path):
    resize = {"_target_": "Resized", "keys": ["image"], "spatial_size": [32, 16], "mode": ["bilinear"]}
    folder = write(
        tmp_path / "bundle",
        network_def=unet(inputs=3, outputs=2, dimensions=2),
        preprocessing=compose(LOAD[0], {**LOAD[1], "channel_dim": -1}, resize, SCALE),
        inferer={"_target_": "SimpleInferer"},
        postprocessing=compose(
            INVERT, {**ARGMAX, "to_onehot": 2}, {"_target_": "Lambdad", "keys": "pred", "func": "$lambda x : x[1:]"}
        ),
    )
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(30, 44, 3)), (3, 3, 0))
    pixels = ((noise - noise.min()) / np.ptp(noise) * 255).astype(np.uint8)
    Image.fromarray(pixels).save(tmp_path / "picture.png")
    write_weights(folder)
    found = segment(read_image(tmp_path / "picture.png"), load_checkpoint(folder), settings=TORCH)
    np.testing.assert_array_equal(found.label_map.labels.T, by_monai(folder, tmp_path / "picture.png")[0])
    assert found.model_input(0).shape == (16, 32, 3)


def test_probabilities_lie_on_the_images_grid_and_agree_with_the_labels(tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    image = read_image(write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES))
    found = segment(image, load_checkpoint(folder), settings=TORCH)
    assert found.probabilities.shape == (2, *image.shape)
    background = 1 - found.probabilities.astype(np.float32).sum(0)
    most = np.argmax(np.stack([background, *found.probabilities.astype(np.float32)]), 0)
    assert np.mean(most != found.label_map.labels) < 1e-3


def test_progress_reaches_the_end_and_the_turn_is_held_for_each_batch(tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    image = read_image(write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES))
    told: list[tuple[int, int]] = []
    segment(image, load_checkpoint(folder), settings=TORCH, progress=lambda done, of: told.append((done, of)))
    assert told[-1] == (1000, 1000)
    assert told == sorted(told)
    assert len(told) > 2


def test_a_spacing_that_would_fill_the_memory_is_told_before(tmp_path):
    spacing = {**SPACED[1], "pixdim": [1e-3, 1e-3, 1e-3]}
    folder = write_weights(write(tmp_path / "bundle", preprocessing=compose(*LOAD, SPACED[0], spacing)))
    image = read_image(write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES))
    with pytest.raises(InputMismatchError, match="voxels at the spacing"):
        segment(image, load_checkpoint(folder), settings=TORCH)


def test_a_card_cannot_name_a_class_that_is_none_of_monais(tmp_path):
    folder = write_weights(write(tmp_path / "bundle"))
    checkpoint = load_checkpoint(folder)
    steps = checkpoint.card.bundle
    evil = steps.model_copy(
        update={"preprocessing": (steps.preprocessing[0].model_copy(update={"target": "Lambdad"}),)}
    )
    card = checkpoint.card.model_copy(update={"recipe": evil})
    image = read_image(write_volume(tmp_path / "volume.nii.gz", AS_IT_LIES))
    with pytest.raises(InvalidCheckpointError, match="Lambdad"):
        segment(image, Checkpoint("evil", card, checkpoint.network, ""), settings=TORCH)
