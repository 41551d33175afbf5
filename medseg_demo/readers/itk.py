"""One file through SimpleITK: quiet, and with its size checked before any pixel is decoded."""

from typing import TYPE_CHECKING

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.readers.intensities import check_size
from medseg_demo.readers.source import Source
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    import SimpleITK


def read_with_itk(source: Source, image_io: str, settings: Settings) -> "SimpleITK.Image":
    """Decode a file with one of ITK's formats.

    Args:
        source: The file.
        image_io: ITK's name of the format, such as "NrrdImageIO"; the file's name is not looked at.
        settings: The size limits.

    Returns:
        An image of two or three dimensions; further axes of one element are taken off.

    Raises:
        UnsupportedImageError: It has four or more real dimensions, or axes that are not at right angles.
        ImageTooLargeError: It exceeds a limit.
        DamagedFileError: ITK cannot read it.
    """
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(source.path))
    reader.SetImageIO(image_io)
    try:
        reader.ReadImageInformation()
        size = _plain_size(reader.GetSize(), source)
        check_size(tuple(reversed(size)), source, settings)
        reader.SetExtractSize([*size, *[0] * (reader.GetDimension() - len(size))])
        return reader.Execute()
    except RuntimeError as error:
        if any(word in str(error) for word in ("orthonormal", "determinant", "direction")):
            raise UnsupportedImageError(
                f"{source.label}: its axes are not at right angles or not independent of each other. "
                "Resample it to a regular grid and save it again."
            ) from None
        raise DamagedFileError(
            f"{source.label}: the pixels cannot be decoded; the file is damaged or incomplete. Export or copy it again."
        ) from None


def _plain_size(size: tuple[int, ...], source: Source) -> tuple[int, ...]:
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    if len(size) > 3:
        raise UnsupportedImageError(
            f"{source.label}: the image has {len(size)} dimensions ({' × '.join(map(str, size))}), and at most 3 are "
            "read. Save one time point or channel as a volume of its own."
        )
    return size
