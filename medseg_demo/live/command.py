"""``live`` of the command line."""

import argparse
import signal
import sys
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg_demo import names
from medseg_demo.errors import InputMismatchError, OptionError, ReadError
from medseg_demo.language.terminal import say
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from medseg_demo.live import run

DESCRIPTION = """Segment a video (MP4, AVI, GIF, WebM) or a DICOM cine frame by frame.

Writes DIR/NAME.webm, the frames with the classes over them at their own times, and DIR/NAME.csv, the area of each class
in every frame. It needs the package av (`pip install av`)."""


def add_live(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser(
        "live",
        help="a video or a DICOM cine: the frames with the classes over them, and their areas over time",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="video or DICOM cine")
    parser.add_argument("--checkpoint", required=True, metavar="NAME", help="a name that `checkpoints` lists")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    parser.add_argument(
        "--smooth", type=int, default=1, metavar="N", help="average probabilities over about N frames; default: 1, none"
    )
    parser.add_argument("--threshold", type=float, help="in (0, 1); default: the model card's")
    parser.add_argument("--smallest-component", type=int, default=0, metavar="PX", help="remove smaller parts")
    parser.add_argument("--fill-holes", action="store_true", help="close holes within a class")
    parser.add_argument(
        "--in-time", action="store_true", help="no faster than the video plays; frames that would be late are skipped"
    )
    parser.set_defaults(run=_live)


def _live(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.live.run import Watched, watch
    from medseg_demo.live.watch import Pace, Watcher
    from medseg_demo.models.catalog import load_checkpoint
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.segmenting.options import SegmentOptions

    chosen = SegmentOptions(
        threshold=options.threshold, smallest_component=options.smallest_component, fill_holes=options.fill_holes
    )
    checkpoint = load_checkpoint(options.checkpoint, settings.checkpoints_dir, cache_dir=settings.cache_dir)
    engine = Engine(settings)
    watcher = Watcher(engine, checkpoint, options=chosen, smooth=options.smooth)
    watched = Watched(options.output, names.storable(names.stem(options.file)))
    _refuse_overwriting(options.file, watched)
    with engine.job() as job:
        before = signal.signal(signal.SIGINT, lambda *_: job.cancel())  # what was watched until then is kept
        pace = Pace() if options.in_time else None
        try:
            deque(watch(options.file, watcher, watched, settings=settings, job=job, pace=pace), maxlen=0)
        except (ReadError, InputMismatchError) as error:
            _complain("error", options.file, str(error))
            return 1
        finally:
            signal.signal(signal.SIGINT, before)
    return _tell(options.file, watched)


def _tell(file: Path, watched: "run.Watched") -> int:
    """Print what became of the video.

    Returns:
        The exit code.
    """
    for note in watched.notes:
        _complain("note", file, note)
    for fault in watched.faults:
        _complain("error", file, fault)
    if watched.stopped:
        _complain("error", file, "Stopped. The frames until then are kept.")
    areas = "; ".join(
        f"{name} {mean:.1f} px" if watched.pixel_mm2 is None else f"{name} {mean * watched.pixel_mm2:.1f} mm²"
        for name, mean in zip(watched.class_names, watched.means_px, strict=True)
    )
    say(f"{names.shown(file.name)}: {watched.frames} frames, {watched.last_s:.1f} s; on average {areas}")
    return 1 if watched.faults or watched.stopped else 0


def _complain(kind: str, file: Path, text: str) -> None:
    about = names.shown(file.name)
    say(f"{kind}: {text if about in text else f'{about}: {text}'}", file=sys.stderr)


def _refuse_overwriting(file: Path, watched: "run.Watched") -> None:
    for result in (watched.video_file, watched.table_file):
        if result.exists() and file.exists() and result.samefile(file):
            raise OptionError(
                f"--output: the result {names.shown(result.name)} would replace the video itself. Choose another one."
            )
