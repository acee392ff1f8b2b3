"""Cross-correlation: the one shift at which two recordings agree best, the control of all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmrl.alignment.base import SAME_CLOCK, Aligner, Alignment, ClockOffset, straight_paths
from mmrl.alignment.recording import RecordedSenses, Recording, standardised
from mmrl.arrays import FloatArray


@dataclass(frozen=True)
class Correlation(Aligner):
    """Cross-correlation: one shift for each sense against the first, and no drift."""

    compares_numbers: ClassVar[bool] = True

    def _align(self, names: tuple[str, ...], episodes: Sequence[RecordedSenses]) -> Alignment:
        found = [self._shift([(episode[0], episode[k]) for episode in episodes]) for k in range(1, len(names))]
        clocks = (SAME_CLOCK, *(ClockOffset(shift, 0.0) for shift, _ in found))
        objective = float(len(found) - sum(correlation for _, correlation in found))
        paths = tuple(straight_paths(clocks, episodes, self.rate_hz))
        return Alignment(names, paths, clocks, objective, (objective,))

    def _shift(self, pairs: Sequence[tuple[Recording, Recording]]) -> tuple[float, float]:
        """The shift in seconds with the largest correlation over all episodes, to parts of a reading, and that."""
        reach = round(self.most_lag_s * self.rate_hz)
        shifts = np.arange(-reach, reach + 1)
        sides = [standardised(list(side)) for side in zip(*(self._on_one_grid(pair) for pair in pairs), strict=True)]
        products, squares = np.zeros(len(shifts)), np.zeros((2, len(shifts)))
        for x, y in zip(*sides, strict=True):
            for number, shift in enumerate(shifts):
                earlier, later = max(0, -int(shift)), max(0, int(shift))
                early, late = x[earlier : len(x) - later], y[later : len(y) - earlier]
                products[number] += (early * late).sum()
                squares[:, number] += np.square(early).sum(), np.square(late).sum()
        correlations = products / np.sqrt(np.maximum(squares[0] * squares[1], 1e-12))
        best = int(correlations.argmax())
        return float(shifts[best] + _summit(correlations, best)) / self.rate_hz, float(correlations[best])

    def _on_one_grid(self, pair: tuple[Recording, Recording]) -> list[FloatArray]:
        begin = float(max(each.times[0] for each in pair))
        end = float(min(each.times[-1] for each in pair))
        if end - begin <= 2 * self.most_lag_s:
            raise ValueError(f"{pair[0].name} and {pair[1].name} share {end - begin:.3g} s, too few for such lags")
        times = np.arange(begin, end, 1 / self.rate_hz)
        return [each.averaged(times, 1 / self.rate_hz) for each in pair]


def _summit(values: FloatArray, best: int) -> float:
    """How far beside the largest value the parabola through it and its neighbours is highest, in -0.5 to 0.5."""
    if not 0 < best < len(values) - 1:
        return 0.0
    before, top, after = values[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0
