"""DICOM cine: its frames, their times, and what is no cine."""

import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless
from videos import ultrasound, write_cine

from medseg_demo.errors import DamagedFileError, UnsupportedImageError
from medseg_demo.reading.video import cine, open_video


def read(path):
    with open_video(path) as video:
        return [(frame.time_s, frame.read()) for frame in video.frames], video


def test_frames_are_those_of_the_file_in_its_order(tmp_path):
    pictures = ultrasound(cine.AT_ONCE + 3)
    frames, video = read(write_cine(tmp_path / "a.dcm", pictures, FrameTime=20.0))
    assert (video.file_format, video.claimed, video.notes) == ("DICOM", len(pictures), [])
    assert np.array_equal(np.stack([image.pixels for _, image in frames]), pictures)
    assert [time for time, _ in frames] == pytest.approx(0.02 * np.arange(len(pictures)))


def test_times_of_a_vector_and_of_a_rate(tmp_path):
    pictures = ultrasound(4)
    frames, _ = read(write_cine(tmp_path / "a.dcm", pictures, FrameTimeVector=[0, 10, 30, 10], FrameTime=5.0))
    assert [time for time, _ in frames] == pytest.approx([0, 0.01, 0.04, 0.05])
    frames, _ = read(write_cine(tmp_path / "b.dcm", pictures, RecommendedDisplayFrameRate=10))
    assert [time for time, _ in frames] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_without_a_rate_one_is_assumed_and_said(tmp_path):
    frames, video = read(write_cine(tmp_path / "a.dcm", ultrasound(3)))
    assert [time for time, _ in frames] == pytest.approx([0, 0.04, 0.08])
    assert video.notes == [cine.NO_RATE]


def test_all_frames_have_one_window(tmp_path):
    pictures = np.stack([np.full((8, 8), 1000 + 100 * index, "<u2") + np.arange(8, dtype="<u2") for index in range(3)])
    path = write_cine(tmp_path / "a.dcm", pictures, FrameTime=40.0, BitsAllocated=16, BitsStored=16, HighBit=15)
    frames, _ = read(path)
    assert len({image.display_window for _, image in frames}) == 1


def test_the_spacing_is_kept(tmp_path):
    frames, _ = read(write_cine(tmp_path / "a.dcm", ultrasound(2), FrameTime=40.0, PixelSpacing=[0.5, 0.25]))
    assert frames[1][1].geometry.spacing_mm == (0.5, 0.25)


def test_slices_are_no_cine(tmp_path):
    more = {"SOPClassUID": pydicom.uid.SecondaryCaptureImageStorage, "Modality": "MR", "SpacingBetweenSlices": 2.0}
    with pytest.raises(UnsupportedImageError, match="slices of a volume"):
        read(write_cine(tmp_path / "a.dcm", ultrasound(3), **more))


def test_a_damaged_frame_is_one_frame(tmp_path):
    pictures = ultrasound(5)
    path = write_cine(tmp_path / "a.dcm", pictures, FrameTime=40.0)
    dataset = pydicom.dcmread(path)
    codes = []
    for picture in pictures:
        single = pydicom.dcmread(path)
        single.NumberOfFrames, single.PixelData = 1, picture.tobytes()
        single.compress(RLELossless)
        codes.append(next(pydicom.encaps.generate_frames(single.PixelData, number_of_frames=1)))
    codes[2] = codes[2][:80]
    dataset.PixelData, dataset.file_meta.TransferSyntaxUID = encapsulate(codes), RLELossless
    dataset["PixelData"].is_undefined_length = True
    dataset.save_as(path)
    with open_video(path) as video:
        for frame in video.frames:
            if frame.number == 3:
                with pytest.raises(DamagedFileError):
                    frame.read()
            else:
                assert np.array_equal(frame.read().pixels, pictures[frame.number - 1])
