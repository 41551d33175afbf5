from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from medseg_demo.errors import InputMismatchError, OptionError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.models.checkpoint import Checkpoint, load_folder
from medseg_demo.segmenting.options import SegmentOptions
from medseg_demo.segmenting.pipeline import CHUNK, segment, segment_batch


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


def test_a_single_image_may_state_its_spacing(make_image, square, brightness, settings):
    image = make_image(square.pixels, spacing_mm=(0.5, 0.4))
    result = segment(image, brightness, settings=settings)
    assert result.label_map.geometry.spacing_mm == (0.5, 0.4)
    assert result.measurements[0].area_mm2 == pytest.approx(result.label_map.mask(1).sum() * 0.2)


def test_the_result_says_what_made_it(square, brightness, settings):
    result = segment(square, brightness, settings=settings)
    assert result.checkpoint == "brightness"
    assert result.threshold == 0.5
    assert result.model_input(0).shape == (53, 64)
    assert set(result.seconds) == {"preprocess", "network", "postprocess"}
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
    with pytest.raises(OptionError, match="no threshold"):
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
    assert [result.model_input(index).max() for index in (1, CHUNK + 2)] == [0, 255]
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


def oblique(spacing_mm: tuple[float, float, float] = (2.0, 1.0, 0.5)) -> np.ndarray:
    """An LPS affine that turns and flips axes: Z runs roughly forwards, Y downwards and X to the right."""
    angle = np.deg2rad(20)
    tilt = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    axes = tilt @ np.array([[-1.0, 0, 0], [0, 0, -1.0], [0, -1.0, 0]])
    affine = np.eye(4)
    affine[:3, :3] = axes * spacing_mm[::-1]
    affine[:3, 3] = (12.5, -7.0, 31.0)
    return affine


@pytest.fixture
def tilted() -> MedicalImage:
    """A black volume, oblique and anisotropic, with a grey and a white box off its centre."""
    pixels = np.zeros((12, 20, 44), np.uint8)
    pixels[2:6, 3:9, 5:25] = 128
    pixels[6:11, 9:17, 25:40] = 255
    geometry = Geometry((2.0, 1.0, 0.5), oblique())
    return MedicalImage(pixels, "ZYX", geometry, "tilted", "NIfTI", 8, (0.0, 255.0))


def test_a_3d_network_segments_a_volume_in_its_own_geometry(tilted, volume_bands, settings):
    result = segment(tilted, volume_bands, settings=settings)
    np.testing.assert_array_equal(result.label_map.labels, np.digitize(tilted.pixels, [1, 201]))
    assert result.label_map.geometry is tilted.geometry
    assert result.label_map.labels.flags.c_contiguous
    assert result.probabilities.dtype == np.float16
    assert result.probabilities.shape == (2, 12, 20, 44)
    np.testing.assert_array_equal(result.probabilities[1] > 0.5, tilted.pixels > 200)
    assert result.measurements[0].volume_ml == pytest.approx(4 * 6 * 20 * 1.0 / 1000)
    assert set(result.seconds) == {"preprocess", "network", "postprocess"}
    assert result.warnings == ()


def test_a_3d_network_can_work_at_its_own_spacing(tilted, volume_bands, volume_card, settings):
    card = volume_card.model_copy(update={"spacing_mm": (1.0, 1.0, 1.0)})
    result = segment(tilted, replace(volume_bands, card=card), settings=settings)
    assert result.label_map.labels.shape == tilted.shape
    white, found = tilted.pixels > 200, result.label_map.mask(2)
    assert 2 * (white & found).sum() / (white.sum() + found.sum()) > 0.9


def test_a_3d_network_gives_the_same_for_a_volume_stored_another_way(tilted, volume_network, volume_card, settings):
    checkpoint = Checkpoint("volumes", volume_card, volume_network, "")
    result = segment(tilted, checkpoint, settings=settings)
    # The same volume with z and x exchanged and y reversed.
    affine = tilted.geometry.affine @ np.array(
        [[0, 0, 1.0, 0], [0, -1.0, 0, tilted.shape[1] - 1], [1.0, 0, 0, 0], [0, 0, 0, 1.0]]
    )
    stored = np.ascontiguousarray(tilted.pixels[:, ::-1].transpose(2, 1, 0))
    other = replace(tilted, pixels=stored, geometry=Geometry((0.5, 1.0, 2.0), affine))
    again = segment(other, checkpoint, settings=settings)
    expected = result.probabilities[:, :, ::-1].transpose(0, 3, 2, 1)
    np.testing.assert_array_equal(again.probabilities, expected)


def test_a_volume_smaller_than_a_window(make_image, volume_bands, settings):
    pixels = np.zeros((1, 3, 40), np.uint8)
    pixels[..., 20:] = 255
    result = segment(make_image(pixels, "ZYX"), volume_bands, settings=settings)
    np.testing.assert_array_equal(result.label_map.labels, (pixels > 0) * 2)
    assert any("no orientation" in warning for warning in result.warnings)
    assert any("small" in warning for warning in result.warnings)


def test_several_volumes_keep_their_order_and_progress_reaches_the_end(make_image, volume_bands, settings):
    images = [make_image(np.full((20, 16, size), value, np.uint8), "ZYX") for size, value in ((16, 0), (40, 255))]
    told = []
    results = segment_batch(images, volume_bands, settings=settings, progress=lambda *step: told.append(step))
    assert [int(result.label_map.labels.max()) for result in results] == [0, 2]
    assert told[-1] == (1000, 1000)
    assert [done for done, _ in told] == sorted({done for done, _ in told})


def test_progress_can_stop_a_volume(tilted, volume_bands, settings):
    def stop(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment(tilted, volume_bands, settings=settings, progress=stop)


def test_an_image_in_a_3d_checkpoint_is_refused(square, volume_bands):
    with pytest.raises(
        InputMismatchError, match=r"Image 'made' is a single 2-D image, but checkpoint 'volume-bands' .* Choose a 2-D"
    ):
        segment(square, volume_bands)


@pytest.mark.parametrize(
    "faulty", [{"threshold": 0.0}, {"threshold": 1.5}, {"smallest_component": -1}, {"denoise": "x"}]
)
def test_options_out_of_range_are_refused(faulty):
    with pytest.raises(OptionError):
        SegmentOptions(**faulty)


def exactly(checkpoint, card):
    return replace(checkpoint, card=card.model_copy(update={"inference": "tile"}))


def test_only_the_crop_box_is_segmented_and_the_result_has_the_size_of_the_whole(
    make_image, brightness, card, settings
):
    pixels = np.full((4, 70, 80), 255, np.uint8)
    image = make_image(pixels, "ZYX", (2.0, 1.0, 1.0))
    box = (1, 2, 3, 3, 68, 70)
    result = segment(
        image,
        exactly(brightness, card),
        options=SegmentOptions(crop=list(box), smallest_component=5, fill_holes=True),
        settings=settings,
    )
    inside = np.zeros(pixels.shape, bool)
    inside[1:3, 2:68, 3:70] = True
    assert (result.label_map.mask(1) == inside).all()
    assert ((result.probabilities[0] > 0) == inside).all()
    assert result.label_map.geometry is image.geometry
    assert result.options.crop == box
    assert [result.model_input(index).max() for index in range(4)] == [0, 255, 255, 0]


def test_a_crop_of_a_volume_for_a_3d_network_is_turned_and_put_back(make_image, volume_bands, settings):
    pixels = np.random.default_rng(1).choice(np.array([0, 128, 255], np.uint8), (18, 20, 22))
    image = make_image(pixels, "ZYX", (2.0, 1.0, 0.5))
    image = replace(image, geometry=Geometry(image.geometry.spacing_mm, oblique()))
    whole = segment(image, volume_bands, settings=settings).label_map.labels
    part = segment(image, volume_bands, options=SegmentOptions(crop=(1, 0, 0, 18, 20, 21)), settings=settings)
    # Bands go by intensity alone, so what is inside stays as it was.
    expected = np.zeros_like(whole)
    expected[1:, :, :21] = whole[1:, :, :21]
    assert expected.any()
    assert (part.label_map.labels == expected).all()


def test_a_crop_box_outside_of_the_image_is_refused(square, brightness, settings):
    with pytest.raises(OptionError, match="inside of the image"):
        segment(square, brightness, options=SegmentOptions(crop=(0, 0, 0, 1, 101, 120)), settings=settings)


def test_another_threshold_gives_what_another_run_would(make_image, brightness, card, settings):
    ramp = np.tile(np.arange(256, dtype=np.uint8), (64, 1))
    ramp[5, 5] = 255
    checkpoint = exactly(brightness, card)
    options = SegmentOptions(threshold=0.5, smallest_component=3, crop=(0, 0, 0, 1, 60, 250))
    first = segment(make_image(ramp), checkpoint, options=options, settings=settings)
    for threshold in (0.3, 0.501, 0.77, 0.99):
        again = segment(make_image(ramp), checkpoint, options=replace(options, threshold=threshold), settings=settings)
        decided = first.at_threshold(threshold)
        assert (decided.label_map.labels == again.label_map.labels).all()
        assert decided.measurements == again.measurements
        assert (decided.threshold, decided.options) == (threshold, again.options)
    assert first.threshold == 0.5
    with pytest.raises(OptionError, match="between 0 and 1"):
        first.at_threshold(float("nan"))


def test_several_classes_have_no_threshold_to_change(make_image, bands, settings):
    result = segment(make_image(np.eye(64, dtype=np.uint8)), bands, settings=settings)
    with pytest.raises(OptionError, match="no threshold"):
        result.at_threshold(0.5)


class Given(nn.Module):
    """Gives channels that the test made from intensities in [0, 1]."""

    def __init__(self, *makers):
        super().__init__()
        self.makers = makers

    def forward(self, images):
        return torch.cat([make(images) for make in self.makers], dim=1)


def made(card, names, *makers, **fields):
    whole = {**card.model_dump(), "class_names": names, "inference": "tile", "input_size": (3, 3), **fields}
    return Checkpoint("made", ModelCard.model_validate(whole), Given(*makers).eval(), "")


@pytest.fixture
def grey(make_image):
    return make_image(np.repeat(np.array([[0, 128, 255]], np.uint8), 3, axis=0))


def test_one_class_beside_a_background_has_a_threshold(grey, card, settings):
    checkpoint = made(card, ("bright",), torch.zeros_like, lambda x: 40 * (x - 0.5), head="softmax")
    assert segment(grey, checkpoint, settings=settings).label_map.labels.tolist() == [[0, 1, 1]] * 3
    result = segment(grey, checkpoint, options=SegmentOptions(threshold=0.6), settings=settings)
    assert result.label_map.labels.tolist() == [[0, 0, 1]] * 3
    assert result.probabilities.shape == (1, 3, 3)


def test_classes_that_overlap_are_written_in_order_and_measured_as_a_whole(grey, card, settings):
    channels = (lambda x: 40 * (x - 0.9), lambda x: 40 * (x - 0.3))
    checkpoint = made(card, ("whole", "core"), *channels, head="sigmoid", regions=(2, 1), threshold=None)
    result = segment(grey, checkpoint, settings=settings)
    assert result.label_map.labels.tolist() == [[0, 1, 1]] * 3
    assert [row.pixels for row in result.measurements] == [6, 3]
    assert result.threshold == 0.5
    assert any("overlap" in warning for warning in result.warnings)
    plain = made(card, ("whole", "core"), *reversed(channels), head="sigmoid", threshold=None)
    assert segment(grey, plain, settings=settings).label_map.labels.tolist() == [[0, 1, 2]] * 3
    assert result.at_threshold(0.9999).measurements[0].pixels == 3


def test_probabilities_that_a_network_gives_are_taken_as_they_are(grey, card, settings):
    checkpoint = made(card, ("bright",), lambda x: x, activated=True)
    result = segment(grey, checkpoint, settings=settings)
    assert result.probabilities[0, 0].tolist() == pytest.approx([0, 128 / 255, 1], abs=1e-3)


def test_colours_of_the_card_are_those_of_the_result(brightness, square, tmp_path):
    from medseg_demo.rendering.pictures import overlay_picture
    from medseg_demo.ui.viewer import segmentation_value
    from medseg_demo.writing.label_map import write_label_map

    card = brightness.card.model_copy(update={"class_colours": ("#ff0000",)})
    result = segment(square, replace(brightness, card=card)).at_threshold(0.4)
    assert segmentation_value(result)["classes"][0]["colour"] == "#ff0000"
    assert overlay_picture(square, result.label_map, opacity=1).getpixel((60, 40)) == (255, 0, 0)
    with Image.open(write_label_map(result.label_map, square, tmp_path / "a")) as picture:
        assert picture.getpalette()[3:6] == [255, 0, 0]
