"""Smoothing over frames: the average itself, what it decides, and where it begins anew."""

from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.errors import OptionError
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import segment
from medseg_demo.segmenting.smoothing import Smoother, alike, block_means

RAMP = np.tile(np.linspace(60, 200, 48, dtype=np.uint8), (48, 1))


@pytest.fixture
def results(make_image, brightness, settings):
    """The results of frames of one scene, with other probabilities: (K, 48, 48) each the same everywhere."""

    def make(*levels, checkpoint=brightness, options=None, pixels=RAMP):
        found = segment(make_image(pixels), checkpoint, options=options, settings=settings)
        probabilities = [np.full((len(np.atleast_1d(level)), 48, 48), 0, np.float16) for level in levels]
        for maps, level in zip(probabilities, levels, strict=True):
            maps += np.atleast_1d(level).astype(np.float16)[:, None, None]
        return [replace(found, probabilities=maps) for maps in probabilities]

    return make


def test_the_average_is_exponential_with_two_by_n_plus_one(results):
    smoother, expected, levels = Smoother(3), None, (0.8, 0.1, 0.1, 0.9)
    for found, level in zip(results(*levels), levels, strict=True):
        expected = level if expected is None else 0.5 * level + 0.5 * expected
        smoothed, is_cut = smoother.add(found)
        assert not is_cut
        assert smoothed.probabilities == pytest.approx(np.full((1, 48, 48), expected), abs=1e-3)
        assert smoothed is found or (smoothed.label_map.labels == (expected > 0.5)).all()
        assert smoothed.probabilities.dtype == np.float16


def test_one_frame_leaves_everything_as_it_is(results):
    smoother = Smoother()
    for found in results(0.8, 0.2):
        assert smoother.add(found)[0] is found


def test_background_has_what_several_classes_leave(results, bands):
    smoother = Smoother(3)
    smoother.add(results((0.7, 0.2), checkpoint=bands)[0])
    smoothed, _ = smoother.add(results((0.0, 0.1), checkpoint=bands)[0])
    # 0.35 and 0.15 are left for the classes, so that the background has 0.5.
    assert (smoothed.label_map.labels == 0).all()
    smoothed, _ = smoother.add(results((0.7, 0.2), checkpoint=bands)[0])
    assert (smoothed.label_map.labels == 1).all()


def test_options_are_those_of_the_result(results):
    found = results(0.5, options=SegmentOptions(threshold=0.3, smallest_component=100))[0]
    smoother = Smoother(3)
    smoother.add(found)
    speck = found.probabilities.copy()
    speck[:] = 0
    speck[0, 10:14, 10:14] = 1.0
    for _ in range(12):
        smoothed, _ = smoother.add(replace(found, probabilities=speck))
    assert not smoothed.label_map.labels.any()  # 16 px are fewer than 100
    assert smoothed.probabilities[0, 12, 12] > 0.9


def test_a_cut_begins_anew(results):
    smoother = Smoother(9)
    smoother.add(results(0.9)[0])
    smoothed, is_cut = smoother.add(results(0.1, pixels=np.ascontiguousarray(RAMP[:, ::-1]))[0])
    assert is_cut
    assert smoothed.probabilities == pytest.approx(np.full((1, 48, 48), 0.1), abs=1e-3)


def test_what_is_alike(make_image):
    noise = np.random.default_rng(0)

    def blocks(pixels):
        return block_means(make_image(np.clip(pixels, 0, 255).astype(np.uint8)))

    ramp = RAMP.astype(float)
    assert alike(blocks(ramp), blocks(ramp * 0.6 + 20))  # darker
    assert alike(blocks(ramp), blocks(ramp + noise.normal(0, 40, ramp.shape)))
    assert alike(blocks(ramp), blocks(np.roll(ramp, 2, axis=0)))
    assert not alike(blocks(ramp), blocks(ramp.T))
    assert not alike(blocks(ramp), blocks(255 - ramp))
    black = np.zeros_like(ramp)
    assert alike(blocks(black), blocks(black + 3))
    assert not alike(blocks(black), blocks(ramp))


@pytest.mark.parametrize("shape", [(1, 1), (5, 40), (33, 47)])
def test_block_means_of_any_size(make_image, shape):
    pixels = np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)
    blocks = block_means(make_image(pixels))
    assert blocks.shape == tuple(min(16, side) for side in shape)
    rows = np.linspace(0, shape[0], blocks.shape[0], endpoint=False).astype(int)
    columns = np.linspace(0, shape[1], blocks.shape[1], endpoint=False).astype(int)
    first = pixels[: [*rows, shape[0]][1], : [*columns, shape[1]][1]]
    assert blocks[0, 0] == pytest.approx(first.mean() / 255)


@pytest.mark.parametrize("frames", [0, -1, 101])
def test_numbers_of_frames_that_are_refused(frames):
    with pytest.raises(OptionError, match="from 1"):
        Smoother(frames)
