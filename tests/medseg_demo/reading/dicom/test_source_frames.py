from dataclasses import replace

import numpy as np
import pydicom
import pytest
from dicom_segs import image_of
from dicom_series import SeriesWriter, affine_of, blob, item, write_enhanced

from medseg_demo.reading.dicom.source_frames import describe_frames, read_source_frames

PLACES = [(1, 2, 13), (1, 2, 8), (1, 2, 3)]


@pytest.fixture
def series(tmp_path):
    SeriesWriter(tmp_path / "ct").volume(blob(3), directions=np.eye(3), origin=(1, 2, 3), step=5)
    return image_of((tmp_path / "ct").iterdir(), affine_of(np.eye(3), step=5, origin=(1, 2, 3)))


@pytest.fixture
def enhanced(tmp_path):
    """Three frames from the top to the bottom."""
    path = write_enhanced(tmp_path / "ct.dcm", blob(3), PLACES, directions=np.eye(3))
    return image_of([path], None, [2, 1, 0])


def test_a_series_has_a_file_for_each_slice(series):
    frames = series.source_frames
    headers = [pydicom.dcmread(path) for path in series.source_files]
    assert frames.instances == tuple(header.SOPInstanceUID for header in headers)
    assert frames.frames == (1, 1, 1)
    assert frames.positions.tolist() == [[1, 2, 3], [1, 2, 8], [1, 2, 13]]
    assert frames.directions.tolist() == np.eye(3)[:, :2].tolist()
    assert frames.spacing_mm == (0.75, 0.5)
    assert frames.frame_of_reference == headers[0].FrameOfReferenceUID


def test_a_multi_frame_file_has_a_frame_for_each_slice(enhanced):
    frames = enhanced.source_frames
    assert len(set(frames.instances)) == 1
    assert frames.frames == (3, 2, 1)
    assert frames.positions.tolist() == [[1, 2, 3], [1, 2, 8], [1, 2, 13]]
    assert frames.spacing_mm == (0.75, 0.5)


def test_they_are_read_where_the_image_does_not_keep_them(series, enhanced):
    for image in (series, enhanced):
        assert read_source_frames(image) is image.source_frames
        again = read_source_frames(replace(image, source_frames=None))
        assert (again.instances, again.frames) == (image.source_frames.instances, image.source_frames.frames)
        assert np.array_equal(again.positions, image.source_frames.positions)


def test_no_frames_are_known(series):
    bare = replace(series, source_frames=None)
    assert read_source_frames(replace(bare, source_files=series.source_files[:2])) is None
    series.source_files[0].unlink()
    assert read_source_frames(bare) is None


def test_what_is_stated_once_for_all_frames_is_no_place_of_each(tmp_path):
    path = write_enhanced(tmp_path / "ct.dcm", blob(3), PLACES)
    header = pydicom.dcmread(path)
    del header.PerFrameFunctionalGroupsSequence
    header.ImagePositionPatient = [1, 2, 3]
    assert describe_frames([header], [0, 1, 2]).positions is None
    assert describe_frames([header], [1]).positions.tolist() == [[1, 2, 3]]


def test_frames_of_several_orientations_have_no_common_one(tmp_path):
    writer = SeriesWriter(tmp_path / "ct")
    writer.slice(blob(1)[0], (1, 2, 3), series="1.2")
    writer.slice(blob(1)[0], (1, 2, 8), series="1.2", directions=np.eye(3))
    headers = [pydicom.dcmread(path) for path in (tmp_path / "ct").iterdir()]
    assert describe_frames(headers).directions is None


def test_steps_from_the_one_place_that_is_stated_are_places():
    directions = [1, 0, 0, 0, 1, 0]
    header = item(
        NumberOfFrames=3, ImagePositionPatient=[1, 2, 3], ImageOrientationPatient=directions, SOPInstanceUID="1.2"
    )
    header.GridFrameOffsetVector = [0, 2, 7]
    assert describe_frames([header], [2, 0]).positions.tolist() == [[1, 2, 10], [1, 2, 3]]
