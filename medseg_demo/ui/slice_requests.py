"""What a browser asks of a volume that it is shown, checked: it may send anything."""

from collections.abc import Sequence

from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.rendering import Plane, plane_view
from medseg_demo.rendering.planes import planes_of


def wanted_channels(image: MedicalImage, channels: object) -> list[int]:
    """Those of the channels that the image has; the first where nothing else is asked for."""
    asked = channels if isinstance(channels, list) else []
    return [each for each in asked if isinstance(each, int) and 0 <= each < image.channels] or [0]


def wanted_slices(image: MedicalImage, plane: Plane, slices: Sequence[int]) -> list[int]:
    """Those of the slices that the plane has.

    Raises:
        OptionError: There is no such plane; an image has one.
    """
    if plane not in (planes := planes_of(image)):
        raise OptionError(f"There is no plane {plane!r}. Choose one of: {', '.join(planes)}.")
    count = plane_view(image, plane).count
    return [int(index) for index in slices if 0 <= index < count]
