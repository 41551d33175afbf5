"""Results by a metadata column, and whether its groups differ: names as they are, numbers in bands of equal size."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.special import chdtrc

from evaluation.statistics.grouping import Order, Rows, codes_of, dense, firsts, group_rows, too_few
from evaluation.statistics.policy import AS_MEASURED, Policy, metric_values
from evaluation.statistics.resampling import SEED
from evaluation.statistics.signed_rank import DECIMALS, holm, mean_ranks
from evaluation.statistics.summary import Summary, summarise

MOST_VALUES = 12
BANDS = 4
NO_VALUE = "(no value)"
PERMUTATIONS = 9999
PERMUTED_UP_TO = 200


def stratum_columns(table: pd.DataFrame, metadata: Sequence[str]) -> tuple[str, ...]:
    """The metadata columns that divide the cases into at least two, but not all into one each."""
    cases = table[list(metadata)].iloc[firsts(codes_of(table, ["test_set", "case_id"]))]
    return tuple(name for name in metadata if 1 < banded(cases[name]).nunique() <= max(MOST_VALUES, len(cases) // 2))


def banded(values: pd.Series) -> pd.Series:
    """A metadata column as the names of strata.

    A column of numbers with more than twelve different ones is cut at its quartiles: "3 to 7.5", "7.5 to 12", …
    (each band with its upper end, the first with both). Empty cells are a stratum of their own.
    """
    codes, uniques = pd.factorize(values)
    cells = pd.Series(uniques, dtype=object)
    texts = cells.where(cells != "", NO_VALUE).astype(str).to_numpy(dtype=object)
    parsed = pd.to_numeric(cells.where(cells != ""), errors="coerce").to_numpy(dtype=float)
    empty = (cells == "").to_numpy(dtype=bool)
    if (~np.isnan(parsed)).sum() <= MOST_VALUES or np.isnan(parsed[~empty]).any():
        return pd.Series(texts[codes], index=values.index)
    edges = np.unique(np.nanquantile(parsed[codes], np.linspace(0, 1, BANDS + 1)))
    names = np.array([f"{low:g} to {high:g}" for low, high in pairwise(edges)] + [NO_VALUE], dtype=object)
    band = np.where(empty, len(edges) - 1, np.clip(np.searchsorted(edges, parsed) - 1, 0, len(edges) - 2))
    return pd.Series(names[band][codes], index=values.index)


def summarise_by(
    table: pd.DataFrame,
    metric: str,
    column: str,
    *,
    order: Order = "class",
    policy: Policy = AS_MEASURED,
    strata: Sequence[str] | None = None,
    resamples: int = 0,
    seed: int = SEED,
) -> tuple[Summary, ...]:
    """Summarise a metric for each checkpoint in each stratum of a metadata column, or only in the strata named.

    Returns:
        Summaries whose ``group`` is (stratum, checkpoint), strata in their natural order; ``small`` flags those with
        too few cases for an interval or a claim.

    Raises:
        OptionError: The table has no such metric, or the policy cannot be applied to it.
    """
    named = table.assign(**{column: banded(table[column])})
    found = summarise(
        named if strata is None else named[named[column].isin(strata)].reset_index(drop=True),
        metric,
        by=(column, "checkpoint"),
        order=order,
        policy=policy,
        resamples=resamples,
        seed=seed,
    )
    return tuple(sorted(found, key=lambda summary: _natural(summary.group[0])))


@dataclass(frozen=True)
class GroupGap:
    """How far apart a method's strata are, and whether that is more than chance.

    Attributes:
        checkpoint: The method.
        column: The metadata column.
        highest: The stratum with the highest mean over its cases, or groups of cases (median, where there are misses).
        lowest: The one with the lowest.
        gap: Their difference.
        tested: How many strata are tested: those with enough cases, or groups of cases, for a claim.
        p: Of the Kruskal-Wallis test; NaN where fewer than two strata can be tested, or groups lie in several.
        p_adjusted: After Holm, over the methods.
        permuted: Whether p comes from permutations; otherwise from the chi-square distribution.
    """

    checkpoint: str
    column: str
    highest: str
    lowest: str
    gap: float
    tested: int
    p: float
    p_adjusted: float
    permuted: bool


def group_gaps(table: pd.DataFrame, metric: str, column: str, *, policy: Policy = AS_MEASURED) -> tuple[GroupGap, ...]:
    """The gap between the strata of each method, with Holm's adjustment over the methods.

    Tested are the cases' means over classes, or their means over each group of cases.

    Args:
        table: The tidy table, or a selection.
        metric: The metric.
        column: The metadata column.
        policy: Of empty masks, misses and failed cases.

    Source: Kruskal and Wallis, Journal of the American Statistical Association 47, 1952, doi:10.2307/2280779.
    """
    rows = group_rows(table.assign(**{column: banded(table[column])}), ("checkpoint", column)).rows(metric, policy)
    names = dict.fromkeys(one.key[0] for one in rows)
    gaps = [_gap(name, column, [one for one in rows if one.key[0] == name]) for name in names]
    adjusted = holm([one.p for one in gaps])
    return tuple(replace(one, p_adjusted=float(p)) for one, p in zip(gaps, adjusted, strict=True))


def strata_apart(
    table: pd.DataFrame, metric: str, column: str, *, policy: Policy = AS_MEASURED, most: int
) -> tuple[tuple[str, ...], int]:
    """The strata with the lowest and the highest means of their values, at most so many, and how many there are."""
    values = pd.Series(metric_values(table, metric, policy))
    centres = values.groupby(banded(table[column]).astype(str).to_numpy()).mean().sort_values(kind="stable")
    names = list(centres.index)
    if len(names) <= most:
        return tuple(names), len(names)
    return (*names[: most - most // 2], *names[len(names) - most // 2 :]), len(names)


def _gap(name: str, column: str, strata: list[Rows]) -> GroupGap:
    samples = {rows.key[1]: _unit_values(rows) for rows in strata}
    medians = any(np.isinf(one).any() for one in samples.values())
    centres = {
        stratum: float(np.median(one) if medians else one.mean()) for stratum, one in samples.items() if len(one)
    }
    highest = max(centres, key=lambda one: centres[one], default="")
    lowest = min(centres, key=lambda one: centres[one], default="")
    enough = [samples[rows.key[1]] for rows in strata
              if not too_few(len(samples[rows.key[1]]), clustered=rows.clustered)]  # fmt: skip
    p, permuted = kruskal_wallis(enough) if len(enough) > 1 else (np.nan, False)
    with np.errstate(invalid="ignore"):
        gap = centres[highest] - centres[lowest] if centres else np.nan
    return GroupGap(name, column, highest, lowest, gap, len(enough), p, np.nan, permuted)


def _unit_values(rows: Rows) -> np.ndarray:
    """The mean of each case over its classes, or of each group of cases over its cases."""
    usable = ~np.isnan(rows.values)
    if not usable.any():
        return np.empty(0)
    _, first, case = np.unique(rows.cases[usable], return_index=True, return_inverse=True)
    of_case = np.bincount(case, rows.values[usable]) / np.bincount(case)
    unit = dense(rows.units[usable][first])
    return np.bincount(unit, of_case) / np.bincount(unit)


def kruskal_wallis(samples: Sequence[np.ndarray], *, seed: int = SEED) -> tuple[float, bool]:
    """Do several independent samples differ by the ranks of their values?

    Args:
        samples: Values; may be infinite, not NaN.
        seed: Of the permutations.

    Returns:
        (p, whether it comes from permutations): up to 200 values from 9,999 of them, beyond from chi-square.
    """
    sizes = np.array([len(one) for one in samples])
    ranks = mean_ranks(np.round(np.concatenate(samples), DECIMALS)[np.newaxis])[0]
    member = np.repeat(np.eye(len(sizes)), sizes, axis=0)
    n = len(ranks)

    def statistic(orders: np.ndarray) -> np.ndarray:
        return ((orders @ member) ** 2 / sizes).sum(axis=-1)

    found = float(statistic(ranks))
    if n <= PERMUTED_UP_TO:
        shuffled = np.random.default_rng(seed).permuted(np.tile(ranks, (PERMUTATIONS, 1)), axis=1)
        return float((1 + (statistic(shuffled) >= found - 1e-9).sum()) / (1 + PERMUTATIONS)), True
    spread = ((ranks - ranks.mean()) ** 2).sum() / (n - 1)  # ties included
    h = (found - n * ranks.mean() ** 2) / spread if spread else 0.0
    return float(chdtrc(len(sizes) - 1, h)), False


def _natural(name: str) -> tuple[bool, float, str]:
    """Numbers and bands by their (lower) number, then names by the alphabet, cells without a value last."""
    try:
        return name == NO_VALUE, float(name.split(" to ")[0]), name
    except ValueError:
        return name == NO_VALUE, np.inf, name
