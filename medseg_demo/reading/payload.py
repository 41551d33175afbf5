"""The values behind a header of NIfTI, NRRD or MetaImage: which files hold them, unpacked under limits.

A header is written by whoever uploads it. Therefore a data file is a plain name in the header's own folder, opened by
``open_beside``, which follows no link out of it, and no library ever sees the name.
"""

import bz2
import os
import re
import unicodedata
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

import numpy as np

from medseg_demo import names
from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.source import MIB, Source, open_beside, read_into

Encoding = Literal["raw", "gzip", "zlib", "bzip2", "text", "hex"]
# What unpacks each; MetaImage has both zlib and gzip streams under one name.
UNPACKERS: dict[str, Callable[[], Any]] = {
    "gzip": lambda: zlib.decompressobj(wbits=31),
    "zlib": lambda: zlib.decompressobj(wbits=47),
    "bzip2": bz2.BZ2Decompressor,
}
BLOCK = 4 * MIB
MAX_TRAILING = 64 * MIB
MOST_FILES = 20_000
MOST_SKIPPED = 2**30
# Bytes that one stored byte can become: of deflate by zlib's technical notes, of bzip2 without a bound.
MOST_UNPACKED = {"gzip": 1032, "zlib": 1032, "bzip2": 2**40, "raw": 1, "hex": 0.5, "text": 8}
LONGEST_WORD = 512
PATTERN = re.compile(r"(.*)%(0?\d{0,2})[du](.*?)((?:\s+-?\d{1,9}){0,4})")
TOGETHER = "Give the header and its data files together, or save both as one .mha or .nrrd file."


@dataclass(frozen=True, eq=False, kw_only=True)
class Payload:
    """Where the values are, and how they are stored.

    Attributes:
        dtype: With its byte order.
        count: Of the values in all files together.
        encoding: "zlib" also stands for gzip, as in MetaImage; "text" for decimal numbers.
        files: Names beside the header, each with an equal share of the values; empty where they follow the header.
        start: Where they begin in the header's own file, if they follow it.
        line_skip: Lines before the values of each file.
        byte_skip: Bytes before the values of each file, after these lines; −1 where the values are its last bytes. Of
            gzip and bzip2, bytes of the unpacked stream.
        allows_more: Whether something may follow the values, and is ignored with a note.
    """

    dtype: np.dtype
    count: int
    encoding: Encoding
    files: tuple[str, ...] = ()
    start: int = 0
    line_skip: int = 0
    byte_skip: int = 0
    allows_more: bool = False

    @property
    def size(self) -> int:
        """Bytes of all values, unpacked."""
        return self.count * self.dtype.itemsize

    @property
    def share(self) -> int:
        """Bytes of one file's values, unpacked."""
        return self.size // max(1, len(self.files))

    @property
    def unpacked_skip(self) -> int:
        """Bytes before the values in an unpacked stream."""
        return self.byte_skip if self.encoding in ("gzip", "bzip2") else 0


def data_files(
    stated: str, listed: list[str], source: Source, *, numbers: tuple[int, ...] | None = None
) -> tuple[str, ...]:
    """The data files that a header names: those of a list, of a pattern such as ``a%03d.raw 1 9 1``, or one.

    Args:
        stated: The field.
        listed: The lines after a field ``LIST``.
        source: The header.
        numbers: First, last and step of a pattern that states none; None where it has to.

    Returns:
        Their names, without a leading ``./``.

    Raises:
        UnsupportedImageError: One is not a plain name, or there are too many.
        DamagedFileError: A pattern counts the wrong way.
    """
    found = [stated]
    pattern = PATTERN.fullmatch(stated)
    if is_list(stated):
        found = listed
    elif pattern is not None and (numbers is not None or len(pattern[4].split()) >= 3):
        own = tuple(map(int, pattern[4].split()))
        first, last, step = (*own, *(numbers or ())[len(own) :])[:3]
        if step == 0 or (last - first) * step < 0:
            raise DamagedFileError(
                f"{source.label}: the numbers of its data files do not count from the first to the last. Correct them."
            )
        every = range(first, last + (1 if step > 0 else -1), step)[: MOST_FILES + 1]
        found = [f"{pattern[1]}{number:{pattern[2]}d}{pattern[3]}" for number in every]
    if len(found) > MOST_FILES:
        raise UnsupportedImageError(
            f"{source.label}: its values are in more than {MOST_FILES} files. Save them as one .mha or .nrrd file."
        )
    plain = tuple(re.sub(r"^(\./)+", "", name) for name in found)
    if not all(map(is_plain, plain)):
        raise UnsupportedImageError(
            f"{source.label}: it is only a header, and names a data file that is not in its own folder. Data files "
            f"are read from beside their header alone. {TOGETHER}"
        )
    return plain


def is_list(stated: str) -> bool:
    """Whether data files are listed in the lines that follow."""
    return stated.split()[:1] == ["LIST"]


def is_plain(name: str) -> bool:
    """Whether a name can only mean a file in the folder itself: no path, drive, address or control character."""
    return name not in ("", ".", "..") and not any(c in '/\\:<>|"' or ord(c) < 32 or c == "\x7f" for c in name)


def check_payload(payload: Payload, source: Source) -> None:
    """Find every data file, and see whether it can hold its share of the values.

    Raises:
        UnsupportedImageError: A file is missing.
        DamagedFileError: A file is too short, or longer than the header claims.
        ReadError: A file cannot be opened or is longer than the limit.
    """
    for number in range(max(1, len(payload.files))):
        with _opened(payload, source, number) as (file, label):
            available = _seek(payload, file, label)
        if payload.share > MOST_UNPACKED[payload.encoding] * (available + (payload.encoding != "raw")):
            raise _too_short(payload, label, available if payload.encoding == "raw" else None)
        if payload.encoding == "raw" and available > payload.share and not payload.allows_more:
            raise DamagedFileError(
                f"{label}: the header and the data contradict each other: there are {available - payload.share} bytes "
                "more than it claims. State what comes before the values (HeaderSize, byte skip), or export the file "
                "again."
            )


def read_values(payload: Payload, source: Source, first: int, count: int) -> tuple[np.ndarray, tuple[str, ...]]:
    """Values ``first`` to ``first + count``, as a flat array, and a note of what follows the last.

    A compressed stream is unpacked to its end all the same, so that its checksum is compared.

    Raises:
        ReadError: A file is missing, or does not hold exactly the values that the header claims.
    """
    values, has_more = np.empty(count, payload.dtype), False
    target = values.view(np.uint8).data
    begin, end = first * payload.dtype.itemsize, (first + count) * payload.dtype.itemsize
    for number in range(max(1, len(payload.files))):
        start = number * payload.share
        low, high = max(begin, start), min(end, start + payload.share)
        if low >= high:
            continue
        with _opened(payload, source, number) as (file, label):
            available = _seek(payload, file, label)
            piece = target[low - begin : high - begin]
            if payload.encoding != "raw":
                has_more |= _unpack(payload, file, label, low - start, piece)
                continue
            has_more |= available > payload.share
            file.seek(low - start, os.SEEK_CUR)
            if read_into(file, piece) < len(piece):
                raise _too_short(payload, label, available)
    return values, ("Bytes that follow the voxels were ignored.",) if has_more else ()


def _unpack(payload: Payload, file: BinaryIO, label: str, offset: int, target: memoryview) -> bool:
    """Copy a part of the unpacked stream, which is read to its end; returns whether more follows than is claimed."""
    total, low, position = payload.unpacked_skip + payload.share, payload.unpacked_skip + offset, 0
    try:
        for block in _blocks(payload, file):
            start, end = max(low, position), min(low + len(target), position + len(block))
            if start < end:
                target[start - low : end - low] = block[start - position : end - position]
            position += len(block)
            if position > total + MAX_TRAILING * payload.allows_more:
                raise DamagedFileError(
                    f"{label}: the data unpack to more values than the header claims. Export the file again."
                )
    except EOFError:
        raise _too_short(payload, label, None) from None
    except (zlib.error, ValueError, OSError, OverflowError) as error:
        if payload.allows_more and position >= total and "incorrect header check" in str(error):
            return True  # the stream is whole, and what follows is none
        raise DamagedFileError(
            f"{label}: the {payload.encoding} data are damaged. Export or copy the file again."
        ) from None
    if position < total:
        raise _too_short(payload, label, max(0, position - payload.unpacked_skip))
    return position > total


def _blocks(payload: Payload, file: BinaryIO) -> Iterator[bytes]:
    if payload.encoding in UNPACKERS:
        return _inflate(file, UNPACKERS[payload.encoding])
    return _parse_hex(file) if payload.encoding == "hex" else _parse_text(file, payload.dtype)


def _inflate(file: BinaryIO, unpacker: Callable[[], Any]) -> Iterator[bytes]:
    """Unpack streams one after the other, as gzip and bzip2 allow, zeros behind them too; each must end.

    Raises:
        EOFError: One does not end.
    """
    pending = file.read(MIB)
    while pending.strip(b"\0"):
        stream = unpacker()
        while not stream.eof:
            block = stream.decompress(pending, BLOCK)
            yield block
            pending = getattr(stream, "unconsumed_tail", b"")  # bz2 keeps it
            if not stream.eof and not pending and len(block) < BLOCK:
                pending = file.read(MIB)
                if not pending:
                    raise EOFError
        pending = stream.unused_data or file.read(MIB)


def _parse_text(file: BinaryIO, dtype: np.dtype) -> Iterator[bytes]:
    """Decimal numbers, separated by white space or commas, as bytes of their type."""
    convert, rest, block = float if dtype.kind == "f" else int, b"", b" "
    while block:
        block = file.read(MIB)
        text = rest + block.replace(b",", b" ")
        cut = max(text.rfind(white) for white in (b" ", b"\n", b"\t", b"\r")) + 1 if block else len(text)
        text, rest = text[:cut], text[cut:]
        if b"_" in text or len(rest) > LONGEST_WORD:
            raise ValueError("not a number")
        yield np.array([convert(word) for word in text.split()], dtype).tobytes()


def _parse_hex(file: BinaryIO) -> Iterator[bytes]:
    rest = b""
    while block := file.read(MIB):
        digits = rest + block.translate(None, b" \t\r\n")
        cut = len(digits) // 2 * 2
        rest = digits[cut:]
        yield bytes.fromhex(digits[:cut].decode("ascii"))
    if rest:
        raise EOFError


def _seek(payload: Payload, file: BinaryIO, label: str) -> int:
    """Go to where the stored values begin in a file; returns how many bytes there are from there to its end."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0 if payload.files else payload.start)
    for _ in range(payload.line_skip):
        while (line := file.readline(MIB)) and not line.endswith(b"\n"):
            pass
        if not line:
            raise _too_short(payload, label, 0)
    begin = file.tell() + payload.byte_skip - payload.unpacked_skip
    if payload.byte_skip == -1:
        begin = size - payload.share if size - payload.share >= file.tell() else -1
    if not 0 <= begin <= size:
        raise _too_short(payload, label, 0)
    return size - file.seek(begin)


@contextmanager
def _opened(payload: Payload, source: Source, number: int) -> Iterator[tuple[BinaryIO, str]]:
    """The file that holds a share of the values, and its name for messages."""
    if not payload.files:
        yield source.file, source.label
        return
    name = payload.files[number]
    shown = names.shown(name[:80])
    present = [each for each in _spellings(name) if os.path.lexists(source.path.parent / each)]
    if not present:
        raise UnsupportedImageError(
            f"{source.label}: it is only a header, and its data file {shown} is not beside it. {TOGETHER}"
        )
    with open_beside(source, present[0]) as data:
        yield data.file, f"{source.label}: its data file {shown}"


def _spellings(name: str) -> list[str]:
    """A name as stated, and as the same characters are stored by other systems; bytes of no UTF-8 as Latin-1."""
    latin = name.encode("utf-8", "surrogateescape").decode("latin-1") if not name.isprintable() else name
    every = [unicodedata.normalize(form, each) for each in (name, latin) for form in ("NFC", "NFD")]
    return [each for each in (name, latin, *every) if is_plain(each)]


def _too_short(payload: Payload, label: str, available: int | None) -> DamagedFileError:
    there = "fewer" if available is None else available
    return DamagedFileError(
        f"{label}: the data are damaged: they end too early. The header claims {payload.share} bytes, and {there} are "
        "there. Export or copy the file again."
    )
