"""Command line: score checkpoints and predictions, import results, write a report. Thin over the functions beside it.

Exit code 0 when every case was scored, 1 when some failed (each is named, with its reason) or the run was stopped, 2
for unusable arguments and for results that cannot be written.
"""

import argparse
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.comparison.command import add_compare
from evaluation.report.command import add_report
from evaluation.results.command import add_summary, name_failures
from evaluation.results.origins import test_set_folder
from evaluation.runs.calibrate import add_calibrate
from evaluation.runs.clicks import add_clicks
from medseg_demo.__main__ import complain, program, run_command
from medseg_demo.errors import OptionError
from medseg_demo.language.terminal import say, spoken_parser
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from evaluation.results.table import Results
    from evaluation.runs.cluster.executor import RayExecutor
    from evaluation.runs.request import RunOptions, RunOutcome, RunProgress
    from medseg_demo.models.checkpoint import Checkpoint
    from medseg_demo.test_sets.case import Case
    from medseg_demo.test_sets.labels import Labels

MOST_FAULTS = 20  # that are printed one by one; all of them stand in scores.csv


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Returns:
        The exit code.
    """
    options = spoken_parser(_parser()).parse_args(arguments)
    return run_command(
        lambda: options.run(options, Settings.from_environment()),
        interrupted="Interrupted. Finished cases are kept; continue with --resume.",
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=program("evaluation"), description="Score segmentations on test sets.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="segment and score test sets with checkpoints")
    _add_test_sets(run, several=True)
    run.add_argument("--checkpoint", required=True, nargs="+", action="extend", metavar="NAME")
    _add_classes(run, "OWN=NAME", "what a checkpoint's class is called in the test set; 'CHECKPOINT: OWN=NAME' of one")
    _add_scoring(run)
    run.add_argument(
        "--stress", nargs="*", metavar="NAME", help="make images worse, too: these corruptions; default: those that fit"
    )
    run.add_argument(
        "--stress-degrees", type=int, nargs="+", metavar="N", help="how bad, from 1 to 5; default: all five"
    )
    run.add_argument("--engine", choices=["local", "ray"], default="local", help="where: this process, a Ray cluster")
    run.add_argument("--address", metavar="HOST:PORT", help="of the Ray cluster; default: one on this machine")
    run.add_argument("--gpu-share", type=float, default=1.0, metavar="SHARE", help="of a GPU for each Ray worker")
    run.set_defaults(run=_run)

    score = commands.add_parser("score", help="score a folder of label maps that were made elsewhere")
    _add_test_sets(score, several=False)
    score.add_argument("--predictions", required=True, type=Path, metavar="DIR", help="label maps named by the cases")
    score.add_argument("--name", help="what the predictions are called; default: the folder's name")
    _add_classes(
        score, "LABEL=NAME", "what a label of the predictions, by its name or value, is called in the test set"
    )
    _add_scoring(score)
    score.set_defaults(run=_score)

    take = commands.add_parser("import", help="take results that another program scored")
    take.add_argument(
        "file",
        type=Path,
        metavar="FILE",
        help="summary.json or nnU-Net's folder, a MONAI CSV or a folder of them, a CSV",
    )
    take.add_argument("--format", required=True, choices=["nnunet", "monai", "long", "wide"])
    take.add_argument("--name", help="the checkpoint's name; default: the folder's name")
    take.add_argument(
        "--test-set", metavar="NAME", help="what was scored: a name, or a folder whose classes name the file's"
    )
    _add_classes(take, "LABEL=NAME", "what a label or class of the file is called in the test set")
    take.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    take.set_defaults(run=_import)

    add_summary(commands)
    add_report(commands)
    add_compare(commands)
    add_calibrate(commands)
    add_clicks(commands)
    return parser


def _add_test_sets(parser: argparse.ArgumentParser, *, several: bool) -> None:
    words = "a folder, or a name in the test-sets folder; simulated-nuclei and simulated-brain are made on first use"
    if several:
        parser.add_argument("--test-set", required=True, nargs="+", action="extend", metavar="DIR", help=words)
    else:
        parser.add_argument("--test-set", required=True, metavar="DIR", help=words)
    parser.add_argument("--split", help="only the cases of this split; default: every case")


def _add_classes(parser: argparse.ArgumentParser, form: str, words: str) -> None:
    parser.add_argument("--classes", "--class", nargs="+", action="extend", default=[], metavar=form, help=words)


def _add_scoring(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="made if missing")
    parser.add_argument("--resume", action="store_true", help="continue what lies in the output folder")
    parser.add_argument("--reuse", type=Path, metavar="DIR", help="take equal results from another output folder")
    parser.add_argument("--workers", type=int, metavar="N", help="processes that score; 0 scores in this one")
    parser.add_argument("--metrics", nargs="+", metavar="NAME", help="default: the usual ones; all: every one")
    parser.add_argument(
        "--tolerance",
        nargs="+",
        default=["1"],
        metavar="MM",
        help="of the surface Dice, mm (px without spacing); default 1; NAME=MM for one class",
    )
    parser.add_argument(
        "--lesion-overlap", type=float, default=0.0, metavar="IOU", help="lesions match above it, 1 to 1"
    )
    parser.add_argument("--smallest-lesion", type=float, default=0.0, metavar="MM3", help="smaller ones do not count")
    parser.add_argument(
        "--lesion-sizes", type=float, nargs=2, metavar=("MM3", "MM3"), help="between small, medium and large lesions"
    )


def _run(options: argparse.Namespace, settings: Settings) -> int:
    from evaluation.comparison.classes import parse_stated
    from evaluation.runs.inputs import is_address
    from evaluation.runs.preflight import read_test_sets
    from evaluation.runs.runner import run
    from medseg_demo.models.catalog import load_checkpoint

    scoring = replace(_scoring(options), classes=parse_stated("\n".join(options.classes)))
    scoring = _under_stress(options, scoring)
    names = list(dict.fromkeys(options.checkpoint))
    checkpoints = [load_checkpoint(name, settings.checkpoints_dir, cache_dir=settings.cache_dir) for name in names]
    given = (name if is_address(name) else test_set_folder(name, settings) for name in options.test_set)
    folders = dict.fromkeys(given)
    test_sets = read_test_sets(folders, split=options.split)
    _say(note for test_set in test_sets for note in test_set.notes)
    with _executor(options, checkpoints, settings) as executor, _stop_on_interrupt() as stop, _bar() as tell:
        outcome = run(
            test_sets, checkpoints, options.output, options=scoring, settings=settings, progress=tell, stop=stop,
            executor=executor,
        )  # fmt: skip
    return _report(outcome)


def _under_stress(options: argparse.Namespace, scoring: "RunOptions") -> "RunOptions":
    """How to score, with the corruptions that are asked for, if any are."""
    from evaluation.stress.cases import Stress
    from evaluation.stress.corruptions import DEGREES

    if options.stress is None and options.stress_degrees:
        raise OptionError("--stress-degrees is of images that are made worse. Give --stress as well.")
    if options.stress is None:
        return scoring
    return replace(scoring, stress=Stress(tuple(options.stress), tuple(options.stress_degrees or DEGREES)))


def _executor(
    options: argparse.Namespace, checkpoints: "Sequence[Checkpoint]", settings: Settings
) -> "AbstractContextManager[RayExecutor | None]":
    """What works on the cases of a run; None is this process."""
    if options.engine == "local":
        if options.address:
            raise OptionError("--address is of a Ray cluster. Give --engine ray as well.")
        return nullcontext()
    from evaluation.runs.cluster.executor import RayExecutor
    from medseg_demo.models.catalog import find_checkpoint

    names = dict.fromkeys(options.checkpoint)
    folders = (find_checkpoint(name, settings.checkpoints_dir)[1] for name in names)
    pairs = list(zip(checkpoints, folders, strict=True))
    return RayExecutor(pairs, settings, address=options.address, gpu_share=options.gpu_share)


def _score(options: argparse.Namespace, settings: Settings) -> int:
    from evaluation.runs.preflight import read_test_sets
    from evaluation.runs.runner import score

    scoring = _scoring(options)
    (test_set,) = read_test_sets([test_set_folder(options.test_set, settings)], split=options.split)
    _say(test_set.notes)
    with _stop_on_interrupt() as stop, _bar() as tell:
        outcome = score(
            test_set,
            options.predictions,
            options.output,
            name=options.name,
            classes=_class_names(options.classes),
            options=scoring,
            settings=settings,
            progress=tell,
            stop=stop,
        )
    return _report(outcome)


def _import(options: argparse.Namespace, settings: Settings) -> int:
    from evaluation.results.import_classes import class_notes
    from evaluation.results.imports import import_results
    from evaluation.results.table import write_results

    if any((options.output / name).exists() for name in ("run.json", "scores.csv", "scores.sqlite")):
        raise OptionError(f"{options.output} already holds a run. Choose another --output.")
    test_set, labels, cases = _imported_test_set(options.test_set, settings)
    results = import_results(
        options.file, options.format, name=options.name, test_set=test_set, classes=labels,
        class_names=_class_names(options.classes), cases=cases,
    )  # fmt: skip
    write_results(results, options.output)
    classes = labels.class_names if labels else None
    _say(class_notes((run for run in results.runs if run.test_set == test_set), classes))
    _print_summary(results)
    return name_failures(results.table)


def _imported_test_set(given: str | None, settings: Settings) -> "tuple[str, Labels | None, tuple[Case, ...]]":
    """The name, labels and cases of what was scored elsewhere; of a name without a folder here there is no more."""
    from evaluation.results.imports import NO_TEST_SET
    from evaluation.runs.preflight import read_test_sets

    if given is None:
        return NO_TEST_SET, None, ()
    folder = test_set_folder(given, settings)
    if not folder.is_dir() and folder.name == given:
        return given, None, ()
    (test_set,) = read_test_sets([folder])
    return test_set.name, test_set.labels, test_set.cases


def _class_names(pairs: Sequence[str]) -> dict[str, str]:
    names = {own.strip(): name.strip() for own, _, name in (pair.partition("=") for pair in pairs)}
    if not all(names) or not all(names.values()) or len(names) < len(pairs):
        raise OptionError(f"--classes {' '.join(pairs)} is not understood. Give each label once, such as 1=lung.")
    return names


def _scoring(options: argparse.Namespace) -> "RunOptions":
    from evaluation.metrics import METRICS
    from evaluation.metrics.components import LesionMatching
    from evaluation.runs.request import RunOptions

    if options.workers is not None and options.workers < 0:
        raise OptionError(f"--workers is {options.workers}. Give 0 or more.")
    names = METRICS if options.metrics == ["all"] else options.metrics
    return RunOptions(
        metrics=tuple(names) if names else None,
        tolerance=_tolerance(options.tolerance),
        matching=LesionMatching(
            options.lesion_overlap,
            options.smallest_lesion,
            tuple(options.lesion_sizes) if options.lesion_sizes else None,
        ),
        workers=options.workers,
        resume=options.resume,
        reuse=options.reuse,
    )


def _tolerance(given: Sequence[str]) -> float | dict[str, float]:
    """One number for all classes, or one a class; a number beside these is for the others."""
    try:
        by_class = {name: float(number) for name, _, number in (one.rpartition("=") for one in given)}
    except ValueError:
        raise OptionError(f"--tolerance {' '.join(given)} is not understood. Give 2, or tumour=2 vessel=0.5.") from None
    if by_class.keys() == {""}:
        return by_class[""]
    return by_class


@contextmanager
def _stop_on_interrupt() -> Iterator[threading.Event]:
    """Ctrl-C stops the run in an orderly way; a second one ends it at once."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: object) -> None:
        stop.set()
        signal.signal(signal.SIGINT, signal.default_int_handler)
        say("\nStopping: the cases in work are given up, finished ones are kept.", file=sys.stderr)

    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield stop
        return
    before = signal.signal(signal.SIGINT, ask_to_stop)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)


@contextmanager
def _bar() -> "Iterator[Callable[[RunProgress], None]]":
    """Progress on stderr."""
    from tqdm import tqdm

    with tqdm(file=sys.stderr, unit="case", mininterval=0.5, leave=False) as bar:

        def tell(progress: "RunProgress") -> None:
            if bar.total != progress.total or bar.n > progress.done:
                bar.reset(progress.total)
            words = {"examine": "looking at cases", "score": "scoring"}
            bar.set_description_str(words[progress.stage], refresh=False)
            if progress.failed:
                bar.set_postfix_str(f"{progress.failed} failed", refresh=False)
            bar.update(progress.done - bar.n)

        yield tell


def _report(outcome: "RunOutcome") -> int:
    """Say what came out; the exit code."""
    _say(outcome.notes)
    for failure in outcome.failures[:MOST_FAULTS]:
        complain(str(failure))
    if len(outcome.failures) > MOST_FAULTS:
        say(f"error: and {len(outcome.failures) - MOST_FAULTS} more cases; see scores.csv", file=sys.stderr)
    _print_summary(outcome.results)
    if outcome.stopped:
        say("Stopped. Finished cases are kept; continue with --resume.", file=sys.stderr)
    return int(outcome.stopped or bool(outcome.failures))


def _print_summary(results: "Results") -> None:
    """One line for each checkpoint, test set and class."""
    from evaluation.results.words import metric_title, number, summary_caption
    from evaluation.statistics import summarise

    table = results.table
    metric = next((name for name in ("dice", "iou", *results.metrics) if name in results.metrics), "")
    for summary in summarise(table, metric, intervals=False) if metric else ():
        test_set, checkpoint, class_name = summary.group
        value = f"mean {number(summary.mean)}, median {number(summary.median)}"
        say(f"{checkpoint} · {test_set} · {class_name}: {metric_title(metric)}: {value}; {summary_caption(summary)}")


def _say(notes: "Iterator[str] | Sequence[str]") -> None:
    for note in notes:
        complain(note, kind="note")


if __name__ == "__main__":
    sys.exit(main())
