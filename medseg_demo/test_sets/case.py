"""One case of a test set: its files, what is known of it, its image and its reference."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from medseg_demo import names
from medseg_demo.errors import UnsupportedImageError
from medseg_demo.image import LabelMap, MedicalImage
from medseg_demo.reading import read_image, read_label_map
from medseg_demo.reading.labels import ImageSource
from medseg_demo.reading.studies import Channels
from medseg_demo.settings import Settings
from medseg_demo.test_sets.labels import DATASET_FILE, Labels


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
    """Read a case's image, with all of its channels.

    Raises:
        ReadError: It cannot be read, its channels lie on different grids, or there are not as many as
            ``dataset.json`` names.
    """
    if not case.image_paths:
        raise UnsupportedImageError(f"Case {case.case_id!r} has a reference and no image. Add its image.")
    if len(case.image_paths) > 1:
        return read_image(Channels(case.case_id, case.image_paths, case.channel_names), settings=settings)
    count = len(case.channel_names)
    image = read_image(case.image_path, settings=settings, channels=count > 1)
    if count < 2 or (image.is_colour and count == 3):
        return image
    if image.channels != count:
        raise UnsupportedImageError(
            f"{names.shown(case.image_path.name)}: it holds {image.channels_in_words}, and {DATASET_FILE} names "
            f"{count} ({', '.join(case.channel_names)}). Correct one of them."
        )
    return replace(image, channel_names=case.channel_names)


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
