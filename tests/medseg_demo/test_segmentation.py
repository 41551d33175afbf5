from dataclasses import replace

import numpy as np
import pytest

from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.models.checkpoint import load_folder
from medseg_demo.segmentation import CHUNK, SegmentOptions, check_fit, segment, segment_batch


def test_the_label_map_has_the_size_of_the_image_and_lies_on_the_structure(square, brightness, settings):
    result = segment(square, brightness, settings=settings)
    assert result.label_map.labels.shape == (100, 120)
    reference = square.pixels > 0
    found = result.label_map.mask(1)
    assert 2 * (reference & found).sum() / (reference.sum() + found.sum()) > 0.95
    assert result.measurements[0].components == 1


def test_without_scaling_the_result_is_exact(square, brightness, card, settings):
    exact = replace(brightness, card=card.model_copy(update={"inference": "tile"}))
    result = segment(square, exact, settings=settings)
    assert (result.label_map.mask(1) == (square.pixels > 0)).all()
    assert result.probabilities.shape == (1, 100, 120)
    assert result.probabilities.dtype == np.float16


def test_the_result_says_what_made_it(square, brightness, settings):
    result = segment(square, brightness, settings=settings)
    assert result.checkpoint == "brightness"
    assert result.threshold == 0.5
    assert result.model_input.shape == (1, 53, 64)
    assert set(result.seconds) == {"preprocess", "network", "postprocess", "measure"}
    assert result.compute.startswith("CPU, float32")
    assert result.label_map.class_names == ("bright",)


def test_a_threshold_replaces_that_of_the_card(make_image, brightness, settings):
    image = make_image(np.full((64, 64), 128, np.uint8))  # probability 0.52
    low, high = (
        segment(image, brightness, options=SegmentOptions(threshold=value), settings=settings) for value in (0.4, 0.6)
    )
    assert low.label_map.mask(1).all()
    assert not high.label_map.mask(1).any()


def test_several_classes_compete(make_image, bands, settings):
    image = make_image(np.repeat(np.array([[0, 128, 255]], np.uint8), 3, axis=0))
    result = segment(image, replace(bands, card=bands.card.model_copy(update={"inference": "tile"})), settings=settings)
    assert result.label_map.labels.tolist() == [[0, 1, 2]] * 3
    assert result.probabilities.shape == (2, 3, 3)
    assert result.threshold is None
    with pytest.raises(OptionError, match="one class"):
        segment(image, bands, options=SegmentOptions(threshold=0.5), settings=settings)


def test_a_volume_is_segmented_slice_by_slice(make_image, brightness, settings):
    pixels = np.zeros((CHUNK + 3, 64, 64), np.uint8)
    pixels[::2] = 255
    told = []
    result = segment(
        make_image(pixels, "ZYX", (2.0, 1.0, 1.0)),
        brightness,
        settings=settings,
        progress=lambda *step: told.append(step),
    )
    assert result.label_map.labels.shape == pixels.shape
    assert (result.label_map.mask(1) == (pixels > 0)).all()
    assert result.probabilities.shape == (1, *pixels.shape)
    assert len(result.model_input) == CHUNK + 3
    assert result.measurements[0].volume_ml == pytest.approx(18 * 64 * 64 * 2 / 1000)
    assert told[-1] == (1000, 1000)
    assert [done for done, _ in told] == sorted({done for done, _ in told})
    assert any("each slice" in warning for warning in result.warnings)


def test_a_batch_gives_what_single_images_give(make_image, checkpoints, settings):
    checkpoint = load_folder(checkpoints / "small")
    noise = np.random.default_rng(0)
    images = [make_image(noise.integers(0, 256, (60 + i, 50), dtype=np.uint8)) for i in range(5)]
    together = segment_batch(images, checkpoint, settings=settings)
    for image, result in zip(images, together, strict=True):
        alone = segment(image, checkpoint, settings=settings)
        assert result.image is image
        np.testing.assert_allclose(result.probabilities, alone.probabilities, atol=1e-3)


def test_a_batch_of_different_sizes_keeps_its_order(make_image, brightness, card, settings):
    tiles = replace(brightness, card=card.model_copy(update={"inference": "tile"}))
    images = [make_image(np.eye(size, dtype=np.uint8) * 255) for size in (70, 80, 64, 64)]
    for image, result in zip(images, segment_batch(images, tiles, settings=settings), strict=True):
        assert (result.label_map.mask(1) == (image.pixels > 0)).all()


def test_no_images_give_no_results(brightness):
    assert segment_batch([], brightness) == []


def test_small_parts_go_and_holes_close(make_image, brightness, card, settings):
    pixels = np.zeros((64, 64), np.uint8)
    pixels[10:20, 10:20] = 255
    pixels[14, 14] = 0
    pixels[40, 40] = 255
    exact = replace(brightness, card=card.model_copy(update={"inference": "tile"}))
    options = SegmentOptions(smallest_component=5, fill_holes=True)
    assert segment(make_image(pixels), exact, options=options, settings=settings).label_map.labels.sum() == 100


def test_a_3d_checkpoint_is_refused(square, brightness, card):
    volumetric = replace(brightness, card=card.model_copy(update={"input_size": (8, 8, 8)}))
    with pytest.raises(InputMismatchError, match="3-D"):
        segment(square, volumetric)


@pytest.mark.parametrize(
    "faulty", [{"threshold": 0.0}, {"threshold": 1.5}, {"smallest_component": -1}, {"denoise": "x"}]
)
def test_options_out_of_range_are_refused(faulty):
    with pytest.raises(OptionError):
        SegmentOptions(**faulty)


def test_a_fitting_image_has_no_warnings(square, card):
    assert check_fit(square, card) == []


def test_each_misfit_is_told(make_image, card):
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
