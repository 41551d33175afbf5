"""The card right after an upload: what was read, before anything is segmented."""

from collections.abc import Sequence

from medseg_demo.errors import ReadError
from medseg_demo.fit import check_fit
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.readers import Series
from medseg_demo.rendering.planes import orientation_letters, plane_view
from medseg_demo.settings import Settings
from medseg_demo.ui import markup, texts
from medseg_demo.ui.studies import Study

SHOWN_FILES = 8


def image_card(image: MedicalImage, card: ModelCard | None) -> str:
    """The facts of one image, what the reader noted, and how it differs from what the checkpoint expects."""
    warnings = check_fit(image, card) if card else []
    return markup.card(
        image.name,
        markup.facts(describe(image)),
        markup.bullets(image.notes),
        markup.bullets(warnings, kind="warning"),
        note=texts.PREFLIGHT,
    )


def studies_card(studies: Sequence[Study], settings: Settings) -> str:
    """How many wait, and what the first ones are; those that cannot be read are named with the reason."""
    rows, problems = [], []
    for study in studies[:SHOWN_FILES]:
        try:
            rows.append([study.name, *_kind(study, settings)])
        except ReadError as error:
            problems.append(str(error))
    table = markup.table("Files", ("File", "Format", "Size"), rows, words=True) if rows else ""
    left = len(studies) - SHOWN_FILES
    more = markup.small(texts.MORE_FILES.format(count=left)) if left > 0 else ""
    joined = any(study.volume or isinstance(study.item, Series) for study in studies)
    title = (texts.STUDIES if joined else texts.FILES).format(count=len(studies))
    return markup.card(title, table, more, markup.bullets(problems, kind="warning"), note=texts.PREFLIGHT)


def _kind(study: Study, settings: Settings) -> tuple[str, str]:
    """Format and size; a series says them without being read."""
    if isinstance(study.item, Series):
        return texts.DICOM_SERIES, study.item.description
    image = study.read(settings)
    return image.file_format, size(image)


def describe(image: MedicalImage) -> list[tuple[str, str]]:
    """Format, size, depth, range, spacing and channels as pairs of words."""
    low, high = image.intensity_range
    return [
        ("Format", image.file_format),
        ("Size", size(image)),
        ("Bit depth", f"{image.bit_depth} bit"),
        ("Intensities", f"{texts.number(low, 4)} to {texts.number(high, 4)}"),
        ("Spacing", spacing(image)),
        *([("Orientation", orientation(image))] if image.is_volume else []),
        ("Channels", "colour (3)" if image.channels == 3 else "grey (1)"),
    ]


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
    return f"{plane_view(image, 'axial').name.lower()} slices, {directions}"
