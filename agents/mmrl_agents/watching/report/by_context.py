"""Success by what differed from episode to episode: pegs by shape, holes by place.

M is the number of episodes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.arrays import BoolArray, FloatArray
from mmrl.evaluation.paired import mean_interval
from mmrl.evaluation.rates import Rate
from mmrl.worth import Estimate
from mmrl_agents.watching.report.playing import PlayedEpisodes

MOST_VALUES = 8
"""Numbers that take more values than this are shown in groups."""
GROUPS = 4
"""So many, each with about as many episodes."""


@dataclass(frozen=True)
class ContextGroup:
    """The episodes in which a parameter of the context had one value, or lay in a range."""

    parameter: str
    """Its name."""
    label: str
    """The value or the range."""
    episodes: int
    """How many they are."""
    result: Estimate
    """Success rate, or mean return where the environment reports no success, with its 95 % interval."""


def result_of(played: PlayedEpisodes, chosen: BoolArray) -> Estimate:
    """Success rate of some of the episodes (M,), at least one, or their mean return."""
    if not played.knows_success:
        return Estimate(*mean_interval(played.returns[chosen]))
    rate = Rate(int(played.success[chosen].sum()), int(chosen.sum()))
    assert rate.rate is not None
    assert rate.interval is not None
    return Estimate(rate.rate, *rate.interval)


def success_by_context(played: PlayedEpisodes) -> list[ContextGroup]:
    """The groups of every parameter that differed between the episodes."""
    return [
        ContextGroup(name, label, int(chosen.sum()), result_of(played, chosen))
        for name, values in played.contexts.items()
        for label, chosen in _groups(values)
    ]


def _groups(values: Sequence[Any]) -> Iterator[tuple[str, BoolArray]]:
    """Which episodes (M,) belong together, by a label; nothing where all are the same."""
    array = np.array(values)
    if array.dtype.kind in "fiu":
        yield from _by_number(array.astype(np.float64))
        return
    different = sorted(set(map(str, values)))
    for word in different if len(different) > 1 else ():
        yield word, np.array([str(value) == word for value in values])


def _by_number(values: FloatArray) -> Iterator[tuple[str, BoolArray]]:
    finite = values[np.isfinite(values)]
    different = np.unique(finite)
    if len(different) < 2:
        return
    if len(different) <= MOST_VALUES:
        yield from ((f"{value:.4g}", values == value) for value in different)
        return
    edges = np.quantile(finite, np.linspace(0, 1, GROUPS + 1))
    for index in range(GROUPS):
        low, high = edges[index : index + 2]
        last = index == GROUPS - 1
        yield f"{low:.2g} to {high:.2g}", (values >= low) & ((values <= high) if last else (values < high))
