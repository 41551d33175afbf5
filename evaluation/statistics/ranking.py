"""Ranking of checkpoints under three schemes, and how stable it is when the cases are drawn again.

The schemes: *aggregate then rank* ranks the checkpoints' means (medians, where there are misses); *rank then
aggregate* ranks them in every case and then ranks their mean ranks; *test-based* ranks by the number of others over
which a one-sided signed-rank test (level 0.05, not adjusted) finds an advantage. Equal checkpoints share the better
rank. In resamples the test takes the normal approximation, and beyond 500 cases its first-order expansion. Failed
cases count the metric's worst value; cases with a value that is not applicable for one of the checkpoints, or that
one of them was not given, are left out and counted.

Source: Wiesenfarth et al., Scientific Reports 11, 2369, 2021, doi:10.1038/s41598-021-82017-6 (challengeR).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy.special import ndtri

from evaluation.statistics.grouping import dense, too_few
from evaluation.statistics.pairs import ALPHA, score_matrix
from evaluation.statistics.policy import AS_MEASURED, Policy, better, goodness
from evaluation.statistics.resampling import SEED, draw_counts, resamples_for, weighted_medians
from evaluation.statistics.signed_rank import DECIMALS, LinearLean, resampled_leans, signed_rank_tails
from medseg_demo.errors import OptionError

Scheme = Literal["aggregate_then_rank", "rank_then_aggregate", "test_based"]

SCHEMES: tuple[Scheme, ...] = ("aggregate_then_rank", "rank_then_aggregate", "test_based")
RESAMPLES = 1000
MOST_RANKED = 5_000_000
RANKED_AGAIN_UP_TO = 500


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
        schemes: One for each scheme.
        aggregate: What "aggregate" was: the mean, or the median where there are misses.
        cases: How many cases were ranked.
        left_out: How many were left out, since not every checkpoint has a value.
        groups: How many groups of cases were resampled, where ``group`` repeats; None otherwise.
        resamples: How many resamples there were: 1000, or fewer for many thousand cases.
        too_few: Whether there are too few cases, or groups, for any claim.
    """

    metric: str
    checkpoints: tuple[str, ...]
    schemes: tuple[SchemeRanking, ...]
    aggregate: Literal["mean", "median"]
    cases: int
    left_out: int
    groups: int | None
    resamples: int
    too_few: bool


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
        OptionError: The metric has no better direction, or no case has a value for every checkpoint.
    """
    matrix = score_matrix(table, metric, policy=replace(policy, failed="worst"))
    values, complete = _case_values(goodness(matrix.values, metric), matrix.present)
    if not complete.any():
        raise OptionError(f"No case has a value of {metric!r} for every checkpoint. Choose fewer checkpoints.")
    values, units = values[complete], dense(matrix.units[complete])
    aggregate: Literal["mean", "median"] = "median" if np.isinf(values).any() else "mean"
    groups = int(units.max()) + 1
    clustered = groups < len(values)
    number = resamples or resamples_for(len(values) * values.shape[1], wanted=RESAMPLES, most=MOST_RANKED)
    scored = _scores(values, aggregate)
    redrawn = _resampled_scores(values, units, aggregate, number, seed)
    return Ranking(
        metric=metric,
        checkpoints=matrix.checkpoints,
        schemes=tuple(_scheme(scheme, metric, scored[scheme], redrawn[scheme]) for scheme in SCHEMES),
        aggregate=aggregate,
        cases=len(values),
        left_out=len(complete) - len(values),
        groups=groups if clustered else None,
        resamples=number,
        too_few=too_few(groups, clustered=clustered),
    )


def _case_values(good: np.ndarray, present: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean over the classes that have a value for every checkpoint, and which cases have one."""
    usable = (present & ~np.isnan(good)).all(axis=2)
    number = usable.sum(axis=1)
    sums = np.where(usable[:, :, np.newaxis], good, 0.0).sum(axis=1)
    given_to_all = np.all(present.any(axis=1), axis=1)
    return sums / np.maximum(number, 1)[:, np.newaxis], (number > 0) & given_to_all


def _scores(values: np.ndarray, aggregate: str) -> dict[Scheme, np.ndarray]:
    """What each scheme ranks, (checkpoints,); more is better."""
    advantages = np.zeros(values.shape[1])
    for first, second in combinations(range(values.shape[1]), 2):
        above, below = signed_rank_tails(_differences(values, first, second))
        advantages[first] += above < ALPHA
        advantages[second] += below < ALPHA
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
    ranks, leans = _ranks(values), _leans(values)
    for drawn_units in draw_counts(int(units.max()) + 1, resamples, seed):
        counted = drawn_units[:, units]
        drawn = counted.astype(float)
        total = drawn.sum(axis=1, keepdims=True)
        if aggregate == "mean":
            blocks["aggregate_then_rank"].append(drawn @ values / total)
        else:
            medians = [weighted_medians(column, counted) for column in values.T]
            blocks["aggregate_then_rank"].append(np.stack(medians, axis=1))
        blocks["rank_then_aggregate"].append(-(drawn @ ranks) / total)
        blocks["test_based"].append(_resampled_advantages(leans, drawn))
    return {scheme: np.concatenate(found) for scheme, found in blocks.items()}


def _leans(values: np.ndarray) -> list[Callable[[np.ndarray], np.ndarray]]:
    """For each two checkpoints, what takes resamples to the score of their test."""
    pairs = [_differences(values, *pair) for pair in combinations(range(values.shape[1]), 2)]
    if len(values) > RANKED_AGAIN_UP_TO:
        return [LinearLean(differences) for differences in pairs]
    return [partial(resampled_leans, differences) for differences in pairs]


def _resampled_advantages(leans: list[Callable[[np.ndarray], np.ndarray]], drawn: np.ndarray) -> np.ndarray:
    width = round((1 + (1 + 8 * len(leans)) ** 0.5) / 2)
    needed = -ndtri(ALPHA)
    advantages = np.zeros((len(drawn), width))
    for (first, second), lean in zip(combinations(range(width), 2), leans, strict=True):
        scores = lean(drawn)
        advantages[:, first] += scores > needed
        advantages[:, second] += scores < -needed
    return advantages


def _differences(values: np.ndarray, first: int, second: int) -> np.ndarray:
    """The first's advantage in each case; two misses are equal."""
    one, other = values[:, first], values[:, second]
    with np.errstate(invalid="ignore"):
        return np.where(np.isinf(one) & (one == other), 0.0, one - other)


def _ranks(scores: np.ndarray) -> np.ndarray:
    """Ranks along the last axis, (rows, checkpoints): the highest score has rank 1, equals share the better rank."""
    rounded = np.round(scores, DECIMALS)
    return 1 + np.stack(
        [(rounded > column[..., np.newaxis]).sum(axis=-1) for column in np.moveaxis(rounded, -1, 0)], axis=-1
    )


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
