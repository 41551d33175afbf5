import struct
import zlib

import numpy as np
import pytest

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError, UnsupportedImageError
from medseg_demo.reading.tiff import pages

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
def test_classic_and_big_in_both_byte_orders(tiff, read_raw, order, big):
    assert np.array_equal(read_raw(tiff(order=order, big=big)).array, RAMP)


def test_a_chain_that_leads_back_to_itself_ends(tiff, read_raw):
    with pytest.raises(DamagedFileError, match="leads back to itself"):
        read_raw(tiff(following=8))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({279: (4, 6400)}, "beyond the end"),
        ({273: (4, 10**6)}, "beyond the end"),
        ({279: (4, 20)}, "needs 64 bytes, and its strips or tiles have 20"),
        ({278: (4, 2)}, "needs 4 strips or tiles and lists 1"),
        ({273: None}, "needs 1 strips or tiles and lists 0"),
        ({256: (4, 0)}, "0 × 8 × 1 pixels"),
        ({277: (3, 0)}, "0 samples"),
        ({322: (4, 0), 323: (4, 16), 324: (4, 8), 325: (4, 64)}, "tiles of 0 × 16"),
    ],
)
def test_what_contradicts_itself_is_damaged(tiff, read_raw, changed, words):
    with pytest.raises(DamagedFileError, match=words):
        read_raw(tiff(changed))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({256: (4, 60000), 257: (4, 60000)}, "60000 × 60000 pixels"),
        ({256: (4, 2**31), 257: (4, 1)}, "2147483648 × 1"),
        ({322: (4, 60000), 323: (4, 60000), 324: (4, 8), 325: (4, 64)}, "unpacked it takes"),
        ({277: (3, 60000), 256: (4, 5000), 257: (4, 5000)}, "unpacked it takes"),
        ({32997: (4, 10**8)}, "voxels"),
        ({270: (2, b"x" * (17 * 2**20))}, "description has 17 MiB"),
    ],
)
def test_claims_are_refused_before_anything_is_allocated(tiff, read_raw, changed, words):
    with pytest.raises(ImageTooLargeError, match=words):
        read_raw(tiff(changed))


def test_strips_that_do_not_hold_what_they_claim(tiff, read_raw):
    data = zlib.compress(bytes(64))
    with pytest.raises(DamagedFileError):
        read_raw(tiff({256: (4, 9000), 257: (4, 9000), 278: (4, 9000), 259: (3, 8)}, data=data))


def test_missing_strips_are_named(tiff, read_raw):
    with pytest.raises(UnsupportedImageError, match=r"1 of 1 strips or tiles are missing \(a sparse TIFF\)"):
        read_raw(tiff({273: (4, 0)}))


def test_a_single_strip_may_lack_its_count(tiff, read_raw):
    assert np.array_equal(read_raw(tiff({279: None})).array, RAMP)


def test_samples_of_different_kinds_are_named(tiff, read_raw):
    changed = {277: (3, 3), 262: (3, 2), 258: (3, [5, 6, 5]), 256: (4, 4)}
    with pytest.raises(UnsupportedImageError, match=r"different kinds \(5, 6, 5 bits\)"):
        read_raw(tiff(changed))


def test_every_cut_is_a_refusal(tiff, read_raw):
    length = tiff().stat().st_size
    for cut in range(8, length):
        with pytest.raises(ReadError):
            read_raw(tiff(cut=cut))


def test_the_next_directory_lies_beyond_the_end(tiff, read_raw):
    with pytest.raises(DamagedFileError, match="too early"):
        read_raw(tiff(following=10**6))


def chain(tmp_path, pages, text=b""):
    """Pages that share the same pixels and the same description."""
    count = 9 if text else 8
    size = 2 + 12 * count + 4
    behind = 8 + pages * size
    entries = [(256, 4, 1, 8), (257, 4, 1, 8), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)]
    entries += [(270, 2, len(text), behind)] if text else []
    entries += [(273, 4, 1, behind + len(text)), (278, 4, 1, 8), (279, 4, 1, 64)]
    body = struct.pack("<H", count) + b"".join(struct.pack("<HHII", *entry) for entry in entries)
    links = (8 + (index + 1) * size if index < pages - 1 else 0 for index in range(pages))
    content = b"II*\0" + struct.pack("<I", 8) + b"".join(body + struct.pack("<I", link) for link in links)
    path = tmp_path / "chain.tif"
    path.write_bytes(content + text + RAMP.tobytes())
    return path


def test_many_pages(tmp_path, read_raw):
    assert read_raw(chain(tmp_path, 3000)).array.shape == (3000, 8, 8)


def test_tags_that_all_pages_share_are_not_read_over_and_over(tmp_path, read_raw, monkeypatch):
    with pytest.raises(ImageTooLargeError, match="tags claim more than 1024 MiB"):
        read_raw(chain(tmp_path, 2000, b"x" * 1_000_000))
    monkeypatch.setattr(pages, "MOST_DIRECTORIES", 10)
    with pytest.raises(ImageTooLargeError, match="more than 10 TIFF directories"):
        read_raw(chain(tmp_path, 11))
