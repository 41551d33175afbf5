"""nnU-Net's own steps one by one; what they give together is tested beside nnU-Net's own label maps."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from medseg_demo.image import Geometry
from medseg_demo.models.card import ModelCard
from medseg_demo.models.recipes import ChannelNormalisation, NnUNetSteps, Resampling
from medseg_demo.segmenting.nnunet import (
    axis_apart,
    frame_of,
    mean_of_folds,
    mirrored_views,
    normalise,
    placement_in,
    resample,
    weights,
)

PLAIN = ChannelNormalisation(method="none")


def card_of(*channels, input_size=(4, 4, 4), spacing_mm=None, **steps):
    recipe = NnUNetSteps(channels=channels or (PLAIN,), **steps)
    sizes = {"input_size": input_size, "spacing_mm": spacing_mm, "in_channels": len(recipe.channels)}
    return ModelCard(class_names=("a",), inference="tile", head="softmax", recipe=recipe, **sizes)


@pytest.mark.parametrize(
    ("before", "after", "apart", "axis"),
    [
        ((1, 1, 1), (1, 1, 1), None, None),
        ((3, 1, 1), (1, 1, 1), None, None),  # no more than the ratio
        ((3.1, 1, 1), (1, 1, 1), None, 0),
        ((1, 1, 1), (1, 4, 1), None, 1),
        ((1, 4, 4), (1, 1, 1), None, None),  # two axes have it
        ((5, 1, 1), (1, 1, 5), None, 0),
        ((5, 1, 1), (1, 1, 1), False, None),
        ((1, 1, 2), (1, 1, 1), True, 2),
    ],
)
def test_the_axis_of_much_greater_spacing_is_resampled_apart(before, after, apart, axis):
    assert axis_apart(before, after, Resampling(apart=apart)) == axis


def test_along_an_axis_apart_the_nearest_plane_is_taken():
    volume = np.arange(3, dtype=np.float32).reshape(1, 3, 1, 1) * np.ones((1, 3, 4, 4), np.float32)
    finer = resample(volume, (6, 8, 8), ((4.0, 1.0, 1.0), (2.0, 0.5, 0.5)), Resampling())
    assert finer.dtype == np.float32
    assert finer[0, :, 0, 0].tolist() == [0, 0, 1, 1, 2, 2]
    assert resample(volume, (3, 4, 4), ((4.0, 1.0, 1.0),) * 2, Resampling()) is volume


def test_a_frame_is_the_turned_box_around_what_is_not_zero(make_image):
    pixels = np.zeros((4, 6, 8), np.int16)
    pixels[1:3, 2:5, 3] = 7
    image = make_image(pixels, "ZYX")
    frame = frame_of(image, card_of(axes=(2, 0, 1)))
    assert frame.of(pixels).tolist() == [[[7] * 3] * 2]
    frame.of(pixels)[:] = 9  # a view
    assert pixels.sum() == 6 * 9
    assert frame_of(make_image(np.zeros((2, 3, 4)), "ZYX"), card_of()).of(np.zeros((2, 3, 4))).shape == (2, 3, 4)


def test_volumes_are_turned_to_the_patient_only_where_the_plans_reader_did(make_image):
    pixels = np.arange(24).reshape(2, 3, 4)
    image = replace(make_image(pixels, "ZYX"), geometry=Geometry((1.0,) * 3, np.diag((1.0, 1.0, -1.0, 1.0))))
    assert np.array_equal(frame_of(image, card_of()).of(pixels), pixels)
    assert np.array_equal(frame_of(image, card_of(turned=True)).of(pixels), pixels[::-1, ::-1, ::-1])
    turned = frame_of(image, card_of(turned=True, axes=(2, 0, 1))).of(pixels)
    assert np.array_equal(turned, pixels[::-1, ::-1, ::-1].transpose(2, 0, 1))


def test_each_channel_is_normalised_in_its_own_way():
    volume = np.array([0, 0, 2, 4], np.int16).reshape(1, 1, 1, 4)
    ways = {
        "ct": (ChannelNormalisation(method="ct", window=(1, 3), mean=2, std=2), [-0.5, -0.5, 0, 0.5]),
        "zscore": (ChannelNormalisation(method="zscore", nonzero=True), [0, 0, -1, 1]),
        "range": (ChannelNormalisation(method="range"), [0, 0, 0.5, 1]),
        "byte": (ChannelNormalisation(method="byte"), [0, 0, 2 / 255, 4 / 255]),
        "none": (PLAIN, [0, 0, 2, 4]),
    }
    steps = NnUNetSteps(channels=tuple(way for way, _ in ways.values()))
    result = normalise(np.repeat(volume, len(ways), 0), steps)
    np.testing.assert_allclose(result[:, 0, 0], [expected for _, expected in ways.values()], rtol=1e-6)
    assert normalise(np.zeros((1, 1, 1, 4)), NnUNetSteps(channels=(ways["zscore"][0],))).tolist() == [[[[0] * 4]]]


def test_a_2d_network_leaves_the_slices_where_they_are():
    placement = placement_in((5, 10, 10), card_of(input_size=(8, 32), spacing_mm=(2.0, 0.5)), (3.0, 1.0, 1.0))
    assert (placement.resized, placement.canvas) == ((5, 5, 20), (5, 8, 32))
    unknown = placement_in((5, 10, 10), card_of(input_size=(8, 32), spacing_mm=(2.0, 0.5)), None)
    assert unknown.resized == (5, 10, 10)


def test_weights_are_greatest_at_the_centre_and_nowhere_zero():
    found = weights((8, 32, 32))
    assert found.dtype == torch.float16
    assert found[4, 16, 16] == found.max() == 10
    assert found.min() > 0


def test_views_are_all_combinations_of_the_mirrored_axes():
    assert mirrored_views(NnUNetSteps(channels=(PLAIN,), mirrored=(0, 2)), 3) == ((), (-3,), (-1,), (-3, -1))
    assert mirrored_views(NnUNetSteps(channels=(PLAIN,)), 2) == ((),)


def test_folds_are_averaged_channel_by_channel():
    logits = torch.tensor([1.0, 2.0, 3.0, 6.0]).half().view(1, 4, 1, 1)
    assert mean_of_folds(logits, 2).flatten().tolist() == [2, 4]
