"""`mmrl compare`: the curves of several runs, or groups of seeds, with a table and a picture.

R runs of a group, K points of a curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl.arrays import FloatArray
from mmrl.evaluation.aggregate import CONFIDENCE, RESAMPLES, aggregate, probability_of_improvement
from mmrl_agents.ablation.results import METRICS, POINTS, Metric, between
from mmrl_agents.comparing.groups import Group, groups_of
from mmrl_agents.records.terminal import say, terminal

AXES: Mapping[str, str] = {"steps": "step", "time": "wall_time_s"}
"""Names in metrics.jsonl of all that a curve is drawn over, by the word that `--by` takes."""
_UNITS = {"steps": "environment steps", "time": "seconds of training"}


@dataclass(frozen=True)
class CompareConfig:
    """Compare the curves of runs: those that differ in their seed alone, or lie in one folder, count as a group."""

    runs: tyro.conf.Positional[tuple[Path, ...]]
    """Run folders, or folders of runs; each of the latter is a group."""
    by: Literal["steps", "time"] = "steps"
    """The axis below the curves: environment steps, or seconds of training."""
    metric: str = ""
    """Name in metrics.jsonl; unset is the first that every run has logged of success with the best actions, success in
    training, and the returns of both."""
    goal: float = 0.95
    """The height whose first crossing is in the table; of a success rate the share."""
    output: Path = Path("comparison.png")
    """Where the picture is written."""


@dataclass(frozen=True, eq=False)
class Compared:
    """A group in figures."""

    name: str
    """Of the group."""
    last: FloatArray
    """The last figure that each run logged, (R,)."""
    last_of_group: tuple[float, float, float]
    """Their interquartile mean with its interval, NaN of a single run."""
    crossings: FloatArray
    """Where each run reached the goal, (R,), infinite where it did not."""
    at: FloatArray
    """Where the curve is known, (K,)."""
    curve: FloatArray
    """The interquartile mean with the ends of its interval, (3, K)."""


def compare(config: CompareConfig, console: Console | None = None) -> list[Compared]:
    """Print the table, write the picture and return the groups; ValueError where they have no metric in common."""
    from mmrl_agents.comparing.curves_picture import draw_groups

    console = console or terminal()
    groups = groups_of(config.runs)
    metric = _metric(config, groups)
    compared = [_compared(group, metric.key, AXES[config.by], config.goal) for group in groups]
    _show(compared, metric, config, console)
    draw_groups(compared, metric, _UNITS[config.by], config.output)
    say(console, f"wrote {config.output}")
    return compared


def _metric(config: CompareConfig, groups: Sequence[Group]) -> Metric:
    logs = [log for group in groups for log in group.logs]
    wanted = (Metric(config.metric, config.metric, 1.0),) if config.metric else METRICS
    for metric in wanted:
        if all(any(_is_number(line.get(metric.key)) for line in log) for log in logs):
            return metric
    named = ", ".join(metric.key for metric in wanted)
    raise ValueError(f"not every run has logged one of {named}: compare runs with --judge-every, or choose --metric")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and math.isfinite(value)


def _compared(group: Group, key: str, axis: str, goal: float) -> Compared:
    points = np.linspace(0.0, max(float(log[-1][axis]) for log in group.logs), POINTS + 1)[1:]
    curves = np.stack([between(log, key, points, axis) for log in group.logs])
    known = np.isfinite(curves).all(axis=0)
    drawn = aggregate(curves[:, None, known]) if known.any() else None
    last = np.array([[line[key] for line in log if _is_number(line.get(key))][-1] for log in group.logs], np.float64)
    end = aggregate(last[:, None, None])
    return Compared(
        group.name,
        last,
        (float(end.value[0]), float(end.low[0]), float(end.high[0])),
        np.array([crossing(log, key, goal, axis) for log in group.logs]),
        points[known],
        np.zeros((3, 0)) if drawn is None else np.stack([drawn.value, drawn.low, drawn.high]),
    )


def crossing(log: Sequence[Mapping[str, Any]], key: str, goal: float, axis: str = "step") -> float:
    """Where a logged figure first was at the goal or above, infinite where it never was."""
    reached = (float(line[axis]) for line in log if _is_number(line.get(key)) and line[key] >= goal)
    return next(reached, math.inf)


def median_with_interval(crossings: FloatArray, *, seed: int = 0) -> tuple[float, float, float]:
    """The median of crossings (R,), which may be infinite, with its 95 % bootstrap interval, NaN of a single one."""
    middle = float(_quantile(crossings, 0.5))
    if len(crossings) == 1:
        return middle, math.nan, math.nan
    drawn = np.random.default_rng(seed).integers(len(crossings), size=(RESAMPLES, len(crossings)))
    medians, tail = _quantile(crossings[drawn], 0.5), (1 - CONFIDENCE) / 2
    return middle, float(_quantile(medians, tail)), float(_quantile(medians, 1 - tail))


def _quantile(values: FloatArray, share: float) -> FloatArray:
    """The value (...) that so many of (..., R) are at most; none between two, of which one may be infinite."""
    ordered: FloatArray = np.sort(values, axis=-1)[..., max(math.ceil(share * values.shape[-1]) - 1, 0)]
    return ordered


def _show(groups: Sequence[Compared], metric: Metric, config: CompareConfig, console: Console) -> None:
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("group", overflow="fold")
    goal = f"{metric.unit * config.goal:g}"
    for heading in ("runs", f"{metric.label}, last", f"{_UNITS[config.by]} to {goal}", "reached it"):
        table.add_column(heading, justify="right", overflow="fold")
    for group in groups:
        reached = int(np.isfinite(group.crossings).sum())
        ends = tuple(metric.unit * end for end in group.last_of_group)
        crossings = median_with_interval(group.crossings)
        table.add_row(
            Text(group.name),
            str(len(group.last)),
            _with_interval(ends, ".1f" if metric.unit == 100.0 else ".2f"),
            Text(_with_interval(crossings, ",.0f")),  # what stands in brackets could be markup
            f"{reached} of {len(group.crossings)}",
        )
    console.print(table)
    console.print(
        "Last figures: interquartile means over runs; crossings: medians; in brackets their 95 % bootstrap intervals."
    )
    if len(groups) == 2:
        first, second = groups
        chance = probability_of_improvement(first.last[:, None], second.last[:, None])
        text = f"{first.name} ends above {second.name} with a probability of {_with_interval(chance, '.2f')}"
        say(console, text)


def _with_interval(figures: tuple[float, ...], form: str) -> str:
    value, low, high = (_spelled(figure, form) for figure in figures)
    return value if math.isnan(figures[1]) else f"{value} [{low}, {high}]"


def _spelled(figure: float, form: str) -> str:
    return "never" if math.isinf(figure) else format(figure, form)
