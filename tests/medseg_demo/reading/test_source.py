import os
from dataclasses import replace

import pytest

from medseg_demo.errors import DamagedFileError, ImageTooLargeError, ReadError
from medseg_demo.reading.source import check_bytes, check_size, decoding, open_source
from medseg_demo.settings import Settings


def _opened(path, settings):
    with open_source(path, settings) as source:
        assert source.file.tell() == 0
        return source.size


def test_open_source_of_nothing(tmp_path, write):
    with pytest.raises(DamagedFileError, match=r"nothing\.png: the file is empty"):
        _opened(write("nothing.png", b""), Settings())
    with pytest.raises(ReadError, match=r"gone\.png: the file cannot be opened"):
        _opened(tmp_path / "gone.png", Settings())
    with pytest.raises(ReadError, match="cannot be opened"):
        _opened(tmp_path, Settings())
    with pytest.raises(ReadError, match="not a usable file name"):
        _opened("a\0b", Settings())


def test_open_source_keeps_to_the_file_limit(write):
    settings = Settings(max_file_mb=1)
    assert _opened(write("fits", bytes(2**20)), settings) == 2**20
    with pytest.raises(ImageTooLargeError, match=r"large: .*at most 1 MiB.*MEDSEG_MAX_FILE_MB"):
        _opened(write("large", bytes(2**20 + 1)), settings)


def test_a_pipe_is_never_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.png")
    with pytest.raises(ReadError, match=r"pipe\.png: the file cannot be opened \(it is no regular file\)"):
        _opened(tmp_path / "pipe.png", Settings())


def test_names_in_messages_hold_no_control_characters(tmp_path):
    with pytest.raises(ReadError, match=r"^a\?\[31mb: the file cannot"):
        _opened(tmp_path / "a\x1b[31mb", Settings())


def test_check_size_counts_pixels_and_voxels_apart(source):
    limited = replace(source, settings=Settings(max_megapixels=1, max_megavoxels=2))
    check_size((1000, 1000), limited)
    check_size((2, 1000, 1000), limited)
    with pytest.raises(ImageTooLargeError, match=r"1001 × 1000 pixels.*at most 1 million.*MEDSEG_MAX_MEGAPIXELS"):
        check_size((1000, 1001), limited)
    with pytest.raises(ImageTooLargeError, match="MEDSEG_MAX_MEGAVOXELS"):
        check_size((3, 1000, 1000), limited)


def test_check_bytes_counts_what_is_unpacked(source):
    limited = replace(source, settings=Settings(max_decoded_mb=1))
    check_bytes(2**20, limited)
    with pytest.raises(ImageTooLargeError, match=r"takes 2 MiB, and at most 1 MiB.*MEDSEG_MAX_DECODED_MB"):
        check_bytes(2**21, limited)


def test_decoding_hides_what_a_decoder_says(source):
    with pytest.raises(DamagedFileError) as caught, decoding(source, "DICOM"):
        raise ValueError("Doe^John")
    assert "Doe" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__
    with pytest.raises(ImageTooLargeError), decoding(source, "PNG"):
        raise MemoryError
