import numpy as np
import pytest
import tifffile
from PIL import Image

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.tiff.planes import arrange, in_mm

PLANES = np.random.default_rng(4).integers(0, 60_000, (2, 3, 5, 20, 30), dtype=np.uint16)  # T, Z, C, Y, X
COLOURS = np.random.default_rng(5).integers(0, 256, (4, 20, 30, 3), dtype=np.uint8)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.tif"


@pytest.mark.parametrize(
    ("axes", "sizes", "order", "names"),
    [
        ("ZC", (3, 2), [[0, 2, 4], [1, 3, 5]], ("channel 1", "channel 2")),
        ("CZ", (2, 3), [[0, 1, 2], [3, 4, 5]], ("channel 1", "channel 2")),
        ("TC", (2, 2), [[0], [1], [2], [3]], ("time 1, channel 1", "time 1, channel 2", "time 2, channel 1")),
        ("Q", (4,), [[0, 1, 2, 3]], ()),
        ("QQ", (2, 2), [[0, 1], [2, 3]], ("volume 1", "volume 2")),
        ("TZC", (1, 4, 1), [[0, 1, 2, 3]], ()),
    ],
)
def test_which_plane_is_which(axes, sizes, order, names):
    found, _, found_names = arrange(axes, sizes)
    assert found.tolist() == order
    assert found_names[:3] == names


@pytest.mark.parametrize(
    ("size", "unit", "right"),
    [
        *[(500, "µm", 0.5), (500, "\u03bcm", 0.5), (2, "nm", 2e-6), (1, "cm", 10), (1, "inch", 25.4), (3, "Å", 3e-7)],
        *[
            (2, "Micron", 2e-3),
            (1, "Mm", None),
            (1, "mm", 1),
            (1, "pixel", None),
            (0, "mm", None),
            (np.inf, "mm", None),
        ],
    ],
)
def test_units(size, unit, right):
    assert in_mm(size, unit) == (None if right is None else pytest.approx(right))


def test_imagej_hyperstack(path, layout_of, read_raw):
    metadata = {"axes": "TZCYX", "unit": "um", "spacing": 2.0}
    tifffile.imwrite(path, PLANES, imagej=True, metadata=metadata, resolution=(4, 2))
    layout = layout_of(path)
    assert (layout.shape, layout.volumes) == ((3, 20, 30), 10)
    assert layout.volume_names[6] == "time 2, channel 2"
    raw = read_raw(path, 6)
    assert np.array_equal(raw.array, PLANES[1, :, 1])
    assert raw.geometry.spacing_mm == pytest.approx((0.002, 0.0005, 0.00025))
    several = read_raw(path, 0, 1)
    assert np.array_equal(several.array, np.stack([PLANES[0, :, 0], PLANES[0, :, 1]], axis=-1))
    assert (several.samples, several.axes, several.channel_names[1]) == ("channels", "ZYXC", "time 1, channel 2")
    with pytest.raises(UnsupportedImageError, match=r"10 volumes.*time 1, channel 1"):
        read_raw(path)


@pytest.mark.parametrize(("old", "new"), [(b"images=30", b"images=40"), (b"slices=3", b"slices=4")])
def test_imagej_claims_what_is_not_there(path, read_raw, old, new):
    tifffile.imwrite(path, PLANES, imagej=True, metadata={"axes": "TZCYX"})
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(UnsupportedImageError, match="contradicts itself"):
        read_raw(path, 0)


def test_imagej_colour_slices_and_composite(path, layout_of, read_raw):
    tifffile.imwrite(path, COLOURS, imagej=True, metadata={"axes": "ZYXS"})
    assert np.array_equal(read_raw(path).array, COLOURS)
    tifffile.imwrite(path, PLANES[0, 0, :3], imagej=True, metadata={"axes": "CYX", "mode": "composite"})
    assert layout_of(path).volumes == 3  # three stains are no picture in colour


@pytest.mark.parametrize(
    ("unit", "spacing", "note"), [("zz", None, "'zz'"), ("pixel", None, ""), ("\\u00B5m", (2e-3, 2.5e-4, 2.5e-4), "")]
)
def test_imagej_units(path, read_raw, unit, spacing, note):
    metadata = {"axes": "ZYX", "spacing": 2.0, "unit": unit}
    tifffile.imwrite(path, PLANES[0, :, 0], imagej=True, resolution=(4, 4), metadata=metadata)
    raw = read_raw(path)
    assert raw.geometry.spacing_mm == (None if spacing is None else pytest.approx(spacing))
    assert note in "".join(raw.notes)
    assert bool(raw.notes) == bool(note)


def test_slices_without_a_distance_have_no_spacing(path, read_raw):
    tifffile.imwrite(path, PLANES[0, :, 0], imagej=True, resolution=(4, 4), metadata={"axes": "ZYX", "unit": "mm"})
    raw = read_raw(path)
    assert raw.geometry.spacing_mm is None
    assert "distance between its slices" in raw.notes[0]


def test_one_directory_for_all_images(tiff, read_raw):
    text = b"ImageJ=1.53t\nimages=3\nslices=3\n\0"
    data = bytes(range(192))
    for order in "<>":
        changed = {270: (2, text), 258: (3, 16), 256: (4, 4), 279: (4, 64)}
        raw = read_raw(tiff(changed, data=data, order=order))
        assert np.array_equal(raw.array, np.frombuffer(data, order + "u2").reshape(3, 8, 4))
    with pytest.raises(DamagedFileError, match="claims 3 images, and 2 are there"):
        read_raw(tiff({270: (2, text), 279: (4, 64)}, data=data[:-1]))
    with pytest.raises(UnsupportedImageError, match="claims 3 images, and the file has 1"):
        read_raw(tiff({270: (2, text), 259: (3, 32773)}, data=data))


def test_calibrated_intensities_are_told(tiff, read_raw):
    text = b"ImageJ=1.53t\ncf=0\nc0=-32768.0\nc1=1.0\nvunit=Gray Value\n\0"
    assert "-32768 + 1 · value" in read_raw(tiff({270: (2, text)})).notes[0]


def test_tifffile_axes(path, layout_of, read_raw):
    tifffile.imwrite(path, PLANES, metadata={"axes": "TZCYX"})
    assert np.array_equal(read_raw(path, 1).array, PLANES[0, :, 1])
    tifffile.imwrite(path, PLANES, photometric="minisblack")  # without names: the last are slices
    assert (layout_of(path).shape, layout_of(path).volumes) == ((5, 20, 30), 6)
    tifffile.imwrite(path, PLANES[0, :, 0], photometric="minisblack", truncate=True)
    assert np.array_equal(read_raw(path).array, PLANES[0, :, 0])
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(DamagedFileError, match="claims 3 images, and 2 are there"):
        read_raw(path)


@pytest.mark.parametrize("contiguous", [False, True])
def test_tifffile_page_by_page(path, read_raw, contiguous):
    with tifffile.TiffWriter(path) as file:
        for plane in PLANES[0, :, 0]:
            file.write(plane, photometric="minisblack", contiguous=contiguous)
    assert np.array_equal(read_raw(path).array, PLANES[0, :, 0])


def test_tifffile_arrays_behind_each_other(path, layout_of, read_raw):
    with tifffile.TiffWriter(path) as file:
        file.write(PLANES[0, :, 0], photometric="minisblack")
        file.write(PLANES[1, :, 0], photometric="minisblack")
    assert layout_of(path).volume_names == ("position 1", "position 2")
    assert np.array_equal(read_raw(path, 1).array, PLANES[1, :, 0])
    with tifffile.TiffWriter(path) as file:
        file.write(PLANES[0, :, 0], photometric="minisblack")
        file.write(PLANES[1, :, 0, :10], photometric="minisblack")
    raw = read_raw(path)
    assert np.array_equal(raw.array, PLANES[0, :, 0])
    assert raw.notes[0].startswith("Only the first 3 of 6 pages")


def test_pages_of_different_sizes(path, read_raw):
    def save(*sizes):
        pages = [Image.fromarray(COLOURS[0, :size]) for size in sizes]
        pages[0].save(path, save_all=True, append_images=pages[1:])

    save(20, 10)
    raw = read_raw(path)
    assert np.array_equal(raw.array, COLOURS[0])
    assert raw.notes == ("Only the first of 2 pages was read, since they differ in size or kind.",)
    save(20, 20, 10)
    raw = read_raw(path)
    assert raw.array.shape == (2, 20, 30, 3)
    assert raw.notes == ("The last 1 of 3 pages were left out, since they differ in size or kind.",)
    save(20, 10, 20)
    with pytest.raises(UnsupportedImageError, match="in turn"):
        read_raw(path)
