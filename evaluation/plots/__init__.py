"""Table → Plotly figure. Points carry what a click needs to open the case; misses and failures are among them."""

from evaluation.plots.calibration import reliability_diagram, risk_coverage_curves
from evaluation.plots.cases import case_heat_map, score_against_size, score_strip
from evaluation.plots.distributions import score_distribution
from evaluation.plots.intervals import group_intervals, ranking_stability
from evaluation.plots.pairs import paired_lines, significance_map
from evaluation.plots.scores import CLICK_COLUMNS
from evaluation.plots.stress import StressCurve, StressPoint, stress_curves_figure
from evaluation.plots.style import Theme, as_json
from evaluation.plots.volumes import volume_agreement

__all__ = [
    "CLICK_COLUMNS",
    "StressCurve",
    "StressPoint",
    "Theme",
    "as_json",
    "case_heat_map",
    "group_intervals",
    "paired_lines",
    "ranking_stability",
    "reliability_diagram",
    "risk_coverage_curves",
    "score_against_size",
    "score_distribution",
    "score_strip",
    "significance_map",
    "stress_curves_figure",
    "volume_agreement",
]
