import io

import numpy as np
import pytest
from PIL import Image

from medseg_demo.reading.dicom.codestream import parse


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"comment": b"x" * 500}])
def test_jpeg(options):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((30, 47, 3), np.uint8)).save(stream, "JPEG", **options)
    assert parse(stream.getvalue()).shape[:2] == (30, 47)


@pytest.mark.parametrize("boxed", [False, True])
def test_jpeg_2000(boxed):
    stream = io.BytesIO()
    Image.fromarray(np.zeros((30, 47), np.uint8)).save(stream, "JPEG2000", no_jp2=not boxed)
    assert parse(stream.getvalue()).shape[:2] == (30, 47)


def test_jpeg_ls():
    jpeg_ls = pytest.importorskip("jpeg_ls")
    frame = bytes(jpeg_ls.encode_array(np.arange(300, dtype=np.uint8).reshape(15, 20)))
    assert parse(frame).shape == (15, 20, 1)


@pytest.mark.parametrize("frame", [b"", b"\xff\xd8", b"\xff\xd8\xff\xc0\x00", b"\xff\x4f\xff\x51\x00", bytes(100)])
def test_nothing_found(frame):
    assert parse(frame) is None
