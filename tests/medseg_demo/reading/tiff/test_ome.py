import re

import numpy as np
import pytest
import tifffile

from medseg_demo.errors import DamagedFileError, UnsupportedImageError

PLANES = np.random.default_rng(4).integers(0, 60_000, (3, 5, 20, 30), dtype=np.uint16)  # Z, C, Y, X
COLOURS = np.random.default_rng(5).integers(0, 256, (4, 20, 30, 3), dtype=np.uint8)
METADATA = {
    "axes": "ZCYX",
    "PhysicalSizeX": 1,
    "PhysicalSizeXUnit": "mm",
    "PhysicalSizeY": 500,
    "PhysicalSizeZ": 3,
    "PhysicalSizeZUnit": "cm",
    "Channel": {"Name": ["DAPI", "GFP\n", "", "Cy5", "x" * 99]},
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "a.ome.tif"


@pytest.fixture
def described(path):
    """A file of 15 pages with tifffile's own OME-XML, changed."""
    tifffile.imwrite(path, PLANES, ome=True, metadata=METADATA)
    with tifffile.TiffFile(path) as file:
        text = file.ome_metadata

    def write(*changes):
        changed = text
        for old, new in changes:
            assert old in changed
            changed = changed.replace(old, new)
        pages = PLANES.reshape(15, 20, 30)
        tifffile.imwrite(path, pages, description=changed.encode(), metadata=None, photometric="minisblack")
        return path

    return write


def test_channels_by_name_and_spacing_by_unit(path, layout_of, read_raw):
    tifffile.imwrite(path, PLANES, ome=True, metadata=METADATA)
    layout = layout_of(path)
    assert layout.volume_names == ("DAPI", "GFP", "channel 3", "Cy5", "x" * 40)
    assert np.array_equal(read_raw(path, 1).array, PLANES[:, 1])
    assert read_raw(path, 1).geometry.spacing_mm == pytest.approx((30, 0.5, 1))


def test_times_and_colours(path, layout_of, read_raw):
    tifffile.imwrite(path, PLANES[0], ome=True, metadata={"axes": "TYX"})
    assert layout_of(path).volume_names[4] == "time 5"
    tifffile.imwrite(path, COLOURS, ome=True, metadata={"axes": "ZYXS"})
    assert np.array_equal(read_raw(path).array, COLOURS)
    tifffile.imwrite(
        path, PLANES[0], ome=True, photometric="minisblack", planarconfig="separate", metadata={"axes": "CYX"}
    )
    assert np.array_equal(read_raw(path, 3).array, PLANES[0, 3])


def test_the_order_of_the_dimensions(described, read_raw):
    # The same pages, now all slices of the first channel before the second.
    path = described(('DimensionOrder="XYCZT"', 'DimensionOrder="XYZCT"'))
    assert np.array_equal(read_raw(path, 1).array, PLANES.reshape(15, 20, 30)[3:6])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (('SizeC="5"', 'SizeC="6"'), "claims 18 planes, and 15 of them"),
        (('SizeZ="3"', 'SizeZ="4"'), "claims 20 planes, and 15 of them"),
        (('SizeX="30"', 'SizeX="31"'), "another size"),
        (('DimensionOrder="XYCZT"', 'DimensionOrder="ZCTXY"'), "DimensionOrder"),
        (('SizeZ="3"', 'SizeZ="-3"'), "SizeZ"),
        (("<OME ", '<!DOCTYPE OME [<!ENTITY a "b">]><OME '), "document type or entities"),
        (("</OME>", "<!--ModuloAlongZ--></OME>"), "ModuloAlongZ"),
        (("<Image ", '<BinaryOnly MetadataFile="a.companion.ome" UUID="urn:uuid:1"/><Old '), None),
    ],
)
def test_what_is_not_there_or_not_clear_is_refused(described, read_raw, change, words):
    changes = [change] if words else [change, ("</Image>", "</Old>")]
    with pytest.raises(UnsupportedImageError, match=words or "names another file"):
        read_raw(described(*changes), 0)


@pytest.mark.parametrize("place", ["/etc/passwd", "../b.ome.tif", "b.ome.tif"])
def test_planes_in_other_files_are_not_looked_for(described, read_raw, tmp_path, place):
    tifffile.imwrite(tmp_path / "b.ome.tif", PLANES.reshape(15, 20, 30), photometric="minisblack")
    with tifffile.TiffFile(described()) as file:
        uuid = re.search('UUID="(.*?)"', file.pages[0].description)[1]
    own = f'IFD="0" PlaneCount="7"><UUID FileName="a.ome.tif">{uuid}</UUID></TiffData>'
    other = (
        f'<TiffData FirstC="2" FirstZ="1" IFD="0" PlaneCount="8"><UUID FileName="{place}">urn:uuid:2</UUID></TiffData>'
    )
    for changes in ((), ((f'UUID="{uuid}" ', ""),)):  # told by the file's own UUID, or by its name
        path = described(('IFD="0" PlaneCount="15"/>', own + other), *changes)
        with pytest.raises(UnsupportedImageError, match="claims 15 planes, and 7 of them are in this file"):
            read_raw(path, 0)


def test_xml_that_is_cut_is_damage(described, read_raw):
    with pytest.raises(DamagedFileError, match="cut off or no XML"):
        read_raw(described(("</OME>", "")), 0)


def test_an_unknown_unit_leaves_the_spacing_unknown(described, read_raw):
    raw = read_raw(described(('PhysicalSizeXUnit="mm"', 'PhysicalSizeXUnit="reference frame"')), 0)
    assert raw.geometry.spacing_mm is None
    assert "'reference frame'" in raw.notes[0]


def test_several_images(path, layout_of, read_raw):
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(PLANES, metadata={"axes": "ZCYX"})
        file.write(PLANES[::-1], metadata={"axes": "ZCYX"})
    assert layout_of(path).volume_names[5] == "image 2, channel 1"
    assert np.array_equal(read_raw(path, 5).array, PLANES[::-1, 0])
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(COLOURS[0], metadata={"axes": "YXS"})
        file.write(COLOURS[1, :10, :10], metadata={"axes": "YXS"})
    raw = read_raw(path)
    assert np.array_equal(raw.array, COLOURS[0])
    assert raw.notes[0].startswith("Only the first of 2 images")


def test_a_pyramid_is_its_first_level(path, read_raw):
    with tifffile.TiffWriter(path, ome=True) as file:
        file.write(COLOURS[0], metadata={"axes": "YXS"}, subifds=1)
        file.write(COLOURS[0, ::2, ::2], subfiletype=1)
    assert np.array_equal(read_raw(path).array, COLOURS[0])
