"""Each corruption on small images whose change can be told by hand, alone and in degrees."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage
from skimage.metrics import structural_similarity
from stress_images import picture, volume

from evaluation.stress.cases import corrupted
from evaluation.stress.corruptions import BY_NAME, CORRUPTIONS, DEGREES, Seen
from medseg_demo.image import LabelMap

IMAGES = [one.name for one in CORRUPTIONS if one.amounts]
VOLUMES = [one.name for one in CORRUPTIONS if one.volume_amounts]
MOVING = ("turn", "shift")


def change(found, before):
    """How unlike the image is, 0 to 2."""
    one, other = (image.pixels.astype(float) for image in (found, before))
    channels = -1 if before.axes.endswith("C") else None
    return 1 - structural_similarity(one, other, data_range=other.max() - other.min(), channel_axis=channels)


@pytest.mark.parametrize("name", IMAGES)
def test_an_image_gets_worse_with_the_degree_in_its_own_type_and_size(name):
    image, reference = picture(channels=3)
    before = image.pixels.copy()
    found = [corrupted(image, reference, name, degree, case_id="a") for degree in DEGREES]
    changes = [change(one, image) for one, _ in found]
    assert changes[0] > 0.0005
    assert changes == sorted(changes)
    assert changes[-1] > 2 * changes[0]
    assert all((one.pixels.dtype, one.pixels.shape) == (np.uint8, (64, 64, 3)) for one, _ in found)
    assert (image.pixels == before).all()
    if name not in MOVING:
        assert all(label_map is reference for _, label_map in found)


@pytest.mark.parametrize("name", [name for name in VOLUMES if name != "missing-channel"])
def test_a_volume_gets_worse_with_the_degree(name):
    image, reference = volume()
    found = [corrupted(image, reference, name, degree, case_id="a")[0] for degree in (1, 5)]
    assert 0.0005 < change(found[0], image) < change(found[1], image)
    assert (found[0].pixels.dtype, found[0].shape) == (np.float32, image.shape)
    assert np.isfinite(found[1].pixels).all()


@pytest.mark.parametrize("name", IMAGES)
def test_a_case_is_changed_alike_whatever_came_before_and_others_otherwise(name):
    import torch

    image, reference = picture(channels=3)
    first = corrupted(image, reference, name, 3, case_id="a")[0].pixels
    torch.rand(5)  # TorchIO's own generator moves on
    np.random.rand(5)  # and NumPy's common one
    corrupted(image, reference, "noise", 1, case_id="b")
    assert (corrupted(image, reference, name, 3, case_id="a")[0].pixels == first).all()
    others = [corrupted(image, reference, name, 3, case_id=case)[0].pixels for case in "bcdefgh"]
    drawn = name not in ("blur", "low-resolution", "jpeg")
    assert any((one != first).any() for one in others) == drawn


def test_noise_is_the_same_in_all_degrees_but_for_its_amount():
    image, reference = volume()
    mild, strong = (
        corrupted(image, reference, "noise", degree, case_id="a")[0].pixels - image.pixels for degree in (1, 5)
    )
    assert strong == pytest.approx(mild * 0.25 / 0.03, rel=1e-3, abs=1e-2)
    low, high = image.display_window
    assert mild.std() == pytest.approx(0.03 * (high - low), rel=0.05)


def test_a_shift_moves_image_and_reference_by_the_same_whole_pixels():
    image, reference = picture()
    found, moved = corrupted(image, reference, "shift", 4, case_id="a")
    best = []
    for y in range(-12, 13):
        for x in range(-12, 13):
            inside = np.s_[max(0, y) : 64 + min(0, y), max(0, x) : 64 + min(0, x)]
            of = np.s_[max(0, -y) : 64 + min(0, -y), max(0, -x) : 64 + min(0, -x)]
            if (found.pixels[inside] == image.pixels[of]).all():
                best.append((y, x))
                assert (moved.labels[inside] == reference.labels[of]).all()
                assert moved.labels.sum() == moved.labels[inside].sum()  # what comes into view is background
    ((y, x),) = best
    assert np.hypot(y, x) == pytest.approx(0.15 * 64, abs=1)


def test_a_turn_takes_the_reference_with_the_image():
    image, reference = picture(side=96)
    found, moved = corrupted(image, reference, "turn", 5, case_id="a")
    assert set(np.unique(moved.labels)) == {0, 1}
    again = found.pixels > 150
    inside = np.s_[24:72, 24:72]
    assert (again[inside] == moved.labels[inside].astype(bool)).mean() > 0.97
    assert (reference.labels[inside] != moved.labels[inside]).mean() > 0.05


def test_what_lies_on_a_volume_moves_with_it_in_the_plane():
    image, reference = volume()
    numbers = ndimage.label(reference.labels)[0].astype(np.uint16)
    nobody = np.zeros(image.shape, bool)
    nobody[:, :4] = True
    given = LabelMap(reference.labels, reference.class_names, image.geometry, instances=numbers, ignored=nobody)
    _, moved = corrupted(image, given, "turn", 3, case_id="a")
    assert (moved.instances.dtype, moved.ignored.dtype) == (np.uint16, bool)
    assert ((moved.instances > 0) == (moved.labels > 0)).all()
    assert moved.ignored.any()
    assert (moved.labels.any(axis=(1, 2)) <= reference.labels.any(axis=(1, 2))).all()  # no slice takes from another


def test_a_missing_channel_fades_and_the_others_stay():
    image, reference = picture(channels=3)
    half, none = (corrupted(image, reference, "missing-channel", degree, case_id="a")[0].pixels for degree in (2, 5))
    (place,) = (place for place in range(3) if (none[..., place] == 0).all())
    others = [other for other in range(3) if other != place]
    assert (none[..., others] == image.pixels[..., others]).all()
    assert np.abs(half[..., place] - 0.6 * image.pixels[..., place]).max() <= 0.5


def test_contrast_keeps_the_order_of_intensities_and_the_ends_of_the_window():
    image, reference = picture()
    pixels = corrupted(image, reference, "contrast", 5, case_id="a")[0].pixels
    order = np.argsort(image.pixels, axis=None, kind="stable")
    assert (np.diff(pixels.ravel()[order].astype(int)) >= 0).all()
    gamma = np.log(pixels[image.pixels == 128][0] / 255) / np.log(128 / 255)
    assert abs(np.log(gamma)) == pytest.approx(1.1, abs=0.05)


def test_movements_leave_things_where_they_are():
    image, reference = picture(side=96)
    found = corrupted(image, reference, "motion", 5, case_id="a")[0].pixels.astype(float)
    middle = np.s_[8:88, 8:88]
    likeness = {
        (y, x): np.corrcoef(np.roll(found, (y, x), (0, 1))[middle].ravel(), image.pixels[middle].ravel())[0, 1]
        for y in (-4, 0, 4)
        for x in (-4, 0, 4)
    }
    assert max(likeness, key=likeness.get) == (0, 0)


@pytest.mark.parametrize("name", ["bias-field", "ghosting", "spike"])
@pytest.mark.parametrize("side", [23, 24, 31, 49])
def test_what_goes_wrong_in_a_scanner_leaves_the_mean_intensity(name, side):
    image, reference = volume(side=side)
    for case_id in "abc":
        found = corrupted(image, reference, name, 5, case_id=case_id)[0]
        assert found.pixels.mean() == pytest.approx(image.pixels.mean(), rel=0.01)


def test_what_fits_by_kind_of_image():
    def fitting(*kinds, volume=False, channels=1):
        return {one.name for one in CORRUPTIONS if one.fits(Seen(frozenset(kinds), volume, channels))}

    plain = {"noise", "blur", "contrast", "low-resolution", "turn", "shift"}
    scanner = {"bias-field", "motion", "ghosting", "spike"}
    assert fitting("radiograph") == plain | {"jpeg"}
    assert fitting("microscopy", channels=3) == plain | {"jpeg", "missing-channel"}
    assert fitting("MR", volume=True) == plain | scanner
    assert fitting("MR", channels=4) == plain | scanner | {"missing-channel"}
    assert fitting("CT", volume=True) == plain - {"contrast"}
    assert fitting(volume=True) == plain


def test_names_are_keys_and_every_degree_has_an_amount():
    assert len(BY_NAME) == len(CORRUPTIONS)
    assert all(len(amounts) in (0, 5) for one in CORRUPTIONS for amounts in (one.amounts, one.volume_amounts))


def test_the_documents_name_every_amount():
    text = (Path(__file__).resolve().parents[3] / "docs" / "stress.md").read_text(encoding="utf-8")
    for one in CORRUPTIONS:
        assert f"| `{one.name}` |" in text
        for amounts in filter(None, (one.amounts, one.volume_amounts)):
            assert f"| {', '.join(f'{amount:g}' for amount in amounts)} |" in text, one.name
