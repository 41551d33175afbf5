"""How intensities reach the viewer: whole numbers of 8 or 16 bits, and the line that takes them back."""

from dataclasses import dataclass

import numpy as np

from medseg_demo.image import MedicalImage
from medseg_demo.rendering.pictures import to_uint8

# Window presets (level, width) in Hounsfield units, as radiology viewers offer them.
CT_PRESETS = {"Abdomen": (350, 40), "Bone": (1000, 400), "Brain": (100, 50), "Lung": (1400, -500)}


@dataclass(frozen=True)
class IntensityCode:
    """Stored number × scale + offset = intensity.

    Attributes:
        scale: Intensity of one step.
        offset: Intensity of a stored 0.
        dtype: np.uint8 or np.uint16.
    """

    scale: float
    offset: float
    dtype: type[np.uint8] | type[np.uint16]

    def encode(self, pixels: np.ndarray) -> np.ndarray:
        """Intensities → stored numbers; exact where the image holds whole numbers of at most 16 bits."""
        if pixels.dtype == self.dtype and self.scale == 1 and self.offset == 0:
            return pixels
        steps = (pixels.astype(np.float64) - self.offset) / self.scale
        return np.clip(np.rint(steps), 0, np.iinfo(self.dtype).max).astype(self.dtype)


def codes_for(image: MedicalImage) -> tuple[IntensityCode, ...]:
    """The code of each channel, one for all three colours: shared by all slices, so that a window means the same."""
    if image.is_colour:
        return (IntensityCode(1.0, 0.0, np.uint8),)
    return tuple(_code(image.pixels.dtype, low, high) for low, high in image.intensity_ranges)


def _code(dtype: np.dtype, low: float, high: float) -> IntensityCode:
    if dtype in (np.uint8, np.uint16):
        return IntensityCode(1.0, 0.0, dtype.type)
    if np.issubdtype(dtype, np.integer) and high - low <= 65535:
        return IntensityCode(1.0, low, np.uint16)
    return IntensityCode((high - low) / 65535 or 1.0, low, np.uint16)


def encode_slice(image: MedicalImage, pixels: np.ndarray, channel: int = 0) -> np.ndarray:
    """One channel of a slice (Y, X, C) as the viewer takes it: (Y, X) numbers, or (Y, X, 3) colours of 8 bits."""
    if image.is_colour:
        return to_uint8(pixels, image.display_window)
    return codes_for(image)[channel].encode(pixels[..., channel])


def describe_channels(image: MedicalImage) -> list[dict[str, object]]:
    """What the viewer must know of each channel: one where the image is grey or in colour.

    Returns:
        {name, intensity: {scale, offset, unit, window, range}, presets: [{name, low, high}]} for each; the name is
        empty where there is only one.
    """
    codes, windows, ranges = codes_for(image), image.windows, image.intensity_ranges
    windows *= len(codes) // len(windows)  # an image made by hand may have one window for all
    names = ("",) if len(codes) == 1 else image.channel_names or tuple(f"Channel {i + 1}" for i in range(len(codes)))
    return [
        {
            "name": name,
            "intensity": {
                "scale": code.scale,
                "offset": code.offset,
                "unit": "HU" if image.modality == "CT" else "",
                "window": [float(window[0]), float(window[1])],
                "range": [low, high] if high > low else [low, low + 1],
            },
            "presets": _presets(image.modality, window, (low, high)),
        }
        for name, code, window, (low, high) in zip(names, codes, windows, ranges, strict=True)
    ]


def _presets(
    modality: str | None, window: tuple[float, float], intensity_range: tuple[float, float]
) -> list[dict[str, object]]:
    """Named windows: the image's own, its full range, and those of CT for CT."""
    windows = {"Default": window, "Full range": intensity_range}
    if modality == "CT":
        windows |= {name: (level - width / 2, level + width / 2) for name, (width, level) in CT_PRESETS.items()}
    return [{"name": name, "low": float(low), "high": float(high)} for name, (low, high) in windows.items()]
