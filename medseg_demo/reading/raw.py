"""What a format's reader hands over: the header's claims before anything is decoded, and the values as stored.

``Layout`` is for the checks that come first (limits, which volume); ``Raw`` is what the two finishers make a
``MedicalImage`` or a ``LabelMap`` of. Neither knows of formats any more.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from medseg_demo.image import Axes, Geometry, SourceFrames

Samples = Literal["one", "colour", "colour+opacity", "grey+opacity", "channels"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Layout:
    """What a file's header claims.

    Attributes:
        shape: Of one volume, (Y, X) or (Z, Y, X).
        dtype: Of the values as they are stored.
        samples: Values a pixel in one volume: 3 where it is colour, 4 with opacity.
        volumes: How many there are to choose from: times, channels, components, echoes. 1 where there is no choice.
        volume_names: One a volume, for people, such as "channel 2, time 1" or "T2"; empty where there is no better
            name than its number.
        decoded_dtype: Of the values as they are handed over, where scaling or turning changes the type.
        alternatives: What else there is in the file that might have been meant, and the one that is read with it: such
            as the arrays of an archive, of which one is the image by its name. No label map is read then.
        header: What the reader itself found, so that nothing is parsed twice.
    """

    shape: tuple[int, ...]
    dtype: np.dtype
    samples: int = 1
    volumes: int = 1
    volume_names: tuple[str, ...] = ()
    decoded_dtype: np.dtype | None = None
    alternatives: tuple[str, ...] = ()
    header: Any = None

    def decoded_bytes(self, volumes: int = 1) -> int:
        """What reading so many volumes takes: the values as stored and, where the type changes, as handed over."""
        each = self.dtype.itemsize
        if self.decoded_dtype is not None and self.decoded_dtype != self.dtype:
            each += self.decoded_dtype.itemsize
        return math.prod(self.shape) * self.samples * each * volumes

    def names_of(self, volumes: Sequence[int]) -> tuple[str, ...]:
        """What these volumes (from 0) are called, by their numbers where the file does not say."""
        return tuple(self.volume_names[each] if self.volume_names else f"volume {each + 1}" for each in volumes)


@dataclass(frozen=True, eq=False, kw_only=True)
class Raw:
    """The values of one image or volume as its format stores them, and what they mean.

    Attributes:
        array: (Y, X) or (Z, Y, X), and the samples of a pixel last where ``samples`` is not "one". Rescaled where the
            format states a slope and an intercept; of any numeric type and byte order; not yet checked for NaN.
        axes: "YX", "YXC", "ZYX" or "ZYXC", as the array's axes are.
        file_format: For people.
        bit_depth: Bits that the file stores for each sample.
        samples: What the last axis holds. "colour" only where the file says so; "channels" where the user asked for
            all volumes of a file at once.
        channel_names: One a channel, where ``samples`` is "channels".
        geometry: Where the pixels lie, in mm, as far as the file says.
        polarity: None where more is brighter. Where more is darker, the sum of the greatest and the least value that
            can be stored: an image's values v become ``polarity`` − v. Label maps are never turned.
        palette: (N, 3) or (N, 4) colours, the fourth opacity: the array holds indices into it. None for all others.
        window: The file's own display window (low, high), in the units of the array.
        modality: DICOM's code.
        unit: Of the values, such as "HU"; None where there is none.
        header_facts: As those of ``MedicalImage``, like the next.
        patient: As that of ``MedicalImage``.
        has_burned_in_text: Whether the pixels hold text.
        notes: What the reader found or did that a person should know, for images and for label maps.
        image_notes: The same, but true of images alone (such as how brightness was turned).
        source_files: DICOM files, in the order of the slices.
        source_frames: What segmentations and contours refer to in these, from ``dicom.planes.describe_frames``.
    """

    array: np.ndarray
    axes: Axes
    file_format: str
    bit_depth: int
    samples: Samples = "one"
    channel_names: tuple[str, ...] = ()
    geometry: Geometry = field(default_factory=Geometry)
    polarity: float | None = None
    palette: np.ndarray | None = None
    window: tuple[float, float] | None = None
    modality: str | None = None
    unit: str | None = None
    header_facts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    patient: str = field(default="", repr=False)
    has_burned_in_text: bool = False
    notes: tuple[str, ...] = ()
    image_notes: tuple[str, ...] = ()
    source_files: tuple[Path, ...] = ()
    source_frames: SourceFrames | None = None

    @property
    def is_volume(self) -> bool:
        """Whether there is a slice axis."""
        return self.axes.startswith("Z")
