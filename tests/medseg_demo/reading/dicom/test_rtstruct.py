from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_segs import image_of, write_contours
from dicom_series import OBLIQUE, SeriesWriter, affine_of, blob
from pydicom.data import get_testdata_file
from skimage.draw import polygon2mask

from medseg_demo.errors import DamagedFileError, ReadError, UnsupportedImageError
from medseg_demo.image import Geometry, MedicalImage, spacing_of
from medseg_demo.reading.dicom.rtstruct import area, fill, is_rtstruct, read_contours
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

PLANAR = "CLOSED_PLANAR"
LEANING = OBLIQUE[:, 2] + 0.27 * OBLIQUE[:, 1]


def read(path, image):
    with open_source(path, Settings()) as source:
        return read_contours(source, image)


def image_in(folder, slices=6, **options):
    SeriesWriter(folder).volume(blob(slices, 20, 24), **options)
    return image_of(folder.iterdir(), affine_of(options.get("directions", OBLIQUE)))


@pytest.fixture
def image(tmp_path):
    return image_in(tmp_path / "ct")


def outline(image, index, corners):
    """A contour through points (x, y) in pixels of one slice."""
    frames = image.source_frames
    corners = np.asarray(corners, float)
    return PLANAR, frames.positions[index] + corners * frames.spacing_mm[::-1] @ frames.directions.T


def box(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def boxed(shape, *boxes):
    """Labels (Z, Y, X) of (slice, label, left, top, right, bottom), ends included."""
    labels = np.zeros(shape, np.uint8)
    for index, label, left, top, right, bottom in boxes:
        labels[index, top : bottom + 1, left : right + 1] = label
    return labels


def test_regions_are_filled_on_their_slices_by_their_numbers(tmp_path, image):
    regions = {
        "liver": [outline(image, 1, box(2.6, 3.4, 7.2, 6.9)), outline(image, 2, box(2.6, 3.4, 7.2, 6.9))],
        "tumour": [outline(image, 4, box(10, 11, 12, 13))],
    }
    content = read(write_contours(tmp_path / "rt.dcm", image, regions), image)
    assert content.class_names == ("liver", "tumour")
    assert content.numbers == (3, 6)
    expected = boxed(image.shape, (1, 1, 3, 4, 7, 6), (2, 1, 3, 4, 7, 6), (4, 2, 10, 11, 12, 13))
    assert np.array_equal(content.labels, expected)
    assert content.geometry is image.geometry
    assert content.notes == ()


@pytest.mark.parametrize(
    "options",
    [{"at": [0, 1, 2.4, 3, 4, 5]}, {"at": [0, 1, 2, 4, 5, 6]}, {"lean": LEANING}, {"directions": np.eye(3)}],
    ids=["uneven", "missing", "tilted", "axial"],
)
def test_slices_of_any_series(tmp_path, options):
    image = image_in(tmp_path / "ct", **options)
    regions = {"a": [outline(image, index, box(index, 2, index + 3, 5)) for index in range(6)]}
    content = read(write_contours(tmp_path / "rt.dcm", image, regions), image)
    assert np.array_equal(content.labels, boxed(image.shape, *[(i, 1, i, 2, i + 3, 5) for i in range(6)]))


def test_an_image_in_another_direction(tmp_path, image):
    """As NIfTI holds it: it runs the other way in every axis, and names no files."""
    path = write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 1, box(2, 3, 7, 6))]})
    ends = np.array([*image.shape[::-1], 1]) - 1
    affine = image.geometry.affine @ np.diag([-1.0, -1, -1, 1])
    affine[:3, 3] = (image.geometry.affine @ [*ends[:3], 1])[:3]
    turned = replace(image, source_files=(), source_frames=None, geometry=Geometry(spacing_of(affine), affine))
    assert np.array_equal(read(path, turned).labels[::-1, ::-1, ::-1], boxed(image.shape, (1, 1, 2, 3, 7, 6)))


def test_an_ellipse_has_the_pixels_whose_centres_it_holds(tmp_path, image):
    angles = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    corners = np.column_stack([11.3 + 8 * np.cos(angles), 9.2 + 6 * np.sin(angles)])
    content = read(write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 0, corners)]}), image)
    y, x = np.mgrid[:20, :24]
    assert np.array_equal(content.labels[0], ((x - 11.3) / 8) ** 2 + ((y - 9.2) / 6) ** 2 <= 1)


def test_inner_contours_are_holes_and_islands_in_them(tmp_path, image):
    rings = [box(1.5, 1.5, 16.5, 16.5), box(4.5, 4.5, 13.5, 13.5), box(7.5, 7.5, 10.5, 10.5)]
    content = read(
        write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 3, ring) for ring in rings]}), image
    )
    expected = boxed(image.shape, (3, 1, 2, 2, 16, 16), (3, 0, 5, 5, 13, 13), (3, 1, 8, 8, 10, 10))
    assert np.array_equal(content.labels, expected)


def test_a_keyhole(tmp_path, image):
    """The way in and the way out of the hole are one line."""
    corners = [*box(1.5, 1.5, 12.5, 12.5), (1.5, 1.5), *box(4.5, 4.5, 8.5, 8.5), (4.5, 4.5)]
    content = read(write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 3, corners)]}), image)
    assert np.array_equal(content.labels, boxed(image.shape, (3, 1, 2, 2, 12, 12), (3, 0, 5, 5, 8, 8)))


def test_a_contour_that_is_stored_twice_counts_once(tmp_path, image):
    contour = outline(image, 3, box(2, 2, 5, 5))
    content = read(write_contours(tmp_path / "rt.dcm", image, {"a": [contour, contour]}), image)
    assert np.array_equal(content.labels, boxed(image.shape, (3, 1, 2, 2, 5, 5)))


@pytest.mark.parametrize("order", [("body", "tumour"), ("tumour", "body")])
def test_the_smaller_of_two_regions_counts(tmp_path, image, order):
    corners = {"body": box(1, 1, 18, 18), "tumour": box(5, 5, 7, 8)}
    regions = {name: [outline(image, 3, corners[name])] for name in order}
    content = read(write_contours(tmp_path / "rt.dcm", image, regions), image)
    body, tumour = (order.index(name) + 1 for name in ("body", "tumour"))
    assert np.array_equal(content.labels, boxed(image.shape, (3, body, 1, 1, 18, 18), (3, tumour, 5, 5, 7, 8)))
    assert any("'tumour' over 'body', 12 voxels" in note for note in content.notes)


def test_points_and_lines_are_left_out(tmp_path, image):
    _, points = outline(image, 3, box(2, 2, 5, 5))
    regions = {"a": [(PLANAR, points), ("POINT", points[:1])], "marker": [("OPEN_PLANAR", points)], "empty": []}
    content = read(write_contours(tmp_path / "rt.dcm", image, regions), image)
    assert content.class_names == ("a", "empty")
    assert np.array_equal(content.labels, boxed(image.shape, (3, 1, 2, 2, 5, 5)))
    assert any("2 contours" in note and "'marker'" in note for note in content.notes)
    only = write_contours(tmp_path / "only.dcm", image, {"marker": [("POINT", points[:1])]})
    with pytest.raises(UnsupportedImageError, match="no closed contours"):
        read(only, image)


def test_what_reaches_beyond_the_image_is_cut_with_a_note(tmp_path, image):
    regions = {"body": [outline(image, 3, box(-4, 3, 6, 99))], "edge": [outline(image, 2, box(-0.5, -0.5, 23.5, 19.5))]}
    content = read(write_contours(tmp_path / "rt.dcm", image, regions), image)
    assert np.array_equal(content.labels, boxed(image.shape, (3, 1, 0, 3, 6, 19), (2, 2, 0, 0, 23, 19)))
    assert content.notes == ("'body' reaches beyond the image, and was cut off there.",)


@pytest.mark.parametrize(
    ("shift", "says"),
    [
        (1.4, None),
        (1.6, None),
        (-1.6, r"lie 1\.6 mm from the nearest slice"),
        (3.0 * 5 + 1.6, r"lie 1\.6 mm from the nearest slice"),
    ],
)
def test_the_nearest_slice_counts_up_to_half_its_distance(tmp_path, image, shift, says):
    plain = replace(image, source_files=(), source_frames=None)
    _, points = outline(image, 0, box(2, 2, 5, 5))
    path = write_contours(tmp_path / "rt.dcm", None, {"a": [(PLANAR, points + shift * OBLIQUE[:, 2])]})
    if says:
        with pytest.raises(UnsupportedImageError, match=says):
            read(path, plain)
    else:
        assert np.array_equal(read(path, plain).labels, boxed(image.shape, (round(shift / 3), 1, 2, 2, 5, 5)))


def test_contours_between_slices_do_not_cancel_each_other(tmp_path, image):
    plain = replace(image, source_files=(), source_frames=None)
    _, points = outline(image, 2, box(2, 2, 5, 5))
    contours = [(PLANAR, points + shift * OBLIQUE[:, 2]) for shift in (0, 1.2)]
    path = write_contours(tmp_path / "rt.dcm", None, {"a": contours})
    with pytest.raises(UnsupportedImageError, match="closer to each other than the image's slices"):
        read(path, plain)


def test_of_another_plane(tmp_path, image):
    _, points = outline(image, 2, box(2, 2, 5, 5))
    turned = points.mean(axis=0) + (points - points.mean(axis=0)) @ np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0]])
    path = write_contours(tmp_path / "rt.dcm", image, {"a": [(PLANAR, turned)]}, names_images=False)
    with pytest.raises(UnsupportedImageError, match="another plane"):
        read(path, image)


def test_of_other_images(tmp_path, image):
    regions = {"a": [outline(image, 2, box(2, 2, 5, 5))]}
    path = write_contours(tmp_path / "rt.dcm", image, regions)
    other = image_in(tmp_path / "other")
    with pytest.raises(UnsupportedImageError, match="drawn on other images"):
        read(path, other)
    path = write_contours(tmp_path / "rt.dcm", image, regions, names_images=False, space="1.2.3")
    with pytest.raises(UnsupportedImageError, match="drawn on other images"):
        read(path, image)
    assert read(path, replace(image, source_frames=None, source_files=())).labels.any()  # nothing to compare


def test_a_contour_that_names_another_slice(tmp_path, image):
    path = write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 2, box(2, 2, 5, 5))]})
    dataset = pydicom.dcmread(path)
    (contour,) = dataset.ROIContourSequence[0].ContourSequence
    contour.ContourImageSequence[0].ReferencedSOPInstanceUID = image.source_frames.instances[3]
    dataset.save_as(path)
    with pytest.raises(UnsupportedImageError, match="name another slice"):
        read(path, image)


def test_an_image_is_needed_and_its_place(tmp_path, image):
    path = write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 2, box(2, 2, 5, 5))]})
    with pytest.raises(UnsupportedImageError, match="Give the image with them"):
        read(path, None)
    nowhere = MedicalImage(np.zeros((2, 3)), "YX", Geometry(), "x", "PNG", 8, (0, 1))
    with pytest.raises(UnsupportedImageError, match="does not say where it lies"):
        read(path, nowhere)


def test_one_slice(tmp_path, image):
    frames = replace(
        image.source_frames,
        instances=image.source_frames.instances[2:3],
        frames=(1,),
        positions=image.source_frames.positions[2:3],
    )
    affine = image.geometry.affine.copy()
    affine[:3, 2], affine[:3, 3] = OBLIQUE[:, 2], image.source_frames.positions[2]
    flat = replace(
        image, pixels=image.pixels[2], axes="YX", geometry=Geometry((0.75, 0.5), affine), source_frames=frames
    )
    path = write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 2, box(2, 2, 5, 5))]})
    assert np.array_equal(read(path, flat).labels, boxed(image.shape, (2, 1, 2, 2, 5, 5))[2])


def test_more_regions_than_labels(tmp_path, image):
    contour = outline(image, 2, box(2, 2, 5, 5))
    path = write_contours(tmp_path / "rt.dcm", image, {str(number): [contour] for number in range(256)})
    with pytest.raises(UnsupportedImageError, match="256 regions"):
        read(path, image)


@pytest.mark.parametrize(
    "damage",
    [
        lambda d: d.StructureSetROISequence.pop(0),
        lambda d: setattr(d.StructureSetROISequence[1], "ROINumber", 3),
        lambda d: setattr(d.ROIContourSequence[0].ContourSequence[0], "ContourData", [1, 2, 3, 4, 5]),
        lambda d: setattr(d.ROIContourSequence[0].ContourSequence[0], "NumberOfContourPoints", 5),
    ],
    ids=["undescribed", "repeated", "halved", "fewer"],
)
def test_what_contradicts_itself_is_damaged(tmp_path, image, damage):
    regions = {name: [outline(image, 2, box(2, 2, 5, 5))] for name in "ab"}
    path = write_contours(tmp_path / "rt.dcm", image, regions)
    dataset = pydicom.dcmread(path)
    damage(dataset)
    dataset.save_as(path)
    with pytest.raises(DamagedFileError):
        read(path, image)


@pytest.mark.parametrize(
    "text", [b"1\\2\\x\\4\\5\\6\\7\\8\\9 ", b"1\\2\\nan\\4\\5\\6\\7\\8\\9 ", b"\xff\\2\\3\\4\\5\\6\\7\\8\\9"]
)
def test_what_is_no_number_is_damaged(tmp_path, image, text):
    path = write_contours(tmp_path / "rt.dcm", image, {"Doe^Secret": [outline(image, 2, box(2, 2, 5, 5)[:3])]})
    whole = path.read_bytes()
    start = whole.index(b"\x06\x30\x50\x00DS") + 8
    length = int.from_bytes(whole[start - 2 : start], "little")
    path.write_bytes(whole[:start] + text.ljust(length)[:length] + whole[start + length :])
    with pytest.raises(DamagedFileError) as refusal:
        read(path, image)
    assert "Secret" not in str(refusal.value)


def test_a_cut_file_is_refused_wherever_it_ends(tmp_path, image):
    path = write_contours(tmp_path / "rt.dcm", image, {"a": [outline(image, 2, box(2, 2, 5, 5))]})
    whole = path.read_bytes()
    for length in range(400, len(whole) - 1, 61):
        path.write_bytes(whole[:length])
        with open_source(path, Settings()) as source:
            if is_rtstruct(source):
                with pytest.raises(ReadError):
                    read_contours(source, image)


def test_it_is_told_by_its_class(image):
    def recognised(path):
        with open_source(path, Settings()) as source:
            return is_rtstruct(source)

    assert recognised(get_testdata_file("rtstruct.dcm", download=False))
    assert not recognised(get_testdata_file("rtplan.dcm", download=False))
    assert not recognised(image.source_files[0])


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
