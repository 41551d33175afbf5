"""``live`` of the command line: its files, its exit codes and what it says."""

import av
import numpy as np
import pytest
from videos import ultrasound, write_cine, write_video

from medseg_demo.__main__ import main

pytestmark = pytest.mark.usefixtures("own_checkpoints")


def live(path, tmp_path, *more):
    return main(["live", str(path), "--checkpoint", "small", "--output", str(tmp_path / "out"), *more])


def test_a_video_becomes_a_video_and_a_table(tmp_path, capsys):
    path = write_video(tmp_path / "my cine.mp4", ultrasound(6))
    assert live(path, tmp_path, "--smooth", "3") == 0
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["my cine.csv", "my cine.webm"]
    told = capsys.readouterr()
    assert told.out.startswith("my cine.mp4: 6 frames, 0.2 s; on average bright ")
    assert told.err == ""
    with av.open(str(tmp_path / "out" / "my cine.webm")) as container:
        assert len(list(container.decode(video=0))) == 6


def test_areas_of_a_cine_with_a_spacing_are_in_millimetres(tmp_path, capsys):
    path = write_cine(tmp_path / "a.dcm", ultrasound(3), PixelSpacing=[0.5, 0.5])
    assert live(path, tmp_path) == 0
    told = capsys.readouterr()
    assert "mm²" in told.out
    assert "note: a.dcm: The file states no rate" in told.err


def test_a_damaged_video_is_named_and_what_was_read_is_there(tmp_path, capsys):
    path = write_video(tmp_path / "a.mkv", ultrasound(20), g="1")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    code = live(path, tmp_path)
    told = capsys.readouterr()
    assert (tmp_path / "out" / "a.csv").exists()
    assert code == (1 if "error: a.mkv" in told.err else 0)


@pytest.mark.parametrize(("content", "reason"), [(b"", "empty"), (b"no video at all", "no video format")])
def test_what_is_no_video_is_named(tmp_path, capsys, content, reason):
    (tmp_path / "a.mp4").write_bytes(content)
    assert live(tmp_path / "a.mp4", tmp_path) == 1
    assert reason in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("more", "reason"), [(["--smooth", "0"], "from 1"), (["--threshold", "2"], "between 0 and 1")])
def test_unusable_arguments(tmp_path, capsys, more, reason):
    path = write_video(tmp_path / "a.mp4", ultrasound(2))
    assert live(path, tmp_path, *more) == 2
    assert reason in capsys.readouterr().err


def test_the_video_itself_is_not_replaced(tmp_path, capsys):
    (tmp_path / "out").mkdir()
    path = write_video(tmp_path / "out" / "a.webm", ultrasound(2))
    before = path.read_bytes()
    assert live(path, tmp_path) == 2
    assert "would replace the video itself" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_an_interrupt_keeps_what_was_watched(tmp_path, capsys, monkeypatch):
    import signal

    from medseg_demo.live.watch import Watcher

    see = Watcher.see

    def interrupted(self, number, *rest):
        if number == 4:
            signal.raise_signal(signal.SIGINT)
        return see(self, number, *rest)

    monkeypatch.setattr(Watcher, "see", interrupted)
    assert live(write_video(tmp_path / "a.mp4", ultrasound(10)), tmp_path) == 1
    assert "Stopped" in capsys.readouterr().err
    table = (tmp_path / "out" / "a.csv").read_text().splitlines()
    assert len(table) == 1 + 3
    assert np.all([line.split(",")[0] == str(index) for index, line in enumerate(table[1:], start=1)])
