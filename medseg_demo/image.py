"""What an image and a label map are: axis order, units and geometry, stated once.

Array axes run from the slowest to the fastest: ``(Y, X)`` for an image and ``(Z, Y, X)`` for a volume, with
the channels, where there are any, last. Spacing has the order of the array's spatial axes and is in
millimetres; where it is unknown it is None, never 1. The affine is in the order of DICOM and ITK: it takes a
column of indices (x, y, z, 1) to patient coordinates in millimetres, axes pointing left, posterior and
superior (LPS).
"""

from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

Axes = Literal["YX", "YXC", "ZYX", "ZYXC"]
COLOURS = ("red", "green", "blue")
MOST_NAMED = 8


@dataclass(frozen=True, eq=False)
class NiftiForms:
    """The two transforms of a NIfTI header, as stored: indices (x, y, z, 1) to RAS millimetres.

    A label map keeps both with their codes, so that it lies on its image in every program, whichever it prefers.

    Attributes:
        qform: (4, 4); None where its code is 0.
        qform_code: NIfTI's code of the space, 1 to 5, or 0.
        sform: (4, 4); None where its code is 0.
        sform_code: As the other.
        pixdim: The handedness of the qform and the voxel sizes (x, y, z) in mm, as stored: ITK takes the spacing from
            them even where they contradict the sform. None for those of the transforms.
    """

    qform: np.ndarray | None
    qform_code: int
    sform: np.ndarray | None
    sform_code: int
    pixdim: tuple[float, float, float, float] | None = None


@dataclass(frozen=True, eq=False)
class Geometry:
    """Where the pixels of an array lie.

    Attributes:
        spacing_mm: Distance between pixel centres along each spatial axis, (Y, X) or (Z, Y, X), in mm; None
            where the file does not say. Of a tilted series it is the distance between the planes, so that the
            product is always a voxel's volume.
        affine: Indices (x, y, z, 1) to LPS millimetres, float64 (4, 4); None where the file does not say. Its
            axes are at right angles but for a tilted DICOM series, where the third leans, and for what NIfTI states
            so.
        nifti_forms: The transforms and voxel sizes of the NIfTI file it was read from, in use or not; None for other
            formats.
    """

    spacing_mm: tuple[float, ...] | None = None
    affine: np.ndarray | None = None
    nifti_forms: NiftiForms | None = None


def spacing_of(affine: np.ndarray) -> tuple[float, float, float]:
    """The spacing (Z, Y, X) of a volume with this affine, in mm; the product is a voxel's volume, leaning or not.

    That of x is its step; of y the distance between the rows, and of z that between the planes, which are less than
    their steps where the axes lean.
    """
    x, y, z = np.abs(np.diagonal(np.linalg.qr(affine[:3, :3], mode="r"))).tolist()
    return z, y, x


@dataclass(frozen=True, eq=False)
class SourceFrames:
    """The DICOM frames that an image was read from, one for each slice: what segmentations and contours refer to.

    They are kept with the image, since its files may be gone by then (those of a zip are).

    Attributes:
        instances: (Z,) identifies the file of each slice; compared, and never shown. Empty text where a file has none.
        frames: (Z,) the frame of each slice in its file, from 1.
        positions: (Z, 3) of the first pixel of each slice, LPS mm; None where they are not all stated.
        directions: (3, 2) unit vectors along x and y as columns; None where they are not stated or differ.
        spacing_mm: Between pixels, (Y, X); None where it is not stated or differs.
        frame_of_reference: Identifies the patient's coordinates; compared, and never shown. Empty where not stated.
    """

    instances: tuple[str, ...]
    frames: tuple[int, ...]
    positions: np.ndarray | None = None
    directions: np.ndarray | None = None
    spacing_mm: tuple[float, float] | None = None
    frame_of_reference: str = ""


@dataclass(frozen=True)
class Pseudonym:
    """Whose the results of an image are said to be, instead of its patient's.

    Attributes:
        name: Of the patient, and of the files.
        secret: From which new identifiers of studies and images are made; the same within one call, and kept nowhere.
    """

    name: str
    secret: bytes = field(repr=False)


@dataclass(frozen=True, eq=False)
class MedicalImage:
    """One image or volume, as read.

    Attributes:
        pixels: The intensities, shaped as ``axes`` says. Integer types are kept as stored, unless a rescale
            slope made them float32. More is brighter, whatever the file's convention was. All finite.
        axes: The meaning of each axis of ``pixels``. Channels, if any, are three colours (red, green, blue), or any
            number of intensities: modalities, stains, echoes.
        geometry: Where the pixels lie.
        name: The file's stem: its name without the image suffix (``.nii.gz`` is one suffix).
        file_format: For people, such as "DICOM" or "PNG".
        bit_depth: Bits that the file stores for each sample.
        display_window: Intensities (low, high) shown as black and white: the file's own window where it has
            one, the full range of 8-bit images, and the 0.5th and 99.5th percentile of others.
        modality: DICOM's code, such as "CT"; None where the file does not say.
        notes: What the reader found or did that a person should know, in plain sentences.
        source_files: The DICOM files that it was read from, in the order of the slices; empty for other formats.
            They are what a DICOM SEG refers to, and are never shown.
        source_frames: What is kept of these files; None for other formats.
        channel_names: One a channel where there are several; ``COLOURS`` of a colour image. Empty for a single one, and
            three channels without names are colours.
        channel_windows: The display window of each channel where they are no colours; empty otherwise.
        channel_bit_depths: Bits that the files store for each, where the channels come from several; empty otherwise.
        unit: Of the intensities, such as "HU" of a CT; None where they have none that the file states.
        header_facts: What a DICOM header says of how the image was made, as (name, text); nothing that names a person.
            Free texts may all the same: they are shown to whoever gave the file, and never written or logged.
        patient: Tells patients of DICOM files apart while this process runs; it holds nothing of them, and is compared
            alone. Empty where the file names none.
        has_burned_in_text: Whether a DICOM header says that the pixels hold text that identifies the patient.
        pseudonym: Under which results are written; None writes them as those of the source.
    """

    pixels: np.ndarray
    axes: Axes
    geometry: Geometry
    name: str
    file_format: str
    bit_depth: int
    display_window: tuple[float, float]
    modality: str | None = None
    notes: tuple[str, ...] = ()
    source_files: tuple[Path, ...] = ()
    source_frames: SourceFrames | None = None
    channel_names: tuple[str, ...] = ()
    channel_windows: tuple[tuple[float, float], ...] = ()
    channel_bit_depths: tuple[int, ...] = ()
    unit: str | None = None
    header_facts: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    patient: str = field(default="", repr=False)
    has_burned_in_text: bool = False
    pseudonym: Pseudonym | None = None

    @property
    def is_volume(self) -> bool:
        """Whether there is a slice axis (even one with a single slice)."""
        return self.axes.startswith("Z")

    @property
    def channels(self) -> int:
        """1 for intensities, 3 for colour, else as many as there are."""
        return self.pixels.shape[-1] if self.axes.endswith("C") else 1

    @property
    def is_colour(self) -> bool:
        """Whether the channels are red, green and blue."""
        return self.channels == 3 and self.channel_names in ((), COLOURS)

    @property
    def windows(self) -> tuple[tuple[float, float], ...]:
        """The display window of each channel; one for all three colours."""
        return self.channel_windows or (self.display_window,)

    def channel(self, index: int) -> "MedicalImage":
        """One channel alone, as an image of intensities.

        Args:
            index: From 0.
        """
        if self.channels == 1:
            return self
        return replace(
            self,
            pixels=np.ascontiguousarray(self.pixels[..., index]),
            axes="ZYX" if self.is_volume else "YX",
            display_window=self.channel_windows[index] if self.channel_windows else self.display_window,
            bit_depth=self.channel_bit_depths[index] if self.channel_bit_depths else self.bit_depth,
            channel_names=(),
            channel_windows=(),
            channel_bit_depths=(),
        )

    @property
    def shape(self) -> tuple[int, ...]:
        """The spatial shape, (Y, X) or (Z, Y, X)."""
        return self.pixels.shape[: len(self.axes.removesuffix("C"))]

    @property
    def slices(self) -> np.ndarray:
        """The pixels as (Z, Y, X, C), a view: Z is 1 for an image, C is 1 for intensities."""
        pixels = self.pixels if self.is_volume else self.pixels[np.newaxis]
        return pixels if self.axes.endswith("C") else pixels[..., np.newaxis]

    @property
    def extent_mm(self) -> tuple[float, ...] | None:
        """Length of each spatial axis in mm, (Y, X) or (Z, Y, X); None where the spacing is unknown."""
        spacing_mm = self.geometry.spacing_mm
        return None if spacing_mm is None else tuple(np.multiply(self.shape, spacing_mm).tolist())

    @cached_property
    def intensity_range(self) -> tuple[float, float]:
        """The least and the greatest intensity."""
        return float(self.pixels.min()), float(self.pixels.max())

    @cached_property
    def intensity_ranges(self) -> tuple[tuple[float, float], ...]:
        """The least and the greatest intensity of each channel, as ``windows``: one for all three colours."""
        if self.channels == 1 or self.is_colour:
            return (self.intensity_range,)
        planes = (self.pixels[..., index] for index in range(self.channels))
        return tuple((float(plane.min()), float(plane.max())) for plane in planes)

    @cached_property
    def holds_whole_numbers(self) -> bool:
        """Whether every intensity is a whole number, whatever type stores it."""
        if np.issubdtype(self.pixels.dtype, np.integer):
            return True
        few = self.pixels[:: max(1, len(self.pixels) // 8)]  # most images with fractions have some of them here
        return all(np.array_equal(plane, np.rint(plane)) for part in (few, self.pixels) for plane in part)

    @property
    def channels_in_words(self) -> str:
        """How many there are and what they are called, such as "4 channels (T1, T1ce, T2, FLAIR)"."""
        if self.channels == 1:
            return "one channel"
        named = f" ({', '.join(self.channel_names[:MOST_NAMED])}{', …' if self.channels > MOST_NAMED else ''})"
        return f"{self.channels} channels{named if self.channel_names else ''}"

    def with_note(self, note: str) -> "MedicalImage":
        """The same image with one more note."""
        return replace(self, notes=(*self.notes, note))


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A class for each pixel of an image.

    Attributes:
        labels: uint8, (Y, X) or (Z, Y, X), in the image's own size: 0 is background, and value i is
            ``class_names[i - 1]``.
        class_names: The names of values 1, 2, ….
        geometry: That of the image.
        notes: What was found or done while it was read, in plain sentences.
        instances: Where the file numbers objects: the number of each pixel's object, 0 for background, in the shape of
            ``labels``; None otherwise.
        ignored: Boolean, in the shape of ``labels``: where nobody annotated; None where all is.
        colours: "#rrggbb" of values 1, 2, …, where somebody chose them; empty takes the usual ones.
    """

    labels: np.ndarray
    class_names: tuple[str, ...]
    geometry: Geometry = field(default_factory=Geometry)
    notes: tuple[str, ...] = ()
    instances: np.ndarray | None = None
    ignored: np.ndarray | None = None
    colours: tuple[str, ...] = ()

    @property
    def is_volume(self) -> bool:
        """Whether there is a slice axis."""
        return self.labels.ndim == 3

    def mask(self, value: int) -> np.ndarray:
        """The boolean mask of one label value."""
        return self.labels == value


@dataclass(frozen=True, eq=False)
class HeatMap:
    """A figure for each pixel of an image or volume, such as how unsure a network is there.

    Attributes:
        name: What it is, in words.
        values: float32, (Y, X) or (Z, Y, X), 0 to 1.
    """

    name: str
    values: np.ndarray

    @cached_property
    def highest(self) -> float:
        """The greatest value."""
        return float(self.values.max(initial=0))
