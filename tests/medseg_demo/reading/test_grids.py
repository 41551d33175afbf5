from itertools import permutations, product

import numpy as np
import pytest

from medseg_demo.image import Geometry, LabelMap, MedicalImage, NiftiForms, spacing_of
from medseg_demo.reading.grids import differences, faults, lay_on, orientation_code

SHAPE = (3, 4, 5)
SPACING = (2.5, 0.9, 0.8)


def oblique(degrees: float = 17) -> np.ndarray:
    """LPS, turned about two axes."""
    a, b = np.radians([degrees, degrees / 2])
    about_z = np.array([[np.cos(a), -np.sin(a), 0], [np.sin(a), np.cos(a), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), -np.sin(b)], [0, np.sin(b), np.cos(b)]])
    affine = np.eye(4)
    affine[:3, :3] = about_z @ about_x @ np.diag(SPACING[::-1])
    affine[:3, 3] = -91.3, -120.7, 44.2
    return affine


def image_at(affine: np.ndarray | None, shape=SHAPE, forms=None) -> MedicalImage:
    spacing = None if affine is None else spacing_of(affine)
    geometry = Geometry(spacing and spacing[-len(shape) :], affine, forms)
    return MedicalImage(np.zeros(shape, np.uint8), "ZYX"[-len(shape) :], geometry, "a", "NIfTI", 8, (0, 1))


def reoriented(labels: np.ndarray, affine: np.ndarray, order, flips) -> tuple[np.ndarray, np.ndarray]:
    """The same physical label map with its axes (Z, Y, X) in another order, some running the other way."""
    stored = np.flip(labels.transpose(order), [axis for axis in range(3) if flips[axis]])
    to_old = np.zeros((4, 4))  # a stored (x, y, z) → the old one
    to_old[3, 3] = 1
    for axis, old in enumerate(order):
        length = labels.shape[old]
        to_old[2 - old, 2 - axis] = -1 if flips[axis] else 1
        to_old[2 - old, 3] = length - 1 if flips[axis] else 0
    return stored, affine @ to_old


@pytest.mark.parametrize("order", list(permutations(range(3))), ids=str)
@pytest.mark.parametrize("flips", list(product((False, True), repeat=3)), ids=str)
def test_every_orientation_of_the_same_grid_is_turned_without_loss(order, flips):
    labels = np.arange(60, dtype=np.uint8).reshape(SHAPE)
    stored, affine = reoriented(labels, oblique(), order, flips)
    laid = lay_on(LabelMap(stored, ("a",), Geometry(spacing_of(affine), affine), instances=stored), image_at(oblique()))
    np.testing.assert_array_equal(laid.labels, labels)
    np.testing.assert_array_equal(laid.instances, labels)
    np.testing.assert_array_equal(laid.geometry.affine, oblique())
    assert bool(laid.notes) == ((order, any(flips)) != ((0, 1, 2), False))


@pytest.mark.parametrize(("voxels", "notes", "refused"), [(0.005, 0, False), (0.05, 1, False), (0.2, 0, True)])
def test_a_shift_is_passed_over_noted_or_refused(voxels, notes, refused):
    affine = oblique()
    shifted = affine.copy()
    shifted[:3, 3] += affine[:3, :3] @ (voxels, 0, 0)
    label_map = LabelMap(np.zeros(SHAPE, np.uint8), ("a",), Geometry(spacing_of(affine), shifted))
    laid = lay_on(label_map, image_at(affine))
    assert len(laid.notes) == notes
    clauses = faults(image_at(affine), laid, role="it")
    assert bool(clauses) == refused
    if refused:
        assert clauses == ["it lies up to 0.16 mm (0.2 voxels) off the image by their affines (both stored as LPS)"]


def test_another_orientation_that_lies_elsewhere_names_both():
    stored, affine = reoriented(np.zeros(SHAPE, np.uint8), oblique(), (0, 1, 2), (False, True, True))
    affine[:3, 3] += 3
    laid = lay_on(LabelMap(stored, ("a",), Geometry(spacing_of(affine), affine)), image_at(oblique()))
    (clause,) = faults(image_at(oblique()), laid)
    assert "stored as RAS, the image as LPS" in clause


def test_a_label_map_written_with_the_images_other_transform_lies_on_it():
    scanner, aligned = oblique(), oblique(7)
    ras = np.diag([-1, -1, 1, 1])
    image = image_at(aligned, forms=NiftiForms(ras @ scanner, 1, ras @ aligned, 2))
    written = LabelMap(np.ones(SHAPE, np.uint8), ("a",), Geometry(spacing_of(scanner), scanner))
    laid = lay_on(written, image)
    assert faults(image, laid) == []
    np.testing.assert_array_equal(laid.geometry.affine, aligned)


def test_a_volume_of_one_slice_lies_on_an_image_and_the_other_way_round():
    affine = oblique()
    thick = LabelMap(np.ones((1, 4, 5), np.uint8), ("a",), Geometry(spacing_of(affine), affine))
    assert lay_on(thick, image_at(affine, (4, 5))).labels.shape == (4, 5)
    flat = LabelMap(np.ones((4, 5), np.uint8), ("a",))
    assert lay_on(flat, image_at(affine, (1, 4, 5))).labels.shape == (1, 4, 5)


def test_without_affines_shape_and_spacing_count():
    assert differences(Geometry((2.0, 1.0)), (4, 5), Geometry((2.0, 1.0005)), (4, 5), role="it") == []
    assert differences(Geometry((2.0, 1.0)), (4, 5), Geometry((2.0, 1.1)), (4, 5), role="it") == [
        "it has spacing (2, 1.1) mm but image has (2, 1) mm"
    ]
    assert differences(Geometry(), (4, 5), Geometry(), (5, 4), role="it") == [
        "it has shape (5, 4) but image has (4, 5)"
    ]


@pytest.mark.parametrize(
    ("affine", "code"),
    [(np.eye(4), "LPS"), (np.diag([-1, -1, 1, 1]), "RAS"), (np.eye(4)[[1, 2, 0, 3]], "SLP"), (oblique(30), "LPS")],
)
def test_orientation_codes(affine, code):
    assert orientation_code(affine.astype(float)) == code
