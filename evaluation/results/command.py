"""The command ``python -m evaluation summary``, and the options that it shares with ``report``."""

import argparse
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING

from medseg_demo.__main__ import complain
from medseg_demo.errors import OptionError
from medseg_demo.language.terminal import say
from medseg_demo.settings import Settings

if TYPE_CHECKING:
    import pandas as pd

    from evaluation.results.answers import Answer
    from evaluation.results.table import Results
    from evaluation.statistics import GroupGap, Policy

MOST_FAULTS = 20


def add_summary(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    summary = commands.add_parser("summary", help="leaderboard, classes and comparisons of results, as text or JSON")
    summary.add_argument("folders", nargs="*", type=Path, metavar="DIR", help="output folders of earlier runs")
    summary.add_argument("--test-set", default="", metavar="NAME", help="needed where the folders hold several")
    summary.add_argument("--class", default="", dest="class_name", metavar="NAME", help="only this one; default: all")
    add_question(summary)
    summary.add_argument("--json", action="store_true", help="one JSON document on the standard output")
    summary.add_argument(
        "--published", nargs=2, metavar="NAME:MEAN±SD/N",
        help="how sure a published ranking of two methods is, from their means, standard deviations and cases alone",
    )  # fmt: skip
    summary.add_argument(
        "--correlation", type=float, metavar="R", help="of two published methods' scores over the cases; default: 0.5"
    )
    summary.set_defaults(run=_summarise)


def add_question(parser: argparse.ArgumentParser) -> None:
    """Add what is asked of results: metric, conventions, methods and groups."""
    parser.add_argument("--metric", default="", metavar="NAME", help="what ranks; default: dice")
    parser.add_argument(
        "--empty", choices=["skip", "one", "zero"], default="skip", help="what two empty masks count; default: skip"
    )
    parser.add_argument(
        "--failed", choices=["apart", "worst"], default="apart", help="what failed cases count; default: apart"
    )
    parser.add_argument(
        "--miss", default="apart", metavar="CHOICE",
        help="what an infinite distance counts: apart (no mean is shown), median (of medians), diagonal (of the image) "
        "or a number in the distances' unit; default: apart",
    )  # fmt: skip
    parser.add_argument(
        "--order", choices=["class", "case", "pooled"], default="class", help="of a mean; default: class"
    )
    parser.add_argument(
        "--method", nargs="+", action="extend", metavar="NAME=RUN,RUN",
        help="runs that are one method: folds are pooled, seeds averaged case by case; a run by its name, a pattern or "
        "its DIR; default: what the names tell (fold_0, seed_0), or a column 'method'",
    )  # fmt: skip
    parser.add_argument("--no-methods", action="store_true", help="compare every run as it is")
    parser.add_argument(
        "--group", "--by", default="", metavar="COLUMN", help="test the gap between the groups of this metadata column"
    )


def policy_of(options: argparse.Namespace) -> "Policy":
    """The conventions that the options name.

    Raises:
        OptionError: ``--miss`` is not understood.
    """
    from evaluation.statistics import Policy

    if options.miss in ("apart", "median", "diagonal"):
        return Policy(empty=options.empty, failed=options.failed, miss=options.miss)
    try:
        penalty = float(options.miss)
    except ValueError:
        penalty = math.nan
    if not 0 <= penalty < math.inf:
        raise OptionError(f"--miss {options.miss} is not understood. Give apart, median, diagonal or a distance.")
    return Policy(empty=options.empty, failed=options.failed, miss=penalty)


def method_texts(options: argparse.Namespace) -> tuple[str, ...] | None:
    """The methods as they were named; None where the runs' own names decide."""
    if options.no_methods and options.method:
        raise OptionError("--no-methods and --method exclude each other. Leave one out.")
    return () if options.no_methods else tuple(options.method) if options.method else None


def _summarise(options: argparse.Namespace, settings: Settings) -> int:
    if options.published:
        return _published(options)
    if not options.folders:
        raise OptionError("Give the output folder of at least one run, or --published with two methods.")
    from evaluation.results.summary import as_text, document

    found, gaps, notes, metrics = _answer(options)
    if options.json:
        print(json.dumps(document(found, metrics, gaps=gaps, notes=notes), indent=1, ensure_ascii=False))
    else:
        say(as_text(found, metrics, gaps=gaps, notes=notes))
    return name_failures(found.table)


def _answer(options: argparse.Namespace) -> "tuple[Answer, tuple[GroupGap, ...], list[str], list[str]]":
    """The answer, the gaps between groups, what to know about the methods, and the metrics there are."""
    from evaluation.results import tables
    from evaluation.results.answers import Question, answer, group_gaps_of, no_groups
    from evaluation.results.methods import as_methods, chosen_methods, method_notes, runs_by_folder
    from evaluation.results.origins import read_together
    from evaluation.results.table import namesake_notes

    runs, origins = read_together(options.folders)
    results, made = as_methods(runs, chosen_methods(method_texts(options), runs, runs_by_folder(origins)))
    test_set = _test_set(options.test_set, results)
    metric = _metric(options.metric, results)
    question = Question(
        test_set, class_name=options.class_name, metric=metric, policy=policy_of(options), order=options.order
    )
    found = answer(results, question)
    gaps = group_gaps_of(found, options.group) if options.group else ()
    notes = [
        *namesake_notes(results),
        *method_notes(runs, [one for one in made if one.test_set == test_set], metric),
        *([no_groups(found, options.group)] if options.group and not gaps else []),
    ]
    return found, gaps, notes, tables.shown_metrics(found, results.metrics)


def _test_set(wanted: str, results: "Results") -> str:
    present = list(dict.fromkeys(map(str, results.table["test_set"])))
    if wanted and wanted not in present:
        raise OptionError(f"The results hold no test set {wanted!r}. They have: {', '.join(present)}.")
    if not wanted and len(present) > 1:
        raise OptionError(
            f"The results are of {len(present)} test sets. Name one with --test-set: {', '.join(present)}."
        )
    return wanted or present[0]


def _metric(wanted: str, results: "Results") -> str:
    from evaluation.results.answers import metric_choices

    present = metric_choices(results)
    if wanted and wanted not in present:
        raise OptionError(f"The results hold no metric {wanted!r}. They have: {', '.join(present)}.")
    return wanted or ("dice" if "dice" in present else present[0])


def name_failures(table: "pd.DataFrame") -> int:
    """Name the failed cases of a table of results; the exit code."""
    failed = table.loc[table["status"] == "failed", ["checkpoint", "case_id", "error"]].drop_duplicates()
    for checkpoint, case_id, reason in failed.head(MOST_FAULTS).itertuples(index=False, name=None):
        complain(f"{checkpoint}: {reason}" if repr(case_id) in reason else f"{checkpoint}, case {case_id!r}: {reason}")
    if len(failed) > MOST_FAULTS:
        complain(f"and {len(failed) - MOST_FAULTS} more cases; see scores.csv")
    return int(len(failed) > 0)


def _published(options: argparse.Namespace) -> int:
    from evaluation.results.words import published_sentence
    from evaluation.statistics import CORRELATION, read_published, turned_from_published

    first, second = map(read_published, options.published)
    correlation = CORRELATION if options.correlation is None else options.correlation
    sentence = published_sentence(first, second, correlation)
    if options.json:
        turned = turned_from_published(first, second, correlation=correlation)
        print(json.dumps({"turned": turned, "correlation": correlation, "sentence": sentence}, ensure_ascii=False))
    else:
        say(sentence)
    return 0
