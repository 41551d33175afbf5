"""Whether the numbers of several checkpoints are of one kind: unit, tolerance, matching of lesions, classes."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from evaluation.metrics.lesions import LESION_METRICS
from evaluation.metrics.table import METRICS
from evaluation.results.table import Run

MOST_NAMED = 5


def difference_in_kind(table: pd.DataFrame, metric: str, runs: Mapping[str, Run]) -> str:
    """Why the values of a metric are not of one kind, in a sentence; empty where they are, or nobody knows.

    Args:
        table: Rows of one test set.
        metric: The metric.
        runs: Of each checkpoint, as far as they are known.
    """
    record = METRICS.get(metric)
    column = f"{record.unit}_unit" if record and record.unit else ""
    units = {name: ", ".join(sorted(found)) for name, found in held(table, column).items() if found} if column else {}
    own = {name: run.settings for name, run in runs.items() if run.source != "import"}
    has = record is not None and record.has_tolerance
    tolerances = {name: one["nsd_tolerance"] for name, one in own.items() if has and "nsd_tolerance" in one}
    lesions = {name: one.get("lesions") for name, one in own.items() if record in LESION_METRICS}
    kinds: tuple[tuple[str, Mapping[str, object]], ...] = (
        ("in different units", units),
        ("with different tolerances", tolerances),
        ("with different rules for lesions", lesions),
    )
    for what, by_name in kinds:
        first = next(iter(by_name), "")
        other = next((name for name in by_name if by_name[name] != by_name[first]), None)
        if other is not None:
            return f"{metric} of {first!r} and of {other!r} was measured {what}. Score them alike, or choose others."
    return ""


def lacking_classes(table: pd.DataFrame) -> tuple[str, ...]:
    """Which checkpoints lack which of the others' classes, in a plain sentence; nothing where all have the same."""
    own = held(table, "class_name")
    every = dict.fromkeys(map(str, pd.unique(table["class_name"])))
    lacking = {name: [one for one in every if one not in classes] for name, classes in own.items()}
    parts = [f"{name} lacks {_listed(classes)}" for name, classes in lacking.items() if classes]
    if not parts:
        return ()
    return (
        f"Not all have the same classes: {'; '.join(parts[:MOST_NAMED])}{'; …' * (len(parts) > MOST_NAMED)}. A mean "
        "is over a checkpoint's own classes, ranks and differences are over those that are shared.",
    )


def held(table: pd.DataFrame, column: str) -> dict[str, set[str]]:
    """The different texts that a column has for each checkpoint, without empty ones."""
    checkpoint, names = pd.factorize(table["checkpoint"])
    code, texts = pd.factorize(table[column])
    cells = np.bincount(checkpoint * len(texts) + code, minlength=len(names) * len(texts))
    return {
        str(name): {str(texts[place]) for place in np.flatnonzero(row)} - {""}
        for name, row in zip(names, cells.reshape(len(names), -1), strict=True)
    }


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
