import numpy as np
import pytest

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, MedicalImage
from medseg_demo.segmenting.crop import check_inside, cropped, places, to_box


def volume(shape=(6, 8, 10), affine=None):
    pixels = np.arange(np.prod(shape), dtype=np.int32).reshape(shape)
    return MedicalImage(pixels, "ZYX", Geometry((3.0, 2.0, 1.0), affine), "scan", "NIfTI", 32, (0.0, 479.0))


@pytest.mark.parametrize("given", [[0, 1, 2, 3, 4, 5], "0,1,2,3,4,5", "[0, 1, 2, 3, 4, 5]", (0, 1.0, 2, 3, 4, "5")])
def test_a_box_is_six_whole_numbers_as_a_list_or_a_text(given):
    assert to_box(given) == (0, 1, 2, 3, 4, 5)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ([0, 1, 2, 3], "has 4 numbers"),
        (7, "is 7"),
        ({"z": 1}, "is {'z': 1}"),
        ([0, 0, 0, 1, float("nan"), 5], "'nan'"),
        ([0, 0, 0, 1, 2.5, 5], "'2.5'"),
        ([0, 0, 0, 1, True, 5], "'True'"),
        ([0, 0, None, 1, 4, 5], "'None'"),
        ([0, 0, -1, 1, 4, 5], "none below 0"),
        ([0, 0, 0, 1, 4, 1e300], "'1e\\+300'"),
        ([0, 5, 0, 1, 5, 5], "empty along y: it runs from 5 to 5"),
        ([0, 0, 9, 1, 5, 4], "empty along x: it runs from 9 to 4"),
        ("0,0,0,1,2,x", "'x'"),
    ],
)
def test_what_is_no_box_is_refused_in_words(given, words):
    with pytest.raises(OptionError, match=words):
        to_box(given)


def test_a_box_beyond_the_image_is_refused(make_image):
    check_inside((0, 0, 0, 6, 8, 10), volume())
    with pytest.raises(OptionError, match=r"'scan': the crop box ends at y = 9, and the image has 8 along y"):
        check_inside((0, 0, 0, 6, 9, 10), volume())
    with pytest.raises(OptionError, match="ends at z = 2, and the image has 1 along z"):
        check_inside((0, 0, 0, 2, 3, 3), make_image(np.eye(4, dtype=np.uint8)))


def test_a_voxel_keeps_its_place_in_the_patient():
    affine = np.array([[0, 2, 0, -7.0], [1, 0, 0, 5], [0, 0, -3, 9], [0, 0, 0, 1]])
    whole, box = volume(affine=affine), (1, 2, 3, 5, 7, 9)
    part = cropped(whole, box)
    assert part.shape == (4, 5, 6)
    assert (part.pixels == whole.pixels[places(box)]).all()
    np.testing.assert_array_equal(part.geometry.affine @ [1, 1, 1, 1], affine @ [4, 3, 2, 1])
    assert whole.geometry.affine[0, 3] == -7


def test_channels_and_planes_are_kept():
    pixels = np.zeros((8, 10, 3), np.uint8)
    image = MedicalImage(pixels, "YXC", Geometry(), "photo", "PNG", 8, (0.0, 255.0))
    assert cropped(image, (0, 1, 2, 1, 4, 7)).pixels.shape == (3, 5, 3)
    assert cropped(image, None) is image
