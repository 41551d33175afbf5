"""How well a probability tells cases with a finding from those without: area under the curve, rates at a threshold.

Sources: DeLong et al. 1988, doi:10.2307/2531595 (variance of the area); Obuchowski 1997, doi:10.2307/2533958 (that of
cases in groups, such as several images of a patient; alone each, it is DeLong's); Newcombe 2006, doi:10.1002/sim.2324
(interval of an area of 0 or 1); Wilson 1927, doi:10.1080/01621459.1927.10502953 (interval of a rate).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq
from scipy.stats import binomtest, norm, rankdata

Z = float(norm.ppf(0.975))


@dataclass(frozen=True)
class Estimate:
    """A figure of 0 to 1 with its 95 % interval; all NaN where it is not applicable."""

    value: float
    low: float
    high: float


NONE = Estimate(math.nan, math.nan, math.nan)


@dataclass(frozen=True)
class Confusion:
    """Cases by what is called and what is true.

    Attributes:
        tp: Called present, and present.
        fn: Called absent, but present.
        fp: Called present, but absent.
        tn: Called absent, and absent.
    """

    tp: int
    fn: int
    fp: int
    tn: int

    @property
    def sensitivity(self) -> Estimate:
        """The share of the present that is called so, with Wilson's interval."""
        return rate(self.tp, self.tp + self.fn)

    @property
    def specificity(self) -> Estimate:
        """The share of the absent that is called so, with Wilson's interval."""
        return rate(self.tn, self.tn + self.fp)


def confusion(probabilities: np.ndarray, present: np.ndarray, thresholds: np.ndarray) -> Confusion:
    """What each case is called, from its threshold on present, against what is true; all of shape (cases,)."""
    called = probabilities >= thresholds
    cells = ((called & present), (~called & present), (called & ~present), (~called & ~present))
    return Confusion(*(int(cell.sum()) for cell in cells))


def rate(successes: int, trials: int) -> Estimate:
    """A share with Wilson's interval, which takes each case for itself; n/a without any."""
    if not trials:
        return NONE
    interval = binomtest(successes, trials).proportion_ci(method="wilson")
    return Estimate(successes / trials, float(interval.low), float(interval.high))


def area(probabilities: np.ndarray, present: np.ndarray, groups: Sequence[str] | np.ndarray | None = None) -> Estimate:
    """The area under the receiver operating characteristic, with its interval on the scale of its logit.

    It is the chance that a present case has the higher probability than an absent one; equal ones count half. An area
    of 0 or 1 has no variance of its own: it has Newcombe's interval, which takes each case for itself.

    Args:
        probabilities: (cases,).
        present: bool (cases,).
        groups: (cases,), what belongs together; None: each case for itself.

    Returns:
        n/a where all cases are of one kind.
    """
    m, n = int(present.sum()), int((~present).sum())
    if not (m and n):
        return NONE
    ranks = rankdata(probabilities)
    # The share of the other kind that each case is on the right side of.
    right_of_present = (ranks[present] - rankdata(probabilities[present])) / n
    right_of_absent = 1 - (ranks[~present] - rankdata(probabilities[~present])) / m
    value = float(right_of_present.mean())
    own = np.arange(len(present)) if groups is None else np.unique(np.asarray(groups), return_inverse=True)[1]
    excess = _sums(right_of_present - value, own[present]), _sums(right_of_absent - value, own[~present])
    variance = _variance(excess, own, present) if 0 < value < 1 else 0.0
    if not (variance > 0 and math.isfinite(variance)):
        return Estimate(value, *_newcombe(value, m, n))
    logit, spread = math.log(value / (1 - value)), Z * math.sqrt(variance) / (value * (1 - value))
    low, high = (1 / (1 + math.exp(-end)) if end > -700 else 0.0 for end in (logit - spread, logit + spread))
    return Estimate(value, low, high)


def _sums(values: np.ndarray, owners: np.ndarray) -> dict[int, float]:
    owners, places = np.unique(owners, return_inverse=True)
    return dict(zip(owners.tolist(), np.bincount(places, values).tolist(), strict=True))


def _variance(excess: tuple[dict[int, float], dict[int, float]], own: np.ndarray, present: np.ndarray) -> float:
    """Obuchowski's, from the sums of each group's excess over the area, among the present and the absent."""
    counts = int(present.sum()), int((~present).sum())
    number = len(np.unique(own))
    if min(len(one) for one in excess) < 2:
        return math.nan
    variances = [
        len(one) / ((len(one) - 1) * count) * sum(value**2 for value in one.values()) / count
        for one, count in zip(excess, counts, strict=True)
    ]
    shared = sum(excess[0][group] * excess[1][group] for group in excess[0].keys() & excess[1].keys())
    return sum(variances) + 2 * number / (number - 1) * shared / (counts[0] * counts[1])


def _newcombe(value: float, m: int, n: int) -> tuple[float, float]:
    """His fifth method: the areas whose own standard error, from Hanley and McNeil, just reaches the one found."""
    half = (m + n) / 2

    def error(one: float) -> float:
        return math.sqrt(one * (1 - one) * (2 * half - 1 - (3 * half - 3) / ((2 - one) * (1 + one))) / (m * n))

    tiny = 1e-9
    low = 0.0 if value <= tiny else brentq(lambda one: one + Z * error(one) - value, tiny, min(value, 1 - tiny))
    high = 1.0 if value >= 1 - tiny else brentq(lambda one: one - Z * error(one) - value, max(value, tiny), 1 - tiny)
    return float(low), float(high)
