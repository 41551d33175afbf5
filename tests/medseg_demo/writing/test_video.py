"""The annotated video and the table: whole or not there, at the right times, with nothing of the source's header."""

import csv

import av
import numpy as np
import pytest

from medseg_demo.errors import OptionError, OutputError
from medseg_demo.writing.video import frame_table, video_writer


def written(path, pictures, times_s):
    with video_writer(path) as video:
        for picture, time_s in zip(pictures, times_s, strict=True):
            video.add(picture, time_s)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        return stream.codec_context.name, [(float(frame.time), frame) for frame in container.decode(stream)]


@pytest.mark.parametrize("size", [(64, 80), (63, 81), (1, 1)])
def test_pictures_come_back_at_their_times(tmp_path, size):
    pictures = [np.full((*size, 3), level, np.uint8) for level in (30, 120, 210)]
    codec, frames = written(tmp_path / "deep" / "a.webm", pictures, [0, 0.033, 7.5])
    assert codec == "vp9"
    assert [time for time, _ in frames] == pytest.approx([0, 0.033, 7.5])
    for picture, (_, frame) in zip(pictures, frames, strict=True):
        assert np.abs(frame.to_ndarray(format="rgb24").astype(int) - picture).max() <= 6


def test_times_that_do_not_grow_are_moved(tmp_path):
    _, frames = written(tmp_path / "a.webm", [np.zeros((8, 8, 3), np.uint8)] * 3, [0, 0, 0.0004])
    assert [time for time, _ in frames] == pytest.approx([0, 0.001, 0.002])


def test_an_error_leaves_no_file(tmp_path):
    with pytest.raises(OutputError), video_writer(tmp_path / "a.webm") as video:  # noqa: PT012
        video.add(np.zeros((8, 8, 3), np.uint8), 0)
        raise RuntimeError
    assert list(tmp_path.iterdir()) == []


def test_too_large_for_the_format(tmp_path):
    with pytest.raises(OptionError, match="Shrink it"), video_writer(tmp_path / "a.webm") as video:
        video.add(np.zeros((1, 20_000, 3), np.uint8), 0)
    assert list(tmp_path.iterdir()) == []


def test_a_row_a_frame(tmp_path):
    with frame_table(tmp_path / "a.csv", ["left, upper", "right"], 0.25) as table:
        table.add(1, 0.0, (4, 0), is_cut=False)
        table.add(7, 0.24, (10, 3), is_cut=True)
    with (tmp_path / "a.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert rows[1] == {
        "frame": "7",
        "time_s": "0.24",
        "new_scene": "1",
        "area_px_left, upper": "10",
        "area_mm2_left, upper": "2.5",
        "area_px_right": "3",
        "area_mm2_right": "0.75",
    }


def test_without_a_spacing_there_are_no_millimetres(tmp_path):
    with frame_table(tmp_path / "a.csv", ["bright"], None) as table:
        table.add(1, 0.0, (4,), is_cut=False)
    assert (tmp_path / "a.csv").read_text() == "frame,time_s,new_scene,area_px_bright\n1,0.0,0,4\n"
