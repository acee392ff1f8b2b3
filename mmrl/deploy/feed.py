"""The readings of one sense as a robot gives them, and the window of them that a policy sees.

The schedule is that of the simulator (`mmrl_envs.sensors.sensing.buffer`). A sense that is faster than the policy has a
reading for each period of its rate: of several within one period the first counts, and periods without any hold the
reading before. A slower one is read when an action is due, at the first such instant at or after each period of its
rate, and held in between. At the start every reading of the window is the first one.

T is the history (1 without). Times are seconds of one clock, that of the robot.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from dataclasses import replace
from itertools import islice
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmrl.modality import Modality, Unencoded
from mmrl.modality.readings import checked_readings

_TOLERANCE_S = 1e-6
"""Clocks count in numbers that cannot hold 0.05 exactly."""


class Stamped(NamedTuple):
    """A reading and the instant at which it was taken."""

    time: float
    """Seconds."""
    reading: NDArray[Any]
    """Of `shape`."""


class Window(NamedTuple):
    """The readings that a policy sees at an instant."""

    readings: NDArray[Any]
    """Of `window_shape`, oldest first."""
    newest: float
    """The instant of the newest of them, seconds."""


class Feed(ABC):
    """The readings of one sense.

    Args:
        modality: the sense, as the policy was trained with it.
        kept: how many readings of its schedule may be seen yet.
    """

    def __init__(self, modality: Modality, kept: int) -> None:
        self.modality = modality
        self.skipped = 0
        """Readings that came too soon after the one before to count."""
        self.held = 0
        """Periods without a reading, for which the one before stands."""
        self._readings: deque[Stamped] = deque(maxlen=kept)
        self._last_push = -math.inf
        self._alone = {modality.name: replace(modality, history=None, encoder=Unencoded())}
        self._low, self._high = modality.bounds

    def push(self, time: float, reading: ArrayLike) -> None:
        """Take a reading. Raises ValueError, and takes nothing, where it is not as declared or older than the last."""
        self._require_later(time)
        taken = self._checked(reading)
        self._last_push = time
        self._take(Stamped(time, taken))

    def window(self, now: float) -> Window | None:
        """The T newest readings that are old enough to be seen at `now`; None before any was pushed.

        Where there are fewer, the first one is repeated.
        """
        if self._last_push == -math.inf:
            return None
        self._pass(now)
        latest = now - self.modality.latency_s + _TOLERANCE_S
        known = sum(1 for stamped in self._readings if stamped.time <= latest) or 1
        length = self.modality.history or 1
        seen = list(islice(self._readings, max(known - length, 0), known))
        rows = np.stack([stamped.reading for stamped in (*[seen[0]] * (length - len(seen)), *seen)])
        return Window(rows[0] if self.modality.history is None else rows, seen[-1].time)

    def forget(self) -> None:
        """Begin anew, without a reading."""
        self._last_push = -math.inf
        self._readings.clear()

    @abstractmethod
    def _take(self, stamped: Stamped) -> None:
        """Keep a reading that was checked."""

    @abstractmethod
    def _pass(self, now: float) -> None:
        """Note that an action is due."""

    def _require_later(self, time: float) -> None:
        name, last = self.modality.name, self._last_push
        if not math.isfinite(time):
            raise ValueError(f"{name!r} was read at {time} s, which is no instant: the reading is left out")
        if time < last:
            raise ValueError(
                f"{name!r} was read at {time:.6f} s, before the last reading at {last:.6f} s: it is left out. Stamp "
                "readings by one clock, and push those of a sense in order"
            )

    def _checked(self, reading: ArrayLike) -> NDArray[Any]:
        """One reading of `shape` and the declared dtype, within its bounds."""
        name, shape = self.modality.name, self.modality.shape
        array = np.asarray(reading)
        if array.shape != shape:
            raise ValueError(f"a reading of {name!r} has the shape {shape}, got {array.shape}: it is left out")
        checked = checked_readings({name: array[None]}, {}, self._alone)[name][0]
        inside: NDArray[Any] = np.clip(checked, self._low, self._high)
        return inside


class FastFeed(Feed):
    """A sense with more readings than actions."""

    def __init__(self, modality: Modality, hz: float) -> None:
        # an action may be late by some periods of its own
        late = 2 / hz
        super().__init__(modality, (modality.history or 1) + math.ceil((modality.latency_s + late) * modality.rate_hz))
        self._start, self._period = 0.0, -1

    def forget(self) -> None:
        super().forget()
        self._period = -1

    def _take(self, stamped: Stamped) -> None:
        if self._period < 0:
            self._start = stamped.time
        rate = self.modality.rate_hz
        # Periods lie around the instants at which readings are expected, so that half of one may be missed either way.
        period = math.floor((stamped.time - self._start) * rate + 0.5)
        if period <= self._period:
            self.skipped += 1
            return
        if self._period >= 0:
            self._hold(period - self._period - 1, stamped.time)
        self._readings.append(stamped)
        self._period = period

    def _hold(self, missing: int, time: float) -> None:
        """Fill the periods without a reading before that of `time`."""
        self.held += missing
        for before in range(min(missing, self._readings.maxlen or 0), 0, -1):
            held = Stamped(time - before / self.modality.rate_hz, self._readings[-1].reading)
            self._readings.append(held)

    def _pass(self, now: float) -> None:
        """Its periods go by its own readings."""


class SlowFeed(Feed):
    """A sense with at most as many readings as actions."""

    def __init__(self, modality: Modality, hz: float) -> None:
        super().__init__(modality, (modality.history or 1) + math.ceil(modality.latency_s * hz) + 1)
        self._newest: Stamped | None = None
        self._start, self._period = 0.0, -1

    def forget(self) -> None:
        super().forget()
        self._newest, self._period = None, -1

    def _take(self, stamped: Stamped) -> None:
        self._newest = stamped

    def _pass(self, now: float) -> None:
        if self._period < 0:
            self._start = now
        period = math.floor((now - self._start) * self.modality.rate_hz + _TOLERANCE_S)
        if period > self._period and self._newest is not None:
            self._readings.append(self._newest)
            self._period = period


def make_feed(modality: Modality, hz: float) -> Feed:
    """The feed of a sense by its rate."""
    return FastFeed(modality, hz) if modality.rate_hz > hz else SlowFeed(modality, hz)
