"""A video from end to end: its curve, its limits, what is skipped, stopped and damaged."""

import csv
import threading
import time

import av
import numpy as np
import pytest
from videos import ultrasound, write_cine, write_video

from medseg_demo.errors import DamagedFileError, InputMismatchError
from medseg_demo.live import run as run_module
from medseg_demo.live.run import Watched, watch
from medseg_demo.live.watch import LATEST_S, Pace, Watcher
from medseg_demo.reading.video import open_video
from medseg_demo.rendering import class_colour
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled


@pytest.fixture
def live(tmp_path, settings, brightness):
    """Watches a file, and gives what was seen and the record."""

    def go(path, *, smooth=1, checkpoint=brightness, pace=None, settings=settings, stop_after=None):
        engine = Engine(settings)
        watched, seen = Watched(tmp_path / "out", "a"), []
        watcher = Watcher(engine, checkpoint, smooth=smooth)
        with engine.job() as job:
            for one in watch(path, watcher, watched, settings=settings, job=job, pace=pace):
                seen.append(one)
                if len(seen) == stop_after:
                    job.cancel()
        return seen, watched

    return go


def rows_of(watched):
    with watched.table_file.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def times_of(watched):
    with av.open(str(watched.video_file)) as container:
        return [float(frame.time) for frame in container.decode(video=0)]


def test_the_curve_of_a_cine_is_that_of_its_label_maps(tmp_path, live, settings, brightness):
    path = write_cine(tmp_path / "a.dcm", ultrasound(30), FrameTime=40.0, PixelSpacing=[0.5, 0.4])
    _, watched = live(path)
    engine, rows = Engine(settings), rows_of(watched)
    with open_video(path) as video:
        for row, frame in zip(rows, video.frames, strict=True):
            labels = engine.segment(frame.read(), brightness).label_map.labels
            assert int(row["area_px_bright"]) == np.count_nonzero(labels)
            assert float(row["area_mm2_bright"]) == pytest.approx(np.count_nonzero(labels) * 0.2)
            assert (int(row["frame"]), float(row["time_s"])) == (frame.number, pytest.approx(frame.time_s))
    assert len({row["area_px_bright"] for row in rows}) > 10  # it beats
    assert times_of(watched) == pytest.approx([0.04 * index for index in range(30)])


def test_colours_of_the_classes_lie_over_the_frames(tmp_path, live):
    picture = np.full((64, 80), 40, np.uint8)
    picture[20:40, 20:60] = 230
    _, watched = live(write_video(tmp_path / "a.mp4", [picture] * 3, crf="5"))
    with av.open(str(watched.video_file)) as container:
        shown = next(container.decode(video=0)).to_ndarray(format="rgb24").astype(int)
    expected = 0.6 * 230 + 0.4 * np.array(class_colour(1))
    assert np.abs(shown[30, 40] - expected).max() < 12
    assert np.abs(shown[55, 40] - 40).max() < 8


def test_smoothing_changes_the_curve_as_its_results_do(tmp_path, live):
    path = write_video(tmp_path / "a.mp4", ultrasound(12))
    plain, _ = live(path)
    smooth, watched = live(path, smooth=5)
    assert [int(row["area_px_bright"]) for row in rows_of(watched)] == [one.areas_px[0] for one in smooth]
    assert [one.areas_px for one in smooth] != [one.areas_px for one in plain]
    steps = [np.abs(np.diff([one.areas_px[0] for one in some])).mean() for some in (plain, smooth)]
    assert steps[1] < steps[0]


def test_a_long_video_is_thinned_over_its_whole_length(tmp_path, live, settings):
    from dataclasses import replace

    path = write_video(tmp_path / "a.mp4", ultrasound(25))
    _, watched = live(path, settings=replace(settings, max_video_frames=10))
    assert [int(row["frame"]) for row in rows_of(watched)] == [1, 4, 7, 10, 13, 16, 19, 22, 25]
    assert any("one of 3 was" in note and "MEDSEG_MAX_VIDEO_FRAMES" in note for note in watched.notes)


def test_a_header_that_says_too_little_does_not_lift_the_limit(tmp_path, live, settings, monkeypatch):
    from dataclasses import replace

    monkeypatch.setattr(run_module, "_every", lambda video, settings: 1)
    _, watched = live(write_video(tmp_path / "a.mp4", ultrasound(25)), settings=replace(settings, max_video_frames=10))
    assert watched.frames == 10
    assert any("more frames than it says" in note for note in watched.notes)


def test_frames_are_read_a_few_ahead_and_never_all(tmp_path, live, monkeypatch):
    held, most = set(), []
    original = run_module._Frames._next

    def counted(self):
        frame = original(self)
        if frame is not None:
            held.add(frame[0])
            most.append(len(held))
        return frame

    monkeypatch.setattr(run_module._Frames, "_next", counted)
    see = Watcher.see

    def slow(self, number, *rest):
        time.sleep(0.005)
        held.discard(number)
        return see(self, number, *rest)

    monkeypatch.setattr(Watcher, "see", slow)
    live(write_video(tmp_path / "a.mp4", ultrasound(40)))
    assert max(most) <= run_module.AHEAD + 1


def test_stopped_in_the_middle_what_was_watched_is_kept(tmp_path, live):
    seen, watched = live(write_video(tmp_path / "a.mp4", ultrasound(30)), stop_after=7)
    assert watched.stopped
    assert (len(seen), watched.frames, len(rows_of(watched)), len(times_of(watched))) == (7, 7, 7, 7)
    assert sorted(path.name for path in watched.folder.iterdir()) == ["a.csv", "a.webm"]


def test_stopped_before_the_first_frame_there_is_nothing(tmp_path, live, settings, brightness):
    path, engine = write_video(tmp_path / "a.mp4", ultrasound(3)), Engine(settings)
    watched = Watched(tmp_path / "out", "a")
    with engine.job() as job:
        job.cancel()
        with pytest.raises(Cancelled):
            list(watch(path, Watcher(engine, brightness), watched, settings=settings, job=job))
    assert not watched.folder.exists()


def test_whoever_leaves_early_leaves_no_files_and_no_threads(tmp_path, settings, brightness):
    path, engine = write_video(tmp_path / "a.mp4", ultrasound(30)), Engine(settings)
    watched, before = Watched(tmp_path / "out", "a"), threading.active_count()
    with engine.job() as job:
        frames = watch(path, Watcher(engine, brightness), watched, settings=settings, job=job)
        next(frames)
        frames.close()
    assert list(watched.folder.iterdir()) == []
    assert threading.active_count() == before


def test_damage_is_said_and_the_rest_is_kept(tmp_path, live):
    path = write_video(tmp_path / "a.mkv", ultrasound(20), g="1")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    _, watched = live(path)
    assert 15 <= watched.frames < 20
    assert len(rows_of(watched)) == watched.frames
    assert watched.faults


def test_a_cine_of_damaged_frames_alone_is_refused(tmp_path, live):
    path = write_video(tmp_path / "a.mkv", ultrasound(3), g="1")
    content = bytearray(path.read_bytes())
    for start in range(len(content)):
        if content[start : start + 1] == b"\xa3":  # each block of the file
            content[start + 8 : start + 60] = bytes(52)
    path.write_bytes(content)
    with pytest.raises(DamagedFileError):
        live(path)
    assert not (tmp_path / "out").exists()


def test_a_checkpoint_of_volumes_is_refused_and_nothing_is_written(tmp_path, live, volume_bands):
    with pytest.raises(InputMismatchError, match="3-D"):
        live(write_video(tmp_path / "a.mp4", ultrasound(3)), checkpoint=volume_bands)
    assert not (tmp_path / "out").exists()


def test_an_error_of_a_network_is_no_error_of_writing(tmp_path, live, monkeypatch):
    see = Watcher.see

    def fails(self, number, *rest):
        if number == 3:
            raise ValueError("of the network")
        return see(self, number, *rest)

    monkeypatch.setattr(Watcher, "see", fails)
    with pytest.raises(ValueError, match="of the network"):
        live(write_video(tmp_path / "a.mp4", ultrasound(6)))


class Clock:
    """Time that goes on when somebody sleeps, or a frame is computed."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


def test_frames_that_would_be_late_are_skipped(tmp_path, live, monkeypatch):
    clock, shown, see = Clock(), [], Watcher.see

    def slow(self, number, time_s, *rest):
        shown.append((number, clock.now - 100.0 - time_s))
        clock.now += 0.25
        return see(self, number, time_s, *rest)

    monkeypatch.setattr(Watcher, "see", slow)
    _, watched = live(write_video(tmp_path / "a.mp4", ultrasound(50)), pace=Pace(clock, clock.sleep))
    numbers = [number for number, _ in shown]
    assert all(-1e-6 <= late <= LATEST_S + 1e-6 for _, late in shown)
    assert 7 <= len(numbers) <= 14
    assert watched.late + watched.frames == 50
    assert any(f"{watched.late} frames were skipped" in note for note in watched.notes)


def test_frames_that_are_early_wait_for_their_time(tmp_path, live):
    clock = Clock()
    _, watched = live(write_video(tmp_path / "a.mp4", ultrasound(26)), pace=Pace(clock, clock.sleep))
    assert (watched.frames, watched.late) == (26, 0)
    assert clock.now - 100.0 == pytest.approx(1.0, abs=0.01)


def test_nothing_of_the_header_is_passed_on(tmp_path, live):
    path = write_cine(tmp_path / "a.dcm", ultrasound(3), FrameTime=40.0, InstitutionName="SECRET-CLINIC")
    _, watched = live(path)
    for file in (watched.video_file, watched.table_file):
        assert b"SECRET" not in file.read_bytes()
