"""Raw → MedicalImage: colours, brightness, types, checks and the display window."""

import math

import numpy as np

from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import COLOURS, Axes, MedicalImage
from medseg_demo.reading.raw import Raw

DISPLAY_PERCENTILES = (0.5, 99.5)
MAX_SAMPLES = 2_000_000
NOT_FINITE = "Replace them (for example with the background's value) and save the file again."
INVISIBLE = "The opacity channel marks every pixel as invisible and was ignored."
OVER_BLACK = "Transparent parts were laid over black."


def to_image(raw: Raw, name: str, label: str, *, varied: bool = True) -> MedicalImage:
    """Make an image of what a file stores: more is brighter, every value is finite and not all are the same.

    Args:
        raw: From the reader of its format.
        name: Of the image: its file's stem.
        label: The file's name, for messages.
        varied: Whether values that are all the same are refused.

    Raises:
        UnsupportedImageError: A value is not finite, all are the same, or they are no real numbers.
    """
    pixels, notes = raw.array, (*raw.notes, *raw.image_notes)
    is_colour = raw.samples in ("colour", "colour+opacity")
    if raw.palette is not None:
        pixels, is_colour = _look_up(pixels, raw.palette), True
        has_opacity = raw.palette.shape[1] == 4
    else:
        has_opacity = raw.samples.endswith("opacity")
    if has_opacity:
        pixels, more = compose_opacity(pixels)
        notes += more
    window = raw.window
    if raw.polarity is not None:
        pixels = reflect(pixels, raw.polarity)
        window = None if window is None else (raw.polarity - window[1], raw.polarity - window[0])
    pixels = np.ascontiguousarray(plain_type(pixels, label))
    _check_finite(pixels, label)
    channels = pixels.shape[-1] if pixels.ndim > 2 + raw.is_volume else 1
    if varied:
        _check_varied(pixels.reshape(-1, channels), label)
    windows = _windows(pixels, raw, window, is_colour=is_colour, channels=channels)
    return MedicalImage(
        pixels=pixels,
        axes=_axes(raw.is_volume, pixels.ndim > 2 + raw.is_volume),
        geometry=raw.geometry,
        name=name,
        file_format=raw.file_format,
        bit_depth=raw.bit_depth,
        display_window=windows[0],
        modality=raw.modality,
        unit=raw.unit,
        header_facts=raw.header_facts,
        patient=raw.patient,
        has_burned_in_text=raw.has_burned_in_text,
        notes=notes,
        source_files=raw.source_files,
        source_frames=raw.source_frames,
        channel_names=COLOURS if is_colour else raw.channel_names,
        channel_windows=windows if channels > 1 and not is_colour else (),
    )


def _axes(is_volume: bool, has_channels: bool) -> Axes:
    return ("ZYXC" if has_channels else "ZYX") if is_volume else ("YXC" if has_channels else "YX")


def _look_up(indices: np.ndarray, palette: np.ndarray) -> np.ndarray:
    return palette[np.minimum(indices, len(palette) - 1)]


def compose_opacity(pixels: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
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
        return colour, (INVISIBLE,)
    weight = np.clip(alpha.astype(np.float32) / np.float32(opaque), 0, 1)
    blended = colour * (weight if colour.ndim == pixels.ndim else weight[..., 0])
    if pixels.dtype.kind != "f":
        blended = np.rint(blended)
    return blended.astype(pixels.dtype), (OVER_BLACK,)


def reflect(values: np.ndarray, total: float) -> np.ndarray:
    """``total`` − values, in the type of the values (single precision for floats)."""
    if values.dtype.kind == "f":
        return (np.float64(total) - values).astype(np.float32)
    native, limits = values.dtype.newbyteorder("="), np.iinfo(values.dtype)
    if limits.min <= total <= limits.max and (total == -1 or limits.min == 0):
        return np.subtract(native.type(int(total)), values)
    return np.subtract(int(total), values, dtype=np.int64).astype(native)


def plain_type(pixels: np.ndarray, label: str) -> np.ndarray:
    """The same numbers in native byte order and a type of at most 32 bits.

    Booleans become uint8 (0 and 1); 16- and 64-bit floats become float32; 64-bit integers int32 where they fit, and
    float32 where that keeps them apart.

    Raises:
        UnsupportedImageError: The numbers are complex or none at all, too large for float32, or large integers whose
            differences float32 would lose.
    """
    kind, bits = pixels.dtype.kind, pixels.dtype.itemsize * 8
    if kind == "b":
        return pixels.astype(np.uint8)
    if kind not in "iuf":
        raise UnsupportedImageError(
            f"{label}: values of type {pixels.dtype} are not intensities. Save real numbers, such as float32."
        )
    if kind == "f" and bits != 32:
        return _as_float32(pixels, label)
    if kind in "iu" and bits > 32:
        return _in_32_bits(pixels, label)
    return pixels.astype(pixels.dtype.newbyteorder("="), copy=False)


def _in_32_bits(pixels: np.ndarray, label: str) -> np.ndarray:
    low, high = int(pixels.min()), int(pixels.max())
    if np.iinfo(np.int32).min <= low and high <= np.iinfo(np.int32).max:
        return pixels.astype(np.int32)
    single = pixels.astype(np.float32)
    # A float32 has 24 bits: beyond, neighbouring integers become one. That is rounding in a large range, and loss in
    # a small one.
    if (high - low) < 2**16 * float(np.spacing(np.float32(max(abs(low), abs(high))))):
        raise UnsupportedImageError(
            f"{label}: 64-bit integers from {low} to {high} cannot be kept in 32-bit floats, whose steps are too "
            "coarse there. Subtract their minimum, or save them as 32-bit values."
        )
    return single


def _as_float32(pixels: np.ndarray, label: str) -> np.ndarray:
    with np.errstate(over="ignore"):
        single = pixels.astype(np.float32)
    beyond = int(np.count_nonzero(np.isinf(single) & np.isfinite(pixels)))
    if beyond:
        raise UnsupportedImageError(
            f"{label}: {beyond} values exceed the range of 32-bit floats (3.4e38). Rescale them and save again."
        )
    return single


def _windows(
    pixels: np.ndarray, raw: Raw, window: tuple[float, float] | None, *, is_colour: bool, channels: int
) -> tuple[tuple[float, float], ...]:
    """The display window of the image, or of each of its channels."""
    if channels > 1 and not is_colour:
        return tuple(display_window(pixels[..., index], bit_depth=raw.bit_depth) for index in range(channels))
    if window is not None and _shows(window, pixels):
        return (window,)
    return (display_window(pixels, bit_depth=8 if raw.palette is not None else raw.bit_depth, is_colour=is_colour),)


def display_window(pixels: np.ndarray, *, bit_depth: int = 0, is_colour: bool = False) -> tuple[float, float]:
    """The intensities shown as black and white where the file does not say.

    Args:
        pixels: All finite.
        bit_depth: Below 8 for images of few values.
        is_colour: Whether the last axis holds red, green and blue.

    Returns:
        The whole range of up to 8 bits, (0, 1) for colours stored as floats from 0 to 1, else the 0.5th and the 99.5th
        percentile (of about two million samples where there are more), or the range where these coincide.
    """
    if pixels.dtype == np.uint8:
        return 0.0, float(2**bit_depth - 1) if 0 < bit_depth < 8 and pixels.max() < 2**bit_depth else 255.0
    if is_colour and pixels.dtype.kind == "f" and pixels.min() >= 0 and pixels.max() <= 1:
        return 0.0, 1.0
    flat = pixels.reshape(-1)
    low, high = np.percentile(flat[:: math.ceil(flat.size / MAX_SAMPLES)], DISPLAY_PERCENTILES)
    if low < high:
        return float(low), float(high)
    low, high = float(pixels.min()), float(pixels.max())
    return low, high if low < high else low + 1


def _check_finite(pixels: np.ndarray, label: str) -> None:
    if pixels.dtype.kind != "f":
        return
    finite = np.isfinite(pixels)
    if finite.all():
        return
    not_numbers = int(np.count_nonzero(np.isnan(pixels)))
    infinite = int(finite.size - np.count_nonzero(finite) - not_numbers)
    raise UnsupportedImageError(
        f"{label}: {not_numbers} of {finite.size} values are not a number (NaN) and {infinite} are infinite. "
        + NOT_FINITE
    )


def _check_varied(samples: np.ndarray, label: str) -> None:
    if (samples == samples[0]).all():
        value = ", ".join(f"{value:g}" for value in samples[0])
        raise UnsupportedImageError(
            f"{label}: every pixel has the same value ({value}), so there is nothing to segment. "
            "Check how the file was exported."
        )


def _shows(window: tuple[float, float], pixels: np.ndarray) -> bool:
    low, high = window
    return math.isfinite(low) and math.isfinite(high) and low < high and low < pixels.max() and high > pixels.min()
