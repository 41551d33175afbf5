"""Layouts of TIFF, as tifffile writes them, against the array that was written: right or refused, never other."""

import itertools
import random
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import tifffile

from medseg_demo.errors import ReadError, UnsupportedImageError
from medseg_demo.reading import formats
from medseg_demo.reading.source import open_source
from medseg_demo.settings import Settings

ROWS, COLUMNS = 21, 35
DTYPES = ("bool", "u1", "i1", "u2", "i2", "u4", "i4", "u8", "i8", "f2", "f4", "f8", "c8")
# What the samples are: photometric, how many, ExtraSamples, and how the reader has to see them.
MEANINGS = {
    "grey": ("minisblack", 1, None, "one"),
    "white": ("miniswhite", 1, None, "one"),
    "colour": ("rgb", 3, None, "colour"),
    "opacity": ("rgb", 4, ["unassalpha"], "colour+opacity"),
    "multiplied": ("rgb", 4, ["assocalpha"], "colour"),
    "fourth": ("rgb", 4, ["unspecified"], "volumes"),
    "fifth": ("rgb", 5, ["unassalpha", "unspecified"], "volumes"),
    "two": ("minisblack", 2, ["unspecified"], "volumes"),
    "grey opacity": ("minisblack", 2, ["unassalpha"], "grey+opacity"),
    "five": ("minisblack", 5, None, "volumes"),
    "palette": ("palette", 1, None, "one"),
    "inks": ("separated", 4, None, "colour"),
    "lab": ("cielab", 3, None, "refused"),
}
COMPRESSIONS = (None, "zlib", "lzw", "packbits", "zstd", "lzma", "jpeg", "jpeg2000", "png", "webp", "jpegxl", "lerc")
LOSSY = {"jpeg": 40}
METADATA = ("none", "tifffile", "ome", "imagej")


@dataclass(frozen=True)
class Written:
    dtype: str
    meaning: str
    planar: str
    compression: str | None
    predictor: bool
    order: str
    tile: bool
    pages: int
    big: bool
    rows: int | None
    metadata: str
    orientation: int


def layouts(count: int) -> list[Written]:
    """All of the axes that go wrong together, and so many random ones of the whole product."""
    chance = random.Random(8)
    axes = (
        DTYPES,
        tuple(MEANINGS),
        ("contig", "separate"),
        COMPRESSIONS,
        (False, False, True),
        ("<", ">"),
        (False, True),
        (1, 3),
        (False, True),
        (None, 5),
        METADATA,
        (1, 1, 1, 2, 3, 4, 5, 6, 7, 8),
    )
    plain = itertools.product(DTYPES, MEANINGS, ("contig", "separate"), ("<", ">"), (1, 3))
    found = [Written(d, m, p, None, False, o, False, n, False, None, "none", 1) for d, m, p, o, n in plain]
    found += [Written(*(chance.choice(axis) for axis in axes)) for _ in range(count)]
    return list(dict.fromkeys(found))


def samples(written: Written) -> np.ndarray:
    """(pages, Y, X, samples) of no pattern, in the whole range of the type; smooth where the compression is lossy."""
    kind, count = np.dtype(written.dtype), MEANINGS[written.meaning][1]
    shape = (written.pages, ROWS, COLUMNS, count)
    chance = np.random.default_rng(11)
    if written.compression in LOSSY:
        page, y, x, sample = np.indices(shape)
        return (60 + 2 * y + 3 * x + 9 * page + 5 * sample).astype(kind)
    if kind.kind == "b":
        return chance.random(shape) > 0.5
    if kind.kind in "fc":
        return (chance.random(shape) * (1 if "opa" in written.meaning or "mult" in written.meaning else 300)).astype(
            kind
        )
    bounds = np.iinfo(kind)
    return chance.integers(bounds.min, bounds.max, shape, dtype=kind, endpoint=True)


def write(path: Path, written: Written, values: np.ndarray) -> bool:
    """Write it; False where tifffile cannot, or would write something else."""
    photometric, count, extra, _ = MEANINGS[written.meaning]
    if count == 1:
        if written.planar == "separate":
            return False
        data = values[..., 0]
    else:
        data = values if written.planar == "contig" else np.moveaxis(values, -1, 1)
    data = data if written.pages > 1 else data[0]
    options: dict[str, object] = {"photometric": photometric, "compression": written.compression}
    if count > 1:
        options |= {"planarconfig": written.planar, "extrasamples": extra}
    if written.compression == "jpeg" and written.dtype == "u2" and "opacity" in written.meaning:
        return False  # 12 bits: opacity is spread over the type, and so is what was lost
    if written.meaning == "palette":
        if written.dtype not in ("u1", "u2"):
            return False
        entries = 2 ** (8 * np.dtype(written.dtype).itemsize)
        options["colormap"] = np.arange(3 * entries).reshape(3, entries).astype(np.uint16)
    if written.predictor:
        options["predictor"] = True
    if written.tile:
        options["tile"] = (16, 32)
    elif written.rows:
        options["rowsperstrip"] = written.rows
    if written.orientation > 1:
        options["extratags"] = [(274, "H", 1, written.orientation, False)]
    axes = ("Z" if written.pages > 1 else "") + {1: "YX"}.get(count, "YXS" if written.planar == "contig" else "SYX")
    options |= {
        "none": {"metadata": None},
        "tifffile": {},
        "ome": {"ome": True, "metadata": {"axes": axes}},
        "imagej": {"imagej": True, "metadata": {"axes": axes}},
    }[written.metadata]
    if written.metadata == "imagej" and (count not in (1, 3) or written.planar == "separate"):
        return False
    try:
        tifffile.imwrite(path, data, byteorder=written.order, bigtiff=written.big, **options)
    except Exception:
        return False
    with tifffile.TiffFile(path) as file:  # what the options said is in the tags
        page = file.pages[0]
        return page.photometric.name.lower() == photometric and page.samplesperpixel == count


def expected(written: Written, values: np.ndarray) -> list[np.ndarray]:
    """The volumes that were written, turned; colours and opacity last."""
    _, _, _, seen = MEANINGS[written.meaning]
    turned = np.stack([turn(page, written.orientation) for page in values])
    if written.meaning == "inks":
        most = 1 if values.dtype.kind == "b" else np.iinfo(values.dtype).max
        light = 1 - turned.astype(float) / most
        turned = np.rint(light[..., :3] * light[..., 3:] * most)
    if values.dtype.kind == "b" and written.meaning in ("opacity", "grey opacity"):
        turned = turned * np.array([1] * (turned.shape[-1] - 1) + [255], np.uint8)  # opacity to the type's maximum
    if written.meaning == "multiplied":
        turned = turned[..., :3]
    volumes = [turned[..., index : index + 1] for index in range(turned.shape[-1])] if seen == "volumes" else [turned]
    volumes = [volume[..., 0] if volume.shape[-1] == 1 else volume for volume in volumes]
    return [volume if written.pages > 1 else volume[0] for volume in volumes]


def turn(page: np.ndarray, orientation: int) -> np.ndarray:
    """The eight orientations of TIFF 6.0, written out."""
    return {
        1: lambda: page,
        2: lambda: page[:, ::-1],
        3: lambda: page[::-1, ::-1],
        4: lambda: page[::-1],
        5: lambda: page.swapaxes(0, 1),
        6: lambda: np.rot90(page, -1),
        7: lambda: page[::-1, ::-1].swapaxes(0, 1),
        8: lambda: np.rot90(page),
    }[orientation]()


def outcome(path: Path, written: Written, values: np.ndarray) -> str:
    with open_source(path, Settings()) as source:
        found = formats.inspect(source)
        right = expected(written, values)
        if found.layout.volumes != len(right):
            return f"{found.layout.volumes} volumes"
        for number, volume in enumerate(right, start=1):
            raw = formats.decode(source, found, number)
            array = raw.array
            if array.shape != volume.shape or array.dtype.kind != (
                "u" if values.dtype.kind == "b" else values.dtype.kind
            ):
                return f"shape {array.shape} {array.dtype}"
            limit = LOSSY.get(written.compression or "", 0)
            if np.abs(array.astype(np.longdouble) - volume.astype(np.longdouble)).max() > limit:
                return "other values"
            if (raw.polarity is not None) != (written.meaning == "white"):
                return "polarity"
            bits = 1 if written.dtype == "bool" else 8 * values.dtype.itemsize
            if raw.bit_depth != (12 if written.compression == "jpeg" and bits == 16 else bits):
                return f"bits {raw.bit_depth}"
    return "right"


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of what tifffile thinks of writing some of them
@pytest.mark.parametrize("part", range(6))
def test_every_layout_is_read_right_or_refused(tmp_path, part):
    counts: Counter[str] = Counter()
    faults = []
    for number, written in enumerate(layouts(4500)[part::6]):
        path, values = tmp_path / f"{number}.tif", samples(written)
        if not write(path, written, values):
            continue
        try:
            result = outcome(path, written, values)
        except UnsupportedImageError:
            result = "refused"
        except ReadError as error:
            result = f"called {error}"
        counts[result if result in ("right", "refused") else "other"] += 1
        if result not in ("right", "refused"):
            faults.append((written, result))
        path.unlink()
    assert not faults[:5]
    assert counts["right"] > 2 * counts["refused"]
    assert sum(counts.values()) > 350
