import numpy as np
import pytest
import tifffile

from medseg_demo.errors import UnsupportedImageError

GREY = np.random.default_rng(6).integers(0, 256, (4, 20, 30), dtype=np.uint8)


@pytest.mark.parametrize("first", [False, True])
def test_a_thumbnail_is_no_slice(tmp_path, read_raw, first):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        for is_small in (first, not first):
            page = GREY[0, ::4, ::4] if is_small else GREY[0]
            file.write(page, subfiletype=int(is_small), metadata=None, photometric="minisblack")
    raw = read_raw(path)
    assert np.array_equal(raw.array, GREY[0])
    assert ("number 2 of 2 pages" if first else "the first of 2 pages") in raw.notes[0]


def test_a_mask_among_slices_is_left_out(tmp_path, read_raw):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(GREY, metadata=None, photometric="minisblack")
        file.write(GREY[0] > 9, metadata=None, subfiletype=4, photometric="mask")
    raw = read_raw(path)
    assert np.array_equal(raw.array, GREY)
    assert raw.notes == ("1 of 5 pages were left out: smaller copies of others, or masks.",)


def test_levels_in_sub_directories_are_no_slices(tmp_path, read_raw):
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as file:
        file.write(GREY[0], subifds=1, metadata=None, photometric="minisblack")
        file.write(GREY[0, ::2, ::2], subfiletype=1, metadata=None, photometric="minisblack")
    assert np.array_equal(read_raw(path).array, GREY[0])


def test_a_volume_in_one_directory(tmp_path, read_raw, layout_of):
    path = tmp_path / "a.tif"
    for options in ({"tile": (2, 16, 16)}, {}):
        tifffile.imwrite(path, GREY, volumetric=True, photometric="minisblack", metadata=None, **options)
        assert layout_of(path).shape == GREY.shape
        assert np.array_equal(read_raw(path).array, GREY)


def test_names_of_samples(tmp_path, layout_of):
    path = tmp_path / "a.tif"
    pixels = np.moveaxis(GREY, 0, -1)
    tifffile.imwrite(path, pixels, photometric="rgb", extrasamples=["unspecified"], metadata=None)
    assert layout_of(path).volume_names == ("red", "green", "blue", "channel 4")
    tifffile.imwrite(path, pixels[..., :2], photometric="minisblack", planarconfig="contig", metadata=None)
    assert layout_of(path).volume_names == ("channel 1", "channel 2")


def test_three_samples_are_colours_only_where_it_is_said(tiff, layout_of):
    changed = {277: (3, 3), 258: (3, [8, 8, 8]), 256: (4, 8), 257: (4, 2), 278: (4, 2)}
    assert layout_of(tiff({**changed, 262: (3, 2)})).samples == 3
    assert layout_of(tiff({**changed, 262: (3, 1)})).volumes == 3
    assert layout_of(tiff({**changed, 262: None})).volumes == 3


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({262: (3, 8)}, "colours are CIELAB"),
        ({262: (3, 32803)}, "colours are CFA"),
        ({262: (3, 77)}, "colours are 77"),
        ({262: (3, 2)}, "in colour, and has 1 samples"),
        ({262: (3, 3)}, "palette is missing"),
        ({262: (3, 6), 277: (3, 3), 256: (4, 2)}, "YCbCr without JPEG"),
        ({259: (3, 6)}, "compression is OJPEG"),
        ({259: (3, 50002)}, "compression is JPEGXL"),
        ({259: (3, 4242)}, "compression is 4242"),
        ({259: (3, 4)}, "fax, with 8 bits"),
        ({339: (3, 2), 258: (3, 4)}, r"of 4 bits \(INT\)"),
        ({339: (3, 6), 258: (3, 64), 256: (4, 1)}, r"of 64 bits \(COMPLEXIEEEFP\)"),
        ({258: (3, 24), 256: (4, 2)}, "24 bits"),
        ({258: (3, 1), 277: (3, 2)}, "2 samples of 1 bit"),
        ({33628: (4, 1)}, r"MetaMorph \(STK\)"),
        ({34412: (4, 1)}, "Zeiss LSM"),
        ({50706: (4, 1)}, "DNG"),
    ],
)
def test_layouts_that_are_not_read_are_named(tiff, read_raw, changed, words):
    with pytest.raises(UnsupportedImageError, match=words):
        read_raw(tiff(changed))


def test_pages_that_a_program_calls_otherwise(tmp_path, read_raw):
    path = tmp_path / "a.tif"
    text = "<PerkinElmer-QPI-ImageDescription><Name>DAPI</Name></PerkinElmer-QPI-ImageDescription>"
    tifffile.imwrite(path, GREY, description=text, metadata=None, photometric="minisblack")
    with pytest.raises(UnsupportedImageError, match="PerkinElmer's QPI"):
        read_raw(path)
    tifffile.imwrite(path, GREY[0], description=text, metadata=None)
    assert np.array_equal(read_raw(path).array, GREY[0])
