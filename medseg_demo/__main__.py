"""Command line: segment images, list checkpoints, train, export, open the page. Thin over the functions of the package.

Exit code 0 when all succeeded, 1 when some files failed (each is named, with its reason), 2 for unusable arguments.
"""

import argparse
import json
import os
import runpy
import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

from medseg_demo import __version__, names
from medseg_demo.errors import MedsegError, OptionError, OutputError
from medseg_demo.following.command import add_follow
from medseg_demo.language.terminal import say, spoken_parser
from medseg_demo.live.command import add_live
from medseg_demo.publishing.command import add_publish
from medseg_demo.settings import BUNDLED, Settings
from medseg_demo.test_sets.command import add_simulate
from medseg_demo.training.command import add_train

if TYPE_CHECKING:
    from medseg_demo.image import Pseudonym
    from medseg_demo.reading import Study
    from medseg_demo.segmenting.many import Item
    from medseg_demo.segmenting.pipeline import Segmentation
    from medseg_demo.writing.label_map import LabelMapFormat

    Result = tuple[Item, Segmentation | MedsegError]

HEAT_MAPS = "heat_maps"  # the folder of them, so that none takes the name of a label map
MOST_WAITING = 16  # results that wait to be written, so that memory stays bounded


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    options = spoken_parser(_parser()).parse_args(arguments)
    return run_command(
        lambda: options.run(options, Settings.from_environment()), interrupted="Stopped. Finished files are kept."
    )


def run_command(command: Callable[[], int], *, interrupted: str) -> int:
    """Run a command so that whatever it raises is told in words; ``python -X dev`` lets what nobody foresaw through.

    Args:
        command: Gives the exit code.
        interrupted: What to say after Ctrl-C.

    Returns:
        Its exit code; 2 for an error of this project, 1 after anything else.
    """
    names.allow_any_text()
    try:
        return command()
    except MedsegError as error:
        for line in str(error).splitlines():
            complain(line)
        return 2
    except KeyboardInterrupt:
        say(interrupted, file=sys.stderr)
        return 1
    except BrokenPipeError:  # whoever read what is printed has gone, such as `head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        if sys.flags.dev_mode:
            raise
        complain(f"an unexpected {type(error).__name__}. Report it, with what it prints under `python -X dev`.")
        return 1


def complain(text: str, *, about: str = "", kind: str = "error") -> None:
    """Print one line to stderr, naming the file that it is about once."""
    about = names.shown(about)
    told = text if not about or about in text else f"{about}: {text}"
    say(f"{kind}: {names.shown(' '.join(told.splitlines()))}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("medseg_demo"), description="Segment medical images.")
    parser.add_argument("--version", action="version", version=f"medseg-demo {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    segment = commands.add_parser("segment", help="images, volumes and series to label maps and measurements")
    segment.add_argument(
        "files", nargs="+", type=Path, metavar="FILE", help="image, volume, DICOM slices, folder or zip"
    )
    segment.add_argument("--checkpoint", required=True, metavar="NAME", help="a name that `checkpoints` lists")
    segment.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    segment.add_argument("--threshold", type=float, help="in (0, 1); default: the model card's")
    segment.add_argument("--flips", action="store_true", help="average over four flips, in 3-D two (as much more work)")
    segment.add_argument(
        "--explain", default="", metavar="KIND", help="a heat map too: gradcam, gradcam:CLASS, flips or ensemble"
    )
    segment.add_argument(
        "--denoise", choices=["none", "mean", "gaussian", "median"], help="a filter first; default: the model card's"
    )
    segment.add_argument("--smallest-component", type=int, default=0, metavar="PX", help="remove smaller parts")
    segment.add_argument("--fill-holes", action="store_true", help="close holes within a class")
    segment.add_argument(
        "--crop", metavar="Z0,Y0,X0,Z1,Y1,X1", help="segment this box alone, in voxels; the ends are not part of it"
    )
    segment.add_argument("--channel-order", metavar="NAMES", help="the image's channels in the order of the network's")
    several = segment.add_mutually_exclusive_group()
    several.add_argument("--volume", type=int, metavar="N", help="which volume of 4-D files, such as a time, from 1")
    several.add_argument(
        "--channels",
        action="store_true",
        help="all volumes of a file, and the files of one case, are channels, as where the checkpoint names several",
    )
    segment.add_argument(
        "--format",
        default="auto",
        choices=["auto", "nifti", "nrrd", "dicom-seg"],
        help="of the label maps; auto: PNG of images, NIfTI of volumes",
    )
    segment.add_argument(
        "--deidentify", action="store_true", help="results under new names (case_0001), and no patient in a DICOM SEG"
    )
    segment.add_argument("--mapping", type=Path, metavar="FILE", help="with --deidentify: which file got which name")
    segment.add_argument("--json", action="store_true", help="print the measurements as JSON")
    segment.set_defaults(run=_segment)

    checkpoints = commands.add_parser("checkpoints", help="list the checkpoints, and why some are unusable")
    checkpoints.add_argument("--json", action="store_true", help="print them as JSON")
    checkpoints.set_defaults(run=_checkpoints)

    export = commands.add_parser("export", help="a checkpoint as ONNX, for OpenVINO, in int8, or inside a page")
    export.add_argument("names", nargs="+", metavar="NAME", help="a name that `checkpoints` lists; for a page several")
    export.add_argument("--format", required=True, choices=["onnx", "openvino", "openvino-int8", "page"])
    export.add_argument("--output", required=True, type=Path, metavar="PATH", help="the folder or FILE.html to make")
    export.add_argument(
        "--test-set", type=Path, metavar="DIR", help="int8 is calibrated on its split train; both are measured on val"
    )
    export.add_argument(
        "--images", nargs="+", type=Path, default=[], metavar="FILE", help="to calibrate on instead; a page's samples"
    )
    export.set_defaults(run=_export)

    for add in (add_follow, add_live, add_train, add_publish, add_simulate):
        add(commands)

    about = "the page in the browser; `demo --help` lists its options"
    demo = commands.add_parser("demo", add_help=False, prefix_chars="\0", help=about)  # all options are the page's
    demo.add_argument("arguments", nargs="*")
    demo.set_defaults(run=_demo)
    return parser


def program(module: str) -> str:
    """How a command line was called: by the name of its script, or by its module."""
    name = PurePath(sys.argv[0]).stem
    return name if name.startswith("medseg") else f"python -m {module}"


def _segment(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.models.catalog import load_checkpoint
    from medseg_demo.segmenting.many import segment_files
    from medseg_demo.segmenting.options import SegmentOptions
    from medseg_demo.writing.burned_in import burned_in_warnings
    from medseg_demo.writing.label_map import DICOM_SEG_NOTE
    from medseg_demo.writing.measurements import summary, write_json
    from medseg_demo.writing.whole import make_output

    checkpoint = load_checkpoint(options.checkpoint, settings.checkpoints_dir, cache_dir=settings.cache_dir)
    chosen = SegmentOptions(
        threshold=options.threshold,
        flips=options.flips,
        denoise=options.denoise,
        smallest_component=options.smallest_component,
        fill_holes=options.fill_holes,
        crop=options.crop,
        channels=options.channel_order,
        explain=options.explain,
    )
    chosen.check(checkpoint.card)
    options.channels |= bool(checkpoint.card.channel_names) and options.volume is None
    with tempfile.TemporaryDirectory(prefix="medseg-") as unpacked:
        studies, stems = _studies(options, settings, Path(unpacked))
        given = _pseudonyms(options, studies)
        stems = [one.name for one in given] or stems
        heat_maps = [f"{HEAT_MAPS}/{stem}" for stem in stems] if options.explain else []
        _refuse_overwriting(options.files, studies, [*stems, *heat_maps], options.output, options.format)
        make_output(options.output)
        if options.format == "dicom-seg" and not given:
            complain(DICOM_SEG_NOTE, kind="note")
        results = segment_files(studies, checkpoint, options=chosen, settings=settings, volume=options.volume)
        summaries, failed = [], 0
        written = _written(results, stems, options.output, options.format, given)
        try:
            for stem, (study, outcome) in zip(stems, written, strict=True):
                if isinstance(outcome, MedsegError):
                    failed += 1
                    complain(str(outcome), about=study.name)
                    continue
                for warning in (*burned_in_warnings(outcome.image, search=options.deidentify), *outcome.doubts):
                    complain(warning, about=stem, kind="warning")
                summaries.append(summary(outcome, stem))
                if not options.json:
                    say(_line(summaries[-1]))
        finally:
            if summaries or sys.exception() is None:  # what is finished is told of, however it ends
                write_json(summaries, options.output / "measurements.json")
    if options.json:
        _print_json({"images": summaries})
    return 1 if failed else 0


def _studies(options: argparse.Namespace, settings: Settings, unpacked: Path) -> "tuple[list[Study], list[str]]":
    """What is to be segmented, and what the results are called."""
    from medseg_demo.reading import find_studies
    from medseg_demo.reading.studies import result_stems

    def known(folder: Path) -> PurePath:
        return folder.relative_to(unpacked) if folder.is_relative_to(unpacked) else folder

    found = find_studies(
        options.files,
        settings=settings,
        unpack_to=unpacked,
        channels=options.channels,
        say=lambda text: complain(text, kind="note"),
    )
    # Of a file with several volumes one is segmented, which --volume says, or reading it asks for.
    studies = list(dict.fromkeys(replace(one, volume=one.volume if options.channels else None) for one in found))
    return studies, result_stems(studies, known)


def _pseudonyms(options: argparse.Namespace, studies: "Sequence[Study]") -> "list[Pseudonym]":
    """New names for all studies where they are asked for, and which is whose where that is asked for too."""
    from medseg_demo.writing.deidentify import pseudonyms, write_mapping

    if not options.deidentify:
        if options.mapping:
            raise OptionError("--mapping says which file got which new name. Give it with --deidentify.")
        return []
    found = pseudonyms(len(studies))
    if options.mapping:
        write_mapping([study.name for study in studies], found, options.mapping)
    return found


def _written(
    results: "Iterable[Result]",
    stems: "Sequence[str]",
    folder: Path,
    file_format: "LabelMapFormat",
    pseudonyms: "Sequence[Pseudonym]" = (),
) -> "Iterator[Result]":
    """The same results, each label map written (by a thread of its own) before it is passed on."""
    from medseg_demo.writing.deidentify import deidentified
    from medseg_demo.writing.heat_map import write_heat_map
    from medseg_demo.writing.label_map import write_label_map
    from medseg_demo.writing.whole import cannot_write

    called = {one.name: one for one in pseudonyms}

    def write(stem: str, item: "Item", outcome: "Segmentation | MedsegError") -> "Result":
        if isinstance(outcome, MedsegError):
            return item, outcome
        if stem in called:
            outcome = deidentified(outcome, called[stem])
        path, made_by = folder / stem, outcome.checkpoint
        try:
            write_label_map(outcome.label_map, outcome.image, path, file_format=file_format, algorithm=made_by)
            if outcome.heat is not None:
                (folder / HEAT_MAPS).mkdir(exist_ok=True)
                write_heat_map(outcome.heat, outcome.image.geometry, folder / HEAT_MAPS / stem)
        except MedsegError as error:
            return item, error
        except Exception as error:
            return item, OutputError(cannot_write(path, error))
        return item, outcome

    waiting: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="write") as pool:
        try:
            for stem, (item, outcome) in zip(stems, results, strict=True):
                waiting.append(pool.submit(write, stem, item, outcome))
                while waiting and (waiting[0].done() or len(waiting) > MOST_WAITING):
                    yield waiting.popleft().result()
        except KeyboardInterrupt:
            while waiting:
                yield waiting.popleft().result()
            raise
        while waiting:
            yield waiting.popleft().result()


def _refuse_overwriting(
    given: "Sequence[Path]",
    studies: "Sequence[Study]",
    stems: "Sequence[str]",
    output: Path,
    file_format: "LabelMapFormat",
) -> None:
    """Refuse results that would replace what was given: the files themselves, or others in the folders."""
    from medseg_demo.writing.label_map import SUFFIXES

    kinds = ("png", "nifti") if file_format == "auto" else (file_format,)
    results = [f"{stem}{SUFFIXES[kind]}" for stem in stems for kind in kinds]
    inputs = {_identity(path) for path in (*given, *(path for study in studies for path in study.paths))}
    folders = {path.resolve() for path in given if path.is_dir()}
    for name in (*results, "measurements.json"):
        target = output / name
        identity = _identity(target)
        if identity is None:
            continue
        # Files that were left out of a folder, such as the localizer of a series, are no results either.
        if identity in inputs or (name in results and folders.intersection(target.resolve().parents)):
            raise OptionError(
                f"--output {output}: the result {name} would replace the file of that name, which is an input. "
                "Choose another folder."
            )


def _identity(path: Path) -> tuple[int, int] | None:
    """What two paths to one file share, through links and spellings; None where there is no file."""
    try:
        state = path.stat()
    except OSError:
        return None
    return state.st_dev, state.st_ino


def _print_json(document: object) -> None:
    is_unicode = (sys.stdout.encoding or "utf-8").lower().replace("-", "").startswith("utf")
    print(json.dumps(document, indent=2, ensure_ascii=not is_unicode))


def _line(summary: dict[str, Any]) -> str:
    classes = "; ".join(f"{c['class_name']} {_size(c)}, {c['components']} part(s)" for c in summary["classes"])
    return f"{summary['name']}: {classes}"


def _size(measured: dict[str, Any]) -> str:
    if measured["area_mm2"] is not None:
        return f"{measured['area_mm2']:.1f} mm²"
    if measured["volume_ml"] is not None:
        return f"{measured['volume_ml']:.2f} ml"
    return f"{measured['pixels']} px"


def _checkpoints(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.models.catalog import list_checkpoints, to_records

    entries = list_checkpoints(settings.checkpoints_dir, settings.cache_dir)
    if options.json:
        _print_json(to_records(entries))
        return 0
    if not entries:
        say(f"{settings.checkpoints_dir.name}/ holds no checkpoint folder. Train one, or set MEDSEG_CHECKPOINTS_DIR.")
    for entry in entries:
        about = f"{entry.card.task} [{entry.architecture}]" if entry.card else f"unusable: {entry.problem}"
        say(f"{entry.name}: {about}{f' ({entry.note})' if entry.note else ''}")
    return 0


def _export(options: argparse.Namespace, settings: Settings) -> int:
    from medseg_demo.exporting import export

    if options.format == "page":  # which anybody may be given
        from medseg_demo.writing.burned_in import search_files

        for name, warning in search_files(options.images, settings):
            complain(warning, about=name, kind="warning")
    export(
        options.names, options.format, options.output, test_set=options.test_set, images=options.images,
        settings=settings,
    )  # fmt: skip
    return 0


def _demo(options: argparse.Namespace, settings: Settings) -> int:
    sys.argv = [f"{program('medseg_demo')} demo", *options.arguments]
    runpy.run_path(str(BUNDLED / "app.py"), run_name="__main__")
    return 0


if __name__ == "__main__":
    sys.exit(main())
