"""What was uploaded, as the things that can be segmented: a file, a DICOM series, or one volume of a 4-D file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from medseg_demo.errors import OptionError
from medseg_demo.image import MedicalImage
from medseg_demo.reading import Series, collect_images, count_volumes, read_image, stem
from medseg_demo.settings import Settings
from medseg_demo.ui import texts

EVERY = "every"

Choice = tuple[str, str]


@dataclass(frozen=True)
class Study:
    """One thing to segment.

    Attributes:
        item: A file, or the files of one DICOM series.
        volume: Which one of a 4-D file, from 1; None of any other.
        volumes: How many that file holds.
    """

    item: Path | Series
    volume: int | None = None
    volumes: int = 1

    @property
    def name(self) -> str:
        """For people: the file's name, or the series'."""
        return self.item.name if self.volume is None else f"{self.item.name}, volume {self.volume}"

    @property
    def stem(self) -> str:
        """What files about it are called."""
        return stem(self.item) if self.volume is None else f"{stem(self.item)}_volume-{self.volume}"

    @property
    def label(self) -> str:
        """What tells it from the others of an upload."""
        if isinstance(self.item, Series):
            return f"{self.item.name}: {self.item.description}"
        return self.item.name if self.volume is None else f"{self.item.name}: volume {self.volume} of {self.volumes}"

    @property
    def reading(self) -> str:
        """What is said while it is read."""
        if isinstance(self.item, Series):
            return texts.READING_SLICES.format(count=self.item.slices)
        return texts.READING.format(name=self.name)

    def read(self, settings: Settings) -> MedicalImage:
        """Read it.

        Raises:
            ReadError: It cannot be read.
        """
        return read_image(self.item, settings=settings, volume=self.volume)


def find_studies(paths: Sequence[Path], settings: Settings, *, unpack_to: Path) -> tuple[Study, ...]:
    """Everything that can be segmented in files, folders and zips.

    Among several, a zip that cannot be opened is a study as well, and reading it says why.

    Raises:
        ReadError: The only one is a zip that cannot be unpacked or holds no image.
        OptionError: There are more images than one upload may hold.
    """
    items = collect_images(paths, settings=settings, unpack_to=unpack_to)
    if len(items) > settings.max_upload_files:
        raise OptionError(texts.TOO_MANY_IMAGES.format(count=len(items), most=settings.max_upload_files))
    studies: list[Study] = []
    for item in items:
        volumes = 1 if isinstance(item, Series) else count_volumes(item, settings=settings)
        numbers = [None] if volumes == 1 else range(1, volumes + 1)
        studies += [Study(item, number, volumes) for number in numbers]
    return tuple(studies)


def choices(studies: Sequence[Study]) -> list[Choice]:
    """What a person chooses from: each study, and all of them; empty where there is nothing to choose.

    Several ordinary files are all meant; several series, or the volumes of a file, rarely are.
    """
    if len(studies) < 2 or not any(study.volume or isinstance(study.item, Series) for study in studies):
        return []
    every = (texts.EVERY_STUDY.format(count=len(studies)), EVERY)
    return [*((study.label, str(place)) for place, study in enumerate(studies)), every]


def first_choice(studies: Sequence[Study]) -> str:
    """The series with most slices, else the first study; all where there is nothing to choose."""
    if not choices(studies):
        return EVERY
    slices = [study.item.slices if isinstance(study.item, Series) else 0 for study in studies]
    return str(slices.index(max(slices)))


def chosen(studies: Sequence[Study], choice: str | None) -> tuple[Study, ...]:
    """The studies that a choice stands for; all where it stands for none of them."""
    if choice is not None and choice.isdecimal() and int(choice) < len(studies):
        return (studies[int(choice)],)
    return tuple(studies)
