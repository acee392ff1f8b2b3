"""One clock for senses with different rates, for a network that reads them all together.

T is the number of readings of a window (oldest first), L that of the ticks of the clock (the last one now).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import Modality

_SIMULTANEOUS_S = 1e-9


@dataclass(frozen=True)
class Clock:
    """Instants `period_s` apart at which all senses are read, the last of them now."""

    ticks: int
    period_s: float

    def resampling(self, modality: Modality) -> NDArray[np.float64]:
        """Weights (L, T) of the readings of a window at each tick; those of a tick sum to one.

        A tick sees the mean of the readings since the tick before. Where there are none it sees the newest reading
        before it, and where that is no longer in the window, the oldest one. A reading is `latency_s` older than the
        instant at which it can be seen.
        """
        readings = modality.history or 1
        times = -np.arange(readings)[::-1] / modality.rate_hz - modality.latency_s
        weights = np.zeros((self.ticks, readings))
        for tick, row in enumerate(weights):
            now = -(self.ticks - 1 - tick) * self.period_s + _SIMULTANEOUS_S
            new = (times <= now) & (times > now - self.period_s)
            latest = max(int(np.count_nonzero(times <= now)) - 1, 0)
            row[new if new.any() else latest] = 1
        weights /= weights.sum(axis=1, keepdims=True)
        return weights


def shared_clock(modalities: Iterable[Modality], ticks: int) -> Clock:
    """At most `ticks` instants over the longest window; never more than a window has readings."""
    windows = [(sense.history / sense.rate_hz, sense.history) for sense in modalities if sense.history is not None]
    if not windows:
        return Clock(1, 1.0)
    count = min(ticks, max(readings for _, readings in windows))
    return Clock(count, max(duration for duration, _ in windows) / count)
