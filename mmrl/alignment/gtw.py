"""Generalised time warping: m senses, each warped by a sum of rising curves, their weights by Gauss-Newton.

t is time on the first clock, p_k(t) = t + lag_k + sum_q a_kq r_q(t) the time on clock k, r_q a ramp over the q-th of Q
stretches of an episode. Work is linear in the length of recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import lsq_linear

from mmrl.alignment.base import SAME_CLOCK, Aligner, Alignment, fitted_clock
from mmrl.alignment.canonical import Projections, canonical_projections, distance
from mmrl.alignment.recording import RecordedSenses, Recording, standardised
from mmrl.arrays import FloatArray

_HALVINGS, _SCAN = 6, 31
_STEEPEST = 20.0
"""Most that a clock runs faster than the first."""


@dataclass(frozen=True)
class GTW(Aligner):
    """Generalised time warping: multi-set CCA, and curves by Gauss-Newton, in turns (Zhou and De la Torre 2012)."""

    dimensions: int = 3
    """b, shared dimensions, at most the width of a reading."""
    stretches: int = 1
    """Q: 1 for clocks with a lag and a drift, more for warps of any form."""
    rounds: int = 30
    """Most turns."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.dimensions, self.stretches, self.rounds) < 1:
            raise ValueError(
                "dimensions, stretches and rounds must be at least 1, got "
                f"{self.dimensions}, {self.stretches} and {self.rounds}"
            )

    def _align(self, names: tuple[str, ...], episodes: Sequence[RecordedSenses]) -> Alignment:
        warped = Warped(self, episodes)
        weights = warped.scanned()
        history = [warped.value(weights)]
        for _ in range(self.rounds):
            weights, value = warped.improved(weights, history[-1])
            if value >= history[-1]:
                break
            history.append(value)
        paths = warped.paths(weights)
        clocks = [fitted_clock(*np.concatenate([path[:, [0, k]] for path in paths]).T) for k in range(1, len(names))]
        return Alignment(names, tuple(paths), (SAME_CLOCK, *clocks), history[-1], tuple(history))


class Warped:
    """The senses of all episodes under warps with given weights, (m - 1, 1 + Q): lags, then slopes beyond 1."""

    def __init__(self, settings: GTW, episodes: Sequence[RecordedSenses]) -> None:
        """Puts all recordings on even clocks and standardises them."""
        self._settings = settings
        self._grids = [_even([episode[k] for episode in episodes], settings.rate_hz) for k in range(len(episodes[0]))]
        longest = max(float(each.times[-1]) for each in self._grids[0])
        self._ends = np.linspace(0.0, longest, settings.stretches + 1)
        margin = settings.most_lag_s
        self._steps = [
            each.times[(each.times >= margin) & (each.times <= each.times[-1] - margin)] for each in self._grids[0]
        ]

    def scanned(self) -> FloatArray:
        """Weights with the best lags of a grid, each sense for itself, and no slopes."""
        senses, stretches = len(self._grids) - 1, self._settings.stretches
        weights, most = np.zeros((senses, 1 + stretches)), self._settings.most_lag_s
        for k in range(senses):
            tried = np.tile(weights, (_SCAN, 1, 1))
            tried[:, k, 0] = np.linspace(-most, most, _SCAN)
            weights = min(tried, key=self.value)
        return weights

    def value(self, weights: FloatArray) -> float:
        """The objective with the best maps for these warps: mean of sum_{i<j} |V_i^T x_i - V_j^T x_j|^2."""
        return self._mapped(weights)[2]

    def improved(self, weights: FloatArray, value: float) -> tuple[FloatArray, float]:
        """Weights after a step of Gauss-Newton with the maps fixed, halved until the objective falls, and that."""
        projections, sets, _ = self._mapped(weights)
        step = self._step(weights, projections, sets)
        for halving in range(_HALVINGS):
            new = weights + step / 2**halving
            reached = self.value(new)
            if reached < value:
                return new, reached
        return weights, value

    def paths(self, weights: FloatArray) -> list[FloatArray]:
        """For each episode the times of all clocks, (L, m)."""
        return [
            np.stack([steps, *(self._clock(weights[k], steps) for k in range(len(weights)))], axis=1)
            for steps in self._steps
        ]

    def _mapped(self, weights: FloatArray) -> tuple[Projections, list[FloatArray], float]:
        sets = [np.concatenate([grid.at(at) for grid, at in zip(self._grids[0], self._steps, strict=True)])]
        for k, row in enumerate(weights, start=1):
            sets.append(
                np.concatenate(
                    [grid.at(self._clock(row, at)) for grid, at in zip(self._grids[k], self._steps, strict=True)]
                )
            )
        projections = canonical_projections(sets, self._settings.dimensions)
        return projections, sets, distance([projections.project(k, each) for k, each in enumerate(sets)])

    def _clock(self, row: FloatArray, steps: FloatArray) -> FloatArray:
        times: FloatArray = steps + self._curves(steps) @ row
        return times

    def _curves(self, steps: FloatArray) -> FloatArray:
        """One, and the ramps, (L, 1 + Q)."""
        widths = np.diff(self._ends)
        ramps = np.clip(steps[:, None] - self._ends[:-1], 0.0, widths)
        return np.concatenate([np.ones((len(steps), 1)), ramps], axis=1)

    def _step(self, weights: FloatArray, projections: Projections, sets: list[FloatArray]) -> FloatArray:
        """The change of weights that is best for the warps made straight, within lags and rising clocks."""
        curves = np.concatenate([self._curves(steps) for steps in self._steps])
        projected = [projections.project(k, each) for k, each in enumerate(sets)]
        speeds = [np.zeros((*projected[0].shape, curves.shape[1]))]
        for k, row in enumerate(weights, start=1):
            slopes = self._slopes(k, row) @ projections.maps[k]
            speeds.append(slopes[:, :, None] * curves[:, None, :])  # (n, b, 1 + Q)
        rows, targets = [], []
        for j in range(1, len(projected)):
            for i in range(j):
                parts = [np.zeros_like(speeds[0]) for _ in weights]
                parts[j - 1] = -speeds[j]
                if i:
                    parts[i - 1] = speeds[i]
                rows.append(np.concatenate(parts, axis=2).reshape(-1, weights.size))
                targets.append(-(projected[i] - projected[j]).ravel())
        return self._bounded(np.concatenate(rows), np.concatenate(targets), weights)

    def _bounded(self, rows: FloatArray, targets: FloatArray, weights: FloatArray) -> FloatArray:
        most = self._settings.most_lag_s
        low, high = np.full_like(weights, -0.95), np.full_like(weights, _STEEPEST)
        low[:, 0], high[:, 0] = -most, most
        inside = np.clip(weights, low + 1e-9, high - 1e-9)
        gram = rows.T @ rows
        damped = np.sqrt(1e-6 * np.trace(gram) / len(gram) + 1e-12) * np.eye(len(gram))
        found = lsq_linear(
            np.concatenate([rows, damped]),
            np.concatenate([targets, np.zeros(len(gram))]),
            ((low - inside).ravel() - 1e-9, (high - inside).ravel() + 1e-9),
        )
        step: FloatArray = found.x.reshape(weights.shape)
        return step

    def _slopes(self, which: int, row: FloatArray) -> FloatArray:
        """Change per second of a sense at its warped times, (n, d)."""
        half = 0.5 / self._settings.rate_hz
        slopes = []
        for grid, steps in zip(self._grids[which], self._steps, strict=True):
            times = self._clock(row, steps)
            slopes.append((grid.at(times + half) - grid.at(times - half)) / (2 * half))
        return np.concatenate(slopes)


def _even(recordings: Sequence[Recording], rate_hz: float) -> list[Recording]:
    """Recordings on even clocks, standardised over all of them."""
    times = [np.arange(each.times[0], each.times[-1], 1 / rate_hz) for each in recordings]
    values = standardised([each.averaged(at, 1 / rate_hz) for each, at in zip(recordings, times, strict=True)])
    return [Recording(each.name, at, value) for each, at, value in zip(recordings, times, values, strict=True)]
