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
PHOTOMETRICS = {8: "CIELab", 9: "ICCLab", 10: "ITULab", 32803: "a colour filter array (raw camera data)"}
PHOTOMETRICS |= {32844: "CIE LogL", 32845: "CIE LogLuv", 34892: "linear raw camera data", 51177: "depth"}
UNSIGNED, SIGNED, FLOAT, UNDEFINED = 1, 2, 3, 4
ASSOCIATED, UNASSOCIATED = 1, 2
SAMPLES: dict[Samples, int] = {"one": 1, "grey+opacity": 2, "colour": 3, "colour+opacity": 4}
JPEG = 7
FAX = (2, 3, 4)
JPEG_2000 = (33004, 33005, 34712)
COMPRESSIONS = (1, *FAX, 5, JPEG, 8, 32773, 32946, *JPEG_2000, 34925, 34933, 50000, 50001)
NAMES = {6: "old-style JPEG", 9: "JBIG", 32809: "ThunderScan", 32909: "PixarLog", 33003: "JPEG 2000 in YCbCr (Aperio)"}
NAMES |= {34661: "JBIG", 34887: "LERC", 34892: "lossy DNG", 34934: "JPEG XR", 22610: "JPEG XR", 50002: "JPEG XL"}
NAMES |= {52546: "JPEG XL", 48124: "Jetraw", 65000: "EER", 65001: "EER", 65002: "EER", 34676: "SGI LogL"}
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
        places: (volumes, slices): where the directory of each page starts, or the values themselves where one
            directory stands for all.
        planes: Their names, spacing and notes.
        samples: What the samples of a pixel are.
        opacity: 0 none, 1 associated, 2 unassociated.
        sample_names: One a sample, where each is a volume of its own.
    """

    offset: int
    places: np.ndarray
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
    if planes.is_contiguous:
        places = first.start + planes.order * first.size
    else:
        places = np.array([page.offset for page in pages])[planes.order]
    with open_tiff(source) as file:
        page = parse_page(file, first.offset)
        dtype = sample_type(page, source)
        _check_codec(page, source)
        samples, opacity, sample_names = _samples(page, source)
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
    return pages, replace(planes, notes=(*_left_out(found, pages), *planes.notes))


def _check_program(texts: Sequence[str], source: Source) -> None:
    for pattern, name in PROGRAMS.items():
        if any(re.search(pattern, text[:100_000]) for text in texts):
            raise refused(
                source, f"what its pages are (channels, times) stands in {name}'s words", "Export it as OME-TIFF"
            )


def _left_out(found: Sequence[Page], pages: Sequence[Page]) -> tuple[str, ...]:
    if len(found) == len(pages):
        return ()
    if len(pages) > 1:
        return (f"{len(found) - len(pages)} of {len(found)} pages were left out: smaller copies of others, or masks.",)
    number = found.index(pages[0])
    which = "the first" if number == 0 else f"number {number + 1}"
    return (
        f"Only {which} of {len(found)} pages was read: the others are marked as smaller copies (thumbnails) or masks.",
    )


def sample_type(page: "TiffPage", source: Source) -> np.dtype:
    """The type that holds the samples of a page.

    Raises:
        UnsupportedImageError: They are complex, or of a number of bits that is not read.
    """
    bits, kind = page.bitspersample, page.sampleformat
    # Of 24 bits it is not clear whether the bytes of a sample follow the file's order.
    if kind in (UNSIGNED, UNDEFINED) and bits != 24 and (1 <= bits <= 32 or bits == 64):
        return np.dtype("u1" if bits <= 8 else "u2" if bits <= 16 else "u4" if bits <= 32 else "u8")
    if kind == SIGNED and bits in (8, 16, 32, 64):
        return np.dtype(f"i{bits // 8}")
    if kind == FLOAT and bits in (16, 32, 64):
        return np.dtype(f"f{bits // 8}")
    words = {SIGNED: "signed integers", FLOAT: "floating-point numbers", 5: "complex integers", 6: "complex numbers"}
    raise refused(
        source,
        f"its samples are {words.get(kind, 'whole numbers')} of {bits} bits, which are not read here",
        "Save them with 8, 16 or 32 bits",
    )


def _check_codec(page: "TiffPage", source: Source) -> None:
    code, bits, samples = page.compression, page.bitspersample, page.shaped[4]
    if code not in COMPRESSIONS:
        name = NAMES.get(code, f"number {code}")
        raise refused(
            source, f"its compression ({name}) is not read here", "Save it without compression, or with deflate"
        )
    if page.planarconfig not in (1, 2):
        raise refused(
            source, f"the order of its samples (number {page.planarconfig}) is not known here", "Save it anew"
        )
    most = {JPEG: (1, 3), **dict.fromkeys(JPEG_2000, (1, 2, 3, 4))}.get(code)
    if most and samples not in most:
        raise refused(source, f"it holds JPEG data of {samples} samples a pixel", "Save it without compression")
    if page.photometric == YCBCR and (code != JPEG or page.shaped[0] > 1):
        raise refused(
            source, "its colours are YCbCr without JPEG compression, which is not read here", "Save it as RGB"
        )
    if code in JPEG_2000 and bits > 8 and page.parent.byteorder == ">":
        # tifffile hands the encoder big-endian values as if they were little-endian, others do not.
        raise refused(
            source,
            "it is big-endian and holds JPEG 2000 of more than 8 bits, which programs write with different byte orders",
            "Save it little-endian, or with another compression",
        )
    if bits == 1 and samples > 1:
        # The standard packs the bits of all samples in turn, tifffile those of each row of samples.
        raise refused(
            source, f"it holds {samples} samples of 1 bit in turn, which programs pack differently", "Use 8 bits"
        )
    if code in FAX and bits != 1:
        raise refused(source, f"it is compressed as fax, with {bits} bits a sample", "Save it without compression")


def _samples(page: "TiffPage", source: Source) -> tuple[Samples, int, tuple[str, ...]]:
    """What the samples of a pixel are, their opacity, and their names: as ``Content`` has them."""
    meaning, count = page.tags.valueof(PHOTOMETRIC), page.samplesperpixel
    if meaning is not None and meaning not in range(YCBCR + 1):
        name = PHOTOMETRICS.get(meaning, f"photometric interpretation {meaning}")
        raise refused(source, f"its colours are {name}, which is not read here", "Save it as RGB or grey")
    own = {RGB: 3, YCBCR: 3, CMYK: 4}.get(meaning, 1) if meaning is not None else 1
    extra = count - own
    if extra < 0:
        raise refused(source, f"it is said to be in colour, and has {count} samples a pixel", "Save it anew")
    is_unsigned = page.sampleformat == UNSIGNED
    if meaning == CMYK and (extra or page.tags.valueof(INK_SET, 1) != 1 or page.compression == JPEG or not is_unsigned):
        raise refused(source, "its inks are not the four of CMYK, which are not read here", "Save it as RGB")
    if meaning == PALETTE and (extra or palette(page) is None or not is_unsigned):
        raise refused(
            source, "it is said to have a palette, which is missing or not for each of its samples", "Save it anew"
        )
    is_colour = own > 1
    if not extra:
        return "colour" if is_colour else "one", 0, ()
    stated = (*page.extrasamples, *[0] * extra)[:extra]
    if extra == 1 and stated[0] in (ASSOCIATED, UNASSOCIATED):
        return "colour+opacity" if is_colour else "grey+opacity", stated[0], ()
    named = COLOURS if is_colour else ("channel 1",)
    others = ("opacity" if kind else f"channel {own + index + 1}" for index, kind in enumerate(stated))
    return "one", 0, (*named, *others)


def palette(page: "TiffPage") -> np.ndarray | None:
    """(N, 3) uint8 colours; None where there are none, or not one for each value."""
    colours = page.tags.valueof(COLOUR_MAP)
    if colours is None or colours.shape != (3, 2**page.bitspersample):
        return None
    # Some programs write 8 bits where the standard has 16.
    return (colours.T if colours.max() < 256 else colours.T >> 8).astype(np.uint8)
