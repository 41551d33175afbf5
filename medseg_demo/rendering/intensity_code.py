"""How intensities reach the viewer: whole numbers of 8 or 16 bits, and the line that takes them back."""

from dataclasses import dataclass

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.rendering.pictures import to_uint8

# Window presets (width, level) in Hounsfield units, as radiology viewers offer them.
CT_PRESETS = {"Abdomen": (350, 40), "Bone": (1000, 400), "Brain": (100, 50), "Lung": (1400, -500)}


@dataclass(frozen=True)
class WindowPreset:
    """A named window: what is shown as black and as white."""

    name: str
    low: float
    high: float


@dataclass(frozen=True)
class ShownIntensity:
    """Stored number × scale + offset = intensity; exact, or within half a step of ``scale``."""

    scale: float
    offset: float
    is_exact: bool
    unit: str
    window: list[float]
    range: list[float]


@dataclass(frozen=True)
class ShownChannel:
    """What the viewer must know of one channel."""

    name: str
    intensity: ShownIntensity
    presets: list[WindowPreset]


@dataclass(frozen=True)
class IntensityCode:
    """Stored number × scale + offset = intensity.

    Attributes:
        scale: Intensity of one step.
        offset: Intensity of a stored 0.
        dtype: np.uint8 or np.uint16.
        is_exact: Whether each intensity arrives as it is, and not only within half a step.
    """

    scale: float
    offset: float
    dtype: type[np.uint8] | type[np.uint16]
    is_exact: bool = True

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Intensities → stored numbers; exact where the image holds whole numbers of at most 16 bits."""
        if pixels.dtype == self.dtype and self.scale == 1 and self.offset == 0:
            return pixels
        steps = (pixels.astype(np.float64) - self.offset) / self.scale
        return np.clip(np.rint(steps), 0, np.iinfo(self.dtype).max).astype(self.dtype)


def codes_for(image: MedicalImage) -> tuple[IntensityCode, ...]:
    """The code of each channel, one for all three colours: shared by all slices, so that a window means the same."""
    if image.is_colour:
        return (IntensityCode(1.0, 0.0, np.uint8, image.pixels.dtype == np.uint8),)
    return tuple(_code(image, low, high) for low, high in image.intensity_ranges)


def _code(image: MedicalImage, low: float, high: float) -> IntensityCode:
    if image.pixels.dtype in (np.uint8, np.uint16):
        return IntensityCode(1.0, 0.0, image.pixels.dtype.type)
    if high - low <= 65535 and image.holds_whole_numbers:
        return IntensityCode(1.0, low, np.uint16)
    return IntensityCode((high - low) / 65535 or 1.0, low, np.uint16, high == low)


def encode_slice(image: MedicalImage, pixels: np.ndarray, channel: int = 0) -> np.ndarray:
    """One channel of a slice (Y, X, C) as the viewer takes it: (Y, X) numbers, or (Y, X, 3) colours of 8 bits."""
    if image.is_colour:
        return to_uint8(pixels, image.display_window)
    return codes_for(image)[channel].encode(pixels[..., channel])


def describe_channels(image: MedicalImage) -> list[ShownChannel]:
    """What the viewer must know of each channel: one, without a name, where the image is grey or in colour."""
    codes, windows, ranges = codes_for(image), image.windows, image.intensity_ranges
    windows *= len(codes) // len(windows)  # an image made by hand may have one window for all
    names = ("",) if len(codes) == 1 else image.channel_names or tuple(f"Channel {i + 1}" for i in range(len(codes)))
    return [
        ShownChannel(
            name,
            ShownIntensity(
                code.scale,
                code.offset,
                code.is_exact,
                unit=image.unit or "",
                window=[float(window[0]), float(window[1])],
                range=[low, high] if high > low else [low, low + 1],
            ),
            _presets(image.unit, window, (low, high)),
        )
        for name, code, window, (low, high) in zip(names, codes, windows, ranges, strict=True)
    ]


def _presets(unit: str | None, window: tuple[float, float], intensity_range: tuple[float, float]) -> list[WindowPreset]:
    """Named windows: the image's own, its full range, and those of CT for what is in Hounsfield units."""
    windows = {"Default": window, "Full range": intensity_range}
    if unit == "HU":
        windows |= {name: (level - width / 2, level + width / 2) for name, (width, level) in CT_PRESETS.items()}
    return [WindowPreset(name, float(low), float(high)) for name, (low, high) in windows.items()]
