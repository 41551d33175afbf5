"""Label map → triangle surface of a class, for a 3-D view, STL and GLB.

Source: Lewiner et al. (2003), "Efficient implementation of Marching Cubes' cases with topological guarantees", as in
scikit-image; glTF 2.0, https://registry.khronos.org/glTF/specs/2.0/glTF-2.0.html.
"""

import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.image import Geometry, LabelMap
from medseg_demo.rendering.colours import class_colour

MAX_FACES = 200_000
# Left, posterior, superior in mm → glTF's right-handed metres with Y up and Z to the front: L, S, A. By columns.
GLTF_FROM_LPS_MM = (0.001, 0, 0, 0, 0, 0, -0.001, 0, 0, 0.001, 0, 0, 0, 0, 0, 1)
GLTF_FLOAT, GLTF_UINT32, GLTF_VERTICES, GLTF_INDICES = 5126, 5125, 34962, 34963
STL_HEADER = b"medseg-demo; coordinates are LPS, in mm where the image states its spacing"
STL_TRIANGLE = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attributes", "<u2")])


@dataclass(frozen=True, eq=False)
class Surface:
    """The closed surface of one class.

    Attributes:
        class_name: Of the label map.
        value: Its label value, which gives the colour.
        vertices_mm: float32 (N, 3), LPS mm; without an affine mm along x, y and z; in ``unit`` otherwise.
        faces: int32 (M, 3), counter-clockwise seen from outside. An absent class has none.
        unit: "voxels" where the image does not state its spacing.
    """

    class_name: str
    value: int
    vertices_mm: np.ndarray
    faces: np.ndarray
    unit: Literal["mm", "voxels"]


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
    box = _bounding_box(label_map.mask(value))
    if box is None:
        return Surface(name, value, np.empty((0, 3), np.float32), np.empty((0, 3), np.int32), unit)
    mask, start = box
    vertices, faces = _march(mask, max_faces)
    placed = _place(vertices + start, geometry)
    return Surface(name, value, placed.astype(np.float32), _outward(placed, faces), unit)


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
        raise OutputError(f"{path.name}: no voxel belongs to a class, so there is no surface to write.")
    try:
        path.write_bytes(FORMATS[path.suffix](shown))
    except OSError as error:
        raise OutputError(
            f"{path.name} cannot be written ({error.strerror}). Check that the output folder exists and has room."
        ) from None
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


def _stl(surfaces: Sequence[Surface]) -> bytes:
    corners = np.concatenate([surface.vertices_mm[surface.faces] for surface in surfaces])
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    lengths = np.linalg.norm(normals, axis=1, keepdims=True)
    triangles = np.zeros(len(corners), STL_TRIANGLE)
    triangles["normal"] = normals / np.where(lengths > 0, lengths, 1)
    triangles["corners"] = corners
    return STL_HEADER.ljust(80) + struct.pack("<I", len(triangles)) + triangles.tobytes()


def _glb(surfaces: Sequence[Surface]) -> bytes:
    parts: list[bytes] = []
    document: dict[str, list] = {key: [] for key in ("nodes", "meshes", "materials", "accessors", "bufferViews")}
    for index, surface in enumerate(surfaces):
        points = np.ascontiguousarray(surface.vertices_mm, "<f4")
        bounds = {"min": points.min(axis=0).tolist(), "max": points.max(axis=0).tolist()}
        blocks = (
            (points, GLTF_FLOAT, GLTF_VERTICES, {"type": "VEC3", "count": len(points), **bounds}),
            (surface.faces.astype("<u4"), GLTF_UINT32, GLTF_INDICES, {"type": "SCALAR", "count": surface.faces.size}),
        )
        for data, component, target, about in blocks:
            view = {"buffer": 0, "byteOffset": sum(map(len, parts)), "byteLength": data.nbytes, "target": target}
            accessor = {"bufferView": len(document["bufferViews"]), "componentType": component, **about}
            document["accessors"].append(accessor)
            document["bufferViews"].append(view)
            parts.append(data.tobytes())
        colour = [_linear(level / 255) for level in class_colour(surface.value)]
        material = {"baseColorFactor": [*colour, 1.0], "metallicFactor": 0.0, "roughnessFactor": 0.7}
        document["materials"].append({"name": surface.class_name, "pbrMetallicRoughness": material})
        primitive = {"attributes": {"POSITION": 2 * index}, "indices": 2 * index + 1, "material": index}
        document["meshes"].append({"name": surface.class_name, "primitives": [primitive]})
        document["nodes"].append({"name": surface.class_name, "mesh": index, "matrix": GLTF_FROM_LPS_MM})
    binary = b"".join(parts)
    head = {
        "asset": {"version": "2.0", "generator": "medseg-demo"},
        "scene": 0,
        "scenes": [{"nodes": list(range(len(surfaces)))}],
        "buffers": [{"byteLength": len(binary)}],
    }
    return _container(json.dumps({**head, **document}, separators=(",", ":")).encode(), binary)


def _container(text: bytes, binary: bytes) -> bytes:
    """GLB's two chunks, each a multiple of four bytes; all data here are."""
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def _linear(level: float) -> float:
    """An sRGB level as a linear one (IEC 61966-2-1)."""
    return level / 12.92 if level <= 0.04045 else ((level + 0.055) / 1.055) ** 2.4


FORMATS = {".stl": _stl, ".glb": _glb}
