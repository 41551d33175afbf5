"""The Live tab's handlers as plain functions: a video, Stop, errors, and the camera."""

import base64
import csv
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from videos import ultrasound, write_video

from medseg_demo.ui.live import handlers, texts
from medseg_demo.ui.live.state import Choices, LiveWork
from medseg_demo.ui.tab import Call

ALL = Choices("bright", 1, in_time=False)


@pytest.fixture
def watch(visitor, engine):
    """Watches a file, and gives the last value of each part, and all of them."""

    def go(path, choices=ALL):
        steps = list(visitor.run(lambda call, running, *values: handlers.run(engine, call, running, *values),
                                 path and str(path), choices))  # fmt: skip
        return {name: value for step in steps for name, value in step.items()}, steps

    return go


@pytest.fixture
def camera(visitor, engine):
    """Sends events of the camera."""

    def send(name, choices=ALL, **event):
        call = Call(visitor.session, None, SimpleNamespace(**event))
        if name == "end":
            return handlers.end_camera(call)
        return {"begin": handlers.begin_camera, "frame": handlers.see_frame}[name](engine, call, choices)

    return send


def jpeg(pixels):
    with BytesIO() as file:
        Image.fromarray(pixels).save(file, "JPEG", quality=95)
        return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def files(visitor):
    return handlers.files(Call(visitor.session, None, None))


def test_a_video_is_watched_and_its_files_are_there(tmp_path, visitor, watch):
    shown, _ = watch(write_video(tmp_path / "my cine.mp4", ultrasound(8)))
    assert "8 frames were segmented" in shown["status"]
    assert shown["screen"]["image"].startswith("data:image/jpeg;base64,")
    assert "<polyline" in shown["screen"]["curve"]
    given = files(visitor)
    assert Path(given["video"]["value"]).name == "my_cine_live.webm"
    with Path(given["table_file"]).open(encoding="utf-8") as file:
        assert [row["frame"] for row in csv.DictReader(file)] == [str(number) for number in range(1, 9)]


def test_a_second_video_replaces_the_files_of_the_first(tmp_path, visitor, watch):
    path = write_video(tmp_path / "a.mp4", ultrasound(3))
    watch(path)
    first = Path(files(visitor)["table_file"])
    watch(path)
    assert not first.parent.exists()
    assert Path(files(visitor)["table_file"]).is_file()


def test_an_error_is_said_and_leaves_no_files(tmp_path, visitor, watch):
    (tmp_path / "a.mp4").write_bytes(b"nothing")
    shown, _ = watch(tmp_path / "a.mp4")
    assert "no video format" in shown["status"]
    assert files(visitor) == {}
    assert [path for path in visitor.session.folder.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize(
    ("path", "choices", "words"), [(None, ALL, texts.NO_VIDEO), ("a.mp4", Choices(), texts.NO_NETWORK)]
)
def test_what_is_missing_is_said(tmp_path, watch, path, choices, words):
    path = path and write_video(tmp_path / path, ultrasound(1))
    shown, _ = watch(path, choices)
    assert words in shown["status"]


def test_stop_keeps_what_was_watched(tmp_path, visitor, engine, monkeypatch):
    monkeypatch.setattr(handlers, "SHOWN_EVERY_S", 0.0)
    path = write_video(tmp_path / "a.mp4", ultrasound(40))

    def run(call, running):
        for number, step in enumerate(handlers.run(engine, call, running, str(path), ALL)):
            yield step
            if number == 4:
                running.cancel()

    shown = list(visitor.run(run))[-1]
    assert "Stopped after" in shown["status"]
    assert Path(files(visitor)["video"]["value"]).is_file()


def test_the_simulated_film(visitor, engine, monkeypatch):
    monkeypatch.setattr("medseg_demo.live.film.FRAMES", 3)
    steps = list(visitor.run(lambda call, running: handlers.run_film(engine, call, running, ALL)))
    assert "3 frames were segmented" in steps[-1]["status"]


def test_watch_after_the_simulated_film_watches_it_again(tmp_path, visitor, engine, watch, monkeypatch):
    monkeypatch.setattr("medseg_demo.live.film.FRAMES", 3)
    list(visitor.run(lambda call, running: handlers.run_film(engine, call, running, ALL)))
    shown, _ = watch(None, Choices("bright", 2, in_time=False))
    assert "3 frames were segmented" in shown["status"]
    watch(write_video(tmp_path / "a.mp4", ultrasound(2)))
    assert texts.NO_VIDEO in watch(None)[0]["status"]  # an own video that was taken away is not the film


def test_other_settings_make_the_video_stale(tmp_path, visitor, watch):
    watch(write_video(tmp_path / "a.mp4", ultrasound(2)))
    call = Call(visitor.session, None, None)
    assert handlers.stale_mark(call, ALL) == ""
    assert texts.STALE in handlers.stale_mark(call, Choices("bright", 3, in_time=False))


def test_frames_of_a_camera_are_segmented_and_kept_nowhere(visitor, camera):
    picture = np.zeros((40, 60), np.uint8)
    picture[10:30, 20:50] = 255
    camera("begin")
    for number in (1, 2):
        shown = camera("frame", image=jpeg(picture), number=number, time=0.2 * number)
        assert shown["camera"] == {"answered": number}
    assert [path for path in visitor.session.folder.rglob("*") if path.is_file()] == []
    given = camera("end")
    with Path(given["table_file"]).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["frame"], row["time_s"]) for row in rows] == [("1", "0.2"), ("2", "0.4")]
    assert int(rows[0]["area_px_bright"]) == pytest.approx(20 * 30, rel=0.05)


def test_a_frame_that_comes_while_another_is_segmented_is_skipped(visitor, camera):
    camera("begin")
    with visitor.work(LiveWork).busy:
        assert camera("frame", image=jpeg(np.zeros((8, 8), np.uint8)), number=1, time=0.0) == {}


@pytest.mark.parametrize(
    "image", [None, 7, "http://127.0.0.1/a.jpg", "data:image/jpeg;base64,###", "data:image/jpeg;base64,AAAA"]
)
def test_what_is_no_picture_ends_the_camera_with_a_reason(camera, image):
    camera("begin")
    shown = camera("frame", image=image, number=1, time=0.0)
    assert shown["camera"] == {"ended": True}
    assert "start the camera again" in shown["camera_status"]


def test_a_covered_lens_is_no_error(camera):
    camera("begin")
    shown = camera("frame", image=jpeg(np.zeros((20, 20), np.uint8)), number=1, time=0.0)
    assert shown["camera"] == {"answered": 1}


def test_without_a_frame_there_is_no_table(camera):
    camera("begin")
    assert camera("end") == {}


def test_checkpoints_of_volumes_are_not_offered(engine):
    offered = handlers.open_tab(engine, None)["checkpoint"]["choices"]
    assert [name for _, name in offered] == ["bands", "bright"]
