import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy.ndimage import binary_erosion, distance_transform_edt

from evaluation.metrics import borders
from evaluation.metrics.borders import border, border_distances

SPACINGS = {2: [(1.0, 1.0), (2.0, 0.5), (0.7, 0.7)], 3: [(1.0, 1.0, 1.0), (5.0, 0.8, 0.9), (0.3, 1.0, 2.0)]}


def scipy_distances(reference, prediction, spacing):
    edges = [mask & ~binary_erosion(mask) for mask in (reference, prediction)]
    to_edge = [distance_transform_edt(~edge, sampling=spacing) for edge in edges]
    return to_edge[1][edges[0]], to_edge[0][edges[1]]


def assert_same_distances(reference, prediction, spacing):
    pairs = zip(
        border_distances(reference, prediction, spacing),
        scipy_distances(reference, prediction, spacing),
        strict=True,
    )
    for ours, oracle in pairs:
        np.testing.assert_allclose(ours, oracle, rtol=1e-12)


def test_border_drops_the_pixels_whose_face_neighbours_are_all_inside(draw):
    mask = draw("""
        ......
        .####.
        .####.
        .####.
        ......""")
    expected = draw("""
        ......
        .####.
        .#..#.
        .####.
        ......""")
    np.testing.assert_array_equal(border(mask), expected)


def test_image_edge_counts_as_outside(draw):
    full = np.ones((3, 3), bool)
    np.testing.assert_array_equal(
        border(full),
        draw("""
        ###
        #.#
        ###"""),
    )


def test_a_pixel_that_lacks_only_a_corner_neighbour_is_no_border(draw):
    mask = draw("""
        .####
        #####
        #####
        #####
        #####""")
    assert not border(mask)[1:4, 1:4].any()


@pytest.mark.parametrize("shape", [(7, 9), (5, 6, 7)])
def test_border_is_that_of_scipy(shape):
    mask = np.random.default_rng(0).random(shape) < 0.8
    np.testing.assert_array_equal(border(mask), mask & ~binary_erosion(mask))


def test_distances_by_hand():
    reference, prediction = np.zeros((2, 5, 9), bool)
    reference[1, 1] = prediction[4, 5] = True
    for spacing, distance in [((1.0, 1.0), 5.0), ((2.0, 0.5), np.hypot(6, 2))]:
        ours = border_distances(reference, prediction, spacing)
        assert [each.tolist() for each in ours] == [[pytest.approx(distance)]] * 2


@pytest.mark.parametrize("disturbance", [0.1, 0.5, 3.0])
@pytest.mark.parametrize("shape", [(90, 70), (24, 30, 20)])
def test_distances_of_blobs_are_those_of_scipy(blob_pair, shape, disturbance):
    for spacing in SPACINGS[len(shape)]:
        assert_same_distances(*blob_pair(shape, seed=1, disturbance=disturbance), spacing)


@pytest.mark.parametrize("density", [0.002, 0.02, 0.15])
@pytest.mark.parametrize("shape", [(120, 100), (30, 30, 30)])
def test_distances_of_noise_are_those_of_scipy(shape, density):
    random = np.random.default_rng(2)
    reference, prediction = random.random((2, *shape)) < density
    for spacing in SPACINGS[len(shape)]:
        assert_same_distances(reference, prediction, spacing)


def test_distances_beyond_the_reach_are_exact(ball):
    """Enough pixels for the rows to be visited, and all of them farther away than the reach."""
    near, far = ball((300, 300), (60, 60), 50), ball((300, 300), (230, 235), 50)
    assert_same_distances(near, far, (1.0, 1.0))


@pytest.mark.parametrize(("reach", "visit"), [(1, 0.0), (3, 0.0), (15, 0.0), (15, 1e9)])
def test_distances_do_not_hang_on_how_they_are_found(blob_pair, monkeypatch, reach, visit):
    borders._rings.cache_clear()
    monkeypatch.setattr(borders, "REACH", reach)
    monkeypatch.setattr(borders, "VISIT", visit)
    for shape in [(60, 50), (16, 18, 20)]:
        for spacing in SPACINGS[len(shape)]:
            assert_same_distances(*blob_pair(shape, seed=3, disturbance=1.5), spacing)
    borders._rings.cache_clear()


@settings(deadline=None, max_examples=80)
@given(st.data())
def test_distances_of_any_small_masks_are_those_of_scipy(data):
    shape = data.draw(array_shapes(min_dims=2, max_dims=3, min_side=1, max_side=6))
    masks = arrays(bool, shape).filter(np.any)
    spacing = data.draw(st.tuples(*[st.sampled_from([0.25, 0.7, 1.0, 3.0])] * len(shape)))
    assert_same_distances(data.draw(masks), data.draw(masks), spacing)
