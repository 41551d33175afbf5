import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from medseg_demo.errors import InputMismatchError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import ModelCard, Normalisation
from medseg_demo.segmenting.prepare import place, placement_in, to_picture, to_tensor


def grey(pixels, window=(0.0, 255.0)):
    return MedicalImage(np.asarray(pixels), "YX", Geometry(), "made", "PNG", 8, window)


def test_the_window_becomes_zero_to_one_and_is_clipped(card):
    tensor = to_tensor(grey(np.array([[0, 100], [200, 300]], np.uint16), (100, 200)), card)
    assert tensor.shape == (1, 1, 2, 2)
    assert tensor.flatten().tolist() == [0, 0, 1, 1]


def test_a_fixed_window_of_the_card_wins(card):
    card = card.model_copy(update={"window": (0.0, 400.0)})
    assert to_tensor(grey(np.array([[100, 200]], np.int16)), card).flatten().tolist() == [0.25, 0.5]


def test_mean_and_deviation_follow_the_window():
    card = ModelCard(class_names=("a",), in_channels=1, normalisation=Normalisation(mean=(0.5,), std=(0.25,)))
    assert to_tensor(grey(np.array([[0, 255]], np.uint8)), card).flatten().tolist() == [-2, 2]


def test_zscore_has_mean_zero_and_deviation_one():
    card = ModelCard(class_names=("a",), in_channels=1, normalisation=Normalisation(method="zscore"))
    tensor = to_tensor(grey(np.arange(100, dtype=np.float32).reshape(10, 10)), card)
    assert abs(tensor.mean()) < 1e-6
    assert abs(tensor.std() - 1) < 1e-5


def test_colour_becomes_the_luminance_that_pillow_computes(card):
    colour = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    image = MedicalImage(colour, "YXC", Geometry(), "made", "PNG", 8, (0.0, 255.0))
    expected = np.asarray(Image.fromarray(colour).convert("L")) / 255
    np.testing.assert_allclose(to_tensor(image, card)[0, 0].numpy(), expected, atol=1 / 255)


def test_grey_is_repeated_for_colour_networks():
    card = ModelCard(class_names=("a",), in_channels=3)
    tensor = to_tensor(grey(np.array([[0, 255]], np.uint8)), card)
    assert tensor.shape == (1, 3, 1, 2)
    assert (tensor[0, 0] == tensor[0, 2]).all()


def test_the_pixels_of_the_image_are_not_changed(card):
    pixels = np.array([[0.0, 255.0]], np.float32)
    to_tensor(grey(pixels), card)
    assert pixels.tolist() == [[0, 255]]


def test_the_median_removes_a_single_bright_pixel(card):
    pixels = np.zeros((7, 7), np.uint8)
    pixels[3, 3] = 255
    assert to_tensor(grey(pixels), card, denoise="median").max() == 0
    assert to_tensor(grey(pixels), card, denoise="mean")[0, 0, 3, 3] == pytest.approx(1 / 9, abs=1e-5)
    assert 0 < to_tensor(grey(pixels), card, denoise="gaussian").max() < 0.2


def test_filters_do_not_mix_slices(card):
    pixels = np.zeros((3, 7, 7), np.uint8)
    pixels[1] = 255
    image = MedicalImage(pixels, "ZYX", Geometry(), "made", "NIfTI", 8, (0.0, 255.0))
    for denoise in ("mean", "gaussian", "median"):
        tensor = to_tensor(image, card, denoise=denoise)
        assert tensor[0].max() == 0
        assert tensor[1].min() == 1


def test_resize_keeps_the_aspect_ratio_and_pads_with_black(card):
    placed, placement = place(torch.ones(1, 1, 50, 100), card)
    assert placed.shape == (1, 1, 64, 64)
    assert placement.resized == (32, 64)
    assert placement.offset == (16, 0)
    assert placed[0, 0, :16].abs().max() == 0
    assert placed[0, 0, 16:48].min() == pytest.approx(1)


def test_black_is_black_after_normalisation():
    card = ModelCard(
        class_names=("a",), in_channels=1, input_size=(8, 8), normalisation=Normalisation(mean=(0.5,), std=(0.5,))
    )
    placed, _ = place(torch.ones(1, 1, 4, 8), card)
    assert placed[0, 0, 0, 0] == -1


def test_small_images_are_reflected_up_to_a_tile(card):
    card = card.model_copy(update={"inference": "tile", "input_size": (8, 8)})
    placed, placement = place(torch.arange(6.0).expand(1, 1, 6, 6), card)
    assert placement.resized == (6, 6)
    assert placed[0, 0, 0].tolist() == [1, 0, 1, 2, 3, 4, 5, 4]


def test_tiny_images_repeat_their_edge_where_reflection_ends(card):
    card = card.model_copy(update={"inference": "tile", "input_size": (16, 16)})
    placed, _ = place(torch.rand(1, 1, 1, 3), card)
    assert placed.shape == (1, 1, 16, 16)
    assert torch.isfinite(placed).all()


def test_tiles_come_at_the_spacing_of_the_card(card):
    card = card.model_copy(update={"inference": "tile", "input_size": (8, 8), "spacing_mm": (0.5, 0.5)})
    _, placement = place(torch.rand(1, 1, 20, 30), card, spacing_mm=(1.0, 0.25))
    assert placement.resized == (40, 15)
    _, placement = place(torch.rand(1, 1, 20, 30), card)
    assert placement.resized == (20, 30)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 90), st.integers(1, 90), st.sampled_from(["resize", "tile"]))
def test_restoring_gives_the_size_of_the_image(height, width, inference):
    card = ModelCard(class_names=("a",), in_channels=1, input_size=(32, 32), inference=inference)
    placed, placement = place(torch.rand(2, 1, height, width), card)
    restored = placement.restore(placed)
    assert restored.shape == (2, 1, height, width)
    assert torch.isfinite(restored).all()
    labels = placement.place_labels(torch.ones(2, height, width, dtype=torch.int64))
    assert labels.shape == (2, *placed.shape[-2:])
    assert labels.dtype == torch.int64


def test_without_scaling_restoring_is_exact(card):
    card = card.model_copy(update={"inference": "tile"})
    tensor = torch.rand(1, 1, 70, 40)
    placed, placement = place(tensor, card)
    assert torch.equal(placement.restore(placed), tensor)


def test_labels_land_where_the_pixels_do(card):
    pixels = torch.zeros(1, 1, 128, 64)
    pixels[..., 32:96, 16:48] = 1
    placed, placement = place(pixels, card)
    labels = placement.place_labels((pixels[:, 0] > 0).long())
    assert ((placed[:, 0] > 0.5) == labels.bool()).all()


def test_the_picture_shows_the_window_without_normalisation(card):
    shifted = card.model_copy(update={"inference": "tile", "normalisation": Normalisation(mean=(0.5,), std=(0.2,))})
    picture = to_picture(grey(np.array([[10, 100, 200], [250, 150, 20]], np.uint16), (100, 200)), shifted, 0)
    assert picture.dtype == np.uint8
    assert picture.tolist() == [[0, 0, 255], [255, 128, 0]]


def test_the_picture_of_a_slice_is_on_the_range_of_its_volume(card):
    zscore = card.model_copy(update={"inference": "tile", "normalisation": Normalisation(method="zscore")})
    volume = standing([[[0, 51]], [[102, 255]]])
    assert [to_picture(volume, zscore, index).tolist() for index in (0, 1)] == [[[0, 51]], [[102, 255]]]


def test_the_picture_of_a_plain_image_is_black(card):
    zscore = card.model_copy(update={"normalisation": Normalisation(method="zscore")})
    assert not to_picture(grey(np.full((4, 4), 7, np.uint8)), zscore, 0).any()


def standing(pixels, spacing_mm=(1.0, 1.0, 1.0), affine=None):
    return MedicalImage(np.asarray(pixels), "ZYX", Geometry(spacing_mm, affine), "made", "NIfTI", 8, (0.0, 255.0))


def test_a_3d_network_gets_the_volume_whole(volume_card):
    pixels = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    tensor = to_tensor(standing(pixels), volume_card)
    assert tensor.shape == (1, 1, 2, 3, 4)
    np.testing.assert_allclose(tensor[0, 0].numpy(), pixels / 255, rtol=1e-6)


def test_a_3d_network_gets_colour_in_its_channels(volume_card):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 4, 3), dtype=np.uint8)
    image = MedicalImage(pixels, "ZYXC", Geometry(), "made", "TIFF", 8, (0.0, 255.0))
    tensor = to_tensor(image, volume_card.model_copy(update={"in_channels": 3}))
    np.testing.assert_allclose(tensor[0].numpy(), np.moveaxis(pixels, -1, 0) / 255, rtol=1e-6)


def test_a_3d_network_gets_every_volume_the_same_way_round(volume_card):
    pixels = np.random.default_rng(0).integers(0, 255, (2, 3, 4), dtype=np.uint8)
    # Stored with x running to the left, and y and z exchanged.
    stored = np.ascontiguousarray(pixels.transpose(1, 0, 2)[..., ::-1])
    affine = np.array([[1.0, 0, 0, 0], [0, 0, -1.0, 0], [0, 1.0, 0, 0], [0, 0, 0, 1.0]])
    tensor = to_tensor(standing(stored, affine=affine), volume_card)
    np.testing.assert_allclose(tensor[0, 0].numpy(), pixels / 255, rtol=1e-6)


def test_a_volume_is_reflected_up_to_a_window(volume_card):
    placed, placement = place(torch.arange(6.0).view(1, 1, 1, 1, 6).expand(1, 1, 20, 14, 6), volume_card)
    assert placed.shape == (1, 1, 20, 16, 16)
    assert placement.offset == (0, 1, 5)
    assert placed[0, 0, 0, 0].tolist() == [5, 4, 3, 2, 1, 0, 1, 2, 3, 4, 5, 4, 3, 2, 1, 0]
    np.testing.assert_array_equal(placement.restore(placed)[0, 0, 3, 5], np.arange(6))


def test_volumes_come_at_the_spacing_of_the_card(volume_card):
    card = volume_card.model_copy(update={"spacing_mm": (1.0, 0.5, 2.0)})
    placed, placement = place(torch.rand(1, 1, 10, 10, 20), card, spacing_mm=(3.0, 1.0, 1.0))
    assert placement.resized == (30, 20, 10)
    assert placed.shape == (1, 1, 30, 20, 16)
    assert placement.restore(placed).shape == (1, 1, 10, 10, 20)


def test_enlarging_a_volume_is_the_trilinear_interpolation_of_torch(volume_card):
    card = volume_card.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)})
    tensor = torch.rand(1, 2, 9, 10, 11)
    placed, placement = place(tensor, card, spacing_mm=(3.0, 2.0, 2.5))
    expected = torch.nn.functional.interpolate(tensor, placement.resized, mode="trilinear")
    torch.testing.assert_close(placement.crop(placed), expected)


def test_shrinking_a_volume_averages_what_falls_together(volume_card):
    card = volume_card.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)})
    checkered = torch.from_numpy(np.indices((64, 64, 64)).sum(axis=0) % 2).float()[None, None]
    placed, _ = place(checkered, card, spacing_mm=(0.25, 0.25, 0.25))
    assert (placed[..., 2:-2, 2:-2, 2:-2] - 0.5).abs().max() < 0.1


def test_a_volume_can_be_resized_whole(volume_card):
    card = volume_card.model_copy(update={"inference": "resize"})
    placed, placement = place(torch.ones(1, 1, 8, 32, 16), card)
    assert placed.shape == (1, 1, 16, 16, 16)
    assert placement.resized == (4, 16, 8)
    assert placed[0, 0, 0].abs().max() == 0
    assert placement.crop(placed).min() == pytest.approx(1)


def test_labels_of_a_volume_land_where_its_voxels_do(volume_card):
    card = volume_card.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)})
    voxels = torch.zeros(1, 1, 10, 12, 14)
    voxels[..., 3:7, 2:9, 4:10] = 1
    placed, placement = place(voxels, card, spacing_mm=(2.0, 1.0, 2.0))
    labels = placement.place_labels(voxels[:, 0].to(torch.uint8))
    assert labels.shape == (1, *placed.shape[2:])
    inside = placement.crop(labels).bool()
    assert ((placement.crop(placed)[:, 0] > 0.5) == inside).all()
    assert labels.sum() == inside.sum() == 8 * 7 * 12


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.integers(1, 30), st.sampled_from(["resize", "tile"]))
def test_restoring_gives_the_size_of_the_volume(depth, height, width, inference):
    card = ModelCard(class_names=("a",), in_channels=1, input_size=(8, 16, 8), inference=inference)
    placed, placement = place(torch.rand(1, 1, depth, height, width), card)
    assert placement.restore(placed).shape == (1, 1, depth, height, width)
    assert placement.restore_classes(placed).shape == (1, depth, height, width)
    assert torch.isfinite(placed).all()


MODALITIES = ("T1", "T2", "FLAIR")


def modalities(*planes, windows=(), names=MODALITIES):
    """An image of channels that are no colours."""
    pixels = np.stack([np.asarray(plane, np.float32) for plane in planes], axis=-1)
    axes = "ZYXC" if pixels.ndim == 4 else "YXC"
    geometry = Geometry()
    return MedicalImage(
        pixels, axes, geometry, "case", "NIfTI", 16, (0.0, 1.0), channel_names=names[: len(planes)],
        channel_windows=windows,
    )  # fmt: skip


def test_each_modality_is_windowed_by_its_own_window():
    image = modalities([[0, 10]], [[100, 300]], [[-1, 1]], windows=((0, 10), (100, 200), (-1, 1)))
    tensor = to_tensor(image, ModelCard(class_names=("a",), in_channels=3))
    assert tensor[0, :, 0].tolist() == [[0, 1], [0, 1], [0, 1]]


def test_each_modality_has_its_own_mean_and_deviation():
    card = ModelCard(class_names=("a",), in_channels=3, normalisation=Normalisation(method="zscore"))
    tensor = to_tensor(modalities([[0, 10]], [[100, 300]], [[-1, 1]]), card)
    expected = 0.5**0.5  # two values, ±1 about their mean, with the deviation of a sample
    np.testing.assert_allclose(tensor[0, :, 0].numpy(), [[-expected, expected]] * 3, rtol=1e-6)


def test_padding_is_the_black_of_each_modality():
    card = ModelCard(class_names=("a",), in_channels=3, input_size=(2, 2), normalisation=Normalisation(method="zscore"))
    placed, _ = place(to_tensor(modalities([[0, 10]], [[10, 0]], [[0, 1]]), card), card)
    assert placed[0, :, 1].tolist() == [[placed[0, index].min().item()] * 2 for index in range(3)]


@pytest.mark.parametrize("spacing", [1e-6, 5e-324])
def test_a_spacing_at_which_no_memory_holds_the_image_is_refused(card, spacing):
    card = card.model_copy(update={"inference": "tile", "spacing_mm": (spacing, spacing)})
    with pytest.raises(InputMismatchError, match="which no memory holds"):
        placement_in((100, 100), card, spacing_mm=(1.0, 1.0))


@pytest.mark.parametrize(("count", "takes"), [(2, 1), (3, 1), (2, 3)])
def test_modalities_are_neither_mixed_nor_repeated(count, takes):
    image = modalities(*[[[0, 1]]] * count)
    expected = rf"'case' has {count} channels \(T1, T2.*\), and the checkpoint takes .*Choose one channel"
    with pytest.raises(InputMismatchError, match=expected):
        to_tensor(image, ModelCard(class_names=("a",), in_channels=takes))


def test_one_modality_alone_goes_to_any_network(card):
    image = modalities([[0, 10]], [[100, 300]], windows=((0, 10), (100, 300))).channel(1)
    assert to_tensor(image, card).flatten().tolist() == [0, 1]
    assert to_tensor(image, card.model_copy(update={"in_channels": 3})).shape == (1, 3, 1, 2)


def test_the_picture_of_modalities_has_a_plane_for_each():
    image = modalities([[0, 10]], [[100, 300]], [[-1, 1]])
    for method, expected in (("zscore", [[0, 0, 0], [255, 255, 255]]), ("window", [[0, 255, 0], [255, 255, 255]])):
        card = ModelCard(
            class_names=("a",), in_channels=3, input_size=(1, 2), normalisation=Normalisation(method=method)
        )
        assert to_picture(image, card, 0)[0].tolist() == expected


def test_the_card_says_which_filter_images_go_through_unless_another_is_chosen():
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16)).astype(np.uint8)
    card = ModelCard(class_names=("a",), in_channels=1, input_size=(32, 32))
    filtered = card.model_copy(update={"denoise": "median"})
    assert torch.equal(to_tensor(grey(pixels), filtered), to_tensor(grey(pixels), card, denoise="median"))
    assert torch.equal(to_tensor(grey(pixels), filtered, denoise="none"), to_tensor(grey(pixels), card))
    assert not torch.equal(to_tensor(grey(pixels), filtered), to_tensor(grey(pixels), card))
    picture = to_picture(grey(pixels), filtered, 0)
    np.testing.assert_array_equal(picture, to_picture(grey(pixels), card, 0, denoise="median"))
