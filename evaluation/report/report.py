"""Results → one self-contained HTML file: tables, plots, every case in the table, the worst ones in the viewer.

The file holds everything that it shows, plotly.js once and the viewer among it: it opens from a disk without a
network. Of the worst cases it holds whole images, and of each volume a few slices, 3 MiB of them at most. Whoever
passes it on passes on the pictures of the worst cases too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from evaluation.plots import as_json
from evaluation.report import page
from evaluation.report.networks import LINK, networks_part
from evaluation.report.outcome_pictures import OUTCOMES, as_data_url, outcome_picture, swatch
from evaluation.report.viewer import embedded_value, opening_slice
from evaluation.results import tables
from evaluation.results.answers import (
    GROUP,
    Answer,
    Question,
    answer,
    badness,
    names_in,
    worst_cases,
    worst_first,
)
from evaluation.results.changes import changes_table
from evaluation.results.figures import View, draw_figure, figures_of, gap_lines, stress_lines
from evaluation.results.methods import Method, as_methods, chosen_methods, method_notes, run_of, runs_by_folder
from evaluation.results.origins import Origins, Segment, is_simulated, open_case, read_together
from evaluation.results.stress import is_stressed
from evaluation.results.table import Results, Run, namesake_notes
from evaluation.results.tags import COLUMN as TAGS
from evaluation.results.tags import Tags, with_tags
from evaluation.results.words import comparison_sentence, metric_title, number, tolerance_words
from evaluation.statistics import AS_MEASURED, Order, Policy
from medseg_demo.errors import MedsegError, OptionError
from medseg_demo.language import language
from medseg_demo.settings import Settings
from medseg_demo.writing.burned_in import burned_in_warnings
from medseg_demo.writing.whole import write_text

WORST = 6
MOST_ROWS = 2000
MOST_SENTENCES = 15
MOST_CLASSES = 6  # of a case, in its caption
TILE_SIDE = 320

SIMULATED_NOTE = "These images are simulated, not photographed: the scores say nothing about microscopes or patients."
NOTES = (
    "For research and teaching. Not a medical device.",
    "A case that could not be scored is counted as failed and never dropped; an infinite distance is a miss and stays.",
)

RunsHere = dict[str, tuple[Run, Path | None]]


@dataclass(frozen=True, eq=False)
class _Sources:
    """What a report is made from: the runs, the methods that they are compared as, and where pictures come from."""

    runs: Results
    results: Results
    methods: tuple[Method, ...]
    origins: Origins
    settings: Settings
    segment: Segment | None
    say: Callable[[str], None]

    def runs_on(self, test_set: str) -> RunsHere:
        return {name: origin for (where, name), origin in self.origins.items() if where == test_set}


@dataclass(frozen=True)
class ReportOptions:
    """What a report shows.

    Attributes:
        test_sets: Which ones; empty takes all.
        checkpoints: Which ones; empty takes all.
        metric: The one that checkpoints are ranked by; empty takes Dice, or the first one where Dice is missing.
        policy: Of empty masks, misses and failed cases.
        order: Of a mean over several classes.
        methods: Which runs are one method, as ``NAME=RUN,RUN``; None takes what their names tell, nothing keeps every
            run apart.
        column: The metadata column whose groups are compared; empty takes the first that divides the cases.
        cluster: The column whose cases belong together.
        tags: A person's words on cases.
        worst: How many of the worst cases are shown as pictures, for each test set.
        title: Of the page.
        language: Of the page; one of ``medseg_demo.language.LANGUAGES``.
        networks: Whether the networks lie in it, too, for a reader's own images.
    """

    test_sets: tuple[str, ...] = ()
    checkpoints: tuple[str, ...] = ()
    metric: str = ""
    policy: Policy = AS_MEASURED
    order: Order = "class"
    methods: tuple[str, ...] | None = None
    column: str = ""
    cluster: str = GROUP
    tags: Tags = field(default_factory=dict)
    worst: int = WORST
    title: str = "Segmentation scores"
    language: str = "en"
    networks: bool = False


def write_report(
    folders: Sequence[Path],
    output: Path,
    *,
    options: ReportOptions | None = None,
    settings: Settings | None = None,
    segment: Segment | None = None,
    read: tuple[Results, Origins] | None = None,
    say: Callable[[str], None] = lambda warning: None,
) -> Path:
    """Write the report of one or several output folders.

    Args:
        folders: Each with a ``run.json`` and a ``scores.csv``.
        output: The HTML file.
        options: What it shows.
        settings: Where the test sets lie, whose worst cases are shown.
        segment: Makes predictions again that were not kept; None shows those cases without one.
        read: What ``read_together`` gave of these folders; None reads them.
        say: Told what should be looked at before the report is shared, which stands in it too.

    Returns:
        The file.

    Raises:
        ResultsError: A folder holds no results, or damaged ones.
        OptionError: A test set, a checkpoint or the metric is not among the results, or no row is left.
        OutputError: The file cannot be written.
    """
    options, settings = options or ReportOptions(), settings or Settings()
    runs, origins = read or read_together([Path(folder) for folder in folders])
    results, methods = as_methods(runs, chosen_methods(options.methods, runs, runs_by_folder(origins)))
    sources = _Sources(runs, results, methods, origins, settings, segment, say)
    numbers = count(1)
    made = [_section(name, sources, options, numbers) for name in _chosen(results, options)]
    sections, metrics = [section for section, _ in made], tuple(results.metrics)
    if options.networks:
        sections.append(networks_part([run for _, shown in made for run in shown], settings))
    sections.append(page.section("Conventions", page.table(tables.conventions(metrics)), anchor="conventions"))
    head = [*map(page.note, (*NOTES, *namesake_notes(results))), *([LINK] if options.networks else [])]
    whole = page.whole(options.title, head, sections, is_closed=options.networks)
    write_text(Path(output), language(options.language).page(whole))
    return Path(output)


def _chosen(results: Results, options: ReportOptions) -> tuple[str, ...]:
    """The test sets that are shown."""
    test_sets = names_in(results.table["test_set"])
    _check("test set", options.test_sets, test_sets)
    _check("checkpoint", options.checkpoints, names_in(results.table["checkpoint"]))
    _check("metric", (options.metric,) if options.metric else (), tuple(results.metrics))
    _check("column", (options.column,) if options.column else (), results.metadata)
    return options.test_sets or test_sets


def _check(kind: str, wanted: Sequence[str], present: Sequence[str]) -> None:
    missing = [name for name in wanted if name not in present]
    if missing:
        raise OptionError(f"The results hold no {kind} {', '.join(missing)}. They have: {', '.join(present)}.")


def _section(name: str, sources: _Sources, options: ReportOptions, numbers: "count[int]") -> tuple[str, list[Run]]:
    """Everything about one test set, and the runs that it is about, the best first."""
    results, origins = sources.results, sources.runs_on(name)
    metric = options.metric or ("dice" if "dice" in results.metrics else results.metrics[0])
    present = names_in(results.table.loc[results.table["test_set"] == name, "checkpoint"])
    checkpoints = tuple(one for one in options.checkpoints if one in present)
    question = Question(name, checkpoints, "", metric, options.policy, options.order, options.cluster)
    found = with_tags(answer(results, question), options.tags)
    here = [one for one in sources.methods if one.test_set == name]
    shown = _of(found, here, origins)
    parts = [
        *([page.note(SIMULATED_NOTE, alarm=True)] if is_simulated(name) else []),
        page.table(_runs(sources.runs, found, shown)),
        *([page.sentences("Methods", method_notes(sources.runs, here, metric))] if here else []),
        page.table(tables.leaderboard(found)),
        page.table(tables.every_metric(found, results.metrics)),
        *([page.table(findings)] if (findings := tables.findings(found)) else []),
        *([page.table(between)] if (between := changes_table(found)) else []),
        page.sentences("Is the difference real?", _sentences(found)),
        *([page.sentences(tables.GROUPS, lines)] if (lines := _groups(found, options.column)) else []),
        *([page.table(policies)] if (policies := tables.policies(found)) else []),
        *([page.table(lost)] if (lost := _stress(found, options.column)) else []),
        page.figures([_figure(one.name, one.title, found, options, numbers) for one in figures_of(_told(found))]),
        page.worst(_worst(found, sources, options.worst), _legend()),
        page.rows(_rows(found, results.metrics)),
    ]
    title = f"{name} (simulated)" if is_simulated(name) else name
    return page.section(title, *parts, anchor=f"test-set-{page.slug(name)}"), [run for run, _ in shown.values()]


def _of(found: Answer, methods: Sequence[Method], origins: RunsHere) -> RunsHere:
    """The runs that the shown methods are made of."""
    made_of = {one.name: one.runs for one in methods}
    names = [name for standing in found.standings for name in made_of.get(standing.checkpoint, (standing.checkpoint,))]
    return {name: origins[name] for name in names if name in origins}


def _runs(runs: Results, found: Answer, origins: RunsHere) -> tables.Table:
    """What was run, when, and with which settings."""
    rows, unit = [], tables.units_in(found, "distance_unit")
    here = runs.table[runs.table["test_set"] == found.question.test_set]
    cases = here.drop_duplicates(["checkpoint", "case_id"])["checkpoint"].value_counts()
    for name, (run, _) in origins.items():
        tolerance: Any = run.settings.get("nsd_tolerance")
        state = "stopped before the last case" if run.partial else "whole"
        rows.append(
            (
                name, run.source, f"{cases[name]:,}", state, run.moment or "not known",
                run.checkpoint_hash[:12] or "not known", run.test_set_hash[:12] or "not known",
                "not known" if tolerance is None else tolerance_words(tolerance, unit),
            )
        )  # fmt: skip
    header = ("Checkpoint", "Source", "Cases", "State", "Moment", "Checkpoint hash", "Test-set hash", "NSD tolerance")
    return tables.Table("Runs", header, tuple(rows))


def _sentences(found: Answer) -> list[str]:
    unit = tables.unit_of(found, found.question.metric)
    sentences = [comparison_sentence(one, unit=unit) for one in found.comparisons[:MOST_SENTENCES]]
    left = len(found.comparisons) - len(sentences)
    if left:
        sentences.append(f"And {left} more pairs: see the significance map.")
    return sentences or [found.problem or "Only one checkpoint was scored here, so there is nothing to compare."]


def _groups(found: Answer, column: str) -> list[str]:
    """What the test of the groups' gap says; why there is none, where a column is named."""
    try:
        lines = gap_lines(found, column)
        left = len(lines) - MOST_SENTENCES
        return [*lines[:MOST_SENTENCES], *([f"And {left} more: see summary --group."] if left > 0 else [])]
    except OptionError as error:
        return [str(error)] if column else []


def _told(found: Answer) -> tuple[str, ...]:
    """The metadata columns in which the rows hold something."""
    return tuple(name for name in found.metadata if (found.table[name] != "").any())


def _stress(found: Answer, column: str) -> tables.Table | None:
    """What is lost where images were made worse; None of other results, and where it cannot be told."""
    try:
        return stress_lines(found, column) if is_stressed(_told(found)) else None
    except OptionError:  # which stands in the place of the plot
        return None


def _figure(name: str, title: str, found: Answer, options: ReportOptions, numbers: "count[int]") -> page.Plot:
    try:
        drawn = draw_figure(name, found, View(column=options.column))
    except OptionError as error:
        return page.Plot("", title, "", str(error))
    return page.Plot(f"plot-{next(numbers)}", title, language(options.language).figure(as_json(drawn)))


def _worst(found: Answer, sources: _Sources, most: int) -> list[page.WorstCase]:
    question = found.question
    order = worst_cases(found.table, question.metric, policy=question.policy, most=most)
    return [_worst_case(found, case_id, name, sources) for case_id, name in order]


def _worst_case(found: Answer, case_id: str, checkpoint: str, sources: _Sources) -> page.WorstCase:
    """One case with its picture and viewer, or why there is none."""
    rows = found.table[(found.table["case_id"] == case_id) & (found.table["checkpoint"] == checkpoint)]
    worst = rows.iloc[worst_first(badness(rows, found.question.metric, found.question.policy), most=MOST_CLASSES)]
    shown_rows = (rows if len(rows) <= MOST_CLASSES else worst).to_dict("records")
    values = ", ".join(f"{one['class_name']} {_value(one, found.question.metric)}" for one in shown_rows)
    values += f"; the worst of {len(rows)} classes" * (len(rows) > MOST_CLASSES)
    test_set = found.question.test_set
    run = run_of(sources.runs, sources.methods, test_set, checkpoint, case_id)
    shown = f"; shown: {run}" if run != checkpoint else ""
    caption = f"{metric_title(found.question.metric)}: {values}{shown}"
    try:
        case = open_case(
            test_set, case_id, [run],
            runs=sources.runs_on(test_set), settings=sources.settings, segment=sources.segment,
        )  # fmt: skip
    except MedsegError as error:
        return page.WorstCase(test_set, case_id, checkpoint, caption, note=str(error))
    prediction = case.predictions[0]
    index = opening_slice(case.reference, prediction.label_map)
    picture = outcome_picture(case.image, case.reference, prediction.label_map, slice_index=index, max_side=TILE_SIDE)
    value, note = embedded_value(case, prediction, title=f"{case_id} · {checkpoint}")
    in_pixels = burned_in_warnings(case.image)
    for warning in in_pixels:
        sources.say(f"Case {case_id!r}: {warning}")
    notes = " ".join(filter(None, (prediction.note, note, *in_pixels)))
    outcomes = prediction.label_map is not None
    return page.WorstCase(test_set, case_id, checkpoint, caption, as_data_url(picture), value, notes, outcomes)


def _value(row: dict[str, object], metric: str) -> str:
    return "failed" if row["status"] == "failed" else number(float(row[metric]))  # type: ignore[arg-type]


def _rows(found: Answer, metrics: tuple[str, ...]) -> page.CaseRows:
    """The rows of the table, the worst first, and what is left out of very many."""
    bad = badness(found.table, found.question.metric, found.question.policy)
    order = worst_first(bad, most=MOST_ROWS)
    tags = [TAGS] if TAGS in found.table else []
    names = ["case_id", "checkpoint", "class_name", *tags, "status", "error", *metrics]
    part = found.table.iloc[order]
    cells = [[_text(row[name]) for name in names] for row in part.to_dict("records")]
    note = tables.convention(found.question)
    if len(order) < len(found.table):
        note = f"The {len(order):,} worst of {len(found.table):,} rows; all of them stand in scores.csv. {note}"
    return page.CaseRows(names, cells, note)


def _text(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)


def _legend() -> list[tuple[str, str]]:
    return [(as_data_url(swatch(place)), name) for place, name in enumerate(OUTCOMES)]
