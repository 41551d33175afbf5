import numpy as np
import pytest
from skimage.draw import polygon2mask

from medseg_demo.reading.dicom.polygons import area, fill

BOX = np.array([(2.0, 1), (5, 1), (5, 3), (2, 3)])


def inside(polygon, shape):
    """Pixel by pixel: on an edge, or an odd number of edges to the left."""
    mask = np.zeros(shape, bool)
    edges = list(zip(polygon, np.roll(polygon, -1, axis=0), strict=True))
    for y, x in np.ndindex(shape):
        odd = False
        for (x0, y0), (x1, y1) in edges:
            on_line = (x1 - x0) * (y - y0) == (y1 - y0) * (x - x0)
            if on_line and min(x0, x1) <= x <= max(x0, x1) and min(y0, y1) <= y <= max(y0, y1):
                odd = True
                break
            odd ^= (y0 > y) != (y1 > y) and x < (x1 - x0) * (y - y0) / (y1 - y0) + x0
        mask[y, x] = odd
    return mask


def test_centres_on_the_outline_are_inside():
    mask = fill([BOX], (5, 8))
    assert np.argwhere(mask)[[0, -1]].tolist() == [[1, 2], [3, 5]]
    assert mask.sum() == 3 * 4
    assert np.array_equal(fill([BOX + 4e-4], (5, 8)), mask)  # text is rounded
    assert fill([BOX + 0.01], (5, 8)).sum() == 2 * 3


def test_corners_on_pixel_centres_as_pixel_by_pixel():
    rng = np.random.default_rng(0)
    for _ in range(60):
        polygon = rng.integers(-3, 15, (rng.integers(3, 8), 2)).astype(float)
        assert np.array_equal(fill([polygon], (12, 11)), inside(polygon, (12, 11)))


def test_as_scikit_image():
    rng = np.random.default_rng(1)
    for _ in range(60):
        shape = tuple(rng.integers(1, 40, 2))
        polygon = rng.integers(-500, 4500, (rng.integers(3, 20), 2)) / 100 + 0.0051  # never on a centre
        assert np.count_nonzero(fill([polygon], shape) != polygon2mask(shape, polygon[:, ::-1])) <= 1


def test_a_circle():
    angles = np.linspace(0, 2 * np.pi, 1000, endpoint=False)
    circle = np.column_stack([50.3 + 30 * np.cos(angles), 48.7 + 30 * np.sin(angles)])
    y, x = np.mgrid[:100, :100]
    assert np.array_equal(fill([circle], (100, 100)), (x - 50.3) ** 2 + (y - 48.7) ** 2 <= 900)
    assert area(circle) == pytest.approx(900 * np.pi, rel=1e-4)


def test_an_odd_number_of_polygons():
    assert fill([BOX + 0.5, BOX + 0.5, BOX + 0.5], (5, 8)).sum() == 6
    assert not fill([BOX + 0.5, BOX + 0.5], (5, 8)).any()


def test_far_away():
    assert not fill([BOX + 1e300], (5, 8)).any()
    assert fill([np.array([(-1e9, -1e9), (1e9, -1e9), (1e9, 1e9), (-1e9, 1e9)])], (5, 8)).all()
