"""Ranking of checkpoints under three schemes, and how stable it is when the cases are drawn again.

The schemes: *aggregate then rank* ranks the checkpoints' means (medians, where there are misses); *rank then
aggregate* ranks them in every case and then ranks their mean ranks; *test-based* ranks by the number of others over
which a checkpoint is better by `compare_pairs`, so that ranks and sentences rest on the same adjusted tests and
intervals. Equal checkpoints share the better rank.

Ranked are the cases that all of the ranked checkpoints share. A checkpoint that has values in less than 80 % as many
cases as the others is not ranked, and named: otherwise it would take most of the cases from everybody's ranking.

In resamples the tests take the normal approximation (for much work its first-order expansion) with Holm's adjustment,
and the interval of the mean difference is the mean ± 1.96 standard errors.

Source: Wiesenfarth et al., Scientific Reports 11, 2369, 2021, doi:10.1038/s41598-021-82017-6 (challengeR).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from evaluation.statistics.grouping import dense, too_few, unit_sums
from evaluation.statistics.matrix import ScoreMatrix, compared_matrix
from evaluation.statistics.pairs import ALPHA, PairComparison, compare_matrix, difference_of
from evaluation.statistics.policy import AS_MEASURED, Policy, better, goodness
from evaluation.statistics.resampling import SEED, ResampledMedians, draw_counts, precision_for, resamples_for
from evaluation.statistics.signed_rank import DECIMALS, LinearLeans, resampled_leans
from medseg_demo.errors import OptionError

Scheme = Literal["aggregate_then_rank", "rank_then_aggregate", "test_based"]

SCHEMES: tuple[Scheme, ...] = ("aggregate_then_rank", "rank_then_aggregate", "test_based")
RESAMPLES = 1000
MOST_RANKED = 5_000_000
RANKED_AGAIN_UP_TO = 10_000_000  # resamples × units × pairs
AT_ONCE = 4_000_000
ENOUGH_OF_THE_CASES = 0.8


@dataclass(frozen=True, eq=False)
class SchemeRanking:
    """The ranks under one scheme. Arrays are in the order of the checkpoints.

    Attributes:
        scheme: The scheme.
        ranks: 1 is best; equals share the better rank. (checkpoints,).
        scores: What was ranked: the mean or median, the mean rank, or the number of advantages. (checkpoints,).
        frequencies: The share of resamples in which a checkpoint had rank 1, 2, …; (checkpoints, ranks).
        low: 2.5th percentile of the ranks over the resamples. (checkpoints,).
        high: 97.5th percentile.
        kendall_tau: Mean agreement of the resamples' rankings with this one, −1 to 1; NaN where all are equal.
    """

    scheme: Scheme
    ranks: np.ndarray
    scores: np.ndarray
    frequencies: np.ndarray
    low: np.ndarray
    high: np.ndarray
    kendall_tau: float


@dataclass(frozen=True, eq=False)
class Ranking:
    """The checkpoints' ranks under the three schemes.

    Attributes:
        metric: The metric.
        checkpoints: The order of all arrays.
        not_ranked: Checkpoints that have values in too few of the others' cases.
        schemes: One for each scheme.
        aggregate: What "aggregate" was: the mean, or the median where there are misses.
        cases: How many cases were ranked.
        left_out: How many were left out, since not every ranked checkpoint has a value.
        groups: How many groups of cases were resampled, where ``group`` repeats; None otherwise.
        resamples: How many resamples there were: 1000, or fewer for many thousand cases.
        too_few: Whether there are too few cases, or groups, for any claim.
        turned: The share of resamples in which the second by means comes before the first; NaN where ``too_few``.
    """

    metric: str
    checkpoints: tuple[str, ...]
    not_ranked: tuple[str, ...]
    schemes: tuple[SchemeRanking, ...]
    aggregate: Literal["mean", "median"]
    cases: int
    left_out: int
    groups: int | None
    resamples: int
    too_few: bool
    turned: float


def rank_checkpoints(
    table: pd.DataFrame,
    metric: str,
    *,
    policy: Policy = AS_MEASURED,
    resamples: int = 0,
    seed: int = SEED,
) -> Ranking:
    """Rank the checkpoints of a table; a case's score is the mean over its classes.

    Raises:
        OptionError: The metric has no better direction, or no case has a value for every ranked checkpoint.
    """
    matrix = compared_matrix(table, metric, policy=policy)
    comparisons = compare_matrix(matrix, metric, policy=policy)
    return rank_matrix(matrix, metric, comparisons, resamples=resamples, seed=seed)


def rank_matrix(
    matrix: ScoreMatrix,
    metric: str,
    comparisons: Sequence[PairComparison],
    *,
    resamples: int = 0,
    seed: int = SEED,
) -> Ranking:
    """`rank_checkpoints` of a `compared_matrix` whose pairs are compared already."""
    ranked = _ranked(matrix)
    names = tuple(matrix.checkpoints[place] for place in ranked)
    values, complete = _case_values(goodness(matrix.values[:, :, ranked], metric), matrix.present[:, :, ranked])
    if not complete.any():
        raise OptionError(f"No case has a value of {metric!r} for every checkpoint. Choose fewer checkpoints.")
    values, units = values[complete], dense(matrix.units[complete])
    aggregate: Literal["mean", "median"] = "median" if np.isinf(values).any() else "mean"
    groups = int(units.max()) + 1
    clustered = groups < len(values)
    number = resamples or resamples_for(len(values) * values.shape[1], wanted=RESAMPLES, most=MOST_RANKED)
    scored = _scores(values, aggregate, names, comparisons)
    redrawn = _resampled_scores(values, units, aggregate, number, seed)
    few = too_few(groups, clustered=clustered)
    return Ranking(
        metric=metric,
        checkpoints=names,
        not_ranked=tuple(name for name in matrix.checkpoints if name not in names),
        schemes=tuple(_scheme(scheme, metric, scored[scheme], redrawn[scheme]) for scheme in SCHEMES),
        aggregate=aggregate,
        cases=len(values),
        left_out=len(complete) - len(values),
        groups=groups if clustered else None,
        resamples=number,
        too_few=few,
        turned=np.nan if few else _turned(scored["aggregate_then_rank"], redrawn["aggregate_then_rank"]),
    )


def _ranked(matrix: ScoreMatrix) -> np.ndarray:
    """The positions of the checkpoints that have values in about as many cases as at least one other."""
    numbers = (~np.isnan(matrix.values)).any(axis=1).sum(axis=0)
    second = np.sort(numbers)[-2:][0] if len(numbers) else 0
    return np.flatnonzero(numbers >= ENOUGH_OF_THE_CASES * second)


def _case_values(good: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the classes that have a value for every checkpoint, and which cases have one."""
    usable = (present & ~np.isnan(good)).all(axis=2)
    number = usable.sum(axis=1)
    sums = np.where(usable[:, :, np.newaxis], good, 0.0).sum(axis=1)
    given_to_all = np.all(present.any(axis=1), axis=1)
    return sums / np.maximum(number, 1)[:, np.newaxis], (number > 0) & given_to_all


def _scores(
    values: np.ndarray, aggregate: str, names: Sequence[str], comparisons: Sequence[PairComparison]
) -> dict[Scheme, np.ndarray]:
    """What each scheme ranks, (checkpoints,); more is better."""
    places = {name: place for place, name in enumerate(names)}
    advantages = np.zeros(len(names))
    for one in comparisons:
        if one.better in places and one.first in places and one.second in places:
            advantages[places[one.better]] += 1
    return {
        "aggregate_then_rank": values.mean(axis=0) if aggregate == "mean" else np.median(values, axis=0),
        "rank_then_aggregate": -_ranks(values).mean(axis=0),
        "test_based": advantages,
    }


def _resampled_scores(
    values: np.ndarray, units: np.ndarray, aggregate: str, resamples: int, seed: int
) -> dict[Scheme, np.ndarray]:
    """What each scheme ranks in each resample, (resamples, checkpoints); the schemes see the same resamples."""
    blocks: dict[Scheme, list[np.ndarray]] = {scheme: [] for scheme in SCHEMES}
    advantages = _resampled_tests(values, units, resamples)
    precision, number = precision_for(len(values)), int(units.max()) + 1
    sizes = np.bincount(units).astype(precision)[:, np.newaxis]
    ranks, summed = (unit_sums(one, units).astype(precision) for one in (_ranks(values), values))
    medians = [ResampledMedians(column, units, number) for column in values.T] if aggregate == "median" else []
    width = max(1, AT_ONCE // max(1, len(values) + values.shape[1] ** 2))
    for block in draw_counts(number, resamples, seed):
        for start in range(0, len(block), width):
            drawn = block[start : start + width].astype(precision)
            total = drawn @ sizes
            means = [median(drawn) for median in medians] or list((drawn @ summed / total).T)
            blocks["aggregate_then_rank"].append(np.stack(means, axis=1))
            blocks["rank_then_aggregate"].append(-(drawn @ ranks) / total)
            blocks["test_based"].append(advantages(drawn))
    return {scheme: np.concatenate(found) for scheme, found in blocks.items()}


def _resampled_tests(values: np.ndarray, units: np.ndarray, resamples: int) -> Callable[[np.ndarray], np.ndarray]:
    """What takes resamples of units to the number of others over which each checkpoint has both witnesses."""
    first, second = np.triu_indices(values.shape[1], 1)
    differences = _unit_means(difference_of(values[:, first], values[:, second]), units)
    if differences.size * resamples > RANKED_AGAIN_UP_TO:
        leans: Callable[[np.ndarray], np.ndarray] = LinearLeans(differences, precision_for(len(values)))
    else:
        leans = lambda drawn: np.stack([resampled_leans(one, drawn) for one in differences.T], axis=1)  # noqa: E731
    # A miss outweighs every finite difference, here as in `compare_pairs`.
    large = 1e3 * (np.abs(differences[np.isfinite(differences)]).max(initial=0.0) or 1.0)
    sizes = np.clip(differences, -large, large).astype(precision_for(len(values)))
    squares = sizes**2

    def advantages(drawn: np.ndarray) -> np.ndarray:
        scores = leans(drawn)
        claimed = _holm_significant(np.abs(scores)) & _interval_agrees(scores, sizes, squares, drawn)
        rows, pair = np.nonzero(claimed & (scores != 0))
        winner = np.where(scores[rows, pair] > 0, first[pair], second[pair])
        width = values.shape[1]
        found = np.bincount(rows * width + winner, minlength=len(drawn) * width)
        return found.reshape(len(drawn), width).astype(float)

    return advantages


def _unit_means(differences: np.ndarray, units: np.ndarray) -> np.ndarray:
    """The mean difference of each unit, (units, pairs); a unit with misses on both sides is tied."""
    with np.errstate(invalid="ignore"):
        means = unit_sums(differences, units) / np.bincount(units)[:, np.newaxis]
    return np.where(np.isnan(means), 0.0, means)


def _holm_significant(scores: np.ndarray) -> np.ndarray:
    """Which tests of each row are significant after Holm over the row, (resamples, pairs).

    ``scores`` are absolute standard normal ones. Of m tests as many are significant as pass the level of Bonferroni's
    rule for the m − k others, once it leaves their number k as it is; k grows from 0 on.
    """
    number = np.zeros(len(scores), dtype=int)
    while True:
        level = ALPHA / np.maximum(1, scores.shape[1] - number)
        significant: np.ndarray = scores > -ndtri(level / 2)[:, np.newaxis]
        again = np.count_nonzero(significant, axis=1)
        if (again == number).all():
            return significant
        number = again


def _interval_agrees(scores: np.ndarray, sizes: np.ndarray, squares: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """Whether the interval of the mean difference lies on the side of the test's score, (resamples, pairs)."""
    total = drawn.sum(axis=1, keepdims=True)
    mean = drawn @ sizes / total
    error = np.sqrt(np.maximum(drawn @ squares / total - mean**2, 0) / total)
    return np.sign(scores) * mean > -ndtri(0.025) * error


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, (rows, checkpoints): the highest score has rank 1, equals share the better rank."""
    rounded = np.round(scores, DECIMALS)
    return 1 + np.stack(
        [(rounded > column[..., np.newaxis]).sum(axis=-1) for column in np.moveaxis(rounded, -1, 0)], axis=-1
    )


def _turned(scores: np.ndarray, redrawn: np.ndarray) -> float:
    """How often the second comes before the first in resamples; equals count half."""
    if len(scores) < 2:
        return np.nan
    first, second = np.argsort(-scores, kind="stable")[:2]
    return float(((redrawn[:, second] > redrawn[:, first]) + 0.5 * (redrawn[:, second] == redrawn[:, first])).mean())


def _scheme(scheme: Scheme, metric: str, scores: np.ndarray, redrawn: np.ndarray) -> SchemeRanking:
    ranks, again = _ranks(scores), _ranks(redrawn)
    low, high = np.quantile(again, [0.025, 0.975], axis=0, method="closest_observation")
    return SchemeRanking(
        scheme=scheme,
        ranks=ranks,
        scores=_for_people(scheme, metric, scores),
        frequencies=np.stack([(again == rank).mean(axis=0) for rank in range(1, len(ranks) + 1)], axis=1),
        low=low,
        high=high,
        kendall_tau=_kendall_tau(ranks, again),
    )


def _for_people(scheme: Scheme, metric: str, scores: np.ndarray) -> np.ndarray:
    """What was ranked (more is better) as a person reads it: in the metric's own direction, or as a mean rank."""
    as_it_is = scheme == "test_based" or (scheme == "aggregate_then_rank" and better(metric) == "higher")
    return scores if as_it_is else -scores


def _kendall_tau(ranks: np.ndarray, redrawn: np.ndarray) -> float:
    """Mean of Kendall's tau-b between the ranking and each resample's; resamples in which all tie are left out."""
    first, second = np.triu_indices(len(ranks), 1)
    signs = np.sign(ranks[first].astype(float) - ranks[second])
    resigned = np.sign(redrawn[:, first].astype(float) - redrawn[:, second])
    scale = np.sqrt((signs**2).sum() * (resigned**2).sum(axis=1))
    usable = scale > 0
    return float(((resigned @ signs)[usable] / scale[usable]).mean()) if usable.any() else np.nan
