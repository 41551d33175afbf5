"""A box that is cut out of an image before the network, and where its result lies in the whole."""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from medseg_demo.errors import OptionError
from medseg_demo.image import Geometry, MedicalImage

# (z0, y0, x0, z1, y1, x1) in pixels or voxels of the array: the first inside, and the first that is not any more. For
# a 2-D image z runs from 0 to 1.
Box = tuple[int, int, int, int, int, int]

ASKED = "Give six whole numbers z0, y0, x0, z1, y1, x1 (of a 2-D image z0 is 0 and z1 is 1)"


def to_box(value: object) -> Box:
    """What a person or a program gave as a box.

    Args:
        value: Six numbers, or one text of them with commas or spaces between, with or without brackets.

    Raises:
        OptionError: They are not six whole numbers from 0, or an end does not lie behind its start.
    """
    numbers = value.strip("[]() ").replace(",", " ").split() if isinstance(value, str) else value
    if not isinstance(numbers, Sequence) or len(numbers) != 6:
        count = f"has {len(numbers)} numbers" if isinstance(numbers, Sequence) else f"is {value!r}"
        raise OptionError(f"The crop box {count}. {ASKED}.")
    whole = [_whole(number) for number in numbers]
    for axis, start, stop in zip("zyx", whole[:3], whole[3:], strict=True):
        if start >= stop:
            raise OptionError(
                f"The crop box is empty along {axis}: it runs from {start} to {stop}, and the end is not part of it. "
                f"Choose {axis}1 greater than {axis}0."
            )
    return tuple(whole)  # type: ignore[return-value]


def _whole(number: object) -> int:
    try:
        value = float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        value = math.nan
    if isinstance(number, bool) or not value.is_integer() or not 0 <= value < 2**31:
        raise OptionError(f"The crop box holds {str(number)[:20]!r}. {ASKED}, none below 0.")
    return int(value)


def check_inside(box: Box, image: MedicalImage) -> None:
    """Refuse a box that reaches beyond an image.

    Raises:
        OptionError: It does.
    """
    for axis, stop, length in zip("zyx", box[3:], image.slices.shape[:3], strict=True):
        if stop > length:
            raise OptionError(
                f"Image {image.name!r}: the crop box ends at {axis} = {stop}, and the image has {length} along {axis}. "
                "Choose a box inside of the image."
            )


def places(box: Box | None) -> tuple[slice, slice, slice]:
    """Where a box lies in arrays whose last axes are (Z, Y, X); everything for None."""
    if box is None:
        return (slice(None),) * 3
    return slice(box[0], box[3]), slice(box[1], box[4]), slice(box[2], box[5])


def cropped(image: MedicalImage, box: Box | None) -> MedicalImage:
    """The part of an image inside a box, a view of its pixels; its affine says where that part lies.

    Args:
        image: The whole.
        box: Inside of it; None takes all.
    """
    if box is None:
        return image
    part = image.slices[places(box)]
    part = part if image.axes.endswith("C") else part[..., 0]
    affine = image.geometry.affine
    if affine is not None:
        affine = affine.copy()
        affine[:3, 3] += affine[:3, :3] @ np.array(box[2::-1], dtype=float)
    return replace(
        image,
        pixels=part if image.is_volume else part[0],
        geometry=Geometry(image.geometry.spacing_mm, affine),
        source_files=(),
        source_frames=None,
    )
