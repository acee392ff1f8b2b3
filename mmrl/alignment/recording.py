"""A recording: the encoded readings of one sense over an episode, with the times that its own clock gave them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from mmrl.arrays import FloatArray

FEWEST = 4
"""Readings below which nothing can be aligned."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Readings of a sense, n of d numbers each.

    Raises ValueError, with the name of the sense, for arrays that do not fit each other, fewer readings than `FEWEST`,
    times that do not rise, and values that are not finite.
    """

    name: str
    """Of the sense."""
    times: FloatArray
    """Seconds on the clock of the sense, rising, (n,)."""
    values: FloatArray
    """(n, d)."""

    def __post_init__(self) -> None:
        times, values = self.times, self.values
        if values.ndim != 2 or times.shape != values.shape[:1]:
            raise ValueError(f"{self.name}: needs times (n,) and values (n, d), got {times.shape} and {values.shape}")
        if len(times) < FEWEST or not values.shape[1]:
            raise ValueError(f"{self.name}: needs at least {FEWEST} readings of a number, got {values.shape}")
        if not (np.isfinite(values).all() and np.isfinite(times).all()):
            raise ValueError(f"{self.name}: times and values must be finite")
        if (falls := np.flatnonzero(np.diff(times) <= 0)).size:
            at = int(falls[0])
            raise ValueError(f"{self.name}: times must rise, but {times[at]:g} s is followed by {times[at + 1]:g} s")

    @property
    def interval_s(self) -> float:
        """Seconds between readings, the median."""
        return float(np.median(np.diff(self.times)))

    def at(self, times: FloatArray) -> FloatArray:
        """The values at some times (k,) of its clock, (k, d), between readings along straight lines."""
        return np.stack([np.interp(times, self.times, column) for column in self.values.T], axis=1)

    def averaged(self, times: FloatArray, span_s: float) -> FloatArray:
        """The mean values over spans of so many seconds around some times, (k, d); `at` where readings are rarer."""
        if self.interval_s >= span_s:
            return self.at(times)
        steps = np.diff(self.times)[:, None] * (self.values[1:] + self.values[:-1]) / 2
        integral = np.concatenate([np.zeros((1, steps.shape[1])), np.cumsum(steps, axis=0)])
        ends = [np.clip(times + side * span_s / 2, self.times[0], self.times[-1]) for side in (-1, 1)]
        first, last = (np.stack([np.interp(end, self.times, column) for column in integral.T], axis=1) for end in ends)
        width = ends[1] - ends[0]
        inside = width > self.interval_s / 2
        means = (last - first) / np.where(inside, width, 1.0)[:, None]
        return np.where(inside[:, None], means, self.at(times))

    def only(self, columns: slice) -> Recording:
        """Some of its numbers."""
        return Recording(self.name, self.times, self.values[:, columns])


RecordedSenses: TypeAlias = Sequence[Recording]
"""The recordings of m senses over the same events."""


def require_alignable(episodes: Sequence[RecordedSenses]) -> tuple[str, ...]:
    """The names of the m senses.

    Raises ValueError without episodes, with fewer than two senses, and where an episode has other senses or widths
    than the first.
    """
    if not episodes or len(episodes[0]) < 2:
        raise ValueError(f"needs two recordings of an episode at least, got {len(episodes[0]) if episodes else 0}")
    expected = [(each.name, each.values.shape[1]) for each in episodes[0]]
    for number, episode in enumerate(episodes):
        found = [(each.name, each.values.shape[1]) for each in episode]
        if found != expected:
            raise ValueError(f"episode {number} has {found} (sense, numbers of a reading), the first has {expected}")
    return tuple(name for name, _ in expected)


def require_same_width(episodes: Sequence[RecordedSenses], method: str) -> None:
    """Raise ValueError where readings of two senses have not as many numbers, which `method` compares one by one."""
    widths = {each.name: each.values.shape[1] for each in episodes[0]}
    if len(set(widths.values())) > 1:
        raise ValueError(
            f"{method} compares numbers one by one, but readings have {widths} of them: give it recordings of one "
            "width, such as `Recording.only(slice(0, 1))`, or take ctw, gtw, dctw or information, which learn a map"
        )


def standardised(arrays: Sequence[FloatArray]) -> list[FloatArray]:
    """Arrays (n_e, d) with mean 0 and deviation 1 of each column over all of them; constant columns become 0."""
    pooled = np.concatenate(arrays)
    mean, deviation = pooled.mean(axis=0), pooled.std(axis=0)
    scale = np.where(deviation > 1e-12 * (1 + np.abs(mean)), deviation, np.inf)
    return [(array - mean) / scale for array in arrays]
