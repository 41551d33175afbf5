import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage
from scipy.spatial.distance import pdist
from skimage.measure import regionprops

from medseg_demo.image import Geometry, LabelMap, MedicalImage
from medseg_demo.segmenting.measure import measure


def measured(mask, spacing_mm=None, probability=None):
    labels = np.asarray(mask, np.uint8)
    probability = np.ones(labels.shape) if probability is None else probability
    (result,) = measure(LabelMap(labels, ("it",), Geometry(spacing_mm)), probability[None], image_of(labels))
    return result


def image_of(pixels, **others):
    axes = "YX" if pixels.ndim == 2 else "ZYX"
    return MedicalImage(pixels, axes, Geometry(), "scan", "PNG", 8, (0.0, 255.0), **others)


def test_a_rectangle_with_spacing():
    mask = np.zeros((10, 20))
    mask[2:6, 3:10] = 1  # 4 rows of 2 mm, 7 columns of 0.5 mm
    result = measured(mask, (2.0, 0.5))
    assert result.pixels == 28
    assert result.share == 0.14
    assert result.area_mm2 == 28
    assert result.volume_ml is None
    assert result.components == 1
    assert result.largest_diameter == pytest.approx(np.hypot(3 * 2, 6 * 0.5))
    assert result.diameter_unit == "mm"


def test_without_spacing_there_is_no_area():
    result = measured([[1, 1]])
    assert result.area_mm2 is None
    assert result.largest_diameter == 1
    assert result.diameter_unit == "px"


def test_a_box_in_a_volume():
    mask = np.zeros((5, 10, 10))
    mask[1:3, :5, :5] = 1  # 50 voxels of 20 mm³
    result = measured(mask, (5.0, 2.0, 2.0))
    assert result.volume_ml == pytest.approx(1.0)
    assert result.area_mm2 is None
    assert result.largest_diameter == pytest.approx(np.sqrt(5**2 + 8**2 + 8**2))


def test_an_absent_class():
    result = measured(np.zeros((4, 4)), (1.0, 1.0))
    assert (result.pixels, result.components, result.area_mm2) == (0, 0, 0)
    assert result.largest_diameter is None
    assert result.mean_confidence is None


@pytest.mark.parametrize("mask", [[[1]], [[1, 1, 1]], [[1], [1]], np.eye(1), np.ones((1, 1, 4)), np.ones((1, 3, 3))])
def test_degenerate_shapes_have_a_diameter(mask):
    mask = np.asarray(mask)
    expected = max(pdist(np.argwhere(mask)), default=0.0)
    assert measured(mask).largest_diameter == pytest.approx(expected)


def test_confidence_is_the_mean_over_the_class():
    probability = np.array([[0.9, 0.7, 0.2]])
    assert measured([[1, 1, 0]], probability=probability).mean_confidence == pytest.approx(0.8)


def test_the_diameter_is_that_of_the_largest_part():
    mask = np.zeros((9, 30))
    mask[0:5, 0:5] = 1
    mask[8, 8:30] = 1
    result = measured(mask)
    assert result.components == 2
    assert result.largest_diameter == pytest.approx(np.hypot(4, 4))


@settings(max_examples=60, deadline=None)
@given(arrays(np.bool_, st.tuples(st.integers(1, 12), st.integers(1, 12))))
def test_components_and_diameter_agree_with_scipy_and_brute_force(mask):
    result = measured(mask)
    labels, count = ndimage.label(mask)
    assert result.components == count
    if count:
        sizes = np.bincount(labels.ravel())[1:]
        candidates = [
            max(pdist(np.argwhere(labels == i + 1)), default=0.0) for i in np.flatnonzero(sizes == sizes.max())
        ]
        assert any(result.largest_diameter == pytest.approx(candidate) for candidate in candidates)


def test_area_agrees_with_scikit_image():
    mask = np.random.default_rng(0).random((40, 50)) > 0.5
    (region,) = regionprops(mask.astype(np.uint8), spacing=(0.7, 0.3))
    assert measured(mask, (0.7, 0.3)).area_mm2 == pytest.approx(region.area)


def test_each_class_reads_its_own_probability():
    labels = np.array([[1, 2]], np.uint8)
    probabilities = np.array([[[0.6, 0.1]], [[0.2, 0.8]]])
    first, second = measure(LabelMap(labels, ("a", "b")), probabilities, image_of(labels))
    assert (first.class_name, first.mean_confidence) == ("a", pytest.approx(0.6))
    assert (second.label, second.mean_confidence) == (2, pytest.approx(0.8))


def test_the_image_inside_a_class_has_a_mean_a_deviation_and_a_range():
    image = image_of(np.array([[-1000, -10, 0, 40]], np.int16), unit="HU")
    found = measure(LabelMap(np.array([[0, 1, 1, 1]], np.uint8), ("a", "b")), None, image)
    (inside,) = found[0].intensities
    assert tuple(vars(inside).values()) == (None, 10.0, pytest.approx(np.sqrt(1400 / 3)), 0.0, -10.0, 40.0, "HU")
    assert found[1].intensities == ()
    assert found[0].mean_confidence is None


@pytest.mark.parametrize(
    ("names", "called"), [(("T1", "T2", "FLAIR"), ("T1", "T2", "FLAIR")), ((), ("red", "green", "blue"))]
)
def test_each_channel_has_its_own_intensities(names, called):
    pixels = np.array([[[1, 2, 3], [5, 6, 7]]], np.uint8)
    image = MedicalImage(pixels, "YXC", Geometry(), "scan", "PNG", 8, (0.0, 255.0), channel_names=names)
    (found,) = measure(LabelMap(np.ones((1, 2), np.uint8), ("a",)), None, image)
    assert [(one.channel, one.mean, one.maximum) for one in found.intensities] == [
        (called[0], 3.0, 5.0),
        (called[1], 4.0, 6.0),
        (called[2], 5.0, 7.0),
    ]
