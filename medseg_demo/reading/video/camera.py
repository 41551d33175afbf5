"""Single pictures that a browser took of its camera, which are kept nowhere."""

from io import BytesIO
from pathlib import Path

from medseg_demo.errors import UnknownFormatError
from medseg_demo.image import MedicalImage
from medseg_demo.reading import formats, picture
from medseg_demo.reading.intensities import to_image
from medseg_demo.reading.source import as_source
from medseg_demo.settings import Settings

NAME = Path("camera.jpg")


def read_camera_frame(content: bytes, *, settings: Settings | None = None) -> MedicalImage:
    """A JPEG of a camera as an image; it may be of one value, as where a hand covers the lens.

    Raises:
        UnknownFormatError: It is no JPEG.
        ReadError: It is damaged, empty or exceeds a limit.
    """
    with BytesIO(content) as file:
        source = as_source(NAME, file, len(content), settings or Settings())
        if not picture.is_jpeg(source):
            raise UnknownFormatError("The camera's picture is no JPEG. Reload the page, and start the camera again.")
        raw = formats.decode(source, formats.inspect(source))
        return to_image(raw, source.name, source.label, varied=False)
