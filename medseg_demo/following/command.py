"""``follow`` of the command line: several studies of one patient in order of date."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medseg_demo.errors import OptionError
from medseg_demo.language.terminal import say
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from medseg_demo.following.visits import Dated


def add_follow(commands: Any) -> None:
    """Add the command to a parser's commands."""
    parser = commands.add_parser("follow", help="what changed between several studies of one patient")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a file, folder or zip for each visit")
    parser.add_argument("--checkpoint", required=True, metavar="NAME", help="a name that `checkpoints` lists")
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    parser.add_argument(
        "--dates", nargs="+", default=[], metavar="DATE",
        help="one a study, in their order: 2024-03-01, or days; by default of DICOM headers and file names",
    )  # fmt: skip
    parser.add_argument("--repeats", type=int, metavar="N", help="how often each visit is measured again; default: 4")
    parser.add_argument(
        "--deviation", type=float, metavar="PERCENT", help="of repeated sizes, as you measured it, in place of repeats"
    )
    parser.add_argument("--no-registration", action="store_true", help="all visits lie on one grid already")
    parser.add_argument("--threshold", type=float, help="for one foreground class; default: the checkpoint's")
    parser.add_argument("--smallest-component", type=int, default=0, metavar="PX", help="remove smaller parts")
    parser.add_argument("--fill-holes", action="store_true", help="close holes within a class")
    parser.add_argument(
        "--channels", action="store_true", help="all volumes of a file, or the files of one case, are channels"
    )
    parser.add_argument("--json", action="store_true", help="print what follow.json holds")
    parser.set_defaults(run=run_follow)


def run_follow(options: argparse.Namespace, settings: Settings) -> int:
    """Follow one patient, write every file to the output folder, and print what changed.

    Returns:
        The exit code, 0.

    Raises:
        MedsegError: A file, the checkpoint or an option cannot be used.
    """
    import json

    from medseg_demo.following.files import to_document, write_follow_up
    from medseg_demo.following.follow import FollowOptions, follow
    from medseg_demo.following.repeats import REPEATS
    from medseg_demo.models.catalog import load_checkpoint
    from medseg_demo.segmenting.engine import Engine
    from medseg_demo.segmenting.options import SegmentOptions
    from medseg_demo.writing.whole import make_output

    chosen = FollowOptions(
        repeats=REPEATS if options.repeats is None else options.repeats,
        deviation=None if options.deviation is None else options.deviation / 100,
        registered=not options.no_registration,
    )
    how = SegmentOptions(
        threshold=options.threshold, smallest_component=options.smallest_component, fill_holes=options.fill_holes
    )
    _check_output(options)
    checkpoint = load_checkpoint(options.checkpoint, settings.checkpoints_dir, cache_dir=settings.cache_dir)
    how.check(checkpoint.card)
    options.channels |= bool(checkpoint.card.channel_names)
    engine = Engine(settings)
    with tempfile.TemporaryDirectory(prefix="medseg-") as unpacked:
        dated = _visits(options, settings, Path(unpacked))
        for place, one in enumerate(dated, start=1):
            say(f"note: visit {place}, day {one.day}: {one.name}", file=sys.stderr)
        with engine.job(is_large=any(one.image.is_volume for one in dated)) as job:
            found = follow(dated, checkpoint, engine, options=chosen, segment_options=how, job=job)
        make_output(options.output)
        write_follow_up(found, options.output)
    for place, visit in enumerate(found.visits, start=1):
        for warning in visit.warnings:
            say(f"warning: visit {place}: {warning}", file=sys.stderr)
    if options.json:
        print(json.dumps(to_document(found), indent=2))
    else:
        _print(found)
    return 0


def _visits(options: argparse.Namespace, settings: Settings, unpacked: Path) -> "tuple[Dated, ...]":
    from medseg_demo.following.visits import in_order
    from medseg_demo.reading import find_studies, read_image
    from medseg_demo.reading.studies import result_stems

    studies = find_studies(options.files, settings=settings, unpack_to=unpacked, channels=options.channels)
    stems = result_stems(
        studies, lambda folder: folder.relative_to(unpacked) if folder.is_relative_to(unpacked) else folder
    )
    return in_order([read_image(study, settings=settings) for study in studies], stems, options.dates)


def _check_output(options: argparse.Namespace) -> None:
    if options.output.is_file():
        raise OptionError(f"--output {options.output.name} is a file. Choose a folder.")
    for path in options.files:
        if path.resolve() == options.output.resolve() or path.resolve().parent == options.output.resolve():
            raise OptionError(
                f"--output {options.output.name}: the input {path.name} lies there, and a result might replace it. "
                "Choose another folder."
            )


def _print(found: Any) -> None:
    from medseg_demo.following.words import LESION_COLUMNS, lesion_sentence, notes, tables

    for table in tables(found):
        if table.header is LESION_COLUMNS:  # which may be very many, and stand in a file
            say(lesion_sentence(found))
            continue
        say(f"{table.title}:")
        for row in table.rows:
            cells = (f"{name} {cell}" for name, cell in zip(table.header, row, strict=True) if cell != "–")
            say(f"  {'; '.join(cells)}")
    for line in notes(found):
        say(line)
