import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
from dicom_series import write_sparse_test_set
from PIL import Image
from torch import nn

from medseg_demo.errors import TestSetError
from medseg_demo.models.card import ModelCard, Normalisation
from medseg_demo.models.checkpoint import Checkpoint
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.test_sets.case import read_case_image
from medseg_demo.test_sets.test_set import read_test_set
from medseg_demo.training.augmentation import build_augmentation
from medseg_demo.training.config_parts import Augmentation
from medseg_demo.training.data import EpochSampler, TrainingSlices, channel_names, load_cases, notes_on
from medseg_demo.training.memory import Memory


@pytest.fixture
def card() -> ModelCard:
    return ModelCard(class_names=("disc",), in_channels=1, input_size=(64, 64), threshold=0.5)


def test_cases_are_placed_as_for_inference(discs, card):
    cases = load_cases(read_test_set(discs, split="val"), card.model_copy(update={"input_size": (64, 96)}))
    assert [case.case.case_id for case in cases] == ["d8", "d9"]
    for case in cases:
        assert case.inputs.shape == (1, 1, 64, 96)
        assert case.labels.shape == (1, 64, 64)
        assert set(np.unique(case.labels)) == {0, 1}
        assert case.placement.offset == (0, 16)
        assert (case.inputs[..., :16] == 0).all()


def test_every_faulty_case_is_named(discs, card):
    (discs / "images/d0.png").write_bytes(b"\x89PNG\r\n\x1a\n broken")
    Image.fromarray(np.zeros((64, 63), np.uint8)).save(discs / "masks/d1.png")
    Image.fromarray(np.full((64, 64), 7, np.uint8)).save(discs / "masks/d2.png")
    with pytest.raises(TestSetError) as error:
        load_cases(read_test_set(discs), card)
    assert [fault.split(":")[0] for fault in error.value.faults] == ["Case 'd0'", "Case 'd1'", "Case 'd2'"]
    assert "reference has shape (64, 63) but image has (64, 64)" in error.value.faults[1]
    assert "label 7" in error.value.faults[2]


def test_volumes_give_one_slice_each(tmp_path, card):
    rng = np.random.default_rng(0)
    for name, pixels in (("images", rng.integers(0, 99, (3, 40, 20))), ("masks", rng.integers(0, 2, (3, 40, 20)))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "v.npy", pixels.astype(np.uint8))
    cases = load_cases(read_test_set(tmp_path), card)
    slices = TrainingSlices(cases, card, build_augmentation(Augmentation(), (64, 64)), seed=0)
    assert len(slices) == 3
    assert slices[0]["image"].shape == slices[0]["label"].shape == (1, 64, 64)


def test_a_dicom_seg_may_leave_out_empty_slices(tmp_path, card):
    labels = write_sparse_test_set(tmp_path)
    (case,) = load_cases(read_test_set(tmp_path), card)
    np.testing.assert_array_equal(case.labels, labels)


def test_tiles_leave_the_padding_out(discs, card):
    large = card.model_copy(update={"input_size": (128, 128), "inference": "tile"})
    cases = load_cases(read_test_set(discs, split="val"), large)
    assert cases[0].inputs.shape == (1, 1, 128, 128)
    image, label = TrainingSlices(cases, large, build_augmentation(Augmentation(), (128, 128)), seed=0).slice_at(0)
    assert image.shape == label.shape == (1, 64, 64)
    np.testing.assert_array_equal(label[0], cases[0].labels[0])


def test_an_item_depends_on_its_number_and_the_seed_alone(discs, card):
    cases = load_cases(read_test_set(discs, split="train"), card)

    def slices(seed: int) -> TrainingSlices:
        return TrainingSlices(cases, card, build_augmentation(Augmentation(affine=1.0), (64, 64)), seed=seed)

    first, again = slices(3), slices(3)
    again[5], again[1]
    assert torch.equal(first[9]["image"], again[9]["image"])
    assert not torch.equal(first[9]["image"], first[1]["image"]), "the same image in the next epoch is changed anew"
    assert not torch.equal(first[9]["image"], slices(4)[9]["image"])


def test_sampler_gives_each_number_of_an_epoch_once():
    sampler = EpochSampler(5, repeats=3, seed=1)
    first = list(sampler)
    sampler.set_epoch(2)
    third = list(sampler)
    assert sorted(first) == list(range(15))
    assert sorted(third) == list(range(30, 45))
    assert [number - 30 for number in third] != first
    assert list(sampler) == third
    assert len(sampler) == 15


def test_colour_becomes_what_the_card_asks_for(discs, card):
    shutil.copy(discs / "images/d8.png", discs / "images/d8.copy")
    Image.open(discs / "images/d8.copy").convert("RGB").save(discs / "images/d8.png")
    (discs / "images/d8.copy").unlink()
    cases = load_cases(read_test_set(discs, split="val"), card.model_copy(update={"in_channels": 3}))
    assert [case.inputs.shape for case in cases] == [(1, 3, 64, 64)] * 2


def test_volumes_reach_a_3d_network_whole_and_all_the_same_way_round(balls):
    card = ModelCard(class_names=("lower", "upper"), in_channels=1, input_size=(16, 16, 16), inference="tile")
    cases = load_cases(read_test_set(balls, split="val"), card)
    for case in cases:
        assert case.inputs.shape == (1, 1, 16, 16, 16)
        assert case.labels.shape == (12, 14, 16)
        lower, upper = (np.argwhere(case.labels == value)[:, 0] for value in (1, 2))
        assert lower.max() < upper.min(), "the upper half lies towards the head in every volume"
    volumes = TrainingSlices(cases, card, build_augmentation(Augmentation(), (16, 16, 16)), seed=0)
    assert len(volumes) == 2
    image, label = volumes.slice_at(0)
    assert image.shape == label.shape == (1, 12, 14, 16)
    assert volumes[0]["image"].shape == volumes[0]["label"].shape == (1, 16, 16, 16)


def test_volumes_are_learned_from_at_the_spacing_of_the_card(balls):
    card = ModelCard(
        class_names=("lower", "upper"),
        in_channels=1,
        input_size=(8, 8, 8),
        inference="tile",
        spacing_mm=(2.0, 2.0, 2.0),
    )
    image, label = TrainingSlices(
        load_cases(read_test_set(balls, split="val"), card), card, build_augmentation(Augmentation(), (8, 8, 8)), seed=0
    ).slice_at(1)
    assert image.shape == label.shape == (1, 6, 7, 8)
    assert set(np.unique(label)) == {0, 1, 2}


def test_channel_files_are_trained_on_together_or_refused(tmp_path, card):
    rng = np.random.default_rng(0)
    (tmp_path / "imagesTr").mkdir()
    (tmp_path / "labelsTr").mkdir()
    planes = [rng.integers(0, 200 * (channel + 1), (64, 64)).astype(np.uint16) for channel in range(3)]
    for channel, plane in enumerate(planes):
        np.save(tmp_path / f"imagesTr/a_{channel:04}.npy", plane)
    np.save(tmp_path / "labelsTr/a.npy", (planes[0] > 100).astype(np.uint8))
    test_set = read_test_set(tmp_path)
    zscore = {"in_channels": 3, "normalisation": Normalisation(method="zscore")}
    (case,) = load_cases(test_set, card.model_copy(update=zscore))
    means, deviations = case.inputs.float().mean((0, 2, 3)), case.inputs.float().std((0, 2, 3))
    np.testing.assert_allclose(means.numpy(), 0, atol=1e-2)
    np.testing.assert_allclose(deviations.numpy(), 1, atol=1e-2)
    with pytest.raises(TestSetError, match=r"Case 'a': .* 3 channels .* takes 1"):
        load_cases(test_set, card)


def test_beyond_the_limit_of_memory_items_are_the_same(discs, card, monkeypatch):
    test_set = read_test_set(discs, split="train")
    small = card.model_copy(update={"input_size": (32, 32)})

    def items(memory: Memory) -> list[dict[str, torch.Tensor]]:
        cases = load_cases(test_set, small, memory=memory)
        augmentation = build_augmentation(Augmentation(affine=1.0), (32, 32))
        slices = TrainingSlices(cases, small, augmentation, seed=0, memory=memory)
        return [slices[number] for number in range(len(slices))]

    mapped = Memory(1)
    mapped.left = 5000
    for one, other in zip(items(Memory(100)), items(mapped), strict=True):
        assert all(torch.equal(one[key], other[key]) for key in one)
    assert mapped.in_files > 0


def test_a_class_that_no_training_case_has_and_a_lone_case_are_named(discs, card):
    (discs / "dataset.json").write_text('{"labels": {"background": 0, "ring": 2, "disc": 255}}')
    names = ("ring", "disc")
    two = card.model_copy(update={"class_names": names, "threshold": None})
    cases = load_cases(read_test_set(discs, split="train"), two)
    assert notes_on(cases, two) == ("No training case has the class 'ring': the network cannot learn it.",)
    assert "one training case, 'd0'" in notes_on(cases[:1], two)[1]
    assert "neighbours" in notes_on(cases, two.model_copy(update={"neighbours": 1}))[-1]


def test_a_slice_of_a_volume_has_the_same_neighbours_in_training_and_in_use(balls, settings, monkeypatch):
    card = ModelCard(class_names=("lower", "upper"), in_channels=1, input_size=(32, 32), inference="tile", neighbours=2)
    (case, *_) = load_cases(read_test_set(balls, split="val"), card)
    slices = TrainingSlices([case], card, build_augmentation(Augmentation(), (32, 32)), seed=0)
    beyond = [case.placement.crop(case.inputs)[min(max(3 + step, 0), 11), 0] for step in range(-2, 3)]
    image, _ = slices.slice_at(3)
    torch.testing.assert_close(image, torch.stack(beyond))
    assert torch.equal(slices.slice_at(0)[0][0], slices.slice_at(0)[0][2]), "the first slice repeats before it"
    seen, by_torch = [], replace(settings, backend="torch")

    class Seeing(nn.Module):
        def forward(self, images):
            seen.append(images.clone())
            return images[:, :3]

    monkeypatch.setattr("medseg_demo.segmenting.pipeline.CHUNK", 5)
    segment(read_case_image(case.case), Checkpoint("seeing", card, Seeing(), digest=""), settings=by_torch)
    given = torch.cat(seen)
    assert given.shape == (12, 5, 32, 32)
    for at in range(12):
        torch.testing.assert_close(case.placement.crop(given[at]).half(), slices.slice_at(at)[0])


def test_pixels_that_are_no_numbers_are_named_by_case(tmp_path, card):
    for name, pixels in (("images", np.full((64, 64), np.nan, np.float32)), ("masks", np.eye(64, dtype=np.uint8))):
        (tmp_path / name).mkdir()
        np.save(tmp_path / name / "hole.npy", pixels)
    with pytest.raises(TestSetError, match=r"Case 'hole': .*4096 of 4096 values are not a number"):
        load_cases(read_test_set(tmp_path), card)


def test_channels_reach_the_network_in_the_order_of_the_card(tmp_path, card):
    for channel, name in enumerate(("flair", "t1", "t2")):
        (tmp_path / "a").mkdir(exist_ok=True)
        pixels = np.random.default_rng(channel).integers(0, 100 * (channel + 1), (64, 64)).astype(np.uint16)
        np.save(tmp_path / f"a/a_{name}.npy", pixels)
    np.save(tmp_path / "a/a_seg.npy", np.eye(64, dtype=np.uint8))
    test_set = read_test_set(tmp_path)
    assert channel_names(test_set, 3) == ("flair", "t1", "t2")
    assert channel_names(test_set, 2) == ()
    plain = {"in_channels": 2, "window": (0, 300), "normalisation": Normalisation()}
    (case,) = load_cases(test_set, card.model_copy(update={**plain, "channel_names": ("T2", "FLAIR")}))
    stored = [np.load(tmp_path / f"a/a_{name}.npy") / 300 for name in ("t2", "flair")]
    np.testing.assert_allclose(case.inputs[0].numpy(), np.stack(stored), atol=1e-3)


def test_colours_are_no_named_channels(tmp_path):
    for channel in range(3):
        (tmp_path / "imagesTr").mkdir(exist_ok=True)
        np.save(tmp_path / f"imagesTr/a_{channel:04}.npy", np.eye(64))
    (tmp_path / "labelsTr").mkdir()
    np.save(tmp_path / "labelsTr/a.npy", np.eye(64, dtype=np.uint8))
    (tmp_path / "dataset.json").write_text('{"channel_names": {"0": "R", "1": "G", "2": "B"}}')
    assert channel_names(read_test_set(tmp_path), 3) == ()
