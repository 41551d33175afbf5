"""What happens on the Live tab: a video is watched, or the camera.

Each handler returns the parts of the page that change, by the names of ``layout.lay_out``.
"""

import base64
import binascii
import secrets
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr

from medseg_demo.errors import OptionError, UnknownFormatError
from medseg_demo.live.film import write_film
from medseg_demo.live.run import TABLE_SUFFIX, Watched, watch
from medseg_demo.live.watch import Pace, Seen, Watcher
from medseg_demo.names import safe_stem, stem
from medseg_demo.numbers import number
from medseg_demo.reading.video import read_camera_frame
from medseg_demo.segmenting.engine import Engine
from medseg_demo.segmenting.turns import Cancelled
from medseg_demo.ui import checkpoint_view, markup
from medseg_demo.ui import texts as page_texts
from medseg_demo.ui.faults import explain
from medseg_demo.ui.live import texts
from medseg_demo.ui.live.screen import Curve, screen_value
from medseg_demo.ui.live.state import Choices, Filming, LiveWork
from medseg_demo.ui.session import Running
from medseg_demo.ui.tab import Call, Updates
from medseg_demo.writing.video import frame_table

SHOWN_EVERY_S = 0.2  # a browser is sent a frame so often at most, which costs it more than the network costs here
CURVE_EVERY_S = 1.0
CAMERA_FRAMES = 3000  # of the curve; of more the first go
MOST_PICTURE = 4 * 2**20  # characters of a frame of the camera
CAMERA_TAB = "camera"
FILM, FILM_CHECKPOINT = "simulated-nuclei.webm", "nuclei-unet-tiny-int8"


def open_tab(engine: Engine, chosen: str | None) -> Updates:
    """The checkpoints that take single pictures; at first the one that suits the simulated film, and is quick."""
    entries = [entry for entry in engine.usable() if entry.card and not entry.card.is_3d]
    names = [entry.name for entry in entries]
    name = next((one for one in (chosen, FILM_CHECKPOINT) if one in names), None)
    choices = checkpoint_view.choices(entries)
    return {"checkpoint": gr.update(choices=choices, value=name or next(iter(names), None))}


def run(engine: Engine, call: Call, running: Running, path: str | None, choices: Choices) -> Iterator[Updates]:
    """Watch what was added; where nothing was, the simulated video again, once it was watched."""
    work = call.session.part(LiveWork)
    if path is not None:
        work.film = None
    given = work.film if path is None else Path(path)
    if given is None:
        yield {"status": _problem(OptionError(texts.NO_VIDEO))}
    else:
        yield from _watch(engine, call, running, given, choices)


def run_film(engine: Engine, call: Call, running: Running, choices: Choices) -> Iterator[Updates]:
    """Watch a simulated video, which is drawn first."""
    try:
        path = call.session.part(LiveWork).film = write_film(call.session.folder / FILM)
    except Exception as error:
        yield {"status": _problem(error)}
        return
    yield from _watch(engine, call, running, path, choices)


def _watch(engine: Engine, call: Call, running: Running, path: Path, choices: Choices) -> Iterator[Updates]:
    work = call.session.part(LiveWork)
    watched = Watched(call.session.folder / secrets.token_hex(4), safe_stem(f"{stem(path)}_live"))
    curve, last = Curve(engine.settings.max_video_frames), None
    try:
        watcher = Watcher(engine, _named(choices), smooth=choices.frames)
        with running.job(engine, waiting=call.waiting(path.name)) as job:
            pace, shown, drawn = Pace() if choices.in_time else None, 0.0, 0.0
            for last in watch(path, watcher, watched, settings=engine.settings, job=job, pace=pace):
                running.check()
                curve.add(last, watched.pixel_mm2)
                now = time.monotonic()
                if now - shown < SHOWN_EVERY_S:
                    continue
                shown, is_due = now, now - drawn >= CURVE_EVERY_S
                if is_due:
                    drawn = now
                    _say(call, path.name, last, watched)
                yield {"screen": screen_value(last, curve if is_due else None)}
    except Cancelled:
        if not watched.video_file.is_file():
            yield {"status": markup.panel("warning", page_texts.STOPPED_TITLE, [page_texts.STOPPED_NONE])}
            return
    except Exception as error:
        shutil.rmtree(watched.folder, ignore_errors=True)
        yield {"status": _problem(error)}
        return
    if last is not None and not running.visitor_left:
        yield _finished(work, watched, choices, last, curve)


def _say(call: Call, name: str, seen: Seen, watched: Watched) -> None:
    share = min(1.0, seen.number / watched.claimed) if watched.claimed else 0.0
    call.say(share, texts.WATCHING.format(name=name, number=seen.number, time=f"{seen.time_s:.1f}"))


def _finished(work: LiveWork, watched: Watched, choices: Choices, last: Seen, curve: Curve) -> Updates:
    if work.video is not None and work.video.folder != watched.folder:
        shutil.rmtree(work.video.folder, ignore_errors=True)
    work.video, work.choices = watched, choices
    title = (texts.STOPPED_TITLE if watched.stopped else texts.DONE_TITLE).format(frames=watched.frames)
    lines = [
        texts.MEAN.format(name=name, area=f"{number(area * (watched.pixel_mm2 or 1.0))} {curve.unit}")
        for name, area in zip(watched.class_names, watched.means_px, strict=True)
    ]
    said = markup.panel("warning" if watched.stopped or watched.faults else "good", title, lines)
    notes = markup.bullets(watched.faults, kind="warning") + markup.bullets(watched.notes)
    return {
        "status": said + notes,
        "stale": "",
        "screen": screen_value(last, curve),
    }


def files(call: Call) -> Updates:
    """The files of the last video, where there are any."""
    watched = call.session.part(LiveWork).video
    if watched is None:
        return {}
    return {
        "video": gr.update(value=str(watched.video_file), visible=True),
        "video_file": gr.update(value=str(watched.video_file), visible=True),
        "table_file": str(watched.table_file),
        "downloads": gr.update(visible=True),
    }


def stale_mark(call: Call, choices: Choices) -> str:
    """A mark where the controls are no longer what the video on the page was made with."""
    work = call.session.part(LiveWork)
    changed = work.video is not None and work.choices != choices
    return markup.panel("info", page_texts.STALE_TITLE, [texts.STALE]) if changed else ""


def begin_camera(engine: Engine, call: Call, choices: Choices) -> Updates:
    """The camera was started."""
    work = call.session.part(LiveWork)
    try:
        work.filming = _filming(engine, choices)
    except Exception as error:
        return _refused(work, error)
    return {"camera_status": "", "downloads": gr.update(visible=False)}


def see_frame(engine: Engine, call: Call, choices: Choices) -> Updates:
    """Segment one frame of the camera; nothing is done while another is being segmented."""
    work, event = call.session.part(LiveWork), call.event
    if not work.busy.acquire(blocking=False):
        return {}
    try:
        if work.filming is None or work.filming.choices != choices:
            work.filming = _filming(engine, choices)
        filming = work.filming
        image = read_camera_frame(_content(event.image), settings=engine.settings)
        with call.session.running(CAMERA_TAB) as running, running.job(engine) as job:
            seen = filming.watcher.see(filming.frames + 1, max(0.0, float(event.time)), image, job)
        filming.frames += 1
        filming.curve.add(seen)
        filming.cuts = [*filming.cuts, seen.is_cut][-CAMERA_FRAMES:]
        return {"camera": {"answered": event.number}, "screen": screen_value(seen, filming.curve)}
    except Cancelled:
        return {"camera": {"ended": True}}
    except Exception as error:
        return _refused(work, error)
    finally:
        work.busy.release()


def end_camera(call: Call) -> Updates:
    """The camera was stopped: its areas become a table, its frames are gone already."""
    work = call.session.part(LiveWork)
    filming, work.filming = work.filming, None
    if filming is None or not filming.frames:
        return {}
    path = call.session.folder / f"camera_live{TABLE_SUFFIX}"
    curve, names = filming.curve, filming.watcher.checkpoint.card.class_names
    try:
        with frame_table(path, names, None) as table:
            first = filming.frames - len(curve.times_s) + 1
            for place, (time_s, areas) in enumerate(zip(curve.times_s, curve.areas, strict=True)):
                table.add(first + place, time_s, [round(area) for area in areas], is_cut=filming.cuts[place])
    except Exception as error:
        return {"camera_status": _problem(error)}
    said = texts.CAMERA_DONE.format(frames=filming.frames)
    return {
        "camera_status": markup.hint(said),
        "video": gr.update(value=None, visible=False),
        "video_file": gr.update(value=None, visible=False),
        "table_file": str(path),
        "downloads": gr.update(visible=True),
    }


def _filming(engine: Engine, choices: Choices) -> Filming:
    return Filming(choices, Watcher(engine, _named(choices), smooth=choices.frames), Curve(CAMERA_FRAMES))


def _named(choices: Choices) -> str:
    if not choices.checkpoint:
        raise OptionError(texts.NO_NETWORK)
    return choices.checkpoint


def _content(url: object) -> bytes:
    """The bytes of a picture that a browser sent."""
    head, _, data = url.partition(",") if isinstance(url, str) and len(url) <= MOST_PICTURE else ("", "", "")
    try:
        if head != "data:image/jpeg;base64":
            raise ValueError
        return base64.b64decode(data, validate=True)
    except (ValueError, binascii.Error):
        raise UnknownFormatError(texts.CAMERA_STALE) from None


def _refused(work: LiveWork, error: Exception) -> Updates:
    """An error ends the camera."""
    work.filming = None
    return {"camera": {"ended": True}, "camera_status": _problem(error)}


def _problem(error: Exception) -> str:
    return markup.panel("error", page_texts.ERROR_TITLE, [explain(error)])
