"""Clocks by the information that senses have about each other: a lag and a drift for each, by maximum likelihood.

For Gaussian readings the mutual information of two senses is I = -1/2 sum log(1 - rho^2) over their canonical
correlations rho (Kay 1992), and the likelihood of clocks is largest where the sum of I over pairs of senses is. Unlike
the squared distance of GTW, which adds up 1 - rho, it counts most what fits best, and that says most exactly when.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import minimize

from mmrl.alignment.base import SAME_CLOCK, Aligner, Alignment, ClockOffset, straight_paths
from mmrl.alignment.canonical import canonical_correlations
from mmrl.alignment.recording import RecordedSenses, Recording, standardised
from mmrl.arrays import FloatArray, IntArray

_SCAN_S, _UNITS = 0.02, np.array([0.01, 0.002])
"""Seconds between lags that are tried first; sizes of a lag and a drift to begin the search with."""


@dataclass(frozen=True)
class Information(Aligner):
    """The lag and the drift of each clock at which senses have most information about each other."""

    rate_hz: float = 200.0
    """Most readings per second that are compared; of two senses the slower one's where that is less."""
    most_drift: float = 0.05
    """Share by which two clocks differ at most."""
    precision_s: float = 1e-5
    """Seconds to which lags are sought."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (0 < self.most_drift < 1 and 0 < self.precision_s < self.most_lag_s):
            raise ValueError(
                f"most_drift must lie in 0 to 1 and precision_s in 0 to {self.most_lag_s:g} s, got "
                f"{self.most_drift:g} and {self.precision_s:g}"
            )

    def _align(self, names: tuple[str, ...], episodes: Sequence[RecordedSenses]) -> Alignment:
        pairs = [SensePair(self, episodes, i, j) for i, j in combinations(range(len(names)), 2)]
        middle = float(np.mean([(episode[0].times[0] + episode[0].times[-1]) / 2 for episode in episodes]))
        numbers = _begun(self._refined(self._placed(len(names), pairs, middle), pairs, middle), middle)
        clocks = tuple(ClockOffset(float(lag), float(drift)) for lag, drift in numbers)
        objective = -self._information(numbers, pairs)
        paths = tuple(straight_paths(clocks, episodes, self.rate_hz))
        return Alignment(names, paths, (SAME_CLOCK, *clocks[1:]), objective, (objective,))

    def _placed(self, count: int, pairs: Sequence[SensePair], middle: float) -> FloatArray:
        """Clocks (m, 2) to begin with: in each turn the sense that tells most about those before is put beside them.

        One that tells little may fit in two places, until others are there.
        """
        late, placed = np.zeros((count, 2)), {0}
        while len(placed) < count:
            found = []
            for k in set(range(count)) - placed:
                beside = [pair for pair in pairs if {*pair.senses} - placed == {k}]
                tried = self._scanned(late, k, beside, middle)
                found.append((self._information(_begun(tried, middle), beside), k, tried))
            _, k, late = max(found, key=lambda each: each[:2])
            placed.add(k)
        return late

    def _scanned(self, late: FloatArray, which: int, pairs: Sequence[SensePair], middle: float) -> FloatArray:
        """Clocks (m, 2) with the best lag in the middle of an episode and then the best drift of a grid, for one sense.

        Lags in the middle, because there a drift changes nothing on the whole.
        """
        grids = ((self.most_lag_s, _SCAN_S), (0.99 * self.most_drift, _SCAN_S / max(middle, _SCAN_S)))
        for column, (most, step) in enumerate(grids):
            steps = max(1, round(most / step))
            tried = np.tile(late, (2 * steps + 1, 1, 1))
            tried[:, which, column] = np.linspace(-most, most, 2 * steps + 1)
            late = max(tried, key=lambda clocks: self._information(_begun(clocks, middle), pairs))
        return late

    def _refined(self, late: FloatArray, pairs: Sequence[SensePair], middle: float) -> FloatArray:
        """The clocks (m, 2) of most information, from those of a scan on, by Nelder and Mead's simplex."""

        def clocks_of(flat: FloatArray) -> FloatArray:
            return np.concatenate([np.zeros((1, 2)), flat.reshape(-1, 2) * _UNITS])

        begin = (late[1:] / _UNITS).ravel()
        simplex = np.concatenate([begin[None], begin + np.eye(len(begin))])
        found = minimize(
            lambda flat: -self._information(_begun(clocks_of(flat), middle), pairs),
            begin,
            method="Nelder-Mead",
            options={"initial_simplex": simplex, "xatol": self.precision_s / _UNITS[0], "fatol": 1e-8, "maxiter": 2000},
        )
        return clocks_of(found.x)

    def _information(self, clocks: FloatArray, pairs: Sequence[SensePair]) -> float:
        """Nats per reading, over all pairs; minus infinity beyond the largest lag and drift."""
        if np.abs(clocks[:, 0]).max() > 2 * self.most_lag_s or np.abs(clocks[:, 1]).max() > self.most_drift:
            return -np.inf
        return sum(pair.information(clocks) for pair in pairs)


def _begun(late: FloatArray, middle: float) -> FloatArray:
    """Clocks (m, 2) by their lag at the beginning, from their lag at a time in the middle."""
    return np.stack([late[:, 0] - late[:, 1] * middle, late[:, 1]], axis=1)


class SensePair:
    """Two senses of all episodes: the slower at its own readings, the faster as a table to look up at any time."""

    def __init__(self, settings: Information, episodes: Sequence[RecordedSenses], first: int, last: int) -> None:
        """Averages the faster sense over the interval of the slower one, so that both have the same details."""
        self.senses = (first, last)
        span = 1 / settings.rate_hz
        intervals = [max(episodes[0][k].interval_s, span) for k in (first, last)]
        self._slow, self._fast = (first, last) if intervals[0] >= intervals[1] else (last, first)
        self._readings(settings, [episode[self._slow] for episode in episodes], max(intervals))
        self._table([episode[self._fast] for episode in episodes], min(*intervals, max(intervals) / 10), max(intervals))

    def information(self, clocks: FloatArray) -> float:
        """-1/2 sum log(1 - rho^2) for clocks (m, 2) of lags and drifts."""
        (slow_lag, slow_drift), (fast_lag, fast_drift) = clocks[self._slow], clocks[self._fast]
        times = fast_lag + (1 + fast_drift) * (self._times - slow_lag) / (1 + slow_drift)
        place = (times - self._begins[self._episode]) / self._interval
        inside = (place >= 0) & (place < self._lengths[self._episode] - 1)
        whole = place[inside].astype(np.intp)
        share, rows = (place[inside] - whole)[:, None], self._offsets[self._episode[inside]] + whole
        fast = self._values[rows] * (1 - share) + self._values[rows + 1] * share
        slow = self._wanted[inside]
        if len(slow) <= slow.shape[1] + fast.shape[1]:
            return 0.0
        correlations = canonical_correlations(slow - slow.mean(axis=0), fast - fast.mean(axis=0))
        return float(-0.5 * np.log1p(-np.square(np.minimum(correlations, 1 - 1e-9))).sum())

    def _readings(self, settings: Information, recordings: Sequence[Recording], span: float) -> None:
        """The readings of the slower sense, but for the ends of episodes, where the other may have none."""
        times = [_own_or_even(each, span) for each in recordings]
        values = standardised([each.averaged(at, span) for each, at in zip(recordings, times, strict=True)])
        kept = [(at >= at[0] + settings.most_lag_s) & (at <= at[-1] - settings.most_lag_s) for at in times]
        self._times = np.concatenate([at[keep] for at, keep in zip(times, kept, strict=True)])
        self._wanted = np.concatenate([value[keep] for value, keep in zip(values, kept, strict=True)])
        self._episode: IntArray = np.repeat(np.arange(len(times)), [int(keep.sum()) for keep in kept])

    def _table(self, recordings: Sequence[Recording], interval: float, span: float) -> None:
        """The averages of the faster sense, every `interval` seconds, all episodes in a row."""
        times = [np.arange(each.times[0], each.times[-1], interval) for each in recordings]
        values = standardised([each.averaged(at, span) for each, at in zip(recordings, times, strict=True)])
        self._values, self._interval = np.concatenate(values), interval
        self._begins = np.array([at[0] for at in times])
        self._lengths = np.array([len(at) for at in times])
        self._offsets = np.concatenate([[0], np.cumsum(self._lengths)[:-1]])


def _own_or_even(recording: Recording, span: float) -> FloatArray:
    """The times of a recording, or even ones where it is faster than one reading a span."""
    if recording.interval_s >= 0.99 * span:
        return recording.times
    return np.arange(recording.times[0], recording.times[-1], span)
