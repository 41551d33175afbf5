import json
import struct

import numpy as np
import pytest
from dicom_series import OBLIQUE, affine_of

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.rendering.colours import class_colour
from medseg_demo.writing.surface import extract, write_surface


def ball(radius=9, side=24, centre=None):
    places = np.indices((side,) * 3).transpose(1, 2, 3, 0) - (centre or [(side - 1) / 2] * 3)
    return (np.linalg.norm(places, axis=-1) <= radius).astype(np.uint8)


class Solid:
    """What triangles enclose, worked out from their corners (M, 3, 3) alone: no library that also wrote them."""

    def __init__(self, corners):
        self.corners = np.asarray(corners, float)
        self.low, self.high = self.corners.min(axis=(0, 1)), self.corners.max(axis=(0, 1))
        middle = (self.low + self.high) / 2
        first, second, third = (self.corners - middle).transpose(1, 0, 2)
        parts = np.einsum("ij,ij->i", first, np.cross(second, third)) / 6  # tetrahedra from the middle
        self.volume = parts.sum()
        self.centre = middle + parts @ (first + second + third) / 4 / self.volume

    @property
    def extents(self):
        return self.high - self.low

    @property
    def is_closed(self):
        """Every edge belongs to two triangles, which run through it in opposite directions."""
        edges = [tuple(map(tuple, (one[i], one[i - 2]))) for one in self.corners for i in range(3)]
        return len(set(edges)) == len(edges) and set(edges) == {edge[::-1] for edge in edges}


def solid(surface):
    return Solid(surface.vertices_mm[surface.faces])


@pytest.fixture
def label_map():
    labels = ball()
    labels[labels == 0] = 2 * ball(2, centre=[3, 3, 3])[labels == 0]
    return LabelMap(labels, ("ball", "bead"), Geometry((3.0, 0.75, 0.5), affine_of()))


def test_it_is_closed_outward_and_as_large_as_its_voxels(label_map):
    surface = extract(label_map, 1)
    closed = solid(surface)
    assert (surface.vertices_mm.dtype, surface.faces.dtype, surface.unit) == (np.float32, np.int32, "mm")
    assert closed.is_closed
    voxels = (label_map.labels == 1).sum() * 3.0 * 0.75 * 0.5
    assert closed.volume == pytest.approx(voxels, rel=0.03)  # a positive volume: the faces look outward


def test_it_lies_where_the_affine_says(label_map):
    centre = (affine_of() @ [11.5, 11.5, 11.5, 1])[:3]
    assert solid(extract(label_map, 1)).centre == pytest.approx(centre, abs=0.01)


def test_left_handed_axes_still_look_outward():
    mirrored = affine_of(OBLIQUE * (1, 1, -1))
    assert np.linalg.det(mirrored[:3, :3]) < 0
    surface = extract(LabelMap(ball(), ("a",), Geometry((3.0, 0.75, 0.5), mirrored)), 1)
    assert solid(surface).volume > 0


def test_without_affine_and_without_spacing():
    spaced = extract(LabelMap(ball(), ("a",), Geometry((3.0, 2.0, 1.0))), 1)
    assert solid(spaced).extents == pytest.approx((18, 36, 54), abs=0.1)
    plain = extract(LabelMap(ball(), ("a",)), 1)
    assert solid(plain).extents == pytest.approx((18, 18, 18), abs=0.1)
    assert plain.unit == "voxels"


def test_closed_at_the_border_and_around_a_single_voxel():
    full = solid(extract(LabelMap(np.ones((4, 5, 6), np.uint8), ("a",)), 1))
    assert full.is_closed
    assert full.extents == pytest.approx((6, 5, 4))
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[0, 1, 2] = 1
    single = solid(extract(LabelMap(labels, ("a",)), 1))
    assert single.is_closed
    assert single.centre == pytest.approx((2, 1, 0))


@pytest.mark.parametrize("limit", [5000, 1000, 60])
def test_large_surfaces_are_made_coarser(limit):
    label_map = LabelMap(ball(28, 64), ("a",))
    whole, coarse = extract(label_map, 1), extract(label_map, 1, max_faces=limit)
    assert len(whole.faces) > 5000 >= limit >= len(coarse.faces) > 0
    assert solid(coarse).is_closed
    assert solid(coarse).volume == pytest.approx(solid(whole).volume, rel=0.6 if limit == 60 else 0.1)
    assert solid(coarse).centre == pytest.approx(solid(whole).centre, abs=1.5)


def test_thin_classes_survive_coarsening():
    labels = np.zeros((40, 60, 60), np.uint8)
    labels[::4, 30, :] = 1
    assert 0 < len(extract(LabelMap(labels, ("thread",)), 1, max_faces=800).faces) <= 800


def test_an_absent_class_has_no_faces(tmp_path):
    surface = extract(LabelMap(np.zeros((3, 3, 3), np.uint8), ("a",)), 1)
    assert (surface.vertices_mm.shape, surface.faces.shape) == ((0, 3), (0, 3))
    with pytest.raises(OutputError, match="no voxel"):
        write_surface([surface], tmp_path / "a.stl")


TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])


def test_stl(tmp_path, label_map):
    surfaces = [extract(label_map, 1), extract(label_map, 2)]
    content = write_surface(surfaces, tmp_path / "a.stl").read_bytes()
    assert b"LPS" in content[:80]  # and no "solid", by which text files begin
    (count,) = struct.unpack_from("<I", content, 80)
    assert count == sum(len(surface.faces) for surface in surfaces)
    triangles = np.frombuffer(content, TRIANGLE, offset=84)
    assert len(triangles) == count
    np.testing.assert_array_equal(
        triangles["corners"], np.concatenate([surface.vertices_mm[surface.faces] for surface in surfaces])
    )
    sides = np.diff(triangles["corners"].astype(float), axis=1)
    turned = np.cross(sides[:, 0], sides[:, 1])
    assert np.einsum("ij,ij->i", turned, triangles["normal"]) == pytest.approx(np.linalg.norm(turned, axis=1), rel=1e-4)


def read_glb(content):
    """The two chunks of a GLB: its JSON, and its bytes."""
    magic, version, length, size, kind = struct.unpack_from("<4sIII4s", content)
    assert (magic, version, length, kind) == (b"glTF", 2, len(content), b"JSON")
    packed, kind = struct.unpack_from("<I4s", content, 20 + size)
    assert (kind, packed) == (b"BIN\0", len(content) - 28 - size)
    return json.loads(content[20 : 20 + size]), content[28 + size :]


def accessed(document, data, index):
    accessor = document["accessors"][index]
    start = document["bufferViews"][accessor["bufferView"]]["byteOffset"] + accessor.get("byteOffset", 0)
    kind, width = {5126: ("<f4", 3), 5125: ("<u4", 1)}[accessor["componentType"]]
    return np.frombuffer(data, kind, accessor["count"] * width, start).reshape(-1, width)


def test_glb(tmp_path, label_map):
    surfaces = [extract(label_map, 1), extract(label_map, 2)]
    document, data = read_glb(write_surface(surfaces, tmp_path / "a.glb").read_bytes())
    assert [node["name"] for node in document["nodes"]] == ["ball", "bead"]
    for surface, node in zip(surfaces, document["nodes"], strict=True):
        (primitive,) = document["meshes"][node["mesh"]]["primitives"]
        points = accessed(document, data, primitive["attributes"]["POSITION"])
        faces = accessed(document, data, primitive["indices"]).reshape(-1, 3)
        np.testing.assert_array_equal(points, surface.vertices_mm)
        np.testing.assert_array_equal(faces, surface.faces)
        colour = document["materials"][primitive["material"]]["pbrMetallicRoughness"]["baseColorFactor"]
        levels = np.array(class_colour(surface.value)) / 255
        linear = np.where(levels <= 0.04045, levels / 12.92, ((levels + 0.055) / 1.055) ** 2.4)
        assert colour == pytest.approx([*linear, 1])
    # Left, posterior, superior → left, up, front, in metres; glTF writes matrices by columns.
    matrix = np.reshape(document["nodes"][0]["matrix"], (4, 4)).T
    left, posterior, superior = solid(surfaces[0]).centre
    placed = matrix @ (left, posterior, superior, 1)
    assert placed[:3] * 1000 == pytest.approx((left, superior, -posterior))


@pytest.mark.parametrize("names", [("part", "part"), ("world", "part")])
def test_no_class_is_lost_for_its_name(tmp_path, names):
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[0, 0, 0], labels[3, 3, 3] = 1, 2
    label_map = LabelMap(labels, names)
    document, _ = read_glb(
        write_surface([extract(label_map, 1), extract(label_map, 2)], tmp_path / "a.glb").read_bytes()
    )
    assert len(document["meshes"]) == len(document["nodes"]) == 2


def test_refusals(tmp_path, label_map):
    with pytest.raises(OptionError, match="needs a volume"):
        extract(LabelMap(np.ones((3, 3), np.uint8), ("a",)), 1)
    with pytest.raises(OptionError, match="no label value 3"):
        extract(label_map, 3)
    surface = extract(label_map, 2)
    with pytest.raises(OptionError, match=r"\.stl or \.glb"):
        write_surface([surface], tmp_path / "a.obj")
    with pytest.raises(OutputError, match="cannot be written"):
        write_surface([surface], tmp_path / "none" / "a.stl")
