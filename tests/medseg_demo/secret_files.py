"""A secret of the server, headers that name it in every spelling, and a search for it in whatever is given out."""

import base64
import contextlib
import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import nibabel
import numpy as np
from PIL import Image

SHAPE = (4, 24, 24)
SECRET = np.random.default_rng(2026).integers(0, 2, SHAPE, dtype=np.uint8)
PLACES = ("{secret}", "../elsewhere/secret", "./../elsewhere/secret", "file://{secret}", "linked", "sub/secret")


@dataclass(frozen=True)
class Trap:
    """A header that names the secret.

    Attributes:
        name: Its file's name, which is its own.
        content: Its bytes.
    """

    name: str
    content: bytes


def meta(*ends: str, before: str = "") -> bytes:
    x, y, z = SHAPE[::-1]
    head = f"ObjectType = Image\n{before}NDims = 3\nDimSize = {x} {y} {z}\nElementType = MET_UCHAR\n"
    return (head + "ElementSpacing = 1 1 1\n" + "".join(f"{end}\n" for end in ends)).encode()


def nrrd(*ends: str, before: str = "") -> bytes:
    x, y, z = SHAPE[::-1]
    head = f"NRRD0005\n{before}type: uchar\ndimension: 3\nsizes: {x} {y} {z}\nencoding: raw\nspacings: 1 1 1\n"
    return (head + "".join(f"{end}\n" for end in ends) + "\n").encode()


def traps(secret: Path) -> list[Trap]:
    """Every spelling, at every place; the secret's parts are ``secret.0`` to ``secret.3`` beside it."""
    found = {}
    for number, place in enumerate(PLACES):
        at = place.format(secret=secret)
        for index, content in enumerate(_spellings(at)):
            kind = "nrrd" if content.startswith(b"NRRD") else "mhd"
            found[f"trap_{number}_{index:02}.{kind}"] = content
    return [Trap(name, content) for name, content in found.items()]


def _spellings(at: str) -> Iterator[bytes]:
    padding = "Comment = " + "x" * 70_000 + "\n"
    for end in (
        *(f"ElementDataFile = {at}", f"ElementDataFile : {at}", f"ElementDataFile={at}", f"ElementDataFile:{at}"),
        *(f" ElementDataFile = {at}", f"\tElementDataFile\t=\t{at}", f"elementdatafile = {at}", f"{at}\r"),
        f"ElementDataFile = {at}\0.raw",
    ):
        yield meta(end if end[:1] in " \tEe" else f"ElementDataFile = {end}")
    yield meta(f"ElementDataFile = {at}", before=padding)
    yield meta("Comment = ElementDataFile = LOCAL", f"ElementDataFile = {at}")
    yield meta(f"ElementDataFile = {at}", "ElementDataFile = LOCAL")
    yield meta("ElementDataFile = LIST", *(f"{at}.{part}" for part in range(4)))
    yield meta("ElementDataFile = LIST 3D", at)
    yield meta(f"ElementDataFile = {at}.%d 0 3 1")
    yield meta(f"ElementDataFile = {at}.%01d 0 3")
    padding = "# " + "x" * 70_000 + "\n"
    for end in (
        *(f"data file: {at}", f"datafile: {at}", f"DATA FILE: {at}", f"Datafile:  {at} ", f"data file:{at}"),
        *(f" data file: {at}", f"data  file: {at}", f"data file: {at}\r"),
    ):
        yield nrrd(end)
    yield nrrd(f"data file: {at}", before=padding)
    yield nrrd(f"data file: {at}", before="key:=data file: LOCAL\n")
    yield nrrd("data file: LIST", *(f"{at}.{part}" for part in range(4)))
    yield nrrd("data file: LIST 3", at)
    yield nrrd(f"data file: {at}.%d 0 3 1")
    yield nrrd(f"data file: {at}.%01d 0 3 1 2")


def holds_secret(content: object) -> bool:
    """Whether bytes, an array, a text or a folder hold the pattern, or one slice of it, in any form it could take."""
    if isinstance(content, Path):
        if content.is_dir():
            return any(holds_secret(path) for path in content.rglob("*") if path.is_file() and not path.is_symlink())
        return holds_secret(content.read_bytes())
    if isinstance(content, np.ndarray):
        return any(_in_array(values) for values in (content, content.T))
    if isinstance(content, str):
        packed = (_base64(word) for word in re.findall(r"[A-Za-z0-9+/=_-]{200,}", content))
        digits = re.sub(r"[^01]", "", content)
        return any(_text(values) in digits for values in SECRET) or any(map(holds_secret, packed))
    assert isinstance(content, bytes)
    return any(_in_bytes(values) for values in _unpacked(content))


def _in_array(values: np.ndarray) -> bool:
    if values.dtype.kind not in "buif" or values.size < SECRET[0].size:
        return False
    return _in_bytes((values > values.min()).astype(np.uint8).tobytes())


def _in_bytes(content: bytes) -> bool:
    return any((values * factor).tobytes() in content for values in SECRET for factor in (1, 255))


def _text(values: np.ndarray) -> str:
    return "".join(map(str, values.ravel().tolist()))


def _base64(word: str) -> bytes:
    with contextlib.suppress(ValueError):
        return base64.b64decode(word + "===")
    return b""


def _unpacked(content: bytes) -> Iterator[bytes]:
    yield content
    for unpack in (gzip.decompress, zlib.decompress):
        with contextlib.suppress(OSError, EOFError, zlib.error):
            yield unpack(content)
    with contextlib.suppress(zipfile.BadZipFile, NotImplementedError), zipfile.ZipFile(io.BytesIO(content)) as archive:
        for name in archive.namelist():
            yield from _unpacked(archive.read(name))
    with contextlib.suppress(OSError, SyntaxError, ValueError):
        yield np.array(Image.open(io.BytesIO(content))).tobytes()
    with contextlib.suppress(Exception):
        plain = gzip.decompress(content) if content.startswith(b"\x1f\x8b") else content
        image = nibabel.Nifti1Image.from_bytes(plain)
        values = np.asanyarray(image.dataobj)
        yield from ((each > each.min()).astype(np.uint8).tobytes() for each in (values, values.T))
    head, _, body = content.partition(b"\n\n")
    if head.startswith(b"NRRD") and body:
        yield from _unpacked(body)
