"""Label map → triangle surface of a class, for a 3-D view, and for STL and GLB by trimesh.

Source: Lewiner et al. (2003), "Efficient implementation of Marching Cubes' cases with topological guarantees", as in
scikit-image; glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from medseg_demo import names
from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.rendering.colours import hex_colour
from medseg_demo.writing.whole import whole_file

if TYPE_CHECKING:
    import trimesh

MAX_FACES = 200_000
# Left, posterior, superior in mm → glTF's right-handed metres with Y up and Z to the front: L, S, A.
GLTF_FROM_LPS_MM = np.array([[0.001, 0, 0, 0], [0, 0, 0.001, 0], [0, -0.001, 0, 0], [0, 0, 0, 1]])
STL_HEADER = b"medseg-demo; coordinates are LPS, in mm where the image states its spacing".ljust(80)


@dataclass(frozen=True, eq=False)
class Surface:
    """The closed surface of one class.

    Attributes:
        class_name: Of the label map.
        value: Its label value.
        vertices_mm: float32 (N, 3), LPS mm; without an affine mm along x, y and z; in ``unit`` otherwise.
        faces: int32 (M, 3), counter-clockwise seen from outside. An absent class has none.
        unit: "voxels" where the image does not state its spacing.
        colour: "#rrggbb".
    """

    class_name: str
    value: int
    vertices_mm: np.ndarray
    faces: np.ndarray
    unit: Literal["mm", "voxels"]
    colour: str


def extract(label_map: LabelMap, value: int, *, max_faces: int = MAX_FACES) -> Surface:
    """The surface of one class by marching cubes, closed also where the class touches the border.

    Args:
        label_map: Of a volume.
        value: The class.
        max_faces: A larger surface is made from every second voxel, every third and so on until it has no more.

    Raises:
        OptionError: The label map is no volume, or has no such class.
    """
    if not label_map.is_volume:
        raise OptionError("A surface needs a volume, and this is a single image. Choose a volume.")
    if not 1 <= value <= len(label_map.class_names):
        raise OptionError(f"There is no label value {value}. Choose one from 1 to {len(label_map.class_names)}.")
    name, geometry = label_map.class_names[value - 1], label_map.geometry
    unit: Literal["mm", "voxels"] = "mm" if geometry.spacing_mm else "voxels"
    colour = hex_colour(value, label_map.colours)
    box = _bounding_box(label_map.mask(value))
    if box is None:
        return Surface(name, value, np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), unit, colour)
    mask, start = box
    vertices, faces = _march(mask, max_faces)
    placed = _place(vertices + start, geometry)
    return Surface(name, value, placed.astype(np.float32), _outward(placed, faces), unit, colour)


def write_surface(surfaces: Sequence[Surface], path: Path) -> Path:
    """Write surfaces as binary STL, all in one, or as GLB with one coloured mesh a class, by the path's suffix.

    STL keeps the coordinates of the surface; GLB stores them too, with a transform to metres and Y up.

    Raises:
        OptionError: The suffix is neither ".stl" nor ".glb".
        OutputError: There is nothing to write, or the file cannot be written.
    """
    if path.suffix not in FORMATS:
        raise OptionError(f"Surfaces are not written as {path.suffix or 'a file without suffix'}. Choose .stl or .glb.")
    shown = [surface for surface in surfaces if len(surface.faces)]
    if not shown:
        raise OutputError(f"{names.shown(path.name)}: no voxel belongs to a class, so there is no surface to write.")
    with whole_file(path) as draft:
        draft.write_bytes(FORMATS[path.suffix](shown))
    return path


def _bounding_box(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """The part of a mask that is not empty, and the index (z, y, x) at which it starts."""
    spans = []
    for axis in range(3):
        used = np.flatnonzero(mask.any(axis=tuple(other for other in range(3) if other != axis)))
        if not used.size:
            return None
        spans.append((used[0], used[-1] + 1))
    return mask[tuple(slice(*span) for span in spans)], np.array([span[0] for span in spans], float)


def _march(mask: np.ndarray, max_faces: int) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (z, y, x) in voxels, and faces; blocks of voxels are averaged until there are few enough."""
    from skimage.measure import marching_cubes

    step = 1
    while True:
        grid = _shrink(mask, step)
        vertices, faces, _, _ = marching_cubes(np.pad(grid, 1), level=min(0.5, float(grid.max()) / 2))
        if len(faces) <= max_faces or step >= max(mask.shape):
            return (vertices - 1) * step + (step - 1) / 2, faces
        step += 1


def _shrink(mask: np.ndarray, step: int) -> np.ndarray:
    """Means of blocks of ``step`` voxels along each axis, float32; the border is filled up with background."""
    if step == 1:
        return mask.astype(np.float32)
    padded = np.pad(mask, [(0, -length % step) for length in mask.shape])
    z, y, x = (length // step for length in padded.shape)
    return padded.reshape(z, step, y, step, x, step).mean(axis=(1, 3, 5), dtype=np.float32)


def _place(indices: np.ndarray, geometry: Geometry) -> np.ndarray:
    """Indices (z, y, x) as LPS mm, as mm, or as they are; always in the order x, y, z."""
    points = indices[:, ::-1]
    if geometry.affine is not None:
        return points @ geometry.affine[:3, :3].T + geometry.affine[:3, 3]
    return points * (geometry.spacing_mm or (1.0, 1.0, 1.0))[::-1]


def _outward(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Faces turned so that the volume that they enclose counts as positive, whatever the handedness of the axes."""
    corners = (vertices - vertices.mean(axis=0))[faces]
    enclosed = np.einsum("ij,ij->", corners[:, 0], np.cross(corners[:, 1], corners[:, 2]))
    return np.ascontiguousarray(faces if enclosed >= 0 else faces[:, ::-1], dtype=np.int32)


def _mesh(surface: Surface) -> "trimesh.Trimesh":
    import trimesh

    return trimesh.Trimesh(surface.vertices_mm, surface.faces, process=False)


def _stl(surfaces: Sequence[Surface]) -> bytes:
    import trimesh

    content: bytes = trimesh.util.concatenate([_mesh(surface) for surface in surfaces]).export(None, file_type="stl")
    return STL_HEADER + content[len(STL_HEADER) :]  # trimesh leaves the header's text empty


def _glb(surfaces: Sequence[Surface]) -> bytes:
    import trimesh
    from trimesh.visual.material import PBRMaterial

    scene = trimesh.Scene()
    colours: dict[str, list[float]] = {}  # by the names of nodes, meshes and materials alike
    for surface in surfaces:
        mesh = _mesh(surface)
        colour = [*(_linear(level / 255) for level in bytes.fromhex(surface.colour[1:])), 1.0]
        name = names.free_name(surface.class_name, [str(scene.graph.base_frame), *colours])
        material = PBRMaterial(name=name, baseColorFactor=colour, metallicFactor=0.0, roughnessFactor=0.7)
        mesh.visual = trimesh.visual.TextureVisuals(material=material)
        scene.add_geometry(mesh, name, name, transform=GLTF_FROM_LPS_MM)
        colours[name] = colour

    def with_exact_colours(tree: dict[str, Any]) -> None:
        for material in tree["materials"]:  # trimesh rounds them to 8 bits, which is coarse for linear levels
            material["pbrMetallicRoughness"]["baseColorFactor"] = colours[material["name"]]

    content: bytes = scene.export(file_type="glb", include_normals=False, tree_postprocessor=with_exact_colours)
    return content


def _linear(level: float) -> float:
    """An sRGB level as a linear one (IEC 61966-2-1)."""
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


FORMATS = {".stl": _stl, ".glb": _glb}
