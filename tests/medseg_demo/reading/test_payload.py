import bz2
import gzip
import os
import zlib

import numpy as np
import pytest
from voxel_files import PACKED, meta, nrrd

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading import read_image
from medseg_demo.reading.payload import is_plain
from medseg_demo.settings import Settings

ARRAY = np.arange(24, dtype="<i2").reshape(2, 3, 4)
BYTES = ARRAY.tobytes()


def read(write, content, **files):
    for name, data in files.items():
        write(name.replace("_", "."), data)
    return read_image(write("a.hdr", content)).pixels


@pytest.mark.parametrize("encoding", PACKED)
@pytest.mark.parametrize("dtype", ["<i2", ">i2", "<f8", ">u4", "u1"])
def test_every_encoding_and_byte_order(write, encoding, dtype):
    array = ARRAY.astype(dtype)
    detached = nrrd(array, encoding=encoding, data_file="b.raw", body=b"")
    assert np.array_equal(read(write, nrrd(array, encoding=encoding)), array)
    assert np.array_equal(read(write, detached, b_raw=PACKED[encoding](array)), array)


@pytest.mark.parametrize("encoding", PACKED)
def test_cut_and_longer_data_are_damaged(write, encoding):
    stored = PACKED[encoding](ARRAY)
    for body in (b"", stored[:-5], stored[:1], stored + stored[:8], stored + stored):
        with pytest.raises(DamagedFileError):
            read(write, nrrd(ARRAY, encoding=encoding, body=body))


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, zlib.compress])
def test_checksums_are_compared_and_streams_end(write, pack):
    encoding = {gzip.compress: "gzip", bz2.compress: "bzip2"}.get(pack)

    def content(body):
        return nrrd(ARRAY, encoding=encoding, body=body) if encoding else meta(ARRAY, CompressedData=True, body=body)

    stored = pack(BYTES)
    assert np.array_equal(read(write, content(stored)), ARRAY)
    wrong = bytearray(stored)
    wrong[-6 if encoding == "gzip" else -2] ^= 1
    for body in (bytes(wrong), stored + b"more", stored[:-1], pack(BYTES + b"x"), pack(BYTES[:-1]), BYTES):
        with pytest.raises(DamagedFileError):
            read(write, content(body))


def test_streams_may_follow_each_other(write):
    for encoding, pack in (("gzip", gzip.compress), ("bzip2", bz2.compress)):
        body = pack(BYTES[:7]) + pack(b"") + pack(BYTES[7:])
        assert np.array_equal(read(write, nrrd(ARRAY, encoding=encoding, body=body)), ARRAY)
    padded = gzip.compress(BYTES) + bytes(600)
    assert np.array_equal(read(write, nrrd(ARRAY, encoding="gzip", body=padded)), ARRAY)
    assert np.array_equal(read(write, meta(ARRAY, CompressedData=True, body=gzip.compress(BYTES))), ARRAY)


def test_what_unpacks_to_more_stops_there(write):
    bomb = gzip.compress(bytes(50_000_000))
    with pytest.raises(DamagedFileError, match="more values than the header claims"):
        read(write, nrrd(ARRAY, encoding="gzip", body=bomb))


def test_claims_that_no_stream_can_hold_are_refused_before_it_is_unpacked(write):
    for encoding in ("gzip", "hex", "ascii", "raw"):
        fields = {"sizes": "3000 3000 9", "encoding": encoding}
        with pytest.raises(DamagedFileError, match="end too early"):
            read(write, nrrd(ARRAY, body=PACKED[encoding](ARRAY), **fields))


@pytest.mark.parametrize("text", [b"1 2 x", b"1.5 " * 24, b"1_0 " * 24, b"99999 " * 24, b"1" * 2000, b"nan " * 24])
def test_text_that_holds_no_such_numbers(write, text):
    with pytest.raises(DamagedFileError):
        read(write, nrrd(ARRAY, encoding="ascii", body=text))


def test_text_with_commas_and_lines(write):
    assert np.array_equal(
        read(write, nrrd(ARRAY, encoding="text", body=b",\n".join(b"%d" % n for n in range(24)))), ARRAY
    )
    assert np.array_equal(
        read(write, meta(ARRAY, BinaryData=False, body=b"\r\n".join(b"%d" % n for n in range(24)))), ARRAY
    )


def test_skips(write):
    for lines, body in (
        (["byte skip: 3"], b"abc" + BYTES),
        (["byte skip: -1"], b"anything" + BYTES),
        (["line skip: 2"], b"one\ntwo\n" + BYTES),
        (["line skip: 1", "byte skip: 2"], b"one\nab" + BYTES),
    ):
        assert np.array_equal(read(write, nrrd(ARRAY, *lines, body=body)), ARRAY)
    packed = b"one\n" + gzip.compress(b"abc" + BYTES)
    assert np.array_equal(read(write, nrrd(ARRAY, "line skip: 1", "byte skip: 3", encoding="gzip", body=packed)), ARRAY)
    for lines in (["byte skip: 4"], ["line skip: 999999"], ["byte skip: 99999"]):
        with pytest.raises(DamagedFileError):
            read(write, nrrd(ARRAY, *lines, body=b"abc" + BYTES))
    for lines in (["byte skip: -2"], ["byte skip: 1 2"], ["line skip: -1"], ["byte skip: 9999999999999"]):
        with pytest.raises(ReadError):
            read(write, nrrd(ARRAY, *lines, body=b"abc" + BYTES))
    with pytest.raises(UnsupportedImageError):
        read(write, nrrd(ARRAY, "byte skip: -1", encoding="gzip"))


def test_header_size(write):
    header = {"ElementDataFile": "b.raw"}
    for size, data in ((512, b"x" * 512 + BYTES), (-1, b"x" * 99 + BYTES), (-1, BYTES), (0, BYTES)):
        assert np.array_equal(read(write, meta(ARRAY, HeaderSize=size, **header), b_raw=data), ARRAY)
    packed = b"x" * 5 + zlib.compress(BYTES)
    assert np.array_equal(read(write, meta(ARRAY, HeaderSize=5, CompressedData=True, **header), b_raw=packed), ARRAY)
    # A header that is not accounted for would shift every voxel.
    with pytest.raises(DamagedFileError, match=r"512 bytes more.*HeaderSize"):
        read(write, meta(ARRAY, **header), b_raw=b"x" * 512 + BYTES)
    assert np.array_equal(read(write, meta(ARRAY, HeaderSize=-1)), ARRAY)
    with pytest.raises(DamagedFileError, match="HeaderSize"):  # the header itself is no pixels
        read(write, meta(ARRAY, HeaderSize=3))


@pytest.mark.parametrize(
    "name", ["b.raw", "./b.raw", "././b.raw", "größe 1 (copy).raw", "b'c;d$e.raw", "100%.raw", "b"]
)
def test_plain_names(write, name):
    write(name.removeprefix("./").removeprefix("./"), BYTES)
    assert np.array_equal(read(write, meta(ARRAY, ElementDataFile=name)), ARRAY)
    assert np.array_equal(read(write, nrrd(ARRAY, data_file=name, body=b"")), ARRAY)


def test_names_in_another_encoding_or_form(tmp_path, write):
    write("größe.raw", BYTES)
    for spelling in ("größe.raw".encode("latin-1"), "gro\u0308ße.raw".encode()):
        content = meta(ARRAY, ElementDataFile="NAME", body=b"").replace(b"NAME", spelling)
        assert np.array_equal(read(write, content), ARRAY)


def test_several_files(write):
    for number in range(2):
        write(f"s{number + 1:03}.raw", ARRAY[number].tobytes())
        write(f"z{number}.raw", zlib.compress(ARRAY[number].tobytes()))
        write(f"g{number}.raw", gzip.compress(ARRAY[number].tobytes()))
    for content in (
        meta(ARRAY, "s001.raw", "s002.raw", ElementDataFile="LIST"),
        meta(ARRAY, "./s001.raw", "", "s002.raw ", ElementDataFile="LIST 2D"),
        meta(ARRAY, ElementDataFile="s%03d.raw"),
        meta(ARRAY, ElementDataFile="s%03d.raw 1 2 1"),
        meta(ARRAY, "z0.raw", "z1.raw", ElementDataFile="LIST", CompressedData=True),
        nrrd(ARRAY, data_file="s%03d.raw 1 2 1", body=b""),
        nrrd(ARRAY, data_file="s%03d.raw 1 2 1 2", body=b""),
        nrrd(ARRAY, data_file="LIST", body=b"")[:-1] + b"s001.raw\ns002.raw\n",
        nrrd(ARRAY, encoding="gzip", data_file="g%d.raw 0 1 1", body=b""),
    ):
        assert np.array_equal(read(write, content), ARRAY)
    assert np.array_equal(read(write, nrrd(ARRAY, data_file="s%03d.raw 2 1 -1", body=b"")), ARRAY[::-1])
    for content, message in (
        (meta(ARRAY, "s001.raw", ElementDataFile="LIST"), "1 data files"),
        (meta(ARRAY, "s001.raw", "missing.raw", ElementDataFile="LIST"), "missing.raw is not beside it"),
        (meta(ARRAY, ElementDataFile="s%03d.raw 1 9 1"), "9 data files"),
        (meta(ARRAY, ElementDataFile="s%03d.raw 1 2 0"), "do not count"),
        (meta(ARRAY, ElementDataFile="s%03d.raw 1 2 -1"), "do not count"),
        (nrrd(ARRAY, data_file="s%03d.raw 1 5 1", body=b""), "cannot be shared"),
        (nrrd(ARRAY, data_file="s%03d.raw 1 999999999 1", body=b""), "more than"),
        (nrrd(ARRAY, data_file="LIST", body=b""), "0 data files"),
        (nrrd(ARRAY, data_file="SKIPLIST", body=b""), "SKIPLIST"),
    ):
        with pytest.raises(ReadError, match=message):
            read(write, content)


ELSEWHERE = [
    *("/etc/passwd", "../secret.raw", "sub/secret.raw", "./../secret.raw", "./sub/secret.raw", ".", "..", "./"),
    *(
        "file:///etc/passwd",
        "http://localhost/a.raw",
        "C:\\secret.raw",
        "C:secret.raw",
        "..\\secret.raw",
        "\\\\host\\a",
    ),
    *("~/secret.raw", "a\tb.raw", "a\x01b.raw", "a|b", "sub%c../secret.raw", "../s%02d.raw 1 2 1", "/s%d.raw 1 2 1"),
]


@pytest.mark.parametrize("place", ELSEWHERE)
def test_pixels_elsewhere_are_not_read(tmp_path, write, place):
    (tmp_path / "sub").mkdir()
    for secret in (tmp_path.parent / "secret.raw", tmp_path / "sub" / "secret.raw"):
        secret.write_bytes(BYTES)
    for content in (
        meta(ARRAY, ElementDataFile=place),
        meta(ARRAY, "b.raw", place, ElementDataFile="LIST"),
        nrrd(ARRAY, data_file=place, body=b""),
        nrrd(ARRAY, data_file="LIST", body=b"")[:-1] + f"b.raw\n{place}\n".encode(),
    ):
        with pytest.raises(
            UnsupportedImageError, match=r"^a\.hdr: it is only a header, and (names a|its) data file"
        ) as error:
            read(write, content, b_raw=BYTES)
        assert str(tmp_path) not in str(error.value)
        assert str(error.value).isprintable()


def test_links_out_of_the_folder_are_not_followed(tmp_path, write):
    secret = tmp_path.parent / "linked.raw"
    secret.write_bytes(BYTES)
    header = meta(ARRAY, ElementDataFile="b.raw")
    (tmp_path / "b.raw").symlink_to(secret)
    with pytest.raises(UnsupportedImageError):
        read(write, header)
    (tmp_path / "b.raw").unlink()
    (tmp_path / "b.raw").symlink_to(write("c.raw", BYTES))
    assert np.array_equal(read(write, header), ARRAY)
    (tmp_path / "b.raw").unlink()
    (tmp_path / "sub").symlink_to(tmp_path.parent)
    (tmp_path / "b.raw").symlink_to(tmp_path / "sub" / "linked.raw")
    with pytest.raises(UnsupportedImageError):
        read(write, header)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_what_is_no_regular_file_is_not_read(tmp_path, write):
    os.mkfifo(tmp_path / "pipe.raw")
    (tmp_path / "folder.raw").mkdir()
    for name in ("pipe.raw", "folder.raw"):
        with pytest.raises(ReadError):
            read(write, meta(ARRAY, ElementDataFile=name))


def test_a_data_file_has_the_limit_of_any_file(write):
    array = np.zeros((3, 700, 700), np.uint8)
    write("b.raw", array.tobytes())
    with pytest.raises(ImageTooLargeError):
        read_image(write("a.mhd", meta(array, ElementDataFile="b.raw")), settings=Settings(max_file_mb=1))


def test_is_plain():
    assert is_plain("image 1.raw")
    assert not any(map(is_plain, ("", ".", "..", "a/b", "a\\b", "a\0b", "c:d", "a\nb")))
