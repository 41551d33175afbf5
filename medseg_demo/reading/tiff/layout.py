"""What a TIFF holds, from its directories alone: its volumes, what the samples of a pixel are, and of which type."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from medseg_demo.image import COLOURS
from medseg_demo.reading.raw import Layout, Samples
from medseg_demo.reading.source import Source, check_bytes
from medseg_demo.reading.tiff.ome import by_ome, is_ome
from medseg_demo.reading.tiff.pages import (
    COLOUR_MAP,
    INK_SET,
    PHOTOMETRIC,
    Page,
    open_tiff,
    orientation,
    parse_page,
    read_pages,
    refused,
)
from medseg_demo.reading.tiff.planes import Planes, by_imagej, by_tifffile, described_by_tifffile, plain

if TYPE_CHECKING:
    from tifffile import TiffPage

MIN_IS_WHITE, MIN_IS_BLACK, RGB, PALETTE, MASK, CMYK, YCBCR = range(7)
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4
ASSOCIATED, UNASSOCIATED = 1, 2
SAMPLES: dict[Samples, int] = {"one": 1, "grey+opacity": 2, "colour": 3, "colour+opacity": 4}
JPEG, FAX, JPEG_2000 = 7, (2, 3, 4), (33004, 33005, 34712)
COMPRESSIONS = (1, *FAX, 5, JPEG, 8, 32773, 32946, *JPEG_2000, 34925, 34933, 50000, 50001)
# Programs whose descriptions call pages channels, times or levels in words of their own.
PROGRAMS = {
    r"PerkinElmer-QPI": "PerkinElmer's QPI",
    r"<scn\b": "Leica's SCN",
    r"<indica\b": "HALO",
    r"SI\.hChannels|scanimage\.SI|state\.configName": "ScanImage",
    r"<MetaData>": "MetaSeries",
    r'"mibi\.|"channel\.': "MIBI",
    r"<DataObject ObjectType=\"DPUfsImport": "Philips",
}


@dataclass(frozen=True, eq=False, kw_only=True)
class Content:
    """What was found, for ``pixels`` to read.

    Attributes:
        offset: Of the directory of one of the pages; all have the same size and kind.
        places: (volumes, slices): where the directory of each page starts.
        is_plain: Whether it is where its values start that lie in one piece, not compressed, instead.
        planes: Their names, spacing and notes.
        samples: What the samples of a pixel are.
        opacity: 0 none, 1 associated, 2 unassociated.
        sample_names: One a sample, where each is a volume of its own.
    """

    offset: int
    places: np.ndarray
    is_plain: bool
    planes: Planes
    samples: Samples
    opacity: int
    sample_names: tuple[str, ...]


def inspect(source: Source) -> Layout:
    """The volumes of a file.

    Raises:
        UnsupportedImageError: A layout that is not read here, named.
        DamagedFileError: Directories contradict themselves or the file's length.
        ImageTooLargeError: They claim too much.
    """
    pages, planes = _planes(read_pages(source), source)
    first = pages[0 if planes.is_contiguous else int(planes.order[0, 0])]
    is_plain = planes.is_contiguous or all(page.start for page in pages)
    if planes.is_contiguous:
        places = first.start + planes.order * first.size
    else:
        places = np.array([page.start if is_plain else page.offset for page in pages])[planes.order]
    with open_tiff(source) as file:
        page = parse_page(file, first.offset)
        dtype = _check(page, source)
        samples, opacity, sample_names = _samples(page)
    _, deep, rows, columns, _ = page.shaped
    depth = places.shape[1]
    if deep > 1 and depth > 1:
        raise refused(source, f"each of its pages is a volume of {deep} slices", "Save each as a file of its own")
    each = 4 if page.photometric == PALETTE else 1  # its colours take three bytes more
    check_bytes(math.prod(page.shaped) * dtype.itemsize * depth * each, source)
    rows, columns = (columns, rows) if orientation(page) > 4 else (rows, columns)
    slices = (depth * deep,) if planes.is_volume or deep > 1 else ()
    inner = sample_names or ("",)
    names = tuple(", ".join(filter(None, (outer, own))) for outer in planes.names or ("",) for own in inner)
    return Layout(
        shape=(*slices, rows, columns),
        dtype=dtype,
        samples=SAMPLES[samples],
        volumes=len(places) * len(inner),
        volume_names=names if any(names) else (),
        header=Content(
            offset=first.offset,
            places=places,
            is_plain=is_plain,
            planes=planes,
            samples=samples,
            opacity=opacity,
            sample_names=sample_names,
        ),
    )


def _planes(found: tuple[Page, ...], source: Source) -> tuple[tuple[Page, ...], Planes]:
    """The pages that count, and what they are."""
    texts = found[0].descriptions
    ome = next((text for text in texts if is_ome(text)), None)
    if ome is not None:
        return found, by_ome(ome, found, source)
    pages = tuple(page for page in found if not page.is_reduced) or found
    imagej = next((text for text in pages[0].descriptions if text.startswith(("ImageJ=", "SCIFIO="))), None)
    planes = None
    if imagej is not None:
        planes = by_imagej(imagej, pages, source)
    elif described_by_tifffile(pages[0]):
        planes = by_tifffile(pages[0].descriptions[0], pages, source)
    elif len(pages) > 1:
        _check_program(texts, source)
    planes = planes or plain(pages, source)
    notes: tuple[str, ...] = ()
    if len(pages) == 1 < len(found):
        number = found.index(pages[0])
        which = "the first" if number == 0 else f"number {number + 1}"
        notes = (f"Only {which} of {len(found)} pages was read: the others are smaller copies (thumbnails) or masks.",)
    elif len(pages) < len(found):
        notes = (f"{len(found) - len(pages)} of {len(found)} pages were left out: smaller copies of others, or masks.",)
    return pages, replace(planes, notes=(*notes, *planes.notes))


def _check_program(texts: Sequence[str], source: Source) -> None:
    for pattern, name in PROGRAMS.items():
        if any(re.search(pattern, text[:100_000]) for text in texts):
            raise refused(
                source, f"what its pages are (channels, times) stands in {name}'s words", "Export it as OME-TIFF"
            )


def _sample_type(bits: int, kind: int) -> np.dtype | None:
    """The type that holds samples; None where there is none, or it is not clear how they are stored."""
    # Of 24 bits it is not clear whether the bytes of a sample follow the file's order.
    if kind in (UNSIGNED, UNDEFINED) and bits != 24 and (1 <= bits <= 32 or bits == 64):
        return np.dtype("u1" if bits <= 8 else "u2" if bits <= 16 else "u4" if bits <= 32 else "u8")
    if (kind == SIGNED and bits in (8, 16, 32, 64)) or (kind == FLOAT and bits in (16, 32, 64)):
        return np.dtype(f"{'i' if kind == SIGNED else 'f'}{bits // 8}")
    return None


def _check(page: "TiffPage", source: Source) -> np.dtype:
    """The type of the samples of a page.

    Raises:
        UnsupportedImageError: It is stored in a way that is not read here.
    """
    code, bits, kind, samples = page.compression, page.bitspersample, page.sampleformat, page.shaped[4]
    meaning, extra = page.tags.valueof(PHOTOMETRIC, MIN_IS_BLACK), page.samplesperpixel - _own(page)
    dtype = _sample_type(bits, kind)
    colours, number = getattr(meaning, "name", meaning), getattr(kind, "name", kind)  # of tifffile's enumerations
    has_inks = not extra and page.tags.valueof(INK_SET, 1) == 1 and code != JPEG and kind == UNSIGNED
    has_palette = not extra and palette(page) is not None and kind == UNSIGNED
    in_jpeg = {JPEG: (1, 3), **dict.fromkeys(JPEG_2000, (1, 2, 3, 4))}.get(code, (samples,))
    faults = (
        (dtype is None, f"its samples are of {bits} bits ({number})"),
        (code not in COMPRESSIONS, f"its compression is {getattr(code, 'name', code)}"),
        (page.planarconfig not in (1, 2), "the order of its samples (PlanarConfiguration) is not known"),
        (samples not in in_jpeg, f"it holds JPEG data of {samples} samples a pixel"),
        (page.photometric == YCBCR and (code != JPEG or page.shaped[0] > 1), "its colours are YCbCr without JPEG"),
        # tifffile hands the encoder big-endian values as if they were little-endian, others do not.
        (
            code in JPEG_2000 and bits > 8 and page.parent.byteorder == ">",
            "it is big-endian and holds JPEG 2000 of more than 8 bits, which programs write with different byte orders",
        ),
        # The standard packs the bits of all samples in turn, tifffile those of each row of samples.
        (bits == 1 and samples > 1, f"it holds {samples} samples of 1 bit in turn, which programs pack differently"),
        (code in FAX and bits != 1, f"it is compressed as fax, with {bits} bits a sample"),
        (meaning not in range(YCBCR + 1), f"its colours are {colours}"),
        (extra < 0, f"it is said to be in colour, and has {page.samplesperpixel} samples a pixel"),
        (meaning == CMYK and not has_inks, "its inks are not the four of CMYK"),
        (meaning == PALETTE and not has_palette, "its palette is missing or not for each of its samples"),
    )
    for is_fault, feature in faults:
        if is_fault:
            raise refused(
                source,
                f"{feature}, which is not read here",
                "Save it as grey or RGB of 8, 16 or 32 bits, without compression",
            )
    assert dtype is not None
    return dtype


def _own(page: "TiffPage") -> int:
    """How many samples the colours of a page take; the others are extra."""
    return {RGB: 3, YCBCR: 3, CMYK: 4}.get(page.tags.valueof(PHOTOMETRIC), 1)


def _samples(page: "TiffPage") -> tuple[Samples, int, tuple[str, ...]]:
    """What the samples of a pixel are, their opacity, and their names: as ``Content`` has them."""
    own = _own(page)
    extra = page.samplesperpixel - own
    if not extra:
        return "colour" if own > 1 else "one", 0, ()
    stated = (*page.extrasamples, *[0] * extra)[:extra]
    if extra == 1 and stated[0] in (ASSOCIATED, UNASSOCIATED):
        return "colour+opacity" if own > 1 else "grey+opacity", stated[0], ()
    named = COLOURS if own > 1 else ("channel 1",)
    others = ("opacity" if kind else f"channel {own + index + 1}" for index, kind in enumerate(stated))
    return "one", 0, (*named, *others)


def palette(page: "TiffPage") -> np.ndarray | None:
    """(N, 3) uint8 colours; None where there are none, or not one for each value."""
    colours = page.tags.valueof(COLOUR_MAP)
    if colours is None or colours.shape != (3, 2**page.bitspersample):
        return None
    # Some programs write 8 bits where the standard has 16.
    return (colours.T if colours.max() < 256 else colours.T >> 8).astype(np.uint8)
