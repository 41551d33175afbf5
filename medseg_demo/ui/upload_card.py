"""The card right after an upload: what was read, before anything is segmented."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from medseg_demo import names
from medseg_demo.errors import ReadError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.reading import read_image
from medseg_demo.reading.studies import Series, Study, size_on_disk
from medseg_demo.rendering.planes import orientation_letters, plane_view
from medseg_demo.segmenting.fit import check_fit
from medseg_demo.settings import Settings
from medseg_demo.ui import markup, texts
from medseg_demo.ui.studies import item_names

# Of several files these many are read beforehand, and no more than this on disk, so that the card is there soon.
READ_FILES = 64
READ_BYTES = 32 * 2**20
COLUMNS = ("Format", "Size", "Bit depth", "Intensities", "Spacing", "Channels")
CHANNEL_COLUMNS = ("Channel", "Intensities", "Bit depth")
FIGURES = re.compile(r"\d+(?:[.,]\d+)*")


@dataclass(frozen=True)
class Glance:
    """What is known of one of several files before it is segmented.

    Attributes:
        name: The file's.
        facts: One text for each of ``COLUMNS``; none where it could not be read.
        problem: Why it could not be read, without the name; empty where it could.
        notes: What the reader noted.
        warnings: How it differs from what the checkpoint expects.
    """

    name: str
    facts: tuple[str, ...] = ()
    problem: str = ""
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def image_card(image: MedicalImage, warnings: Sequence[str] = (), *, notes: Sequence[str] = ()) -> str:
    """The facts of one image, those of its DICOM header, and what should be known before it is segmented.

    Args:
        image: As read.
        warnings: How it differs from what the checkpoint expects.
        notes: Of the upload; those of the reader follow.
    """
    return markup.card(
        image.name,
        markup.facts(describe(image)),
        channel_table(image),
        markup.details(texts.HEADER_FACTS, markup.facts(image.header_facts)) if image.header_facts else "",
        markup.bullets((*notes, *image.notes)),
        markup.bullets(warnings, kind="warning"),
        note=texts.PREFLIGHT,
    )


def studies_card(
    studies: Sequence[Study],
    card: ModelCard | None,
    settings: Settings,
    *,
    notes: Sequence[str] = (),
    ready: str = texts.PREFLIGHT,
) -> str:
    """The facts of several files side by side; a note or warning that holds for many of them is said once.

    Those that cannot be read are named with the reason. What is large or beyond the first is not read yet.

    Args:
        studies: The files.
        card: Of the chosen checkpoint, to compare them with.
        settings: The limits.
        notes: Of the upload.
        ready: Said where there is anything to work on.
    """
    now, later = _turns(studies)
    called = dict(zip(studies, _names(studies), strict=True))
    series = [study.item for study in later if isinstance(study.item, Series)]
    glances = [*(_glance(study, called[study], card, settings) for study in now), *map(_unread, series)]
    rows = [(glance.name, *glance.facts) for glance in glances if glance.facts]
    left = len(later) - len(series)
    joined = any(study.volume or isinstance(study.item, Series) for study in studies)
    return markup.card(
        (texts.STUDIES if joined else texts.FILES).format(count=len(studies)),
        markup.table("Files", ("File", *COLUMNS), rows, words=True) if rows else "",
        markup.small(texts.MORE_FILES.format(count=left)) if left else "",
        markup.bullets(_once((one.name, one.problem) for one in glances if one.problem), kind="error"),
        markup.bullets([*notes, *_once((one.name, note) for one in glances for note in one.notes)]),
        markup.bullets(_once((one.name, warning) for one in glances for warning in one.warnings), kind="warning"),
        note=ready if rows or left else "",
    )


def _names(studies: Sequence[Study]) -> list[str]:
    """What each study is called here, no two of an upload alike."""
    pairs = zip(studies, item_names(studies), strict=True)
    return [name + study.name.removeprefix(names.shown(study.item.name)) for study, name in pairs]


def _turns(studies: Sequence[Study]) -> tuple[list[Study], list[Study]]:
    """The studies that are read now, the first one always, and those that are read when they are segmented."""
    now: list[Study] = []
    later: list[Study] = []
    left = READ_BYTES
    for study in studies:
        length = size_on_disk(study)
        if now and (len(now) == READ_FILES or length > left):
            later.append(study)
            continue
        now.append(study)
        left -= length
    return now, later


def _glance(study: Study, name: str, card: ModelCard | None, settings: Settings) -> Glance:
    try:
        image = read_image(study, settings=settings)
    except ReadError as error:
        return Glance(name, problem=str(error).removeprefix(f"{names.shown(study.item.name)}: "))
    facts = dict(describe(image))
    warnings = check_fit(image, card) if card else ()
    return Glance(name, tuple(facts[column] for column in COLUMNS), notes=image.notes, warnings=tuple(warnings))


def _unread(series: Series) -> Glance:
    """A series says its size and spacing without being read."""
    unknown = [texts.NOT_READ] * (len(COLUMNS) - 2)
    return Glance(series.name, (texts.DICOM_SERIES, series.description, *unknown), notes=series.notes)


def _once(found: Iterable[tuple[str, str]]) -> list[str]:
    """Names with a sentence each → one line for each sentence, whatever its figures are: the first name's."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for name, sentence in found:
        groups.setdefault(FIGURES.sub("0", sentence), []).append((name, sentence))
    return [texts.likewise(": ".join(group[0]), [name for name, _ in group[1:]]) for group in groups.values()]


def describe(image: MedicalImage) -> list[tuple[str, str]]:
    """Format, size, depth, range, spacing and channels as pairs of words."""
    return [
        ("Format", image.file_format),
        ("Size", size(image)),
        ("Bit depth", f"{image.bit_depth} bit"),
        ("Intensities", _span(image.intensity_range) + (f" {image.unit}" if image.unit else "")),
        ("Spacing", spacing(image)),
        *([("Orientation", orientation(image))] if image.is_volume else []),
        ("Channels", _channels(image)),
    ]


def channel_table(image: MedicalImage) -> str:
    """Name, range and bit depth of each channel, where they are no colours; else nothing."""
    if image.channels == 1 or image.is_colour:
        return ""
    called = image.channel_names or tuple(str(index + 1) for index in range(image.channels))
    depths = image.channel_bit_depths or (image.bit_depth,) * image.channels
    found = zip(called, image.intensity_ranges, depths, strict=True)
    rows = [(name, _span(limits), f"{depth} bit") for name, limits, depth in found]
    return markup.table(texts.CHANNELS, CHANNEL_COLUMNS, rows, words=True)


def _channels(image: MedicalImage) -> str:
    if image.channels == 1:
        return "grey (1)"
    return "colour (3)" if image.is_colour else f"{image.channels}, no colours"


def _span(limits: tuple[float, float]) -> str:
    low, high = limits
    return f"{texts.number(low, 4)} to {texts.number(high, 4)}"


def size(image: MedicalImage) -> str:
    """Width × height, and slices, as people say it."""
    *slices, height, width = image.shape
    return f"{width} × {height} px" + (f", {slices[0]} slices" if slices else "")


def spacing(image: MedicalImage) -> str:
    """Pixel spacing in mm, fastest axis first; or that the file does not say."""
    if image.geometry.spacing_mm is None:
        return texts.UNKNOWN
    return " × ".join(texts.number(value) for value in reversed(image.geometry.spacing_mm)) + " mm"


def orientation(image: MedicalImage) -> str:
    """Which way a volume was cut, and where its columns, rows and slices run to in the patient."""
    affine = image.geometry.affine
    if affine is None:
        return texts.UNKNOWN
    across = orientation_letters(affine)
    through = orientation_letters(affine[:, [2, 0]])
    directions = " · ".join((across["right"], across["bottom"], through["right"]))
    return f"{plane_view(image, 'axial').name} slices, {directions}"
