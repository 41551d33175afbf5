"""Results by a metadata column: names as they are, numbers in bands of about equal size."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd

from evaluation.statistics.grouping import Order
from evaluation.statistics.policy import AS_MEASURED, Policy
from evaluation.statistics.resampling import SEED
from evaluation.statistics.summary import Summary, summarise

MOST_VALUES = 12
BANDS = 4
NO_VALUE = "(no value)"


def stratum_columns(table: pd.DataFrame, metadata: Sequence[str]) -> tuple[str, ...]:
    """The metadata columns that divide the cases into at least two, but not all into one each."""
    cases = table.drop_duplicates(["test_set", "case_id"])
    return tuple(name for name in metadata if 1 < banded(cases[name]).nunique() <= max(MOST_VALUES, len(cases) // 2))


def banded(values: pd.Series) -> pd.Series:
    """A metadata column as the names of strata.

    A column of numbers with more than twelve different ones is cut at its quartiles: "3 to 7.5", "7.5 to 12", …
    (each band with its upper end, the first with both). Empty cells are a stratum of their own.
    """
    texts = values.where(values != "", NO_VALUE)
    numbers = pd.to_numeric(values.where(values != ""), errors="coerce")
    if numbers.nunique() <= MOST_VALUES or numbers.notna().sum() < (values != "").sum():
        return texts
    edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, BANDS + 1)))
    names = np.array([f"{low:g} to {high:g}" for low, high in pairwise(edges)] + [NO_VALUE])
    band = np.where(numbers.notna(), np.clip(np.searchsorted(edges, numbers) - 1, 0, len(edges) - 2), len(edges) - 1)
    return pd.Series(names[band], index=values.index)


def summarise_by(
    table: pd.DataFrame,
    metric: str,
    column: str,
    *,
    order: Order = "class",
    policy: Policy = AS_MEASURED,
    resamples: int = 0,
    seed: int = SEED,
) -> tuple[Summary, ...]:
    """Summarise a metric for each checkpoint in each stratum of a metadata column.

    Returns:
        Summaries whose ``group`` is (stratum, checkpoint), strata in their natural order; ``small`` flags those with
        too few cases for an interval or a claim.

    Raises:
        OptionError: The table has no such metric, or the policy cannot be applied to it.
    """
    strata = banded(table[column])
    found = summarise(
        table.assign(**{column: strata}),
        metric,
        by=(column, "checkpoint"),
        order=order,
        policy=policy,
        resamples=resamples,
        seed=seed,
    )
    return tuple(sorted(found, key=lambda summary: _natural(summary.group[0])))


def _natural(name: str) -> tuple[bool, float, str]:
    """Numbers and bands by their (lower) number, then names by the alphabet, cells without a value last."""
    try:
        return name == NO_VALUE, float(name.split(" to ")[0]), name
    except ValueError:
        return name == NO_VALUE, np.inf, name
