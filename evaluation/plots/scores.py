"""A metric's values as they are drawn: misses and failures at the edge, and what a click needs to open the case."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from evaluation.metrics.table import METRICS
from evaluation.plots.style import INKS, Theme, colour, positions, symbol
from evaluation.results.answers import worst_first
from evaluation.results.words import metric_title, number
from evaluation.statistics import Policy, failed_rows, metric_values

CLICK_COLUMNS = ["test_set", "checkpoint", "case_id", "class_name"]
CLICK_HOVER = "<b>%{customdata[2]}</b><br>%{customdata[1]} · %{customdata[3]} · %{customdata[0]}"
MISS_SYMBOL, FAILED_SYMBOL = "triangle-up-open", "x-thin-open"
MOST_POINTS = 6_000
MOST_SVG_POINTS = 3_000
MOST_SPECIAL = MOST_POINTS // 2  # misses and failures
WORST_KEPT = 100


@dataclass(frozen=True)
class Edge:
    """Where values stand that have no place on a metric's axis.

    Attributes:
        miss: The coordinate of infinite values.
        failed: The coordinate of failed cases.
        range: The axis' range, with room for both.
    """

    miss: float
    failed: float
    range: tuple[float, float]


@dataclass(frozen=True, eq=False)
class Scores:
    """One metric of a table, ready to be drawn.

    Attributes:
        table: The tidy table, or a selection.
        metric: The metric's column.
        values: With the policy applied; NaN is not applicable or failed, infinity a miss. (rows,).
        failed: The rows of failed cases. (rows,).
        theme: The theme.
        checkpoints: Each checkpoint's position, which decides its colour and symbol.
    """

    table: pd.DataFrame
    metric: str
    values: np.ndarray
    failed: np.ndarray
    theme: Theme
    checkpoints: dict[str, int]

    @classmethod
    def of(cls, table: pd.DataFrame, metric: str, policy: Policy, theme: Theme) -> "Scores":
        """A metric of a table under a policy."""
        values, failed = metric_values(table, metric, policy), failed_rows(table)
        return cls(table, metric, values, failed, theme, positions(table["checkpoint"].unique()))

    @cached_property
    def checkpoint(self) -> np.ndarray:
        """Each row's checkpoint, as a position. (rows,)."""
        return pd.Categorical(self.table["checkpoint"], categories=list(self.checkpoints)).codes.astype(int)

    @cached_property
    def missed(self) -> np.ndarray:
        """The rows whose value is infinite. (rows,)."""
        return np.isinf(self.values)

    @cached_property
    def edge(self) -> Edge:
        """Where misses and failures stand."""
        return find_edge(self.values, self.metric, failed=bool(self.failed.any()))

    @cached_property
    def heights(self) -> np.ndarray:
        """The values, with misses and failures at the edge; NaN where nothing is drawn. (rows,)."""
        return np.where(self.failed, self.edge.failed, np.where(self.missed, self.edge.miss, self.values))

    @cached_property
    def drawn(self) -> np.ndarray:
        """The rows that are drawn as points: all, or, of very many, misses and failures, the worst and a sample."""
        drawable = np.flatnonzero(~np.isnan(self.heights))
        if len(drawable) <= MOST_POINTS:
            return drawable
        random = np.random.default_rng(0)
        special = self.failed[drawable] | self.missed[drawable]
        kept, plain = drawable[special], drawable[~special]
        if len(kept) > MOST_SPECIAL:
            kept = random.choice(kept, MOST_SPECIAL, replace=False)
        room = min(len(plain), MOST_POINTS - len(kept))
        worst = worst_first(-self._goodness[plain], most=min(room, WORST_KEPT))
        sample = random.choice(np.delete(plain, worst), room - len(worst), replace=False)
        return np.sort(np.concatenate([kept, plain[worst], sample]))

    @property
    def _goodness(self) -> np.ndarray:
        record = METRICS.get(self.metric)
        if record is None or record.better == "higher":
            return self.values
        return -np.abs(self.values)

    def note(self) -> str:
        """What stands under a title: n, and all that is not an ordinary point."""
        parts = [f"n = {int((~np.isnan(self.values) & ~self.failed).sum()):,} values"]
        others = (
            (int(self.missed.sum()), "misses (∞)"),
            (int(self.failed.sum()), "failed"),
            (int(np.isnan(self.heights).sum()), "not applicable, not drawn"),
        )
        parts += [f"{amount:,} {name}" for amount, name in others if amount]
        if len(self.drawn) < int((~np.isnan(self.heights)).sum()):
            every = "every miss and failure, " if (self.missed | self.failed).sum() <= MOST_SPECIAL else ""
            parts.append(f"{len(self.drawn):,} drawn: {every}the worst, and a sample")
        return " · ".join(parts)

    def axis_title(self, metric: str = "") -> str:
        """A metric's long name with its unit; all units, where test sets differ."""
        metric = metric or self.metric
        record = METRICS.get(metric)
        column = f"{record.unit}_unit" if record and record.unit else ""
        units = [unit for unit in self.table[column].unique() if unit] if column in self.table else []
        return metric_title(metric, unit=", ".join(units))

    def points(self, rows: np.ndarray, x: np.ndarray, y: np.ndarray, name: str) -> list[go.Scatter | go.Scattergl]:
        """Clickable points of one checkpoint: ordinary ones, and with symbols of their own misses and failures.

        Args:
            rows: The rows that are drawn, (points,).
            x: Their x, (points,).
            y: Their y, (points,).
            name: The checkpoint.
        """
        failed, missed = self.failed[rows], self.missed[rows]
        groups = (
            (~failed & ~missed, symbol(self.checkpoints[name])),
            (missed & ~failed, MISS_SYMBOL),
            (failed, FAILED_SYMBOL),
        )
        return [
            self._markers(rows[chosen], x[chosen], y[chosen], name, mark, showlegend=place == 0)
            for place, (chosen, mark) in enumerate(groups)
            if chosen.any()
        ]

    def _markers(
        self, rows: np.ndarray, x: np.ndarray, y: np.ndarray, name: str, mark: str, *, showlegend: bool
    ) -> go.Scatter | go.Scattergl:
        ink = colour(self.checkpoints[name], self.theme)
        kind = go.Scatter if len(self.drawn) <= MOST_SVG_POINTS else go.Scattergl
        return kind(
            mode="markers",
            x=x,
            y=y,
            name=name,
            legendgroup=name,
            showlegend=showlegend,
            customdata=click_data(self.table, rows),
            text=self.texts(rows),
            hovertemplate=CLICK_HOVER + "<br>%{text}<extra></extra>",
            marker={
                "color": ink,
                "symbol": mark,
                "size": 7 if len(self.drawn) <= MOST_SVG_POINTS else 5,
                "opacity": 0.7,
                "line": {"width": 0 if showlegend else 1.5, "color": ink},
            },
        )

    def texts(self, rows: np.ndarray) -> np.ndarray:
        """What the hover box says of the values."""
        values = zip(self.values[rows].tolist(), self.failed[rows], strict=True)
        return np.array(["failed" if failed else f"{self.metric} {number(value)}" for value, failed in values])

    def mark_edge(self, figure: go.Figure, *, axis: str = "y") -> None:
        """Draw the labelled lines of misses and failures, where there are any, and give the axis room for them."""
        ink = INKS[self.theme].alarm
        line = {"color": ink, "dash": "dot", "width": 1}
        marks = ((self.missed.sum(), self.edge.miss, "miss (∞)"), (self.failed.sum(), self.edge.failed, "failed"))
        for amount, place, name in marks:
            if amount:
                figure.add_shape(type="line", x0=0, x1=1, xref="paper", y0=place, y1=place, line=line)
                figure.add_annotation(
                    x=1, xref="paper", y=place, text=f"{name}: {amount}", showarrow=False, xanchor="right", yshift=9,
                    font={"color": ink, "size": 12},
                )  # fmt: skip
        figure.update_yaxes(range=self.edge.range)


def find_edge(values: np.ndarray, metric: str, *, failed: bool) -> Edge:
    """Room beyond the finite values: misses beyond the upper end, failures beyond the worse one."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if len(finite) else (0.0, 1.0)
    record = METRICS.get(metric)
    if record is not None and record.range == (0.0, 1.0):
        high = 1.0
    step = 0.09 * ((high - low) or abs(high) or 1.0)
    missed = bool(np.isinf(values).any())
    miss = high + step
    downwards = record is None or record.better == "higher"
    beyond = low - step if downwards else miss + step * missed
    top = max(miss if missed else high, beyond if failed else high) + 0.7 * step
    bottom = (beyond if failed and downwards else low) - 0.7 * step
    return Edge(miss, beyond, (bottom, top))


def click_data(table: pd.DataFrame, rows: np.ndarray) -> np.ndarray:
    """What a click needs to open the case: test set, checkpoint, case and class, object (rows, 4)."""
    return np.stack([table[name].iloc[rows].to_numpy(dtype=object) for name in CLICK_COLUMNS], axis=1)
