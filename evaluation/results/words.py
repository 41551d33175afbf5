"""Plain sentences about numbers: what a comparison, a summary and a policy mean, for people."""

import math
from collections.abc import Mapping

from evaluation.metrics import METRICS
from evaluation.statistics import (
    FEWEST_CASES,
    FEWEST_GROUPS,
    GroupGap,
    Order,
    PairComparison,
    Policy,
    Published,
    Ranking,
    Summary,
    turned_from_published,
)
from evaluation.statistics.pairs import ALPHA
from evaluation.statistics.strata import PERMUTATIONS
from medseg_demo.numbers import p_value
from medseg_demo.numbers import score as number

ORDERS: dict[Order, str] = {
    "class": "mean over cases, then over classes",
    "case": "mean over classes, then over cases",
    "pooled": "mean over all values at once",
}
EMPTY_POLICIES = {
    "skip": "cases whose masks are both empty are left out",
    "one": "cases whose masks are both empty count 1",
    "zero": "cases whose masks are both empty count 0",
}
MISS_POLICIES = {
    "apart": "a miss (∞) stays infinite, and outweighs every other difference",
    "median": "a miss (∞) stays infinite, and medians are compared",
    "diagonal": "a miss (∞) counts the diagonal of the image",
}
SCHEMES = {
    "aggregate_then_rank": "aggregate, then rank",
    "rank_then_aggregate": "rank, then aggregate",
    "test_based": "by significance tests",
}


def metric_title(metric: str, *, unit: str = "", tolerance: str = "") -> str:
    """A metric's name for people, with its unit or its tolerance, where they are given.

    Such as "Hausdorff distance, 95th percentile (mm)".
    """
    record = METRICS.get(metric)
    name = record.long_name if record else metric
    name = f"{name} ({unit})" if unit else name
    return ", ".join([name, f"tolerance {tolerance}"]) if tolerance else name


def tolerance_words(setting: float | Mapping[str, float], unit: str = "") -> str:
    """The tolerance of a run, such as "2 mm", or of each of its classes: "tumour 2 mm, other classes 1 mm"."""
    if not isinstance(setting, Mapping):
        return f"{setting:g} {unit}".strip()
    return ", ".join(f"{name or 'other classes'} {value:g} {unit}".strip() for name, value in setting.items())


def comparison_sentence(comparison: PairComparison, *, unit: str = "") -> str:
    """Is the difference real? With interval, adjusted p-value and win / tie / loss.

    Args:
        comparison: The two checkpoints.
        unit: Of the difference; empty for a plain number.
    """
    if comparison.pairs == 0:
        return f"{comparison.first} and {comparison.second} have no case in common."
    parts = [_verdict(comparison), _evidence(comparison, f" {unit}" if unit else ""), _exceptions(comparison)]
    return " ".join(part for part in parts if part)


def _verdict(comparison: PairComparison) -> str:
    first, second, metric = comparison.first, comparison.second, metric_title(comparison.metric)
    if comparison.too_few:
        have = (
            _count(comparison.pairs, "pair")
            if comparison.groups is None
            else _count(comparison.groups, "group of cases", "groups of cases")
        )
        need = f"{FEWEST_CASES} pairs" if comparison.groups is None else f"{FEWEST_GROUPS} groups"
        return f"Too few to tell {first} and {second} apart: {have}, and a claim needs at least {need}."
    if comparison.better is not None:
        other = second if comparison.better == first else first
        return f"{comparison.better} is better than {other} in {metric}, and that is unlikely to be chance."
    return f"No real difference between {first} and {second} was shown in {metric}{_disagreement(comparison)}."


def _disagreement(comparison: PairComparison) -> str:
    """What the two witnesses of a verdict say, where only one of them speaks."""
    tested, side, average = comparison.test_favours, comparison.interval_favours, comparison.interval_of
    if tested is not None:
        other = comparison.mean_favours
        if other is not None and other != tested:
            return f": {tested} is better in most cases, {other} on average: a few cases decide"
        return f": {tested} is better in most cases, but the {average} difference may as well be zero"
    return f": {side} is better on average, but the test over all cases does not confirm it" if side else ""


def _evidence(comparison: PairComparison, unit: str) -> str:
    value = f"{number(comparison.centre)}{unit}"
    difference = f"Mean difference {value}" if comparison.interval_of == "mean" else f"Median difference {value}"
    counts = (
        f"{comparison.first} is better in {comparison.wins}, equal in {comparison.ties} and worse in "
        f"{comparison.losses} of {_count(comparison.pairs, 'case')}"
    )
    adjusted = f"; {p_value(comparison.p_adjusted)}, adjusted for the number of comparisons (Holm)"
    test = "" if comparison.too_few else adjusted
    return f"{difference} ({_interval(comparison)}); {counts}{test}."


def _interval(comparison: PairComparison) -> str:
    """The 95 % interval of a difference, or why there is none."""
    if comparison.too_few:
        return "too few for an interval"
    if math.isnan(comparison.low):
        return "no interval"
    return f"95 % interval {number(comparison.low)} to {number(comparison.high)}"


def _exceptions(comparison: PairComparison) -> str:
    notes = []
    if comparison.left_out:
        notes.append(f"{_count(comparison.left_out, 'case')} left out as not applicable")
    if comparison.unpaired:
        notes.append(f"{_count(comparison.unpaired, 'case')} given to only one of the two")
    for name, failed in ((comparison.first, comparison.first_failed), (comparison.second, comparison.second_failed)):
        if failed:
            notes.append(f"{_count(failed, 'failed case')} of {name} counted as the worst value")
    missed = ((comparison.first, comparison.first_misses), (comparison.second, comparison.second_misses))
    if any(misses for _, misses in missed):
        notes.append("misses (∞) " + ", ".join(f"of {name} alone: {misses}" for name, misses in missed))
    text = "; ".join(notes)
    return f"{text[0].upper()}{text[1:]}." if text else ""


def summary_caption(summary: Summary) -> str:
    """What stands beside a mean: n, and everything that is not in it."""
    notes = [f"n = {summary.n}"]
    if summary.misses:
        notes.append(f"{_count(summary.misses, 'miss', 'misses')} (∞), so no mean is shown")
    if summary.failed:
        notes.append(f"{summary.failed} failed")
    if summary.not_applicable:
        notes.append(f"{summary.not_applicable} n/a")
    if summary.clustered:
        notes.append(f"in {_count(summary.units, 'group')}")
    if summary.small:
        notes.append("too few for an interval or a claim")
    return ", ".join(notes)


def units_of(summary: Summary) -> str:
    """What its interval is drawn from, such as "12 cases" or "5 groups"."""
    return _count(summary.units, "group" if summary.clustered else "case")


def policy_caption(policy: Policy, order: Order, *, distances: bool = False) -> str:
    """The conventions of a mean, printed beside it; what a miss counts only where there are distances."""
    parts = [ORDERS[order], EMPTY_POLICIES[policy.empty]]
    parts.append(
        "failed cases count the worst value" if policy.failed == "worst" else "failed cases are counted beside"
    )
    if distances:
        parts.append(MISS_POLICIES.get(str(policy.miss)) or f"a miss (∞) counts {policy.miss:g}")
    text = "; ".join(parts)
    return f"{text[0].upper()}{text[1:]}."


def ranking_caption(ranking: Ranking) -> str:
    """What a ranking rests on."""
    notes = [f"{_count(ranking.cases, 'case')} that every ranked checkpoint has", f"{ranking.resamples} resamples"]
    if ranking.groups is not None:
        notes.append(f"drawn as {_count(ranking.groups, 'group')}")
    if ranking.left_out:
        notes.append(f"{ranking.left_out} left out")
    if ranking.too_few:
        notes.append("too few for a claim")
    if ranking.not_ranked:
        notes.append(f"not ranked, with too few of these cases: {', '.join(ranking.not_ranked)}")
    return ", ".join(notes) + "."


def turning_sentence(ranking: Ranking) -> str:
    """How sure the first place is; empty where there are too few cases to say."""
    if math.isnan(ranking.turned):
        return ""
    return (
        f"Another draw of as many {'cases' if ranking.groups is None else 'groups'} would turn the first two by "
        f"{ranking.aggregate} round with a probability of {_percent(ranking.turned)}."
    )


def gap_sentence(gap: GroupGap, *, unit: str = "") -> str:
    """How far apart a method's groups of cases are, with the test and its name."""
    if not gap.highest or gap.highest == gap.lowest:
        return f"{gap.checkpoint}: no two groups with different values in {gap.column}."
    apart = f"{number(gap.gap)}{f' {unit}' if unit else ''} between {gap.lowest} (lowest) and {gap.highest} (highest)"
    if math.isnan(gap.p):
        return (
            f"{gap.checkpoint}: {apart}; not tested, since fewer than two groups have {FEWEST_CASES} cases or "
            f"{FEWEST_GROUPS} patients."
        )
    verdict = "the groups differ by more than chance" if gap.p_adjusted < ALPHA else "no real difference was shown"
    how = f"{PERMUTATIONS:,} permutations" if gap.permuted else "chi-square"
    return (
        f"{gap.checkpoint}: {apart}; {verdict} ({p_value(gap.p_adjusted)}, adjusted for the number of "
        f"methods (Holm); Kruskal–Wallis test of {_count(gap.tested, 'group')}, {how})."
    )


def published_sentence(first: Published, second: Published, correlation: float) -> str:
    """How sure a published ranking is."""
    turned = turned_from_published(first, second, correlation=correlation)
    return (
        f"Over {_count(first.cases, 'case')} {first.name} has {first.mean:g} ± {first.deviation:g} and {second.name} "
        f"{second.mean:g} ± {second.deviation:g}: with a probability of {_percent(turned)} the order of the two is "
        f"wrong, if their scores correlate with r = {correlation:g} over the cases."
    )


def _percent(share: float) -> str:
    """Such as "12 %"; below one percent only that, since no more is known."""
    return "less than 1 %" if share < 0.01 else f"{100 * share:.0f} %"


def _count(amount: int, one: str, many: str = "") -> str:
    return f"{amount:,} {one if amount == 1 else many or f'{one}s'}"
