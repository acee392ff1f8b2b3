"""The worth of the senses to a policy, in numbers with their uncertainty.

M is the number of episodes, the same ones under every condition.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import bootstrap

from mmrl.evaluation.episodes import Episodes
from mmrl.evaluation.paired import mean_interval
from mmrl.evaluation.rates import CONFIDENCE, Row, compare
from mmrl.worth.conditions import Condition
from mmrl.worth.shapley import Subset, shapley_values, subsets


@dataclass(frozen=True)
class Estimate:
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"value": self.value, "interval_95": [self.low, self.high]}


@dataclass(frozen=True)
class Worth:
    """The gain by each sense, in success rate, or in mean return where the environment reports no success."""

    measure: str
    """success_at_end or episode_return."""
    best_single: str
    """The sense that is worth most alone."""
    complementarity: Estimate
    """Worth of all senses less that of the best single one."""
    lost_without: Mapping[str, Estimate]
    """Worth of all senses less that of all others, by sense: 0 where the others make up for it."""
    shapley: Mapping[str, Estimate] | None
    """Shapley value of each sense; None where there are too many for all subsets."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "measure": self.measure,
            "best_single": self.best_single,
            "complementarity": self.complementarity.to_json(),
            "lost_without": {name: estimate.to_json() for name, estimate in self.lost_without.items()},
            "shapley": self.shapley and {name: estimate.to_json() for name, estimate in self.shapley.items()},
        }


@dataclass(frozen=True, eq=False)
class SenseRow:
    """The episodes of one condition beside those with all senses in order."""

    condition: Condition
    row: Row
    return_change: Estimate | None
    """Mean return less that with all senses, paired; None for the row of all senses."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            **self.row.to_json(),
            "group": self.condition.group,
            "sense": self.condition.sense,
            "broken": {name: repr(fault) for name, fault in self.condition.faults.items()},
            "return_change": self.return_change and self.return_change.to_json(),
        }


def row_of(condition: Condition, table: Episodes, reference: Episodes | None) -> SenseRow:
    """The row of a condition, compared with the episodes that have all senses unless it is theirs."""
    if reference is None:
        return SenseRow(condition, Row(condition.label, condition.absent, table), None)
    row = Row(condition.label, condition.absent, table, compare(reference, table))
    return SenseRow(condition, row, Estimate(*mean_interval(table.episode_return - reference.episode_return)))


def worth_of(senses: Sequence[str], rows: Sequence[SenseRow]) -> Worth:
    """The worth of the senses, from rows that hold at least all, each one missing, each one alone and none."""
    judged = rows[0].row.episodes.judged
    by_success = bool(judged.all())
    worth: dict[Subset, NDArray[np.float64]] = {}  # of every episode (M,)
    for row in rows:
        if not row.condition.faults:
            table = row.row.episodes
            values = table.success_at_end if by_success else table.episode_return
            worth[frozenset(senses) - frozenset(row.condition.absent)] = values.astype(np.float64)
    every, alone = frozenset(senses), [frozenset({name}) for name in senses]
    best = max(senses, key=lambda name: worth[frozenset({name})].mean())
    complete = all(subset in worth for subset in subsets(senses))
    shapley = None
    if complete:
        parts = shapley_values(
            senses, worth
        )  # each (M,): the Shapley value is linear, so that its mean is that of means
        shapley = {name: Estimate(*mean_interval(part, CONFIDENCE)) for name, part in parts.items()}
    return Worth(
        "success_at_end" if by_success else "episode_return",
        best,
        _less_the_best(worth[every], [worth[single] for single in alone]),
        {name: _lost_without(name, worth[every] - worth[every - {name}], rows, by_success) for name in senses},
        shapley,
    )


def _lost_without(name: str, lost: NDArray[np.float64], rows: Sequence[SenseRow], by_success: bool) -> Estimate:
    """Mean of what each episode lost (M,); of success with the interval of the row without the sense."""
    if not by_success:
        return Estimate(*mean_interval(lost, CONFIDENCE))
    paired = next(row.row.versus_all for row in rows if row.condition.absent == (name,) and not row.condition.faults)
    assert paired is not None
    assert paired.interval is not None
    low, high = paired.interval
    return Estimate(float(lost.mean()), -high, -low)


def _less_the_best(all_senses: NDArray[np.float64], singles: Sequence[NDArray[np.float64]]) -> Estimate:
    """Mean with all senses less the highest mean of one alone, with the percentile bootstrap interval over episodes."""

    def statistic(*samples: NDArray[np.float64], axis: int = -1) -> Any:
        every, *alone = (sample.mean(axis=axis) for sample in samples)
        return every - np.max(alone, axis=0)

    data = (all_senses, *singles)
    value = float(statistic(*data))
    if all(np.ptp(sample) == 0 for sample in data):
        return Estimate(value, value, value)
    ends = bootstrap(
        data,
        statistic,
        paired=True,
        method="percentile",
        confidence_level=CONFIDENCE,
        batch=500,
        rng=np.random.default_rng(0),
    ).confidence_interval
    return Estimate(value, float(ends.low), float(ends.high))
