"""One case of a test set: its files, what is known of it, its image and its reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from medseg_demo import names
from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.image import COLOURS, LabelMap, MedicalImage
from medseg_demo.reading import count_volumes, inspect_file, read_image, read_label_map
from medseg_demo.reading.array import MAX_CHANNELS
from medseg_demo.reading.intensities import display_window
from medseg_demo.reading.labels import ImageSource
from medseg_demo.reading.studies import Channels
from medseg_demo.settings import Settings
from medseg_demo.test_sets.labels import DATASET_FILE, Labels

ARRAYS = ("NPY", "NPZ")


@dataclass(frozen=True)
class Case:
    """One study with its reference.

    Attributes:
        case_id: Unique in its test set; the stem of its files.
        image_paths: The image or volume, which may be the folder or zip of a DICOM series; several files are each a
            channel of it, such as nnU-Net's. Empty where there is no image: predictions can be scored all the same.
        mask_path: Its reference label map.
        split: Such as "train", "val" or "test"; None where the test set has no splits.
        group: What must not be torn apart by splits or resampling, such as a patient; the case itself by default.
        metadata: Further columns of ``cases.csv``, as text.
        channel_names: One a channel, where the image has several; those of the volumes of its only file, too.
        colours: Class name → "#rrggbb", where label maps of it are colour pictures.
        labels: What the values of its reference mean; None where the test set does not say.
        instances: Whether its reference numbers objects.
        address: Of what its paths start from, where that is no folder of this machine (see fsspec); else empty.
    """

    case_id: str
    image_paths: tuple[Path, ...]
    mask_path: Path
    split: str | None = None
    group: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    channel_names: tuple[str, ...] = ()
    colours: Mapping[str, str] | None = None
    labels: Labels | None = None
    instances: bool = False
    address: str = ""

    @property
    def image_path(self) -> Path:
        """The image's first file."""
        return self.image_paths[0]

    @property
    def files(self) -> tuple[Path, ...]:
        """All of its files, the reference last; those of a series in the order of their names."""
        return tuple(file for path in (*self.image_paths, self.mask_path) for file in _files_of(path))

    @property
    def columns(self) -> dict[str, str]:
        """What a table of results says of it: split, group where it is another than the case itself, and metadata.

        A column ``method`` says there what is compared, so that of a case is called ``case_method``.
        """
        own = {"split": self.split or "", "group": "" if self.group == self.case_id else self.group}
        about = {f"case_{key}" if key == "method" else key: value for key, value in self.metadata.items()}
        return {**{key: value for key, value in own.items() if value}, **about}


def _files_of(path: Path) -> Iterator[Path]:
    if path.is_dir():
        yield from (file for file in sorted(path.rglob("*")) if file.is_file())
    else:
        yield path


def read_case_image(case: Case, *, settings: Settings | None = None) -> MedicalImage:
    """Read a case's image, with all of its channels: nobody chooses one volume of a test set's file.

    An array says nothing of its axes. Where its reference is a plane, its first axis counts channels, not slices.

    Raises:
        ReadError: It cannot be read, its channels lie on different grids, or there are not as many as
            ``dataset.json`` names.
    """
    if not case.image_paths:
        raise UnsupportedImageError(f"Case {case.case_id!r} has a reference and no image. Add its image.")
    if len(case.image_paths) > 1:
        return read_image(Channels(case.case_id, case.image_paths, case.channel_names), settings=settings)
    count = len(case.channel_names)
    # Three names are colours' as well, whose opacity is no channel; volumes of a file are channels in any number.
    together = count not in (0, 1, 3) or count_volumes(case.image_path, settings=settings) > 1
    image = read_image(case.image_path, settings=settings, channels=together)
    if image.file_format in ARRAYS and image.axes == "ZYX" and image.shape[0] <= MAX_CHANNELS:
        image = _channels_first(image, case, settings)
    if count < 2 or (image.is_colour and count == 3):
        return image
    if image.channels != count:
        raise UnsupportedImageError(
            f"{names.shown(case.image_path.name)}: it holds {image.channels_in_words}, and {DATASET_FILE} names "
            f"{count} ({', '.join(case.channel_names)}). Correct one of them."
        )
    return replace(image, channel_names=case.channel_names)


def _channels_first(image: MedicalImage, case: Case, settings: Settings | None) -> MedicalImage:
    """The array whose reference is a plane of its own size, as one image of several channels; else as it is."""
    try:
        shape = inspect_file(case.mask_path, settings=settings).layout.shape
    except ReadError:  # which reading the reference says
        return image
    if tuple(size for size in shape if size > 1) != image.shape[1:]:
        return image
    pixels = np.ascontiguousarray(np.moveaxis(image.pixels, 0, -1))
    count, is_colour = pixels.shape[-1], pixels.shape[-1] == len(COLOURS)
    windows = tuple(display_window(pixels[..., place], bit_depth=image.bit_depth) for place in range(count))
    return replace(
        image,
        pixels=pixels,
        axes="YXC",
        display_window=display_window(pixels, bit_depth=image.bit_depth, is_colour=True) if is_colour else windows[0],
        channel_names=COLOURS if is_colour else tuple(f"channel {place + 1}" for place in range(count)),
        channel_windows=() if is_colour else windows,
        notes=(
            *(note for note in image.notes if not note.startswith("Its first axis")),
            f"Its first axis was taken for {count} channels, as its reference is a plane.",
        ),
    )


def read_case_reference(
    case: Case, *, class_names: Sequence[str] | None, image: ImageSource = None, settings: Settings | None = None
) -> LabelMap:
    """Read a case's reference, its values being those of the test set's pieces (see ``Labels``).

    Args:
        case: The case.
        class_names: Item i names label value i + 1, where the test set does not say.
        image: The image that it lies on, or what reads it.
        settings: The limits.

    Raises:
        ReadError: It cannot be read, or holds values that are no labels of these classes.
    """
    labels = case.labels
    return read_label_map(
        case.mask_path,
        class_names=labels.piece_names if labels else class_names,
        image=image,
        settings=settings,
        values=labels.lookup if labels else None,
        ignore=labels.ignore if labels else None,
        colours=case.colours,
        instances=case.instances,
    )
