import subprocess
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medseg_demo.errors import DamagedFileError, ReadError, UnknownFormatError
from medseg_demo.reading import FORMATS, read_image


def test_formats_are_named_once():
    names = [each.name for each in FORMATS]
    assert len(names) == len(set(names))
    assert names[0] == "DICOM"  # see the module


@pytest.mark.parametrize("content", [b"hello", b"\x1f\x8b\x08\0hello", b"RIFF1234WAVE", b"GIF89a", bytes(999)])
def test_unknown_bytes(write, content):
    with pytest.raises(UnknownFormatError, match=r"a\.png: its bytes are of no image format.*PNG.*DICOM|DICOM.*PNG"):
        read_image(write("a.png", content))


def test_an_empty_file(write):
    with pytest.raises(DamagedFileError, match="empty"):
        read_image(write("a.dcm", b""))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(min_size=1, max_size=400))
def test_random_bytes_are_an_error(tmp_path, content):
    (tmp_path / "a").write_bytes(content)
    with pytest.raises(ReadError):
        read_image(tmp_path / "a")


def test_only_what_a_format_needs_is_imported(tmp_path):
    np.save(tmp_path / "a.npy", np.eye(5))
    code = (
        "import sys; from medseg_demo.reading import read_image, collect_files; read_image(sys.argv[1]);"
        "print([m for m in ('torch', 'SimpleITK', 'pydicom', 'PIL', 'skimage', 'gradio') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "a.npy")]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"
