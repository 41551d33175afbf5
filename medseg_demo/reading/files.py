"""A file, series, study or folder → MedicalImage."""

import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from medseg_demo import names
from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.image import MedicalImage
from medseg_demo.reading.dicom.series import read_series
from medseg_demo.reading.formats import Choice, Found, decode, inspect
from medseg_demo.reading.grids import differences
from medseg_demo.reading.intensities import to_image
from medseg_demo.reading.listing import holds_files
from medseg_demo.reading.source import Source, check_decoded, is_folder, open_source
from medseg_demo.reading.studies import Channels, Item, Series, Study, find_studies
from medseg_demo.settings import Settings


def read_image(
    path: str | Path | Series | Channels | Study,
    *,
    settings: Settings | None = None,
    volume: int | None = None,
    channels: bool = False,
    unpack_to: Path | None = None,
) -> MedicalImage:
    """Read one image or volume.

    Args:
        path: A file, whose name plays no part in how it is read; what ``collect_images`` or ``find_studies`` found; or
            a folder or zip that holds one image or one DICOM series.
        settings: The limits; those of Settings() by default.
        volume: Which volume of a file with several (times, channels), from 1.
        channels: Whether all volumes of a file, or the channel files of a folder or zip, are the channels of one image.
        unpack_to: Where the files of a zip are kept; without it they are deleted once read, and a DICOM SEG cannot
            refer to them.

    Returns:
        The image or volume, more being brighter, every value finite and not all the same.

    Raises:
        ReadError: The file cannot be read (see medseg_demo.errors for the kinds); nothing else is raised.
    """
    settings = settings or Settings()
    choice: Choice = "channels" if channels else volume
    if isinstance(path, Study):
        choice = path.volume if choice is None else choice
        if path.found is not None or not isinstance(path.item, Path):
            return _read_item(path.item, choice, settings, path.found)
        path = path.item  # nobody could say what it is: a folder or zip without an image, or a damaged file
    if isinstance(path, Series | Channels):
        return _read_item(path, choice, settings)
    path = Path(path)
    if not is_folder(path):
        with open_source(path, settings) as source:
            is_zip = holds_files(source)
            if not is_zip:
                return _read_found(source, inspect(source), choice)
    if is_folder(path) or unpack_to is not None:
        return _read_only(path, settings, choice, unpack_to or path)
    with tempfile.TemporaryDirectory(prefix="medseg-") as folder:
        return replace(_read_only(path, settings, choice, Path(folder)), source_files=())


def inspect_file(path: str | Path, *, settings: Settings | None = None) -> Found:
    """What a file is and what its header claims, without reading its pixels.

    Raises:
        ReadError: It cannot be opened, is of no format that is read, or exceeds a limit.
    """
    with open_source(path, settings or Settings()) as source:
        return inspect(source)


def count_volumes(path: str | Path | Series | Channels | Study, *, settings: Settings | None = None) -> int:
    """How many volumes, such as times or channels, a file holds, by its header alone.

    Returns:
        1 for formats that hold one, for series, and for files that cannot be read: reading them says why.
    """
    if isinstance(path, Study):
        return path.volumes
    if isinstance(path, Series | Channels):
        return 1
    try:
        return inspect_file(path, settings=settings).layout.volumes
    except ReadError:
        return 1


def _read_item(item: Item, choice: Choice, settings: Settings, found: Found | None = None) -> MedicalImage:
    if isinstance(item, Path):
        with open_source(item, settings) as source:
            known = found if found is not None and found.size == source.size else inspect(source)
            return _read_found(source, known, choice)
    if isinstance(choice, int) and choice != 1:
        raise UnsupportedImageError(f"{names.shown(item.name)}: there is no volume {choice}; it holds one volume.")
    if isinstance(item, Series):
        return to_image(read_series(item, settings), item.name, names.shown(item.name))
    return _read_channels(item, settings)


def _read_found(source: Source, found: Found, choice: Choice, *, varied: bool = True) -> MedicalImage:
    return to_image(decode(source, found, choice), source.name, source.label, varied=varied)


def _read_only(path: Path, settings: Settings, choice: Choice, unpack_to: Path) -> MedicalImage:
    """The only image or series of a folder or zip."""
    studies = find_studies([path], settings=settings, unpack_to=unpack_to, channels=choice == "channels")
    items = list(dict.fromkeys(study.item for study in studies))
    if len(items) == 1:
        return _read_item(items[0], choice, settings, studies[0].found)
    shown = [f"{item.name} ({item.description})" if isinstance(item, Series) else item.name for item in items[:10]]
    more = f" and {len(items) - 10} more" if len(items) > 10 else ""
    raise UnsupportedImageError(
        f"{names.shown(path.name)}: it holds {len(items)} images or series, and one is read at a time: "
        f"{names.shown('; '.join(shown))}{more}. Give one of them alone."
    )


def _read_channels(item: Channels, settings: Settings) -> MedicalImage:
    """Several files of one case as the channels of one image.

    Raises:
        UnsupportedImageError: A part is itself of several channels or in colour, or lies on another grid than the first
            and is not to be resampled.
    """
    label = names.shown(item.name)
    images = [_read_part(part, settings) for part in item.parts]
    first = images[0]
    check_decoded(sum(image.pixels.nbytes for image in images) * 2, label, settings)
    for index, (name, image) in enumerate(zip(item.channel_names, images, strict=True)):
        if image.channels > 1:
            raise UnsupportedImageError(
                f"{label}: {image.name} has {image.channels} channels of its own. Give one file a channel."
            )
        clauses = differences(first.geometry, first.shape, image.geometry, image.shape, role=f"channel {name!r}")
        if clauses and not item.resample:
            clause = clauses[0].replace("image", f"channel {item.channel_names[0]!r}")
            raise UnsupportedImageError(
                f"{label}: {clause}. Give channels of one grid, or have them resampled onto the first."
            )
        if clauses:
            images[index] = resampled(image, first).with_note(
                f"Channel {name!r} was resampled onto the first one's grid."
            )
    pixels = np.stack([image.pixels for image in images], axis=-1)
    if (pixels == pixels[(0,) * (pixels.ndim - 1)]).all():
        raise UnsupportedImageError(f"{label}: no channel holds more than one value, so there is nothing to segment.")
    return replace(
        first,
        pixels=pixels if pixels.dtype.itemsize <= 4 else pixels.astype(np.float32),
        axes="ZYXC" if first.is_volume else "YXC",
        name=item.name,
        bit_depth=max(image.bit_depth for image in images),
        notes=tuple(dict.fromkeys(note for image in images for note in image.notes)),
        source_files=(),
        channel_names=item.channel_names,
        channel_windows=tuple(image.display_window for image in images),
        channel_bit_depths=tuple(image.bit_depth for image in images),
    )


def _read_part(part: Path | Series, settings: Settings) -> MedicalImage:
    if isinstance(part, Series):
        return to_image(read_series(part, settings), part.name, names.shown(part.name), varied=False)
    with open_source(part, settings) as source:
        return _read_found(source, inspect(source), None, varied=False)


def resampled(image: MedicalImage, onto: MedicalImage) -> MedicalImage:
    """A volume of intensities on another's grid, interpolated linearly; 0 where it does not reach.

    Raises:
        UnsupportedImageError: One of them does not say where it lies.
    """
    import SimpleITK as sitk  # noqa: N813

    if image.geometry.affine is None or onto.geometry.affine is None:
        raise UnsupportedImageError(
            f"{image.name} cannot be resampled onto {onto.name}: one of them does not say where it lies."
        )
    # By indices of the one in the other, since ITK's images know right angles only.
    to_image_index = np.linalg.inv(image.geometry.affine) @ onto.geometry.affine
    transform = sitk.AffineTransform(3)
    transform.SetMatrix(to_image_index[:3, :3].ravel().tolist())
    transform.SetTranslation(to_image_index[:3, 3].tolist())
    moving = sitk.GetImageFromArray(np.atleast_3d(image.slices[..., 0]).astype(np.float32))
    grid = sitk.Image(onto.slices.shape[2], onto.slices.shape[1], onto.slices.shape[0], sitk.sitkFloat32)
    pixels = sitk.GetArrayFromImage(sitk.Resample(moving, grid, transform, sitk.sitkLinear, 0.0))
    if onto.is_volume:
        return replace(image, pixels=pixels, axes="ZYX")
    return replace(image, pixels=pixels[0], axes="YX")
