"""One file through SimpleITK: quiet, and with its size checked before any pixel is decoded."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.intensities import check_size, choose_volume
from medseg_demo.reading.source import Source
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    import SimpleITK


COLOURS = (1, 3, 4)  # samples of a voxel: grey, RGB and RGBA


def count_volumes(source: Source, image_io: str) -> int:
    """How many volumes the fourth axis holds, or the samples of a voxel that are no colour, by the header.

    Raises:
        UnsupportedImageError: There are five or more real dimensions.
        DamagedFileError: ITK cannot read the header.
    """
    reader = _open(source, image_io)
    volumes, components = _plain_size(reader.GetSize(), source)[1], reader.GetNumberOfComponents()
    return components if _are_volumes(components, volumes) else volumes


def read_with_itk(source: Source, image_io: str, settings: Settings) -> "SimpleITK.Image":
    """Decode a file with one of ITK's formats; ``source.volume`` chooses one volume of four dimensions.

    Args:
        source: The file.
        image_io: ITK's name of the format, such as "NrrdImageIO"; the file's name is not looked at.
        settings: The size limits.

    Returns:
        An image of two or three dimensions; further axes of one element are taken off.

    Raises:
        UnsupportedImageError: It has several volumes and none was chosen, five or more real dimensions, or axes that
            are not at right angles.
        ImageTooLargeError: It exceeds a limit.
        DamagedFileError: ITK cannot read it.
    """
    reader = _open(source, image_io)
    size, volumes = _plain_size(reader.GetSize(), source)
    check_size(tuple(reversed(size)), source, settings)
    components = reader.GetNumberOfComponents()
    if _are_volumes(components, volumes):
        return _one_component(reader, choose_volume(components, source), source)
    index = choose_volume(volumes, source)
    if index:  # ITK holds what lies before it in memory as well
        check_size(((index + 1) * math.prod(size[2:]), size[1], size[0]), source, settings)
    rest = reader.GetDimension() - len(size)
    reader.SetExtractSize([*size, *[0] * rest])
    if rest:
        reader.SetExtractIndex([*[0] * len(size), index, *[0] * (rest - 1)])
    with _failing_plainly(source):
        return reader.Execute()


def _are_volumes(components: int, volumes: int) -> bool:
    return volumes == 1 and components not in COLOURS


def _one_component(reader: "SimpleITK.ImageFileReader", index: int, source: Source) -> "SimpleITK.Image":
    import SimpleITK

    with _failing_plainly(source):
        return SimpleITK.VectorIndexSelectionCast(reader.Execute(), index)


def _open(source: Source, image_io: str) -> "SimpleITK.ImageFileReader":
    import SimpleITK

    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(source.path))
    reader.SetImageIO(image_io)
    with _failing_plainly(source):
        reader.ReadImageInformation()
    return reader


@contextmanager
def _failing_plainly(source: Source) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if any(word in str(error) for word in ("orthonormal", "determinant", "direction")):
            raise UnsupportedImageError(
                f"{source.label}: its axes are not at right angles or not independent of each other. "
                "Resample it to a regular grid and save it again."
            ) from None
        raise DamagedFileError(
            f"{source.label}: the pixels cannot be decoded; the file is damaged or incomplete. Export or copy it again."
        ) from None


def _plain_size(size: tuple[int, ...], source: Source) -> tuple[tuple[int, ...], int]:
    """The size of one volume, and how many there are."""
    while len(size) > 3 and size[-1] == 1:
        size = size[:-1]
    if len(size) > 4:
        raise UnsupportedImageError(
            f"{source.label}: the image has {len(size)} dimensions ({' × '.join(map(str, size))}), and at most 4 are "
            "read. Save one time point or channel as a volume of its own."
        )
    return size[:3], size[3] if len(size) == 4 else 1
