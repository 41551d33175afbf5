"""The command ``python -m evaluation report``: results as one HTML file."""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from evaluation.results.command import add_question, method_texts, policy_of
from medseg_demo.__main__ import complain
from medseg_demo.errors import OptionError
from medseg_demo.language import LANGUAGES, of_terminal
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    from evaluation.report.report import ReportOptions


def add_report(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    report = commands.add_parser("report", help="one HTML file with tables, plots and worst cases, readable offline")
    report.add_argument("folders", nargs="+", type=Path, metavar="DIR", help="output folders of earlier runs")
    report.add_argument("--output", required=True, type=Path, metavar="FILE.html")
    report.add_argument(
        "--format",
        choices=["html", "page"],
        default="html",
        help="page: the networks lie in the file, too, and segment a reader's own images",
    )
    _add_options(report)
    report.set_defaults(run=_write_report)


def _add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--test-set", nargs="+", action="extend", metavar="NAME", help="only these; default: all")
    parser.add_argument("--checkpoint", nargs="+", action="extend", metavar="NAME", help="only these; default: all")
    add_question(parser)
    parser.add_argument("--worst", type=int, metavar="N", help="worst cases with pictures, for each test set")
    parser.add_argument("--title", help="of the page")
    parser.add_argument("--language", choices=LANGUAGES, help="of the page; default: the terminal's")


def _write_report(options: argparse.Namespace, settings: Settings) -> int:
    from evaluation.report.predictions import segment_as_scored
    from evaluation.report.report import write_report
    from evaluation.results.table import read_runs

    shown = _report_options(options)
    segment = segment_as_scored([run for folder in options.folders for run in read_runs(folder)], settings)
    say = partial(complain, kind="warning")
    print(write_report(options.folders, options.output, options=shown, settings=settings, segment=segment, say=say))
    return 0


def _report_options(options: argparse.Namespace) -> "ReportOptions":
    from evaluation.report.report import ReportOptions

    if options.worst is not None and options.worst < 0:
        raise OptionError(f"--worst is {options.worst}. Give 0 or more.")
    given = {"worst": options.worst, "title": options.title}
    return ReportOptions(
        test_sets=tuple(options.test_set or ()),
        checkpoints=tuple(options.checkpoint or ()),
        metric=options.metric,
        policy=policy_of(options),
        order=options.order,
        methods=method_texts(options),
        column=options.group,
        networks=options.format == "page",
        language=options.language or of_terminal().code,
        **{name: value for name, value in given.items() if value is not None},
    )
