"""Methods that warp two series: even clocks, paths within the largest lag, and more than two senses.

Letters: L = steps of a path, b = shared dimensions.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np

from mmrl.alignment.base import SAME_CLOCK, Aligner, Alignment, fitted_clock
from mmrl.alignment.dtw import path_cost, warping_path
from mmrl.alignment.recording import RecordedSenses, standardised
from mmrl.arrays import FloatArray, IntArray

Pair: TypeAlias = tuple[FloatArray, FloatArray]
"""Two series, (n, d_1) and (l, d_2)."""


@dataclass(frozen=True)
class TimeWarping(Aligner):
    """A method that warps two series onto each other; of more than two each goes with the first."""

    slope: int | None = None
    """Steps in one series alone that may follow each other; None for any number."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.slope is not None and self.slope < 1:
            raise ValueError(f"slope must be at least 1, got {self.slope}")

    def paths(self, pairs: Sequence[Pair]) -> list[IntArray]:
        """The paths of least cost through series of one width, within the largest lag, (L, 2) of indices each."""
        reach = max(1, round(self.most_lag_s * self.rate_hz))
        return [warping_path(x, y, window=reach, slope=self.slope, slack=reach) for x, y in pairs]

    @abstractmethod
    def warp(self, pairs: Sequence[Pair]) -> tuple[list[IntArray], list[float]]:
        """The paths of all episodes through standardised series, and the objective after each round."""

    def _align(self, names: tuple[str, ...], episodes: Sequence[RecordedSenses]) -> Alignment:
        aligned = [self._with_the_first(episodes, k) for k in range(1, len(names))]
        clocks = [fitted_clock(*np.concatenate(paths).T) for paths, _ in aligned]
        paths = [_joined([each[e] for each, _ in aligned]) for e in range(len(episodes))]
        rounds = max(len(history) for _, history in aligned)
        histories = [history + [history[-1]] * (rounds - len(history)) for _, history in aligned]
        history = tuple(float(sum(values)) for values in zip(*histories, strict=True))
        return Alignment(names, tuple(paths), (SAME_CLOCK, *clocks), history[-1], history)

    def _with_the_first(self, episodes: Sequence[RecordedSenses], which: int) -> tuple[list[FloatArray], list[float]]:
        """The paths of a sense and the first in seconds, (L, 2) each, and the objective after each round."""
        first, other = ([episode[k] for episode in episodes] for k in (0, which))
        sides, begins = [], []
        for recordings in (first, other):
            times = [np.arange(each.times[0], each.times[-1], 1 / self.rate_hz) for each in recordings]
            values = [each.averaged(at, 1 / self.rate_hz) for each, at in zip(recordings, times, strict=True)]
            sides.append(standardised(values))
            begins.append([at[0] for at in times])
        paths, history = self.warp(list(zip(*sides, strict=True)))
        starts = np.array(begins).T
        return [start + path / self.rate_hz for start, path in zip(starts, paths, strict=True)], history


@dataclass(frozen=True)
class DTW(TimeWarping):
    """Dynamic time warping of the readings as they are (Sakoe and Chiba 1978)."""

    compares_numbers: ClassVar[bool] = True

    def warp(self, pairs: Sequence[Pair]) -> tuple[list[IntArray], list[float]]:
        paths = self.paths(pairs)
        cost = sum(path_cost(x, y, path) for (x, y), path in zip(pairs, paths, strict=True))
        return paths, [cost / sum(len(path) for path in paths)]


Spatial: TypeAlias = Callable[[Sequence[FloatArray]], tuple[Callable[[int, FloatArray], FloatArray], float]]
"""From warped sets (n, d_k) to what maps each set to shared dimensions, and the objective with it."""


def alternate(
    method: TimeWarping, pairs: Sequence[Pair], spatial: Spatial, rounds: int
) -> tuple[list[IntArray], list[float]]:
    """Maps for given paths, paths for given maps, in turns, as long as the objective falls.

    Begins with paths that go evenly through both series. A round that would raise the objective is not taken: under
    constraints on warped series new paths may do that.
    """
    paths = [_even(len(x), len(y)) for x, y in pairs]
    project, value = spatial(_warped(pairs, paths))
    history = [value]
    for _ in range(rounds):
        new_paths = method.paths([(project(0, x), project(1, y)) for x, y in pairs])
        project, value = spatial(_warped(pairs, new_paths))
        if value >= history[-1]:
            break
        paths = new_paths
        history.append(value)
    return paths, history


def _warped(pairs: Sequence[Pair], paths: Sequence[IntArray]) -> list[FloatArray]:
    return [
        np.concatenate([pair[side][path[:, side]] for pair, path in zip(pairs, paths, strict=True)]) for side in (0, 1)
    ]


def _even(n: int, length: int) -> IntArray:
    steps = np.linspace(0, 1, max(n, length))
    return np.stack([np.round(steps * (count - 1)).astype(np.intp) for count in (n, length)], axis=1)


def _joined(paths: Sequence[FloatArray]) -> FloatArray:
    """Paths (L, 2) with one clock in their first columns as one path; a single one stays as it is.

    Where a path stays at a time of that clock, the mean of the other's times stands.
    """
    if len(paths) == 1:
        return paths[0]
    begin, end = max(path[0, 0] for path in paths), min(path[-1, 0] for path in paths)
    steps = np.unique(paths[0][:, 0])
    steps = steps[(steps >= begin) & (steps <= end)]
    return np.stack([steps, *(np.interp(steps, *_function(path)) for path in paths)], axis=1)


def _function(path: FloatArray) -> tuple[FloatArray, FloatArray]:
    times, which, counts = np.unique(path[:, 0], return_inverse=True, return_counts=True)
    return times, np.bincount(which, path[:, 1]) / counts
