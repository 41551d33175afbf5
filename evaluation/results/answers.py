"""One question put to the results (which test set, class, metric, policy), and everything that is answered to it."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from evaluation.metrics.table import METRICS
from evaluation.results.comparable import difference_in_kind, lacking_classes
from evaluation.results.table import Results, Run
from evaluation.statistics import (
    AS_MEASURED,
    GroupGap,
    Order,
    PairComparison,
    Policy,
    PolicyEffect,
    Ranking,
    ScoreMatrix,
    Summary,
    compare_matrix,
    compared_matrix,
    goodness,
    group_gaps,
    group_rows,
    metric_values,
    policy_effects,
    rank_matrix,
    summarise,
)
from evaluation.statistics.grouping import Groups
from evaluation.statistics.policy import DIAGONAL
from medseg_demo.errors import OptionError

ALL_CLASSES = ""
GROUP = "group"
Tolerance = float | Mapping[str, float]  # one for all classes, or one a class


@dataclass(frozen=True)
class Question:
    """What is asked of the results.

    Attributes:
        test_set: The test set's name.
        checkpoints: Which ones, in the order of the table; empty takes all.
        class_name: One class; empty takes all of them.
        metric: The metric.
        policy: Of empty masks, misses and failed cases.
        order: Of a mean over several classes.
        cluster: The column whose cases belong together, such as those of a patient; empty: each case for itself.
    """

    test_set: str
    checkpoints: tuple[str, ...] = ()
    class_name: str = ALL_CLASSES
    metric: str = "dice"
    policy: Policy = AS_MEASURED
    order: Order = "class"
    cluster: str = GROUP


@dataclass(frozen=True)
class Standing:
    """One checkpoint's line of the leaderboard.

    Attributes:
        checkpoint: Its name.
        summary: Of the metric over the cases.
        ranks: Under each scheme; empty where there is no ranking, or where it has too few of the others' cases.
        stability: The share of resamples in which it had that rank, under each scheme.
        mean_rank: Its mean rank in the cases; NaN likewise.
    """

    checkpoint: str
    summary: Summary
    ranks: tuple[int, ...] = ()
    stability: tuple[float, ...] = ()
    mean_rank: float = np.nan


@dataclass(frozen=True, eq=False)
class Answer:
    """What the results say to a question.

    Attributes:
        question: The question.
        table: The rows that it is about.
        standings: The best first.
        ranking: None with one checkpoint, or where checkpoints cannot be ranked.
        comparisons: Of every two checkpoints, with Holm's adjustment over all of them.
        matrix: The scores as they were compared; None where they cannot be.
        effects: What each empty-mask policy makes of each mean.
        problem: Why there is no ranking although there are several checkpoints.
        metadata: The table's metadata columns.
        tolerances: Of the surface Dice, all different settings of the runs; empty where they are not known.
        results: What was asked.
        notes: Which classes some checkpoints lack, in plain sentences.
    """

    question: Question
    table: pd.DataFrame
    standings: tuple[Standing, ...]
    ranking: Ranking | None = None
    comparisons: tuple[PairComparison, ...] = ()
    matrix: ScoreMatrix | None = None
    effects: tuple[PolicyEffect, ...] = ()
    problem: str = ""
    metadata: tuple[str, ...] = ()
    tolerances: tuple[Tolerance, ...] = ()
    results: Results | None = None
    notes: tuple[str, ...] = ()

    @property
    def runs(self) -> dict[str, Run]:
        """The run, or what the runs of a method share, of each checkpoint on the test set."""
        return _runs_of(self.results, self.question)

    def comparison(self, first: str, second: str) -> PairComparison | None:
        """The first checkpoint against the second; None where they were not compared."""
        for one in self.comparisons:
            if (one.first, one.second) == (first, second):
                return one
            if (one.first, one.second) == (second, first):
                return _turned(one)
        return None


def _turned(one: PairComparison) -> PairComparison:
    """The same comparison with first and second exchanged."""
    return replace(
        one,
        first=one.second,
        second=one.first,
        first_failed=one.second_failed,
        second_failed=one.first_failed,
        first_misses=one.second_misses,
        second_misses=one.first_misses,
        difference=-one.difference,
        median_difference=-one.median_difference,
        low=-one.high,
        high=-one.low,
        wins=one.losses,
        losses=one.wins,
    )


def answer(results: Results, question: Question) -> Answer:
    """Answer a question.

    Raises:
        OptionError: The results have no row that it is about, or no such metric.
    """
    table = select(results.table, question)
    if table.empty:
        raise OptionError("No row of the results fits this choice. Choose another test set, class or checkpoint.")
    unlike = difference_in_kind(table, question.metric, _runs_of(results, question))
    with ThreadPoolExecutor(max_workers=1) as beside:  # a fourth of the time, with many rows
        apart = beside.submit(_each_alone, table, question)
        matrix, comparisons, ranking, problem = _compare(table, question, unlike)
        summaries, effects = apart.result()
    return Answer(
        question=question,
        table=table,
        standings=_standings(summaries, ranking),
        ranking=ranking,
        comparisons=comparisons,
        matrix=matrix,
        effects=effects,
        problem=problem,
        metadata=results.metadata,
        tolerances=_tolerances(results, question, set(names_in(table["checkpoint"]))),
        results=results,
        notes=lacking_classes(table) if question.class_name == ALL_CLASSES else (),
    )


def _runs_of(results: Results | None, question: Question) -> dict[str, Run]:
    runs = results.runs if results else ()
    return {run.checkpoint: run for run in runs if run.test_set == question.test_set}


def _tolerances(results: Results, question: Question, checkpoints: set[str]) -> tuple[Tolerance, ...]:
    """The different settings of the runs; of one class only its own."""
    found = []
    for run in results.runs:
        if run.test_set == question.test_set and run.checkpoint in checkpoints and "nsd_tolerance" in run.settings:
            setting = run.settings["nsd_tolerance"]
            if isinstance(setting, Mapping) and question.class_name != ALL_CLASSES:
                setting = setting.get(question.class_name, setting.get("", 1.0))
            found.append(setting)
    return tuple(one for place, one in enumerate(found) if one not in found[:place])  # type: ignore[misc]


def group_gaps_of(found: Answer, column: str) -> tuple[GroupGap, ...]:
    """How far apart the groups of a metadata column are for each checkpoint, tested; nothing where all cases are one.

    Raises:
        OptionError: There is no such column.
    """
    if column not in found.metadata:
        columns = ", ".join(found.metadata) or "none"
        raise OptionError(f"The cases have no column {column!r}. Their columns: {columns}.")
    if found.table[column].nunique() < 2:
        return ()
    return group_gaps(found.table, found.question.metric, column, policy=found.question.policy)


def no_groups(found: Answer, column: str) -> str:
    """Why there is nothing to compare by a column that is the same for all cases."""
    return f"All cases have {str(found.table[column].iloc[0])!r} as {column}: there are no groups to compare."


def select(table: pd.DataFrame, question: Question) -> pd.DataFrame:
    """The rows that a question is about, numbered anew; in ``group`` what the question's cases belong together by."""
    keep = (table["test_set"] == question.test_set).to_numpy(dtype=bool)
    if question.checkpoints:
        keep = keep & table["checkpoint"].isin(question.checkpoints).to_numpy(dtype=bool)
    if question.class_name != ALL_CLASSES:
        keep = keep & (table["class_name"] == question.class_name).to_numpy(dtype=bool)
    chosen = table.copy(deep=False) if keep.all() else table[keep]
    chosen.index = pd.RangeIndex(len(chosen))
    for name in () if keep.all() else chosen.select_dtypes("category"):
        chosen[name] = chosen[name].cat.remove_unused_categories()
    if question.cluster != GROUP:
        chosen[GROUP] = chosen[question.cluster].astype(object) if question.cluster in chosen else ""
    return chosen


def badness(table: pd.DataFrame, metric: str, policy: Policy = AS_MEASURED) -> np.ndarray:
    """How bad each row is, (rows,): failed cases are infinitely bad, values that are not applicable NaN.

    A metric without a better direction counts its distance from zero.
    """
    values = metric_values(table, metric, policy)
    record = METRICS.get(metric)
    good = -np.abs(values) if record is None or record.better is None else goodness(values, metric)
    return np.where((table["status"] == "failed").to_numpy(dtype=bool), np.inf, -good)


def worst_first(bad: np.ndarray, *, most: int | None = None) -> np.ndarray:
    """The places of the worst rows, or of all, the worst first and those without a value last; equals as they come."""
    keys = -np.where(np.isnan(bad), -np.inf, bad)
    if most is None or most >= len(keys):
        return np.argsort(keys, kind="stable")
    among = np.flatnonzero(keys <= np.partition(keys, most)[most])
    return among[np.argsort(keys[among], kind="stable")][:most]


def worst_cases(
    table: pd.DataFrame, metric: str, *, checkpoint: str = "", policy: Policy = AS_MEASURED, most: int | None = None
) -> list[tuple[str, str]]:
    """(case, checkpoint) of a selection, the worst first; of a case's classes and checkpoints the worst one counts.

    Args:
        table: A selection of one test set.
        metric: What is bad.
        checkpoint: Only of this one; empty takes all.
        policy: What stands in for empty masks and misses.
        most: How many; None takes all cases.
    """
    if checkpoint:
        table = table[table["checkpoint"] == checkpoint]
    case_codes = pd.factorize(table["case_id"])[0]
    rows = None if most is None else most * int(np.bincount(case_codes, minlength=1).max())  # hold so many cases
    order = worst_first(badness(table, metric, policy), most=rows)
    firsts = np.sort(np.unique(case_codes[order], return_index=True)[1])[:most]
    names = table[["case_id", "checkpoint"]].iloc[order[firsts]]
    return [(str(case_id), str(name)) for case_id, name in names.itertuples(index=False, name=None)]


def _effects(groups: Groups, question: Question) -> tuple[PolicyEffect, ...]:
    """Empty for metrics whose mean no empty-mask policy can move: those whose best value is not 1."""
    record = METRICS.get(question.metric)
    if record is None or (record.range[1], record.better) != (1, "higher"):
        return ()
    return policy_effects(groups, question.metric, order=question.order, policy=question.policy)


def _compare(
    table: pd.DataFrame, question: Question, unlike: str
) -> tuple[ScoreMatrix | None, tuple[PairComparison, ...], Ranking | None, str]:
    """Pairs and ranks from the same matrix and the same tests."""
    matrix: ScoreMatrix | None = None
    comparisons: tuple[PairComparison, ...] = ()
    if table["checkpoint"].nunique() < 2:
        return matrix, comparisons, None, ""
    if unlike:
        return matrix, comparisons, None, f"There is no comparison: {unlike}"
    try:  # pairs can have cases in common where not all checkpoints together have one
        matrix = compared_matrix(table, question.metric, policy=question.policy)
        comparisons = compare_matrix(matrix, question.metric, policy=question.policy)
        return matrix, comparisons, rank_matrix(matrix, question.metric, comparisons), ""
    except OptionError as error:
        return matrix, comparisons, None, f"There is no ranking: {error}"


def _each_alone(table: pd.DataFrame, question: Question) -> tuple[Sequence[Summary], tuple[PolicyEffect, ...]]:
    """What is said of each checkpoint without the others."""
    groups = group_rows(table, ["checkpoint"])
    summaries = summarise(groups, question.metric, order=question.order, policy=question.policy)
    return summaries, _effects(groups, question)


def _standings(summaries: Sequence[Summary], ranking: Ranking | None) -> tuple[Standing, ...]:
    """The best first; those that are not ranked last."""
    standings = [_standing(summary, ranking) for summary in summaries]
    if ranking is None:
        return tuple(standings)
    return tuple(sorted(standings, key=lambda one: (not one.ranks, one.ranks, one.checkpoint)))


def _standing(summary: Summary, ranking: Ranking | None) -> Standing:
    name = summary.group[0]
    if ranking is None or name not in ranking.checkpoints:
        return Standing(name, summary)
    place = ranking.checkpoints.index(name)
    ranks = tuple(int(scheme.ranks[place]) for scheme in ranking.schemes)
    shares = [float(scheme.frequencies[place, rank - 1]) for scheme, rank in zip(ranking.schemes, ranks, strict=True)]
    return Standing(name, summary, ranks, tuple(shares), float(ranking.schemes[1].scores[place]))


def metric_choices(results: Results) -> tuple[str, ...]:
    """The metrics of the results that can be asked for: those with a better direction first, then the others."""
    known = [name for name in METRICS if name in results.metrics and METRICS[name].better is not None]
    return (*known, *(name for name in results.metrics if name not in (*known, DIAGONAL)))


def names_in(values: Sequence[str] | pd.Series) -> tuple[str, ...]:
    """The different names in order of appearance."""
    return tuple(str(name) for name in pd.unique(pd.Series(values)))
