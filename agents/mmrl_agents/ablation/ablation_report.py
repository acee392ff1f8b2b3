"""What an ablation says: a table, a picture of the learning curves, and both as JSON.

Every figure is an interquartile mean over seeds with its 95 % bootstrap interval (`mmrl.evaluation.aggregate`).

R runs (seeds) of one subset of the senses, K points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl.evaluation.aggregate import aggregate
from mmrl_agents.records.files import read_json, read_json_lines, write_atomically, write_json
from mmrl_agents.records.line_styles import line_style
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.records.terminal import say
from mmrl_agents.training.judge import RETURN, SUCCESS

FloatArray = NDArray[np.float64]

RESULTS, PICTURE = "results.json", "curves.png"
POINTS = 60
"""K: points at which curves are read."""


@dataclass(frozen=True)
class Metric:
    """A figure that is logged while training."""

    key: str
    """In metrics.jsonl."""
    label: str
    """On the axis."""
    unit: float
    """What it is multiplied by there."""


METRICS = (
    Metric(SUCCESS, "success with the best actions, %", 100.0),
    Metric("success_rate", "success of the last training episodes, %", 100.0),
    Metric(RETURN, "mean return with the best actions", 1.0),
    Metric("mean_return", "mean return of the last training episodes", 1.0),
)
"""By preference: the first that every run has logged is drawn."""


@dataclass(frozen=True)
class Judged:
    """A policy that is trained and judged."""

    senses: tuple[str, ...]
    """That it has."""
    seed: int
    """Of its training."""
    folder: Path
    """Of its run."""


@dataclass(frozen=True)
class Estimate:
    """A figure over seeds."""

    value: float
    """Interquartile mean."""
    low: float | None
    """Lower end of the 95 % interval; None of a single seed."""
    high: float | None
    """Upper end."""
    by_seed: Mapping[int, float]
    """The figure of each seed."""

    def text(self, unit: float, digits: int) -> str:
        """Mean and interval in units, for a table."""
        if self.low is None or self.high is None:
            return f"{unit * self.value:.{digits}f}"
        return f"{unit * self.value:.{digits}f} [{unit * self.low:.{digits}f}, {unit * self.high:.{digits}f}]"

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        interval = None if self.low is None else [self.low, self.high]
        return {"iqm": self.value, "bootstrap_95": interval, "by_seed": {str(k): v for k, v in self.by_seed.items()}}


@dataclass(frozen=True)
class Subset:
    """What the policies with one subset of the senses came to."""

    senses: tuple[str, ...]
    """The subset."""
    score: Estimate
    """Success at the end of an episode, or the mean return where the environment knows no success."""
    peak_force_n: Estimate | None
    """Median of an episode's peak contact force in newtons; None where it is not told."""
    steps: FloatArray
    """Environment steps of the curve, (K,)."""
    curve: FloatArray
    """The metric with the ends of its interval, NaN of a single seed, (3, K)."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        curve = [[None if math.isnan(x) else x for x in row] for row in self.curve.tolist()]
        return {
            "senses": list(self.senses),
            "score": self.score.to_json(),
            "median_peak_force_n": None if self.peak_force_n is None else self.peak_force_n.to_json(),
            "curve": {"steps": self.steps.tolist(), **dict(zip(("iqm", "low", "high"), curve, strict=True))},
        }


@dataclass(frozen=True)
class Report:
    """An ablation in figures."""

    env_id: str
    """What was learned."""
    metric: Metric
    """Of the curves."""
    knows_success: bool
    """Whether the scores are success rates."""
    subsets: tuple[Subset, ...]
    """From the best to the worst score."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "env_id": self.env_id,
            "score": "success_at_end" if self.knows_success else "mean_return",
            "curve_metric": self.metric.key,
            "subsets": [subset.to_json() for subset in self.subsets],
            "versions": library_versions(),
        }


def write_report(folder: Path, env_id: str, judged: Sequence[Judged], console: Console) -> Report:
    """Print the table and write results.json and curves.png to the folder."""
    report = report_of(env_id, judged)
    _show(report, console)
    write_json(folder / RESULTS, report.to_json())
    draw(report, folder / PICTURE)
    for name in (RESULTS, PICTURE):
        say(console, f"wrote {folder / name}")
    return report


def report_of(env_id: str, judged: Sequence[Judged]) -> Report:
    """Read what runs logged and how they were judged.

    Raises ValueError where they have no metric in common.
    """
    logs = {item: _logged(item.folder) for item in judged}
    rows = {item: read_json(RunFolder(item.folder).evaluation_path)["rows"][0] for item in judged}
    common = [metric for metric in METRICS if all(any(metric.key in line for line in log) for log in logs.values())]
    if not common:
        raise ValueError(f"the runs have logged no metric in common: {', '.join(str(i.folder) for i in judged)}")
    knows_success = all(row["success_at_end"]["trials"] for row in rows.values())
    subsets = [
        _subset([item for item in judged if item.senses == senses], logs, rows, common[0], knows_success)
        for senses in dict.fromkeys(item.senses for item in judged)
    ]
    ordered = sorted(subsets, key=lambda subset: -subset.score.value)
    return Report(env_id, common[0], knows_success, tuple(ordered))


def _subset(
    runs: Sequence[Judged],
    logs: Mapping[Judged, list[dict[str, Any]]],
    rows: Mapping[Judged, Mapping[str, Any]],
    metric: Metric,
    knows_success: bool,
) -> Subset:
    score = {
        run.seed: rows[run]["success_at_end"]["rate"] if knows_success else rows[run]["mean_return"] for run in runs
    }
    told = {run.seed: rows[run].get("median_peak_force_n") for run in runs}
    force = {seed: float(value) for seed, value in told.items() if value is not None}
    longest = max(logs[run][-1]["step"] for run in runs)
    steps = np.linspace(0, longest, POINTS + 1)[1:]
    curves = np.stack([between(logs[run], metric.key, steps) for run in runs])  # (R, K)
    known = np.isfinite(curves).all(axis=0)
    result = aggregate(curves[:, None, known])
    return Subset(
        runs[0].senses,
        _estimate(score),
        _estimate(force) if len(force) == len(runs) else None,
        steps[known],
        np.stack([result.value, result.low, result.high]),
    )


def between(log: Sequence[Mapping[str, Any]], key: str, steps: FloatArray) -> FloatArray:
    """A logged figure at given steps, (K,): on straight lines between those logged, NaN before the first.

    A run that stopped early keeps its last figure.
    """
    told = [(line["step"], line[key]) for line in log if line.get(key) is not None]
    if not told:
        return np.full(len(steps), np.nan)
    at, values = np.array(told, np.float64).T
    figures: FloatArray = np.interp(steps, at, values, left=np.nan)
    return figures


def _estimate(by_seed: Mapping[int, float]) -> Estimate:
    result = aggregate(np.array(list(by_seed.values()), np.float64)[:, None, None])
    low, high = float(result.low[0]), float(result.high[0])
    one = math.isnan(low)
    return Estimate(float(result.value[0]), None if one else low, None if one else high, by_seed)


def _logged(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return list(read_json_lines(RunFolder(folder).metrics_path))


def _show(report: Report, console: Console) -> None:
    unit, digits = (100.0, 1) if report.knows_success else (1.0, 2)
    with_force = any(subset.peak_force_n for subset in report.subsets)
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("senses", overflow="fold")
    for heading in ("success, %" if report.knows_success else "mean return", "by seed", *(["peak N"] * with_force)):
        table.add_column(heading, justify="right", overflow="fold")
    for subset in report.subsets:
        force = [subset.peak_force_n.text(1.0, 0) if subset.peak_force_n else ""] * with_force
        seeds = " ".join(f"{unit * value:.{digits}f}" for value in subset.score.by_seed.values())
        table.add_row(Text(", ".join(subset.senses)), subset.score.text(unit, digits), seeds, *force)
    console.print(table)
    console.print(
        "Interquartile means over seeds, in brackets their 95 % bootstrap intervals; the same episodes for all."
    )


def draw(report: Report, path: Path) -> None:
    """Learning curves on the left, scores with intervals on the right."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import EngFormatter

    count = len(report.subsets)
    figure = Figure(figsize=(10, max(3.6, 0.34 * count + 1.4)), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    unit = 100.0 if report.knows_success else 1.0
    for index, subset in enumerate(report.subsets):
        style = line_style(index)
        colour = style["color"]
        value, low, high = report.metric.unit * subset.curve
        left.plot(subset.steps, value, linewidth=1.5, **style)
        left.fill_between(subset.steps, low, high, color=colour, alpha=0.15, linewidth=0)
        right.errorbar(
            unit * subset.score.value, index, xerr=_bars(subset.score, unit), fmt="o", color=colour, capsize=3
        )
    left.set(xlabel="environment steps", ylabel=report.metric.label, title=report.env_id)
    left.xaxis.set_major_formatter(EngFormatter(sep=""))
    right.set_yticks(range(count), [", ".join(subset.senses) for subset in report.subsets], fontsize=8)
    right.invert_yaxis()
    right.set(xlabel="success at the end, %" if report.knows_success else "mean return", title="judged after training")
    if report.knows_success:
        right.set_xlim(-2, 102)
    if report.metric.unit == 100.0:
        left.set_ylim(-2, 102)
    for axes in (left, right):
        axes.spines[["top", "right"]].set_visible(False)
        axes.grid(alpha=0.3, linewidth=0.5)
    write_atomically(path, lambda stream: figure.savefig(stream, format="png", dpi=120))


def _bars(score: Estimate, unit: float) -> list[list[float]] | None:
    """Lengths of the error bar to the left and to the right."""
    if score.low is None or score.high is None:
        return None
    # A percentile interval need not hold the estimate itself.
    return [[unit * max(score.value - score.low, 0.0)], [unit * max(score.high - score.value, 0.0)]]
