"""What NIfTI, NRRD and MetaImage have in common: axes of space, of colours and of volumes, and values in one stream."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from medseg_demo.image import Geometry
from medseg_demo.reading.payload import Payload, check_payload, read_values
from medseg_demo.reading.raw import Layout, Raw, Samples
from medseg_demo.reading.source import Source, check_bytes, check_size

SPACE, COLOUR, VOLUME = "space", "colour", "volume"
MOST_NAMES = 512
# What stands along an axis that holds components of a pixel, where its kind says so.
COMPONENT_NAMES = {
    "rgba-color": ("red", "green", "blue", "opacity"),
    "hsv-color": ("hue", "saturation", "value"),
    "complex": ("real part", "imaginary part"),
}


@dataclass(frozen=True, eq=False, kw_only=True)
class VoxelHeader:
    """A header, checked to its end.

    Attributes:
        sizes: Of every axis of the values, the fastest first.
        roles: What each of these axes is: "space", "colour" (red, green, blue), or what it counts, such as "time" or
            "component", or a key of ``COMPONENT_NAMES``; "volume" where the file does not say.
        payload: Where the values are and how they are stored.
        place: Where they lie, as the format states it.
        scale: Slope and intercept; None where the stored values are meant as they are.
        notes: For images and for label maps.
        image_notes: For images alone.
    """

    sizes: tuple[int, ...]
    roles: tuple[str, ...]
    payload: Payload
    place: Any
    scale: tuple[float, float] | None = None
    notes: tuple[str, ...] = ()
    image_notes: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """(Y, X) or (Z, Y, X)."""
        return tuple(self.sizes[axis] for axis in reversed(self.axes_of(SPACE)))

    @property
    def volume_axes(self) -> tuple[int, ...]:
        """The axes that count volumes, the fastest first."""
        return tuple(axis for axis, role in enumerate(self.roles) if role not in (SPACE, COLOUR))

    @property
    def volumes(self) -> int:
        """How many volumes there are to choose from."""
        return math.prod(self.sizes[axis] for axis in self.volume_axes)

    @property
    def volume_names(self) -> tuple[str, ...]:
        """Such as "time 2, component 1"; empty where the number says as much, or where there are very many."""
        counted = [axis for axis in self.volume_axes if self.sizes[axis] > 1]
        if not 1 < self.volumes <= MOST_NAMES or [self.roles[axis] for axis in counted] == [VOLUME]:
            return ()
        found = [""]
        for axis in reversed(counted):
            role, size = self.roles[axis], self.sizes[axis]
            own = COMPONENT_NAMES.get(role, ())
            if len(own) != size:
                own = tuple(f"{'component' if own else role} {number + 1}" for number in range(size))
            found = [f"{before}, {name}" if before else name for before in found for name in own]
        return tuple(found)

    def axes_of(self, role: str) -> tuple[int, ...]:
        """The axes of one role, the fastest first."""
        return tuple(axis for axis, each in enumerate(self.roles) if each == role)


def inspect_voxels(source: Source, header: VoxelHeader) -> Layout:
    """The claims of a header; its data files are found, and their lengths compared with these."""
    dtype = header.payload.dtype
    # Single precision, but for what is scaled and would not be kept apart in it; of 64 bits an image keeps 32.
    is_wide = dtype.itemsize > 4 or dtype.str[1:] in ("i4", "u4")
    decoded = np.dtype(np.float64 if is_wide else np.float32)
    if header.scale is None:
        decoded = np.dtype(np.float32) if dtype.itemsize > 4 else dtype.newbyteorder("=")
    check_size(header.shape, source)
    check_payload(header.payload, source)
    return Layout(
        shape=header.shape,
        dtype=dtype,
        samples=math.prod(header.sizes[axis] for axis in header.axes_of(COLOUR)),
        volumes=header.volumes,
        volume_names=header.volume_names,
        decoded_dtype=decoded,
        header=header,
    )


def read_voxels(source: Source, layout: Layout, volumes: Sequence[int], *, file_format: str, geometry: Geometry) -> Raw:
    """See ``Format.read``."""
    header: VoxelHeader = layout.header
    values, notes = _read_volumes(header, source, volumes, layout.decoded_bytes(len(volumes)))
    if header.scale is not None:
        values = _rescaled(values, *header.scale, layout.decoded_dtype)
    samples: Samples = "channels" if len(volumes) > 1 else "colour" if header.axes_of(COLOUR) else "one"
    array = np.moveaxis(values, 0, -1) if samples == "channels" else values[0]
    if layout.samples == 4:  # a volume has no background that could shine through
        notes += () if (array[..., 3] == 255).all() else ("The opacity of its colours (RGBA) was left out.",)
        array = array[..., :3]
    return Raw(
        array=array,
        axes=("ZYX" if len(layout.shape) == 3 else "YX") + ("" if samples == "one" else "C"),  # type: ignore[arg-type]
        file_format=file_format,
        bit_depth=layout.dtype.itemsize * 8,
        samples=samples,
        channel_names=layout.names_of(volumes) if samples == "channels" else (),
        geometry=geometry,
        notes=(*header.notes, *notes),
        image_notes=header.image_notes,
    )


def _read_volumes(
    header: VoxelHeader, source: Source, volumes: Sequence[int], size: int
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Volumes that follow each other as (N, Z, Y, X) or (N, Y, X), colours last, and notes.

    Where volumes lie one after the other only those that are wanted are kept; where their values alternate, all are
    unpacked first.
    """
    sizes, counting = header.sizes[::-1], [len(header.sizes) - 1 - axis for axis in header.volume_axes[::-1]]
    inner = [len(sizes) - 1 - axis for axis in (*header.axes_of(SPACE)[::-1], *header.axes_of(COLOUR))]
    lead = len(counting)
    if counting == list(range(lead)):
        each = math.prod(sizes[lead:])
        values, notes = read_values(header.payload, source, volumes[0] * each, len(volumes) * each)
        values = values.reshape(len(volumes), *sizes[lead:])
        return values.transpose(0, *(axis - lead + 1 for axis in inner)), notes
    check_bytes(header.payload.size + size, source)
    values, notes = read_values(header.payload, source, 0, header.payload.count)
    values = values.reshape(sizes).transpose(*counting, *inner)
    counts = [sizes[axis] for axis in counting]
    return np.stack([values[np.unravel_index(volume, counts)] for volume in volumes]), notes


def _rescaled(stored: np.ndarray, slope: float, intercept: float, dtype: np.dtype | None) -> np.ndarray:
    with np.errstate(over="ignore", invalid="ignore"):  # what is not finite is found when it becomes an image
        scaled = np.multiply(stored, slope, dtype=np.float64, casting="unsafe", out=np.empty(stored.shape, dtype))
        scaled += intercept
    return scaled
