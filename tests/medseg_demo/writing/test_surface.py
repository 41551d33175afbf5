import json
import struct

import numpy as np
import pytest
import trimesh
from dicom_series import OBLIQUE, affine_of

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.rendering.colours import class_colour
from medseg_demo.writing.surface import extract, write_surface


def ball(radius=9, side=24, centre=None):
    places = np.indices((side,) * 3).transpose(1, 2, 3, 0) - (centre or [(side - 1) / 2] * 3)
    return (np.linalg.norm(places, axis=-1) <= radius).astype(np.uint8)


def mesh(surface):
    return trimesh.Trimesh(surface.vertices_mm, surface.faces, process=False)


@pytest.fixture
def label_map():
    labels = ball()
    labels[labels == 0] = 2 * ball(2, centre=[3, 3, 3])[labels == 0]
    return LabelMap(labels, ("ball", "bead"), Geometry((3.0, 0.75, 0.5), affine_of()))


def test_it_is_closed_outward_and_as_large_as_its_voxels(label_map):
    surface = extract(label_map, 1)
    closed = mesh(surface)
    assert (surface.vertices_mm.dtype, surface.faces.dtype, surface.unit) == (np.float32, np.int32, "mm")
    assert closed.is_watertight
    voxels = (label_map.labels == 1).sum() * 3.0 * 0.75 * 0.5
    assert closed.volume == pytest.approx(voxels, rel=0.03)  # a positive volume: the faces look outward


def test_it_lies_where_the_affine_says(label_map):
    centre = (affine_of() @ [11.5, 11.5, 11.5, 1])[:3]
    assert mesh(extract(label_map, 1)).center_mass == pytest.approx(centre, abs=0.01)


def test_left_handed_axes_still_look_outward():
    mirrored = affine_of(OBLIQUE * (1, 1, -1))
    assert np.linalg.det(mirrored[:3, :3]) < 0
    surface = extract(LabelMap(ball(), ("a",), Geometry((3.0, 0.75, 0.5), mirrored)), 1)
    assert mesh(surface).volume > 0


def test_without_affine_and_without_spacing():
    spaced = extract(LabelMap(ball(), ("a",), Geometry((3.0, 2.0, 1.0))), 1)
    assert mesh(spaced).extents == pytest.approx((18, 36, 54), abs=0.1)
    plain = extract(LabelMap(ball(), ("a",)), 1)
    assert mesh(plain).extents == pytest.approx((18, 18, 18), abs=0.1)
    assert plain.unit == "voxels"


def test_closed_at_the_border_and_around_a_single_voxel():
    full = mesh(extract(LabelMap(np.ones((4, 5, 6), np.uint8), ("a",)), 1))
    assert full.is_watertight
    assert full.extents == pytest.approx((6, 5, 4))
    labels = np.zeros((3, 3, 3), np.uint8)
    labels[0, 1, 2] = 1
    single = mesh(extract(LabelMap(labels, ("a",)), 1))
    assert single.is_watertight
    assert single.center_mass == pytest.approx((2, 1, 0))


@pytest.mark.parametrize("limit", [5000, 1000, 60])
def test_large_surfaces_are_made_coarser(limit):
    label_map = LabelMap(ball(28, 64), ("a",))
    whole, coarse = extract(label_map, 1), extract(label_map, 1, max_faces=limit)
    assert len(whole.faces) > 5000 >= limit >= len(coarse.faces) > 0
    assert mesh(coarse).is_watertight
    assert mesh(coarse).volume == pytest.approx(mesh(whole).volume, rel=0.6 if limit == 60 else 0.1)
    assert mesh(coarse).center_mass == pytest.approx(mesh(whole).center_mass, abs=1.5)


def test_thin_classes_survive_coarsening():
    labels = np.zeros((40, 60, 60), np.uint8)
    labels[::4, 30, :] = 1
    assert 0 < len(extract(LabelMap(labels, ("thread",)), 1, max_faces=800).faces) <= 800


def test_an_absent_class_has_no_faces(tmp_path):
    surface = extract(LabelMap(np.zeros((3, 3, 3), np.uint8), ("a",)), 1)
    assert (surface.vertices_mm.shape, surface.faces.shape) == ((0, 3), (0, 3))
    with pytest.raises(OutputError, match="no voxel"):
        write_surface([surface], tmp_path / "a.stl")


def test_stl(tmp_path, label_map):
    surfaces = [extract(label_map, 1), extract(label_map, 2)]
    path = write_surface(surfaces, tmp_path / "a.stl")
    read = trimesh.load(path)
    assert len(read.faces) == sum(len(surface.faces) for surface in surfaces)
    assert read.is_watertight
    assert read.volume == pytest.approx(sum(mesh(surface).volume for surface in surfaces), rel=1e-4)
    assert read.bounds == pytest.approx(
        np.array([trimesh.util.concatenate([mesh(s) for s in surfaces]).bounds]).reshape(2, 3), abs=1e-3
    )


def test_glb(tmp_path, label_map):
    surfaces = [extract(label_map, 1), extract(label_map, 2)]
    content = write_surface(surfaces, tmp_path / "a.glb").read_bytes()
    assert struct.unpack_from("<4sII", content) == (b"glTF", 2, len(content))
    scene = trimesh.load(tmp_path / "a.glb")
    assert set(scene.geometry) == {"ball", "bead"}
    for surface in surfaces:
        read = scene.geometry[surface.class_name]
        assert read.is_watertight
        assert read.volume == pytest.approx(mesh(surface).volume, rel=1e-4)
        level = (class_colour(surface.value)[0] / 255 + 0.055) / 1.055
        length = struct.unpack_from("<I", content, 12)[0]
        materials = json.loads(content[20 : 20 + length])["materials"]
        assert materials[surface.value - 1]["pbrMetallicRoughness"]["baseColorFactor"][0] == pytest.approx(level**2.4)
    # Left, posterior, superior → left, up, front, in metres.
    left, posterior, superior = mesh(surfaces[0]).center_mass / 1000
    placed = trimesh.transform_points([mesh(surfaces[0]).center_mass], scene.graph.get("ball")[0])[0]
    assert placed == pytest.approx((left, superior, -posterior), abs=1e-5)


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
