"""What every reader does with the array it decoded: limits, types, channels, checks and the display window."""

import math
from pathlib import Path

import numpy as np

from medseg_demo.errors import ImageTooLargeError, UnsupportedImageError
from medseg_demo.image import Axes, Geometry, MedicalImage
from medseg_demo.reading.source import Source
from medseg_demo.settings import Settings

DISPLAY_PERCENTILES = (0.5, 99.5)
MAX_SAMPLES = 2_000_000
NOT_FINITE = "Replace them (for example with the background's value) and save the file again."


def check_size(shape: tuple[int, ...], source: Source, settings: Settings) -> None:
    """Refuse a size before anything of that size is allocated.

    Args:
        shape: The spatial shape that the header claims, (Y, X) or (Z, Y, X).
        source: The file.
        settings: ``max_megapixels`` limits images, ``max_megavoxels`` volumes.

    Raises:
        UnsupportedImageError: An axis has no pixels.
        ImageTooLargeError: There are more pixels than the limit.
    """
    sizes = " × ".join(str(size) for size in reversed(shape))
    if min(shape) < 1:
        raise UnsupportedImageError(f"{source.label}: the image has no pixels ({sizes}). Export it again.")
    is_volume = len(shape) > 2
    limit = settings.max_megavoxels if is_volume else settings.max_megapixels
    if math.prod(shape) > limit * 1_000_000:
        unit, variable = ("voxels", "MAX_MEGAVOXELS") if is_volume else ("pixels", "MAX_MEGAPIXELS")
        raise ImageTooLargeError(
            f"{source.label}: {sizes} {unit} are claimed, and at most {limit} million are read. "
            f"Crop or shrink it, or raise MEDSEG_{variable}."
        )


def choose_volume(count: int, source: Source) -> int:
    """Which of a file's volumes to read, from 0.

    Raises:
        UnsupportedImageError: There are several and nobody chose, or there are not as many.
    """
    if count < 1:
        raise UnsupportedImageError(f"{source.label}: the image has no pixels (0 volumes). Export it again.")
    if source.volume is None and count == 1:
        return 0
    if source.volume is None:
        raise UnsupportedImageError(
            f"{source.label}: it holds {count} volumes, such as times or channels, and one is read at a time. Choose "
            f"one from 1 to {count} (--volume on the command line, volume= in Python), or save it as a file of its own."
        )
    if not 1 <= source.volume <= count:
        held = "one volume" if count == 1 else f"{count} volumes"
        raise UnsupportedImageError(f"{source.label}: there is no volume {source.volume}; it holds {held}.")
    return source.volume - 1


def settle_channels(pixels: np.ndarray, source: Source) -> tuple[np.ndarray, tuple[str, ...]]:
    """Reduce a last axis of channels to intensities or to three colours.

    Args:
        pixels: (..., channels). Four channels are red, green, blue and opacity.
        source: The file.

    Returns:
        The pixels as (...) or (..., 3), and notes on what was done to them.

    Raises:
        UnsupportedImageError: There are not 1, 3 or 4 channels.
    """
    channels = pixels.shape[-1]
    if channels == 1:
        return pixels[..., 0], ()
    if channels == 3:
        return pixels, ()
    if channels == 4 and (pixels.dtype.kind == "f" or pixels.dtype in (np.uint8, np.uint16)):
        return compose_alpha(pixels)
    raise UnsupportedImageError(
        f"{source.label}: {channels} channels of {pixels.dtype} cannot be read as grey (1), RGB (3) or RGBA (4, 8-bit, "
        "16-bit or float). Save the channel or the three colours that matter as an image of their own."
    )


def compose_alpha(pixels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """Resolve an opacity channel: dropped where everything is opaque, else the image is laid over black.

    Args:
        pixels: (..., C + 1), opacity last: 0 to the type's maximum, or 0 to 1 for floats.

    Returns:
        The pixels as (..., C), or (...) where C is 1, and a note where they changed.
    """
    colour, alpha = pixels[..., :-1], pixels[..., -1:]
    colour = colour[..., 0] if colour.shape[-1] == 1 else colour
    opaque = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    if (alpha >= opaque).all():
        return colour, ()
    if not alpha.any():
        return colour, ("The opacity channel marks every pixel as invisible and was ignored.",)
    weight = np.clip(alpha.astype(np.float32) / np.float32(opaque), 0, 1)
    blended = colour * (weight if colour.ndim == pixels.ndim else weight[..., 0])
    if pixels.dtype.kind != "f":
        blended = np.rint(blended)
    return blended.astype(pixels.dtype), ("Transparent parts were laid over black.",)


def plain_type(pixels: np.ndarray, source: Source) -> np.ndarray:
    """The same numbers in native byte order and a type of at most 32 bits.

    Booleans become uint8 (0 and 1); 16- and 64-bit floats become float32; 64-bit integers int32 where they fit,
    else float32.

    Raises:
        UnsupportedImageError: The numbers are complex or none at all, or too large for float32.
    """
    kind, bits = pixels.dtype.kind, pixels.dtype.itemsize * 8
    if kind == "b":
        return pixels.astype(np.uint8)
    if kind not in "iuf":
        raise UnsupportedImageError(
            f"{source.label}: values of type {pixels.dtype} are not intensities. Save real numbers, such as float32."
        )
    if kind == "f" and bits != 32:
        return _as_float32(pixels, source)
    if kind in "iu" and bits > 32:
        low, high = int(pixels.min()), int(pixels.max())
        fits = np.iinfo(np.int32).min <= low and high <= np.iinfo(np.int32).max
        return pixels.astype(np.int32 if fits else np.float32)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _as_float32(pixels: np.ndarray, source: Source) -> np.ndarray:
    with np.errstate(over="ignore"):
        single = pixels.astype(np.float32)
    beyond = int(np.count_nonzero(np.isinf(single) & np.isfinite(pixels)))
    if beyond:
        raise UnsupportedImageError(
            f"{source.label}: {beyond} values exceed the range of 32-bit floats (3.4e38). Rescale them and save again."
        )
    return single


def display_window(pixels: np.ndarray, *, bit_depth: int = 0) -> tuple[float, float]:
    """The intensities shown as black and white where the file does not say.

    Args:
        pixels: All finite and not all the same.
        bit_depth: 1 for images of two values.

    Returns:
        (0, 1) for 1-bit images and for colours stored as floats from 0 to 1, (0, 255) for uint8, else the 0.5th and
        the 99.5th percentile (of about two million samples where there are more), or the range where these coincide.
    """
    if bit_depth == 1:
        return 0.0, 1.0
    if pixels.dtype == np.uint8:
        return 0.0, 255.0
    if pixels.dtype.kind == "f" and pixels.shape[-1] == 3 and pixels.min() >= 0 and pixels.max() <= 1:
        return 0.0, 1.0
    flat = pixels.reshape(-1)
    low, high = np.percentile(flat[:: math.ceil(flat.size / MAX_SAMPLES)], DISPLAY_PERCENTILES)
    if low < high:
        return float(low), float(high)
    return float(pixels.min()), float(pixels.max())


def build_image(
    source: Source,
    pixels: np.ndarray,
    *,
    file_format: str,
    bit_depth: int,
    is_volume: bool = False,
    geometry: Geometry | None = None,
    window: tuple[float, float] | None = None,
    modality: str | None = None,
    notes: tuple[str, ...] = (),
    source_files: tuple[Path, ...] = (),
) -> MedicalImage:
    """Check a decoded array and describe it.

    Args:
        source: The file.
        pixels: (Y, X), (Y, X, 3), (Z, Y, X) or (Z, Y, X, 3), of any numeric type.
        file_format: The format's name for people.
        bit_depth: Bits that the file stores for each sample.
        is_volume: Whether the first axis is that of the slices.
        geometry: Where the pixels lie, if the file says.
        window: The file's own display window; ignored where nothing of the image lies in it.
        modality: DICOM's code.
        notes: What the reader found or did.
        source_files: The DICOM files that it was read from.

    Raises:
        UnsupportedImageError: A value is not finite, or all are the same.
    """
    pixels = np.ascontiguousarray(plain_type(pixels, source))
    _check_finite(pixels, source)
    is_colour = pixels.ndim == (4 if is_volume else 3)
    _check_varied(pixels.reshape(-1, 3 if is_colour else 1), source)
    if window is None or not _shows(window, pixels):
        window = display_window(pixels, bit_depth=bit_depth)
    axes: Axes = ("ZYXC" if is_colour else "ZYX") if is_volume else ("YXC" if is_colour else "YX")
    return MedicalImage(
        pixels=pixels,
        axes=axes,
        geometry=geometry or Geometry(),
        name=source.name,
        file_format=file_format,
        bit_depth=bit_depth,
        display_window=window,
        modality=modality,
        notes=notes,
        source_files=source_files,
    )


def _check_finite(pixels: np.ndarray, source: Source) -> None:
    if pixels.dtype.kind != "f":
        return
    finite = np.isfinite(pixels)
    if finite.all():
        return
    not_numbers = int(np.count_nonzero(np.isnan(pixels)))
    infinite = int(finite.size - np.count_nonzero(finite) - not_numbers)
    raise UnsupportedImageError(
        f"{source.label}: {not_numbers} of {finite.size} values are not a number (NaN) and {infinite} are infinite. "
        + NOT_FINITE
    )


def _check_varied(samples: np.ndarray, source: Source) -> None:
    if (samples == samples[0]).all():
        value = ", ".join(f"{value:g}" for value in samples[0])
        raise UnsupportedImageError(
            f"{source.label}: every pixel has the same value ({value}), so there is nothing to segment. "
            "Check how the file was exported."
        )


def _shows(window: tuple[float, float], pixels: np.ndarray) -> bool:
    low, high = window
    return math.isfinite(low) and math.isfinite(high) and low < high and low < pixels.max() and high > pixels.min()
