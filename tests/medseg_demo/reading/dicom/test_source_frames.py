from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_series import SeriesWriter, blob, write_enhanced

from medseg_demo.reading import read_image
from medseg_demo.reading.dicom.source_frames import in_stored_order, read_source_frames


@pytest.fixture
def series(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(3), directions=np.eye(3), origin=(1, 2, 3), step=5)
    return read_image(tmp_path / "ct")


@pytest.fixture
def enhanced(tmp_path):
    """Three frames from the top to the bottom."""
    places = [(1, 2, 13), (1, 2, 8), (1, 2, 3)]
    return read_image(write_enhanced(tmp_path / "ct.dcm", blob(3), places, directions=np.eye(3)))


def test_a_series_has_a_file_for_each_slice(series):
    sources = read_source_frames(series)
    assert sources.instances == tuple(pydicom.dcmread(path).SOPInstanceUID for path in series.source_files)
    assert sources.frames == (1, 1, 1)
    assert sources.positions == ((1, 2, 3), (1, 2, 8), (1, 2, 13))
    assert not sources.are_in_one_file


def test_a_multi_frame_file_has_a_frame_for_each_slice(enhanced):
    sources = read_source_frames(enhanced)
    assert sources.are_in_one_file
    assert sources.frames == (3, 2, 1)
    assert sources.positions == ((1, 2, 3), (1, 2, 8), (1, 2, 13))


def test_labels_go_back_into_the_order_of_the_file(enhanced):
    stored = in_stored_order(enhanced.pixels, pydicom.dcmread(enhanced.source_files[0]))
    assert np.array_equal(stored, blob(3))


def test_no_frames_are_known(series):
    assert read_source_frames(replace(series, source_files=())) is None
    assert read_source_frames(replace(series, source_files=series.source_files[:2])) is None
    series.source_files[0].unlink()
    assert read_source_frames(series) is None
