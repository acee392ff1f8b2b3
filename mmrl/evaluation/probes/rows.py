"""Rows for probes: frozen features of several sources, what is to be read off them, and which episode each is of.

n rows, a source of parts (n, d_s) each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mmrl.arrays import BoolArray, FloatArray, IntArray

FeatureSource: TypeAlias = Mapping[str, FloatArray]
"""Features of one source by part, such as the encodings of all senses, (n, d_s) each."""

MOST_CLASSES = 5
"""A target with at most so many values is a class, with more a number."""


@dataclass(frozen=True, eq=False)
class ProbeRows:
    """Rows of some episodes.

    Raises ValueError for columns of other lengths, values that are not finite, and no rows.
    """

    sources: Mapping[str, FeatureSource]
    """Features by source."""
    targets: Mapping[str, FloatArray]
    """Numbers or classes to be read off them, (n,) each."""
    episodes: IntArray
    """The episode of each row, (n,)."""

    def __post_init__(self) -> None:
        columns = {f"{source} of {part}": x for source, parts in self.sources.items() for part, x in parts.items()}
        if not len(self.episodes):
            raise ValueError("a probe needs rows, got none")
        for name, column in {**columns, **self.targets}.items():
            if len(column) != len(self.episodes):
                raise ValueError(f"{name} has {len(column)} rows, and there are {len(self.episodes)}")
            if not np.isfinite(column).all():
                raise ValueError(f"{name} must be finite")

    def of(self, episodes: Sequence[int]) -> ProbeRows:
        """The rows of some episodes."""
        chosen: BoolArray = np.isin(self.episodes, np.asarray(episodes))
        sources = {name: {part: x[chosen] for part, x in parts.items()} for name, parts in self.sources.items()}
        targets = {name: values[chosen] for name, values in self.targets.items()}
        return ProbeRows(sources, targets, self.episodes[chosen])

    def split(self, test_share: float, seed: int) -> tuple[ProbeRows, ProbeRows]:
        """Rows to learn from and to judge by, of different episodes; ValueError where either has fewer than two."""
        numbers = np.random.default_rng(seed).permutation(np.unique(self.episodes))
        kept_apart = round(test_share * len(numbers))
        if min(kept_apart, len(numbers) - kept_apart) < 2:
            raise ValueError(
                f"two episodes at least are learned from and judged by, got {len(numbers)} and a share of {test_share}"
            )
        return self.of(numbers[kept_apart:].tolist()), self.of(numbers[:kept_apart].tolist())


@dataclass(frozen=True)
class ProbeTarget:
    """Something that may be read off features."""

    name: str
    """Its name."""
    is_class: bool
    """Whether it is one of a few values, not a number."""


def targets_of(train: ProbeRows, test: ProbeRows) -> tuple[list[ProbeTarget], list[str]]:
    """The targets that vary in both, and the names of those that do not."""
    found, constant = [], []
    for name, values in train.targets.items():
        different = np.unique(values)
        if len(different) < 2 or len(np.unique(test.targets[name])) < 2:
            constant.append(name)
        else:
            found.append(ProbeTarget(name, len(different) <= MOST_CLASSES))
    return found, constant
