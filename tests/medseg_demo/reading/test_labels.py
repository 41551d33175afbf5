import gzip
import struct

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from medseg_demo.errors import DamagedFileError, ReadError, UnknownFormatError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading import read_image
from medseg_demo.reading.labels import BINARY_NOTE, _whole, compare_geometry, read_label_map

LABELS = np.array([[0, 1, 2], [2, 0, 1]], np.uint8)


def test_grey_png(tmp_path):
    Image.fromarray(LABELS).save(tmp_path / "a.png")
    label_map = read_label_map(tmp_path / "a.png", class_names=("one", "two"))
    np.testing.assert_array_equal(label_map.labels, LABELS)
    assert label_map.labels.dtype == np.uint8
    assert label_map.class_names == ("one", "two")


def test_palette_indices_are_the_labels(tmp_path):
    picture = Image.fromarray(LABELS, "L").convert("P")
    picture.putdata(LABELS.ravel().tolist())
    picture.putpalette([0, 0, 0, 200, 10, 10, 10, 200, 10])
    picture.save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png").labels, LABELS)


def test_grey_picture_in_colour_channels(tmp_path):
    Image.fromarray(np.repeat(LABELS[..., None], 3, -1)).save(tmp_path / "a.png")
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.png").labels, LABELS)


def test_real_colours_are_refused(tmp_path):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = 255, 0, 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(UnsupportedImageError, match=r"a\.png is a colour picture"):
        read_label_map(tmp_path / "a.png")


def test_pages_are_slices(tmp_path):
    pages = [Image.fromarray(LABELS), Image.fromarray(2 - LABELS)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.tif").labels, np.stack([LABELS, 2 - LABELS]))


@pytest.mark.parametrize("values", [[0, 255], [255, 255], [0, 0], [0, 1], [1, 1]])
@pytest.mark.parametrize("names", [None, ("dot",)])
def test_binary_masks_may_hold_255(tmp_path, values, names):
    np.save(tmp_path / "a.npy", np.array([values], np.uint8))
    expected = np.array([values]) > 0
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.npy", class_names=names).labels, expected)


def test_255_is_no_label_of_two_classes(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 255]], np.uint8))
    with pytest.raises(UnsupportedImageError, match="label 255, but labels here are 0 to 2"):
        read_label_map(tmp_path / "a.npy", class_names=("one", "two"))


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.int16, np.int64, np.uint16, bool])
def test_whole_numbers_of_any_type(tmp_path, kind):
    np.save(tmp_path / "a.npy", (LABELS > 0).astype(kind))
    np.testing.assert_array_equal(read_label_map(tmp_path / "a.npy").labels, LABELS > 0)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ([[0.0, 0.5]], "holds the value 0.5"),
        ([[0.0, np.nan]], "holds the value nan"),
        ([[0, -1]], "holds the label -1"),
        ([[0, 300]], "holds the label 300"),
        ([0, 1], r"array of shape \(2,\)"),
        (np.zeros((0, 3)), "is empty"),
        (np.zeros((2, 2, 2, 2)), "2 volumes or several components"),
        ([[0, 1j]], "complex128"),
        ([["a", "b"]], "<U1"),
    ],
)
def test_what_is_no_label_is_refused(tmp_path, values, part):
    np.save(tmp_path / "a.npy", np.array(values))
    with pytest.raises(UnsupportedImageError, match=part):
        read_label_map(tmp_path / "a.npy")


@given(arrays.arrays(np.uint8, arrays.array_shapes(min_dims=2, max_dims=3, max_side=5), elements=st.integers(0, 3)))
def test_npz_gives_back_what_was_saved(tmp_path_factory, labels):
    path = tmp_path_factory.mktemp("labels") / "a.npz"
    np.savez_compressed(path, labels)
    if labels.ndim == 3 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    label_map = read_label_map(path, class_names=("a", "b", "c"))
    np.testing.assert_array_equal(label_map.labels, labels)


def test_several_arrays_in_one_file(tmp_path):
    np.savez(tmp_path / "a.npz", one=LABELS, two=LABELS)
    with pytest.raises(UnsupportedImageError, match="holds 2 arrays"):
        read_label_map(tmp_path / "a.npz")


def test_pickles_are_not_executed(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(UnsupportedImageError, match=r"a\.npy: it holds pickled Python objects"):
        read_label_map(tmp_path / "a.npy")


def test_volume_with_its_geometry(tmp_path):
    labels = np.arange(24, dtype=np.float32).reshape(2, 3, 4) % 3
    volume = SimpleITK.GetImageFromArray(labels)
    volume.SetSpacing((0.5, 0.75, 2.0))
    volume.SetOrigin((10, 20, 30))
    SimpleITK.WriteImage(volume, str(tmp_path / "a.nii.gz"))
    label_map = read_label_map(tmp_path / "a.nii.gz")
    np.testing.assert_array_equal(label_map.labels, labels)
    assert label_map.geometry.spacing_mm == (2.0, 0.75, 0.5)
    np.testing.assert_allclose(label_map.geometry.affine @ (1, 1, 1, 1), (10.5, 20.75, 32, 1))
    assert label_map.class_names == ("class_1", "class_2")


VOXELS = np.arange(24, dtype=np.uint8).reshape(2, 3, 4) % 3
RAS = np.array([[0, -0.75, 0, 1], [0.5, 0, 0, 2], [0, 0, 2, 3], [0, 0, 0, 1]])


def nifti(path, voxels=VOXELS, affine=RAS, *, kind=nibabel.Nifti1Image):
    nibabel.save(kind(voxels.T, affine), path)
    return path


def in_header(path, at, code, *values):
    content = bytearray(path.read_bytes())
    struct.pack_into(code, content, at, *values)
    path.write_bytes(content)


@pytest.mark.parametrize("name", ["a.nii", "a.nii.gz"])
def test_a_cut_nifti_is_no_background(tmp_path, name):
    voxels = np.random.default_rng(0).integers(0, 3, (20, 30, 40), np.uint8)
    path = nifti(tmp_path / name, voxels)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(DamagedFileError, match=name):
        read_label_map(path)
    if name == "a.nii.gz":  # packed again by a program that did not notice
        path.write_bytes(gzip.compress(gzip.decompress(content)[: 352 + 100]))
        with pytest.raises(DamagedFileError, match="claims 24000 bytes, and 100 are there"):
            read_label_map(path)


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
@pytest.mark.parametrize("voxels", [VOXELS, VOXELS.astype(np.float32), VOXELS * 0, VOXELS * 0 + 1], ids=str)
def test_nifti_of_either_version_and_any_labels(tmp_path, kind, voxels):
    label_map = read_label_map(nifti(tmp_path / "a.nii.gz", voxels, kind=kind))
    np.testing.assert_array_equal(label_map.labels, voxels)
    assert label_map.geometry.spacing_mm == pytest.approx((2, 0.75, 0.5))
    np.testing.assert_allclose(label_map.geometry.affine, np.diag([-1, -1, 1, 1]) @ RAS, rtol=1e-6)


def test_a_leaning_nifti_keeps_its_place(tmp_path):
    leaning = RAS.copy()
    leaning[0, 2] = 0.5
    geometry = read_label_map(nifti(tmp_path / "a.nii.gz", affine=leaning)).geometry
    np.testing.assert_allclose(geometry.affine, np.diag([-1, -1, 1, 1]) @ leaning, rtol=1e-6)
    assert geometry.spacing_mm == pytest.approx((2, 0.75, 0.5))


def test_a_nifti_with_a_singular_transform_lies_on_itself(tmp_path):
    path = nifti(tmp_path / "a.nii")
    in_header(path, 252, "<2h12x12x12f", 0, 1, *[0.0] * 12)
    label_map = read_label_map(path)
    np.testing.assert_array_equal(label_map.labels, VOXELS)
    assert compare_geometry(read_image(path), label_map) == []


def test_a_nifti_whose_two_spacings_disagree_lies_on_itself(tmp_path, capfd):
    path = nifti(tmp_path / "a.nii")
    in_header(path, 80, "<3f", 1, 1, 1)
    label_map = read_label_map(path)
    assert compare_geometry(read_image(path), label_map) == []
    assert label_map.geometry.spacing_mm == pytest.approx((2, 0.75, 0.5))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_a_volume_of_one_column_keeps_it(tmp_path, name):
    SimpleITK.WriteImage(SimpleITK.GetImageFromArray(VOXELS[..., :1]), str(tmp_path / name))
    label_map = read_label_map(tmp_path / name)
    assert label_map.labels.shape == (2, 3, 1)
    assert compare_geometry(read_image(tmp_path / name), label_map) == []


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_one_time_is_no_axis_and_several_are_refused(tmp_path, name):
    for times in (1, 2):
        volume = SimpleITK.JoinSeries([SimpleITK.GetImageFromArray(VOXELS)] * times)
        SimpleITK.WriteImage(volume, str(tmp_path / name))
        if times == 1:
            label_map = read_label_map(tmp_path / name)
            np.testing.assert_array_equal(label_map.labels, VOXELS)
            assert compare_geometry(read_image(tmp_path / name), label_map) == []
    with pytest.raises(UnsupportedImageError, match="2 volumes or several components"):
        read_label_map(tmp_path / name)


@pytest.mark.parametrize("name", ["a.nii.gz", "a.nrrd", "a.mha"])
def test_several_components_are_refused(tmp_path, name):
    vectors = SimpleITK.GetImageFromArray(np.stack([VOXELS, VOXELS * 0], -1), isVector=True)
    SimpleITK.WriteImage(vectors, str(tmp_path / name))
    with pytest.raises(UnsupportedImageError, match="several components a voxel"):
        read_label_map(tmp_path / name)


@pytest.mark.parametrize("name", ["a.png", "a.nii.gz", "a.npy", "a.npz", "a.tif"])
def test_damaged_and_empty_files(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"no labels at all")
    with pytest.raises(UnknownFormatError, match=name):
        read_label_map(path)
    path.write_bytes(b"")
    with pytest.raises(DamagedFileError, match="is empty"):
        read_label_map(path)
    path.unlink()
    with pytest.raises(ReadError, match="cannot be opened"):
        read_label_map(path)


def test_the_image_is_read_only_where_the_file_states_a_place(tmp_path):
    calls = []

    def image() -> MedicalImage:
        calls.append(1)
        return read_image(tmp_path / "a.nii.gz")

    Image.fromarray(LABELS).save(tmp_path / "a.png")
    read_label_map(tmp_path / "a.png", image=image)
    assert calls == []
    read_label_map(nifti(tmp_path / "a.nii.gz"), image=image)
    assert calls == [1]


def test_a_label_map_in_another_orientation_is_turned_and_one_elsewhere_refused(tmp_path):
    image = read_image(nifti(tmp_path / "image.nii.gz", np.arange(24, dtype=np.int16).reshape(2, 3, 4)))
    original = nibabel.load(nifti(tmp_path / "a.nii.gz"))
    nibabel.save(nibabel.as_closest_canonical(original), tmp_path / "ras.nii.gz")
    turned = read_label_map(tmp_path / "ras.nii.gz", image=image)
    np.testing.assert_array_equal(turned.labels, VOXELS)
    assert "turned" in turned.notes[0]
    moved = RAS.copy()
    moved[0, 3] += 0.5
    with pytest.raises(UnsupportedImageError, match=r"b\.nii\.gz: it lies up to 0\.5 mm"):
        read_label_map(nifti(tmp_path / "b.nii.gz", affine=moved), image=image)


def test_0_and_255_are_said(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 255]], np.uint8))
    assert read_label_map(tmp_path / "a.npy").notes == (BINARY_NOTE,)
    np.save(tmp_path / "b.npy", np.array([[0, 1]], np.uint8))
    assert read_label_map(tmp_path / "b.npy").notes == ()


def test_stored_values_become_others_by_a_table(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 17, 53, 1035]], np.int32))
    names, values = ("hippocampus", "insula"), {17: 1, 53: 1, 1035: 2}
    assert read_label_map(tmp_path / "a.npy", class_names=names, values=values).labels.tolist() == [[0, 1, 1, 2]]
    with pytest.raises(UnsupportedImageError, match="label 53, which is none of the classes"):
        read_label_map(tmp_path / "a.npy", class_names=names, values={17: 1, 1035: 2})
    np.save(tmp_path / "b.npy", np.array([[0, -5, 2**40]], np.int64))
    assert read_label_map(tmp_path / "b.npy", class_names=names, values={-5: 2, 2**40: 1}).labels.tolist() == [
        [0, 2, 1]
    ]


def test_what_nobody_annotated_is_told_from_the_labels(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 1, 255]], np.uint8))
    label_map = read_label_map(tmp_path / "a.npy", class_names=("tumour",), values={1: 1}, ignore=255)
    assert (label_map.labels.tolist(), label_map.ignored.tolist()) == ([[0, 1, 0]], [[False, False, True]])


def test_0_and_255_are_a_mask_of_the_only_class(tmp_path):
    np.save(tmp_path / "a.npy", np.array([[0, 255]], np.uint8))
    label_map = read_label_map(tmp_path / "a.npy", class_names=("tumour",), values={1: 1})
    assert (label_map.labels.tolist(), label_map.notes) == ([[0, 1]], (BINARY_NOTE,))


COLOURS = {"tumour": "#ff0000", "liver": "00FF10"}


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
def test_colours_are_labels_where_a_table_names_them(tmp_path, mode):
    pixels = np.zeros((2, 3, 3), np.uint8)
    pixels[0, 0], pixels[1, 2] = (255, 0, 0), (0, 255, 16)
    Image.fromarray(pixels).convert(mode, palette=Image.Palette.ADAPTIVE).save(tmp_path / "a.png")
    label_map = read_label_map(tmp_path / "a.png", colours=COLOURS)
    assert label_map.labels.tolist() == [[1, 0, 0], [0, 0, 2]]
    assert label_map.class_names == ("tumour", "liver")
    by_class = read_label_map(tmp_path / "a.png", colours=COLOURS, class_names=("liver", "tumour"))
    assert by_class.labels.tolist() == [[2, 0, 0], [0, 0, 1]]


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB"])
def test_a_picture_of_greys_is_one_of_colours_too(tmp_path, mode):
    Image.fromarray(np.array([[0, 255], [255, 0]], np.uint8)).convert(mode).save(tmp_path / "a.png")
    label_map = read_label_map(tmp_path / "a.png", colours={"tumour": "#ff0000", "liver": "#FFFFFF"})
    assert label_map.labels.tolist() == [[0, 2], [2, 0]]


def test_a_colour_that_the_table_lacks_is_named(tmp_path):
    pixels = np.zeros((2, 2, 3), np.uint8)
    pixels[0, 0] = 250, 3, 0
    Image.fromarray(pixels).save(tmp_path / "a.png")
    with pytest.raises(UnsupportedImageError, match=r"1 pixels have a colour.*#fa0300"):
        read_label_map(tmp_path / "a.png", colours=COLOURS)
    with pytest.raises(UnsupportedImageError, match="'red' is no colour"):
        read_label_map(tmp_path / "a.png", colours={"a": "red"})


def test_numbers_of_objects_are_kept_where_the_user_says_so(tmp_path):
    numbers = np.array([[0, 1000, 1000], [70000, 0, 3]], np.uint32)
    np.save(tmp_path / "a.npy", numbers)
    label_map = read_label_map(tmp_path / "a.npy", instances=True, class_names=("nucleus",))
    assert label_map.labels.tolist() == [[0, 1, 1], [1, 0, 1]]
    np.testing.assert_array_equal(label_map.instances, numbers)
    with pytest.raises(UnsupportedImageError, match="label 70000, but labels here"):
        read_label_map(tmp_path / "a.npy")
    with pytest.raises(UnsupportedImageError, match="objects of one class"):
        read_label_map(tmp_path / "a.npy", instances=True, class_names=("a", "b"))


@pytest.mark.parametrize(
    ("kind", "ends", "expected"),
    [("f8", (0, 255), "u1"), (">i2", (0, 3), "u1"), ("f4", (-1, 70000), "i8"), ("i8", (-1, 2**62 + 1), "i8"),
     ("u8", (0, 2**64 - 1), "u8")],
)  # fmt: skip
def test_labels_take_the_smallest_type_that_holds_them(source, kind, ends, expected):
    whole = _whole(np.array([ends], kind), source)
    assert whole.dtype == np.dtype(expected)
    assert whole.tolist() == [list(ends)]
