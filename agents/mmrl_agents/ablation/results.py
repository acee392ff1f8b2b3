"""The results of the policies of an ablation, from the runs that they left.

Every figure is an interquartile mean over seeds with its 95 % bootstrap interval (`mmrl.evaluation.aggregate`).

R runs (seeds) of one subset of the senses, K points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray
from mmrl.evaluation.aggregate import aggregate
from mmrl.evaluation.figures import Figure
from mmrl_agents.records.figures_on_record import figures_on_record, median_on_record, value_on_record
from mmrl_agents.records.files import read_json, read_json_lines
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.training.judge import RETURN, SUCCESS

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
    """Its factor there."""


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
class OverSeeds:
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
class SubsetResults:
    """The results of the policies with one subset of the senses."""

    senses: tuple[str, ...]
    """The subset."""
    score: OverSeeds
    """Success at the end of an episode, or the mean return where the environment knows no success."""
    figures: Mapping[str, OverSeeds]
    """Medians of the figures that the episodes of every seed reported, by name; of events their shares."""
    steps: FloatArray
    """Environment steps of the curve, (K,)."""
    curve: FloatArray
    """The metric with the ends of its interval, NaN of a single seed, (3, K); K is 0 where no run has logged it."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        curve = [[None if math.isnan(x) else x for x in row] for row in self.curve.tolist()]
        return {
            "senses": list(self.senses),
            "score": self.score.to_json(),
            **{f"median_{name}": estimate.to_json() for name, estimate in self.figures.items()},
            "curve": {"steps": self.steps.tolist(), **dict(zip(("iqm", "low", "high"), curve, strict=True))},
        }


@dataclass(frozen=True)
class AblationReport:
    """An ablation in figures."""

    env_id: str
    """The environment that was learned."""
    metric: Metric
    """Of the curves."""
    knows_success: bool
    """Whether the scores are success rates."""
    subsets: tuple[SubsetResults, ...]
    """From the best to the worst score."""
    figures: tuple[Figure, ...] = ()
    """That the environment declares and every run reported."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "env_id": self.env_id,
            "score": "success_at_end" if self.knows_success else "mean_return",
            "curve_metric": self.metric.key,
            "figures": [figure.to_json() for figure in self.figures],
            "subsets": [subset.to_json() for subset in self.subsets],
            "versions": library_versions(),
        }


def report_of(env_id: str, judged: Sequence[Judged]) -> AblationReport:
    """Read what runs logged and how they were judged; without curves where they have logged no metric in common."""
    logs = {item: _logged(item.folder) for item in judged}
    evaluations = {item: read_json(RunFolder(item.folder).evaluation_path) for item in judged}
    rows = {item: document["rows"][0] for item, document in evaluations.items()}
    declared = next(iter(evaluations.values()))
    figures = tuple(figure for figure in figures_on_record(declared) if _all_report(figure, rows.values()))
    common = [metric for metric in METRICS if all(any(metric.key in line for line in log) for log in logs.values())]
    metric = common[0] if common else METRICS[-1]
    knows_success = all(row["success_at_end"]["trials"] for row in rows.values())
    subsets = [
        _subset([item for item in judged if item.senses == senses], logs, rows, metric, knows_success, figures)
        for senses in dict.fromkeys(item.senses for item in judged)
    ]
    ordered = sorted(subsets, key=lambda subset: -subset.score.value)
    return AblationReport(env_id, metric, knows_success, tuple(ordered), figures)


def _all_report(figure: Figure, rows: Iterable[Mapping[str, Any]]) -> bool:
    return all(median_on_record(row, figure) is not None for row in rows)


def _value(row: Mapping[str, Any], figure: Figure) -> float:
    value = value_on_record(row, figure)
    assert value is not None  # by _all_report
    return value


def _subset(
    runs: Sequence[Judged],
    logs: Mapping[Judged, list[dict[str, Any]]],
    rows: Mapping[Judged, Mapping[str, Any]],
    metric: Metric,
    knows_success: bool,
    figures: Sequence[Figure],
) -> SubsetResults:
    score = {
        run.seed: rows[run]["success_at_end"]["rate"] if knows_success else rows[run]["mean_return"] for run in runs
    }
    medians = {figure.name: {run.seed: _value(rows[run], figure) for run in runs} for figure in figures}
    longest = max((log[-1]["step"] for log in (logs[run] for run in runs) if log), default=0)
    steps = np.linspace(0, longest, POINTS + 1)[1:]
    curves = np.stack([between(logs[run], metric.key, steps) for run in runs])  # (R, K)
    known = np.isfinite(curves).all(axis=0)
    return SubsetResults(
        runs[0].senses,
        _estimate(score),
        {name: _estimate(by_seed) for name, by_seed in medians.items()},
        steps[known],
        _with_ends(curves[:, known]),
    )


def _with_ends(curves: FloatArray) -> FloatArray:
    """Interquartile mean and ends of its interval, (3, K), of curves (R, K)."""
    if not curves.size:
        return np.zeros((3, 0))
    result = aggregate(curves[:, None])
    return np.stack([result.value, result.low, result.high])


def between(log: Sequence[Mapping[str, Any]], key: str, steps: FloatArray, axis: str = "step") -> FloatArray:
    """A logged figure at given steps, (K,): on straight lines between those logged, NaN before the first.

    `axis` is the logged figure that the steps are of.

    A run that stopped early keeps its last figure.
    """
    logged = [(line[axis], line[key]) for line in log if line.get(key) is not None]
    if not logged:
        return np.full(len(steps), np.nan)
    at, values = np.array(logged, np.float64).T
    figures: FloatArray = np.interp(steps, at, values, left=np.nan)
    return figures


def _estimate(by_seed: Mapping[int, float]) -> OverSeeds:
    result = aggregate(np.array(list(by_seed.values()), np.float64)[:, None, None])
    low, high = float(result.low[0]), float(result.high[0])
    one = math.isnan(low)
    return OverSeeds(float(result.value[0]), None if one else low, None if one else high, by_seed)


def _logged(folder: Path) -> list[dict[str, Any]]:
    """The lines of metrics.jsonl."""
    return list(read_json_lines(RunFolder(folder).metrics_path))
