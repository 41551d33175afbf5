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


def code_for(image: MedicalImage) -> IntensityCode:
    """The code of an image: shared by all slices of a volume, so that a window means the same in each."""
    low, high = image.intensity_range
    if image.channels == 3 or image.pixels.dtype in (np.uint8, np.uint16):
        return IntensityCode(
            1.0, 0.0, np.uint16 if image.pixels.dtype == np.uint16 and image.channels == 1 else np.uint8
        )
    if np.issubdtype(image.pixels.dtype, np.integer) and high - low <= 65535:
        return IntensityCode(1.0, low, np.uint16)
    return IntensityCode((high - low) / 65535 or 1.0, low, np.uint16)


def encode_slice(image: MedicalImage, pixels: np.ndarray) -> np.ndarray:
    """One slice (Y, X, C) as the viewer takes it: (Y, X) numbers, or (Y, X, 3) colours of 8 bits."""
    if image.channels == 3:
        return to_uint8(pixels, image.display_window)
    return code_for(image).encode(pixels[..., 0])


def presets(image: MedicalImage) -> list[dict[str, object]]:
    """Named windows: the image's own, its full range, and those of CT for CT."""
    windows = {"Default": image.display_window, "Full range": image.intensity_range}
    if image.modality == "CT":
        windows |= {name: (level - width / 2, level + width / 2) for name, (width, level) in CT_PRESETS.items()}
    return [{"name": name, "low": float(low), "high": float(high)} for name, (low, high) in windows.items()]
