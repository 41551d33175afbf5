"""Video files: what each container gives, and what becomes of damaged, turned, transparent and unknown ones."""

import sys

import numpy as np
import pytest
from videos import turn_mp4, ultrasound, write_video

from medseg_demo.errors import (
    DamagedFileError,
    ImageTooLargeError,
    OptionError,
    UnknownFormatError,
    UnsupportedImageError,
)
from medseg_demo.reading.intensities import OVER_BLACK
from medseg_demo.reading.video import open_video
from medseg_demo.reading.video.container import turned
from medseg_demo.settings import Settings


def frames_of(path, settings=None):
    """Every frame as (number, time, image), and the video that gave them."""
    with open_video(path, settings=settings) as video:
        return [(frame.number, frame.time_s, frame.read()) for frame in video.frames], video


@pytest.mark.parametrize(
    ("suffix", "kind"), [(".mp4", "MP4"), (".avi", "AVI"), (".gif", "GIF"), (".webm", "WebM"), (".mkv", "WebM")]
)
def test_each_container_gives_its_frames(tmp_path, suffix, kind):
    pictures = ultrasound(6)
    path = write_video(tmp_path / f"cine{suffix}", pictures).rename(tmp_path / "renamed.txt")
    frames, video = frames_of(path)
    assert (video.file_format, [number for number, _, _ in frames], video.faults) == (kind, [1, 2, 3, 4, 5, 6], [])
    assert [time for _, time, _ in frames] == pytest.approx(np.arange(6) / 25, abs=2e-3)
    for picture, (_, _, image) in zip(pictures, frames, strict=True):
        assert image.axes == "YXC"
        assert np.corrcoef(image.pixels.mean(axis=-1).ravel(), picture.ravel())[0, 1] > 0.95


def test_the_times_of_a_variable_rate_are_kept(tmp_path):
    times = [0, 40, 45, 400, 2000]
    frames, _ = frames_of(write_video(tmp_path / "a.mp4", ultrasound(5), times_ms=times))
    assert [time for _, time, _ in frames] == pytest.approx(np.array(times) / 1000, abs=1e-3)


@pytest.mark.parametrize("size", [(63, 81), (2, 2), (1, 7)])
def test_odd_sizes(tmp_path, size):
    frames, _ = frames_of(write_video(tmp_path / "a.webm", ultrasound(2, size)))
    assert [image.shape for _, _, image in frames] == [size, size]


def test_one_frame(tmp_path):
    frames, video = frames_of(write_video(tmp_path / "a.mp4", ultrasound(1)))
    assert ([time for _, time, _ in frames], video.claimed) == ([0.0], 1)


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        ((0, 1, -1, 0), lambda p: np.rot90(p, -1)),
        ((-1, 0, 0, -1), lambda p: np.rot90(p, 2)),
        ((0, -1, 1, 0), lambda p: np.rot90(p)),
        ((-1, 0, 0, 1), np.fliplr),
        ((1, 0, 0, -1), np.flipud),
        ((0, 1, 1, 0), np.transpose),
    ],
)
def test_a_display_matrix_is_applied(tmp_path, matrix, expected):
    picture = np.zeros((40, 64), np.uint8)
    picture[4:12, 6:20] = 220
    path = write_video(tmp_path / "a.mp4", [picture] * 2)
    turn_mp4(path, matrix)
    ((_, _, image), _), video = frames_of(path)
    assert np.array_equal(image.pixels.mean(axis=-1) > 110, expected(picture) > 110)
    assert video.notes == []


def test_a_matrix_of_no_quarter_is_left_undone_and_said(tmp_path):
    path = write_video(tmp_path / "a.mp4", ultrasound(1))
    turn_mp4(path, (1, 1, -1, 1))
    ((_, _, image),), video = frames_of(path)
    assert image.shape == (64, 80)
    assert "no quarter" in video.notes[0]


def test_turning_goes_by_the_rule_of_the_matrix():
    """(x, y) goes to (ax + cy, bx + dy), up to where the first pixel lies."""
    pixels = np.arange(6).reshape(2, 3)
    for matrix in ((1, 0, 0, 1), (0, 1, -1, 0), (-1, 0, 0, 1), (0, -1, -1, 0)):
        a, b, c, d = matrix
        places = {(a * x + c * y, b * x + d * y): pixels[y, x] for y in range(2) for x in range(3)}
        left, top = min(x for x, _ in places), min(y for _, y in places)
        result = turned(pixels, matrix)
        assert all(result[y - top, x - left] == value for (x, y), value in places.items())


def test_transparent_parts_are_laid_over_black_and_it_is_said_once(tmp_path):
    pictures = [np.full((32, 32, 4), 200, np.uint8) for _ in range(3)]
    for picture in pictures:
        picture[..., 3] = 255
        picture[:16, :, 3] = 0
    frames, video = frames_of(write_video(tmp_path / "a.mkv", pictures))
    assert video.notes == [OVER_BLACK]
    assert all((image.pixels[:16] == 0).all() and (image.pixels[16:] == 200).all() for _, _, image in frames)


def test_a_gif_with_transparency(tmp_path):
    from PIL import Image

    pictures = []
    for level in (120, 180, 240):
        picture = Image.fromarray(np.full((20, 30), level, np.uint8)).convert("RGBA")
        picture.paste((0, 0, 0, 0), (0, 0, 30, 10))
        pictures.append(picture)
    pictures[0].save(tmp_path / "a.gif", save_all=True, append_images=pictures[1:], duration=70, disposal=2)
    frames, video = frames_of(tmp_path / "a.gif")
    assert [time for _, time, _ in frames] == pytest.approx([0, 0.07, 0.14])
    assert [int(image.pixels[15, 15, 0]) for _, _, image in frames] == pytest.approx([120, 180, 240], abs=2)
    assert all((image.pixels[:10] == 0).all() for _, _, image in frames)
    assert video.notes == [OVER_BLACK]


def test_damage_in_the_middle_costs_what_is_damaged_alone(tmp_path):
    path = write_video(tmp_path / "a.mkv", ultrasound(20), g="1")
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 400] = bytes(400)
    path.write_bytes(content)
    frames, video = frames_of(path)
    assert 15 <= len(frames) < 20
    assert video.faults


def test_a_file_that_ends_in_the_middle_keeps_its_beginning(tmp_path):
    path = write_video(tmp_path / "a.mp4", ultrasound(40), movflags="faststart", g="5", bf="0")
    content = path.read_bytes()
    moov_first = write_with_header_first(path)
    path.write_bytes(moov_first[: len(moov_first) - len(content) // 2])
    frames, video = frames_of(path)
    assert 5 < len(frames) < 40
    assert any("incomplete" in fault and "of 40" in fault for fault in video.faults)


def write_with_header_first(path):
    """The same MP4 with its header before its pictures, so that its end can be cut off."""
    import av

    target = path.with_name("first.mp4")
    with av.open(str(path)) as given, av.open(str(target), "w", options={"movflags": "faststart"}) as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for packet in given.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                container.mux(packet)
    return target.read_bytes()


def test_an_mp4_without_its_header_is_refused(tmp_path):
    path = write_video(tmp_path / "a.mp4", ultrasound(20))
    path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DamagedFileError, match=r"a\.mp4.*damaged.*Export or copy"):
        frames_of(path)


def test_no_bytes(tmp_path):
    (tmp_path / "a.mp4").touch()
    with pytest.raises(DamagedFileError, match="empty"):
        frames_of(tmp_path / "a.mp4")


def test_sound_alone_is_no_video(tmp_path):
    import av

    path = tmp_path / "a.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=44_100)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44_100
        container.mux(stream.encode(frame))
        container.mux(stream.encode())
    with pytest.raises(UnsupportedImageError, match="no pictures"):
        frames_of(path)


def test_an_unknown_codec_is_said(tmp_path):
    path = write_video(tmp_path / "a.avi", ultrasound(3))
    path.write_bytes(path.read_bytes().replace(b"FMP4", b"Zq9x"))
    with pytest.raises(UnsupportedImageError, match=r"a\.avi.*nothing here decodes.*H\.264"):
        frames_of(path)


@pytest.mark.parametrize("content", [b"#EXTM3U\nhttp://127.0.0.1/a.ts\n", b"ffconcat version 1.0\nfile /etc/passwd\n"])
def test_lists_of_other_files_are_no_videos(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(UnknownFormatError, match="no video format"):
        frames_of(tmp_path / "a.mp4")


def test_frames_beyond_the_limit_are_refused_before_they_are_decoded(tmp_path):
    path = write_video(tmp_path / "a.mp4", ultrasound(1, (1200, 1200)))
    with pytest.raises(ImageTooLargeError, match="MEDSEG_MAX_MEGAPIXELS"):
        frames_of(path, Settings(max_megapixels=1))


def test_without_pyav_it_is_said_what_to_install(tmp_path, monkeypatch):
    path = write_video(tmp_path / "a.mp4", ultrasound(1))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(OptionError, match="pip install av"):
        frames_of(path)
