"""The card right after an upload: what was read, before anything is segmented."""

from pathlib import Path

from medseg_demo.errors import ReadError
from medseg_demo.image import MedicalImage
from medseg_demo.models.card import ModelCard
from medseg_demo.readers import read_image
from medseg_demo.segmentation import check_fit
from medseg_demo.settings import Settings
from medseg_demo.ui import markup, texts

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


def files_card(files: tuple[Path, ...], settings: Settings) -> str:
    """How many files wait, and what the first ones are; those that cannot be read are named with the reason."""
    rows, problems = [], []
    for file in files[:SHOWN_FILES]:
        try:
            image = read_image(file, settings=settings)
            rows.append([file.name, image.file_format, size(image)])
        except ReadError as error:
            problems.append(str(error))
    table = markup.table("Files", ("File", "Format", "Size"), rows, words=True) if rows else ""
    more = markup.small(texts.MORE_FILES.format(count=len(files) - SHOWN_FILES)) if len(files) > SHOWN_FILES else ""
    title = texts.FILES.format(count=len(files))
    return markup.card(title, table, more, markup.bullets(problems, kind="warning"), note=texts.PREFLIGHT)


def describe(image: MedicalImage) -> list[tuple[str, str]]:
    """Format, size, depth, range, spacing and channels as pairs of words."""
    low, high = image.intensity_range
    return [
        ("Format", image.file_format),
        ("Size", size(image)),
        ("Bit depth", f"{image.bit_depth} bit"),
        ("Intensities", f"{texts.number(low, 4)} to {texts.number(high, 4)}"),
        ("Spacing", spacing(image)),
        ("Channels", "colour (3)" if image.channels == 3 else "grey (1)"),
    ]


def size(image: MedicalImage) -> str:
    """Width × height, and slices, as people say it."""
    *slices, height, width = image.shape
    return f"{width} × {height} px" + (f", {slices[0]} slices" if slices else "")


def spacing(image: MedicalImage) -> str:
    """Pixel spacing in mm, fastest axis first; or that the file does not say."""
    if image.geometry.spacing_mm is None:
        return "unknown"
    return " × ".join(texts.number(value) for value in reversed(image.geometry.spacing_mm)) + " mm"
