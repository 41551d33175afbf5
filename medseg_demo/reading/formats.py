"""The one table of formats, and the door: recognise, check what the header claims, decode.

A file's kind is found from its bytes, in the order of the table. DICOM comes first: its preamble may hold the start of
a TIFF, so that the file is both at once.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from medseg_demo.errors import UnknownFormatError, UnsupportedImageError
from medseg_demo.image import COLOURS
from medseg_demo.reading import array, itk, nifti, picture, tiff
from medseg_demo.reading.dicom import file as dicom
from medseg_demo.reading.raw import Layout, Raw
from medseg_demo.reading.source import Source, check_bytes, check_size, decoding

MOST_DIMENSIONS = 10
# Which volume of several: its number from 1, all of them as the channels of one image, or no choice.
Choice = int | Literal["channels"] | None


@dataclass(frozen=True)
class Format:
    """One file format.

    Attributes:
        name: For people.
        suffixes: That its files usually have; they play no part in how a file is read.
        recognise: Whether a file is of this format, from ``Source.head`` (and ``size``) alone.
        inspect: The header's claims; nothing of the size that they claim is allocated.
        read: The values of these volumes (from 0). One is handed over as it is, several as channels in their order.
        holds_labels: Whether label maps are read from it.
        has_bare_axes: Whether nothing in a file says what its axes are: the last one is that of an image's channels or
            colours where it is short, but a label map has none, so that it is space.
    """

    name: str
    suffixes: tuple[str, ...]
    recognise: Callable[[Source], bool]
    inspect: Callable[[Source], Layout]
    read: Callable[[Source, Layout, Sequence[int]], Raw]
    holds_labels: bool = True
    has_bare_axes: bool = False


FORMATS: tuple[Format, ...] = (
    Format("DICOM", (".dcm", ".dicom", ".dic", ".ima"), dicom.is_dicom, dicom.inspect, dicom.read),
    Format("PNG", (".png",), picture.is_png, picture.inspect, picture.read),
    Format("JPEG", (".jpg", ".jpeg", ".jpe"), picture.is_jpeg, picture.inspect, picture.read, holds_labels=False),
    Format("TIFF", (".tif", ".tiff"), tiff.is_tiff, tiff.inspect, tiff.read),
    Format("BMP", (".bmp",), picture.is_bmp, picture.inspect, picture.read),
    Format("WebP", (".webp",), picture.is_webp, picture.inspect, picture.read),
    Format("NIfTI", (".nii", ".nii.gz", ".hdr", ".hdr.gz"), nifti.is_nifti, nifti.inspect, nifti.read),
    Format("NRRD", (".nrrd", ".nhdr"), itk.is_nrrd, itk.inspect, itk.read),
    Format("MetaImage", (".mha", ".mhd"), itk.is_meta_image, itk.inspect, itk.read),
    Format("NPY", (".npy",), array.is_npy, array.inspect, array.read, has_bare_axes=True),
    Format("NPZ", (".npz",), array.is_npz, array.inspect, array.read, has_bare_axes=True),
)


@dataclass(frozen=True, eq=False)
class Found:
    """What a file is, so that whoever lists it need not open it again to say so.

    Attributes:
        format: Its format.
        layout: What its header claims.
        size: Its length in bytes, by which a file that was replaced since is noticed.
    """

    format: Format
    layout: Layout
    size: int


def find_format(source: Source) -> Format | None:
    """The first format that recognises a file; None where none does."""
    return next((each for each in FORMATS if each.recognise(source)), None)


def inspect(source: Source) -> Found:
    """Recognise a file and check what its header claims, before anything of that size is allocated.

    Raises:
        UnknownFormatError: Its bytes are of no format that is read here.
        ImageTooLargeError: It claims more pixels, or more bytes once unpacked, than the limits of the settings.
        ReadError: See medseg_demo.errors.
    """
    found = find_format(source)
    if found is None:
        formats = ", ".join(each.name for each in FORMATS)
        raise UnknownFormatError(
            f"{source.label}: its bytes are of no image format that is read here ({formats}). "
            "Check that it is the image itself, or convert it to one of these."
        )
    source.file.seek(0)
    with decoding(source, found.name):
        layout = found.inspect(source)
        check_layout(layout, source)
    return Found(found, layout, source.size)


def decode(source: Source, found: Found, choice: Choice = None) -> Raw:
    """The values of a file, or of one of its volumes, or of all of them as channels.

    Where channels are asked for, an opacity that varies is one of them: programs store any two or four channels so.

    Raises:
        UnsupportedImageError: There are several volumes and nobody chose, or there are not as many.
        ReadError: See medseg_demo.errors.
    """
    layout = found.layout
    if choice == "channels" and layout.volumes > 1:
        if layout.samples > 1:
            raise UnsupportedImageError(
                f"{source.label}: its {layout.volumes} volumes are in colour, and cannot be channels. Choose one."
            )
        volumes: Sequence[int] = range(layout.volumes)
    else:
        volumes = (choose_volume(layout, source, None if choice == "channels" else choice),)
    check_bytes(layout.decoded_bytes(len(volumes)), source)
    source.file.seek(0)
    with decoding(source, found.format.name):
        raw = found.format.read(source, layout, volumes)
    return _all_as_channels(raw) if choice == "channels" and raw.samples.endswith("opacity") else raw


def _all_as_channels(raw: Raw) -> Raw:
    alpha = raw.array[..., -1]
    if (alpha == alpha.flat[0]).all():
        return raw
    own = COLOURS if raw.samples == "colour+opacity" else ("channel 1",)
    return replace(raw, samples="channels", channel_names=(*own, f"channel {len(own) + 1}"))


def check_layout(layout: Layout, source: Source) -> None:
    """Refuse what a header claims.

    Raises:
        UnsupportedImageError: An axis has no pixels, there is no volume, or there are too many axes.
        ImageTooLargeError: A limit of the settings is exceeded.
    """
    if layout.volumes < 1 or min(layout.shape, default=0) < 1 or len(layout.shape) > MOST_DIMENSIONS:
        sizes = " × ".join(str(size) for size in reversed(layout.shape))
        raise UnsupportedImageError(
            f"{source.label}: the image has no pixels ({sizes}; {layout.volumes} volumes). Export it again."
        )
    check_size(layout.shape, source)
    check_bytes(layout.decoded_bytes(), source)


def choose_volume(layout: Layout, source: Source, wanted: int | None) -> int:
    """Which of a file's volumes to read, from 0.

    Raises:
        UnsupportedImageError: There are several and nobody chose, or there are not as many.
    """
    count = layout.volumes
    if wanted is None and count == 1:
        return 0
    if wanted is None:
        named = f" ({', '.join(layout.volume_names[:6])}{', …' if count > 6 else ''})" if layout.volume_names else ""
        raise UnsupportedImageError(
            f"{source.label}: it holds {count} volumes, such as times or channels{named}, and one is read at a time. "
            f"Choose one from 1 to {count} (--volume on the command line, volume= in Python), read all of them as "
            "channels (--channels, channels=True), or save one as a file of its own."
        )
    if not 1 <= wanted <= count:
        held = "one volume" if count == 1 else f"{count} volumes"
        raise UnsupportedImageError(f"{source.label}: there is no volume {wanted}; it holds {held}.")
    return wanted - 1
