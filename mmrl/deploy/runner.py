"""A policy in a robot's loop: readings are pushed from any thread at any rate, an action is taken at each tick."""

from __future__ import annotations

import math
import threading
import time as clocks
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmrl.arrays import Observation
from mmrl.deploy.feed import Feed, Window, make_feed
from mmrl.deploy.policy import ActingPolicy, load
from mmrl.deploy.report import Record, RunReport
from mmrl.modality import Modality

_LATE = 1.5
"""Periods between two ticks beyond which the later one is late."""


class NotRunnable(RuntimeError):
    """A policy gave no action that a robot could carry out; stop the robot."""


class Runner:
    """Acts by the newest readings at the rate that the policy was trained at.

    Times are seconds of one clock of the robot's, such as `time.monotonic()`; those of readings say when they were
    taken, not when they arrived. The windows that the policy sees are built as in the simulator (`mmrl.deploy.feed`). A
    sense whose newest reading is too old counts as absent, as if it were unplugged; so does one that has given none.

    Args:
        policy: what acts, or the source of it, as `mmrl.load` takes it: a run folder, an exported policy, a name.
        hz: actions per second; unset is the control rate of the policy's training.
        max_age_s: age at which a reading is too old, for each sense or by sense; unset is five periods of a sense or
            two of the policy, whichever are longer, beyond the latency that the policy was trained with.
    """

    def __init__(
        self,
        policy: ActingPolicy | str | Path,
        hz: float | None = None,
        max_age_s: float | Mapping[str, float] | None = None,
    ) -> None:
        policy = load(policy) if isinstance(policy, str | Path) else policy
        hz = policy.hz if hz is None else hz
        if hz is None:
            raise ValueError("the policy does not say how often it acted in training: give hz, actions per second")
        if not 0 < hz < math.inf:
            raise ValueError(f"hz must be a number above 0, got {hz!r}")
        self._policy, self.hz = policy, hz
        self._feeds = {name: make_feed(modality, hz) for name, modality in policy.modalities.items()}
        self._oldest = _oldest(policy.modalities, hz, max_age_s)
        self._record = Record(self._feeds)
        self._lock = threading.Lock()
        self._last_tick = -math.inf

    @property
    def senses(self) -> Mapping[str, Modality]:
        """The senses that the policy reads, by name: shapes, rates, units."""
        return self._policy.modalities

    def push(self, sense: str, time: float, reading: ArrayLike) -> None:
        """Take a reading of `sense`, of the shape of one, that was taken at `time`. May be called from any thread.

        Raises ValueError, and keeps all that it had, for a sense that the policy does not know, a reading that is not
        as declared or not finite, and one that is older than the last.
        """
        with self._lock:
            self._feed(sense).push(time, reading)

    def tick(self, time: float) -> NDArray[Any]:
        """The action (*A) for the instant `time`, in the bounds of the action space.

        Raises ValueError for an instant before the last, and NotRunnable where the policy's numbers are not finite, or
        where it has no sense at all.
        """
        began = clocks.perf_counter()
        with self._lock:
            windows = self._windows(time)
        observation = {name: window.readings for name, window in windows.items()}
        action = self._act(observation, [name for name in self._feeds if name not in windows])
        self._record.ticks += 1
        self._record.acting.append(clocks.perf_counter() - began)
        return action

    def reset(self) -> None:
        """Begin an episode: readings and the policy's memory are forgotten, the report goes on."""
        with self._lock:
            for feed in self._feeds.values():
                feed.forget()
            self._last_tick = -math.inf
        self._policy.reset()

    def report(self) -> RunReport:
        """How old the readings were, how long acting took, and what was missing."""
        with self._lock:
            held, skipped = ({name: vars(feed)[kind] for name, feed in self._feeds.items()} for kind in _COUNTS)
            return self._record.report(held, skipped)

    def _feed(self, sense: str) -> Feed:
        if sense not in self._feeds:
            raise ValueError(f"the policy has no sense {sense!r}; it has {', '.join(self._feeds)}")
        return self._feeds[sense]

    def _windows(self, now: float) -> dict[str, Window]:
        """All that may be seen at `now`, by sense."""
        if not math.isfinite(now):
            raise ValueError(f"an action was asked for at {now} s, which is no instant")
        if now < self._last_tick:
            raise ValueError(
                f"an action was asked for at {now:.6f} s, before the last one at {self._last_tick:.6f} s; time goes on"
            )
        self._record.late += now - self._last_tick > _LATE / self.hz and math.isfinite(self._last_tick)
        self._last_tick = now
        seen = {name: window for name, feed in self._feeds.items() if (window := feed.window(now)) is not None}
        fresh = {name: window for name, window in seen.items() if now - window.newest <= self._oldest[name]}
        for name in self._feeds:
            if name in fresh:
                self._record.ages[name].append(max(now - fresh[name].newest, 0.0))
            else:
                self._record.absent[name] += 1
        return fresh

    def _act(self, observation: Observation, absent: Collection[str]) -> NDArray[Any]:
        if not observation:
            raise NotRunnable(
                f"the policy has nothing to go by: no sense has a reading that is new enough ({', '.join(self._feeds)})"
            )
        action: NDArray[Any] = self._policy.act(observation, dict.fromkeys(absent, False))
        if action.dtype.kind == "f" and not np.isfinite(action).all():
            raise NotRunnable(f"the policy's action is not finite: {action.tolist()}")
        return action


_COUNTS = ("held", "skipped")


def _oldest(
    modalities: Mapping[str, Modality], hz: float, given: float | Mapping[str, float] | None
) -> dict[str, float]:
    """The age at which a reading of each sense is too old."""
    named = given if isinstance(given, Mapping) else {}
    if unknown := [name for name in named if name not in modalities]:
        raise ValueError(f"max_age_s names {', '.join(unknown)}; the policy has {', '.join(modalities)}")
    usual = {name: m.latency_s + max(5 / m.rate_hz, 2 / hz) for name, m in modalities.items()}
    ages = {name: given if isinstance(given, float | int) else named.get(name, usual[name]) for name in modalities}
    for name, age in ages.items():
        if not age > 0:
            raise ValueError(f"max_age_s of {name} must be above 0, got {age!r}")
    return ages
