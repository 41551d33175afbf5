"""Summaries, intervals, paired tests and rankings of the tidy table: numbers only, wording is elsewhere."""

from evaluation.statistics.grouping import FEWEST_CASES, FEWEST_GROUPS, Order, group_rows
from evaluation.statistics.matrix import ScoreMatrix, compared_matrix, score_matrix
from evaluation.statistics.pairs import PairComparison, compare_matrix, compare_pairs
from evaluation.statistics.policy import AS_MEASURED, Policy, better, both_empty, failed_rows, goodness, metric_values
from evaluation.statistics.published import CORRELATION, Published, read_published, turned_from_published
from evaluation.statistics.ranking import SCHEMES, Ranking, SchemeRanking, rank_checkpoints, rank_matrix
from evaluation.statistics.selective import RiskCoverage, risk_coverage
from evaluation.statistics.signed_rank import holm, signed_rank_p
from evaluation.statistics.strata import GroupGap, banded, group_gaps, strata_apart, stratum_columns, summarise_by
from evaluation.statistics.summary import PolicyEffect, Summary, policy_effects, summarise

__all__ = [
    "AS_MEASURED",
    "CORRELATION",
    "FEWEST_CASES",
    "FEWEST_GROUPS",
    "SCHEMES",
    "GroupGap",
    "Order",
    "PairComparison",
    "Policy",
    "PolicyEffect",
    "Published",
    "Ranking",
    "RiskCoverage",
    "SchemeRanking",
    "ScoreMatrix",
    "Summary",
    "banded",
    "better",
    "both_empty",
    "compare_matrix",
    "compare_pairs",
    "compared_matrix",
    "failed_rows",
    "goodness",
    "group_gaps",
    "group_rows",
    "holm",
    "metric_values",
    "policy_effects",
    "rank_checkpoints",
    "rank_matrix",
    "read_published",
    "risk_coverage",
    "score_matrix",
    "signed_rank_p",
    "strata_apart",
    "stratum_columns",
    "summarise",
    "summarise_by",
    "turned_from_published",
]
