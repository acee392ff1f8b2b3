"""Curves of a training, of one run or of several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray
from mmrl.evaluation.figures import decimals_for
from mmrl_agents.watching.panels import Trace
from mmrl_agents.watching.report.drawing import DrawnAxis, axis_over, lines, path
from mmrl_agents.watching.report.page import Chart

STEP = "step"
SUCCESS, RETURN = "judged/success_rate", "judged/mean_return"
"""Metrics of the evaluations during a training, with the best actions."""
Metrics = Sequence[Mapping[str, Any]]


@dataclass(frozen=True)
class MainCurve:
    """A chart that everybody wants to see: metrics that share an axis."""

    title: str
    """Above it."""
    metrics: Mapping[str, str]
    """Keys of metrics.jsonl, and what they are called."""
    factor: float = 1.0
    """By which they are multiplied."""
    whole: bool = False
    """Whether the axis goes from 0 to 100."""


MAIN = (
    MainCurve(
        "success, %", {"success_rate": "of the last training episodes", SUCCESS: "with the best actions"}, 100.0, True
    ),
    MainCurve("mean return", {"mean_return": "of the last training episodes", RETURN: "with the best actions"}),
)
_NO_CURVES = ("wall_time_s", "episodes", "collect_seconds", "update_seconds", "skipped_updates")


def main_curves(metrics: Metrics) -> list[Chart]:
    """Success and return over environment steps, as far as they were logged."""
    charts: list[Chart] = []
    for curve in MAIN:
        found = {label: _series(metrics, key, curve.factor) for key, label in curve.metrics.items()}
        known = {label: series for label, series in found.items() if series is not None}
        if known:
            charts.append(over_steps(curve.title, known, curve.whole))
    return charts


def other_curves(metrics: Metrics) -> list[Chart]:
    """Everything else that was logged and changed, a chart each."""
    shown = {key for curve in MAIN for key in curve.metrics} | {STEP, *_NO_CURVES}
    keys = dict.fromkeys(key for line in metrics for key in line if key not in shown)
    found = {key: _series(metrics, key) for key in keys}
    return [
        over_steps(key, {key: series})
        for key, series in found.items()
        if series is not None and np.ptp(series[1][np.isfinite(series[1])]) > 0
    ]


def compared_curves(runs: Mapping[str, Metrics]) -> list[Chart]:
    """The first of success with the best actions, in training, and returns that all runs have, and that is compared."""
    for curve in (MAIN[0], MAIN[1]):
        for key, label in reversed([*curve.metrics.items()]):
            found = {name: _series(metrics, key, curve.factor) for name, metrics in runs.items()}
            known = {name: series for name, series in found.items() if series is not None}
            if len(known) == len(runs):
                return [over_steps(f"{curve.title} {label}", known, curve.whole)]
    return []


def over_steps(title: str, series: Mapping[str, tuple[FloatArray, FloatArray]], whole: bool = False) -> Chart:
    """Lines over environment steps; a lone one has no label."""
    across = axis_over(np.concatenate([x for x, _ in series.values()]), 0.0)
    up = DrawnAxis(0.0, 100.0) if whole else axis_over(np.concatenate([y for _, y in series.values()]))
    beside, below = up.ticks(3), across.ticks(4)
    drawing = lines([path(x, y, across, up) for x, y in series.values()], across, up, below, beside)
    return Chart(
        title,
        tuple(series) if len(series) > 1 or next(iter(series)) != title else (),
        drawing,
        [(up.share(tick), _number(tick, beside)) for tick in beside],
        [(across.share(tick), _steps(tick)) for tick in below],
    )


def panes_of(traces: Sequence[Trace], span_s: float) -> list[Chart]:
    """The traces of an episode over its time, which is below the last; they reach back `span_s` from the end."""
    across = DrawnAxis(-span_s, 0.0)
    below = [(across.share(at - span_s), f"{at:g} s") for at in DrawnAxis(0.0, span_s).ticks()]
    return [_pane(trace, across, below if trace is traces[-1] else ()) for trace in traces]


def _pane(trace: Trace, across: DrawnAxis, below: Sequence[tuple[float, str]]) -> Chart:
    up = DrawnAxis(*trace.bounds) if trace.bounds[0] < trace.bounds[1] else DrawnAxis(-1.0, 1.0)
    paths = [path(trace.times, column, across, up) for column in trace.values.T]
    drawing = lines(paths, across, up, (), ())
    return Chart(trace.title, trace.labels, drawing, [(up.share(end), f"{end:g}") for end in (up.low, up.high)], below)


def _series(metrics: Metrics, key: str, factor: float = 1.0) -> tuple[FloatArray, FloatArray] | None:
    """Steps and values of a metric (n,), None where it was never a number."""
    pairs = [(line[STEP], line[key]) for line in metrics if _is_number(line.get(STEP)) and _is_number(line.get(key))]
    if len(pairs) < 2:
        return None
    x, y = np.array(pairs, np.float64).T
    return x, factor * y


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _number(value: float, among: Sequence[float]) -> str:
    """A tick, with as many decimals as tell it from its neighbours."""
    largest = max(map(abs, among), default=0.0)
    if largest and not 1e-3 <= largest < 1e6:
        return f"{value:.1e}"
    return f"{value:,.{max(0, decimals_for([largest]) - 1)}f}" if largest >= 1 else f"{value:.3g}"


def _steps(value: float) -> str:
    """1200 is "1.2k", 3000000 "3M"."""
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if abs(value) >= unit:
            return f"{value / unit:.4g}{name}"
    return f"{value:g}"
