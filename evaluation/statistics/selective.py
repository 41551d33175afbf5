"""Selective prediction: how the error falls when the cases of which a network is least sure are left to a person."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from evaluation.statistics.policy import best, both_empty, failed_rows

CASE = ["test_set", "checkpoint", "case_id"]


@dataclass(frozen=True, eq=False)
class RiskCoverage:
    """The risk–coverage curve of one checkpoint, the surest case first.

    Attributes:
        checkpoint: Its name.
        test_sets: Of each case, (cases,).
        cases: Their ids, (cases,).
        confidence: Of each case, falling, (cases,).
        risk: Mean loss of the cases up to each, (cases,); of equally sure ones in any order, on average.
        area: Under the curve (AURC): the mean of the risk over all coverages.
        excess: What of it another order of the cases would have saved (E-AURC).
        left_out: How many cases have no confidence or no score.
    """

    checkpoint: str
    test_sets: np.ndarray
    cases: np.ndarray
    confidence: np.ndarray
    risk: np.ndarray
    area: float
    excess: float
    left_out: int

    @property
    def coverage(self) -> np.ndarray:
        """The share of the cases up to each, (cases,)."""
        return np.arange(1, len(self.cases) + 1) / len(self.cases)


def risk_coverage(table: pd.DataFrame, metric: str = "dice") -> tuple[RiskCoverage, ...]:
    """The curve of each checkpoint that has cases with a confidence, in order of appearance.

    The loss of a case is 1 − the metric, a share of which more is better. Loss and confidence of a case are means over
    its classes. A correctly empty prediction has no loss; a case that failed has no confidence, and is left out.

    Sources: Geifman & El-Yaniv 2017, arXiv:1705.08500; the excess, Geifman et al. 2019, arXiv:1805.08206.
    """
    score = np.where(both_empty(table) & table[metric].isna(), best(metric), table[metric])
    rows = table[CASE].astype(str).assign(loss=1 - score, confidence=table["confidence"])
    rows = rows.where(~failed_rows(table)[:, np.newaxis] | rows.columns.isin(CASE))
    by_case = rows.groupby(CASE, sort=False)[["loss", "confidence"]].mean().reset_index()
    curves = []
    for name, cases in by_case.groupby("checkpoint", sort=False):
        known = cases.dropna().sort_values("confidence", ascending=False, kind="stable")
        if len(known):
            curves.append(_curve(str(name), known, len(cases) - len(known)))
    return tuple(curves)


def _curve(name: str, cases: pd.DataFrame, left_out: int) -> RiskCoverage:
    losses = cases.groupby("confidence", sort=False)["loss"].transform("mean").to_numpy()
    number = np.arange(1, len(losses) + 1)
    risk, least = losses.cumsum() / number, np.sort(cases["loss"].to_numpy()).cumsum() / number
    test_sets, ids, confidence = (cases[column].to_numpy() for column in ("test_set", "case_id", "confidence"))
    area, excess = float(risk.mean()), float((risk - least).mean())
    return RiskCoverage(name, test_sets, ids, confidence, risk, area, excess, left_out)
