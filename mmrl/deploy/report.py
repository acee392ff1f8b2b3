"""The account of a runner: how old its readings were, how long it thought, and what it had to do without."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

REMEMBERED = 100_000
"""Ticks of which times are kept, the newest ones: 83 minutes at 20 Hz."""


@dataclass(frozen=True)
class Ages:
    """A spread of times in milliseconds; NaN where there were none."""

    median_ms: float
    """Half of them are below."""
    p95_ms: float
    """95 % of them are below."""
    max_ms: float
    """The longest."""

    @classmethod
    def of(cls, seconds: Iterable[float]) -> Ages:
        """The spread of these times."""
        times = 1e3 * np.fromiter(seconds, np.float64)
        if not times.size:
            return cls(*(float("nan"),) * 3)
        return cls(float(np.median(times)), float(np.percentile(times, 95)), float(times.max()))

    def __str__(self) -> str:
        return f"median {self.median_ms:.2f}, 95 % below {self.p95_ms:.2f}, longest {self.max_ms:.2f} ms"


@dataclass(frozen=True)
class RunReport:
    """The events since the runner was made."""

    ticks: int
    """Actions given."""
    late_ticks: int
    """Those that were asked for more than one and a half periods after the one before."""
    acting: Ages
    """From the call of `tick` to the action, of the newest ticks."""
    ages: Mapping[str, Ages]
    """Age of the newest reading that the policy saw, by sense, of the newest ticks in which it was there."""
    absent_ticks: Mapping[str, int]
    """Actions that were given without a sense, by sense."""
    held_readings: Mapping[str, int]
    """Periods of a sense without a reading, by sense."""
    skipped_readings: Mapping[str, int]
    """Readings that came sooner than the policy was trained to get them, by sense."""

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [f"{self.ticks} actions, {self.late_ticks} of them late; thinking: {self.acting}"]
        lines += [
            f"{name}: age {self.ages[name]}; absent {self.absent_ticks[name]}, held {self.held_readings[name]}, "
            f"skipped {self.skipped_readings[name]}"
            for name in self.ages
        ]
        return "\n".join(lines)


class Record:
    """The times and counts that a report is made of."""

    def __init__(self, senses: Iterable[str]) -> None:
        self.ticks = self.late = 0
        self.acting: deque[float] = deque(maxlen=REMEMBERED)
        self.ages: dict[str, deque[float]] = {name: deque(maxlen=REMEMBERED) for name in senses}
        self.absent: Counter[str] = Counter()

    def report(self, held: Mapping[str, int], skipped: Mapping[str, int]) -> RunReport:
        """The account so far, with the counts of each sense's readings."""
        return RunReport(
            ticks=self.ticks,
            late_ticks=self.late,
            acting=Ages.of(self.acting),
            ages={name: Ages.of(ages) for name, ages in self.ages.items()},
            absent_ticks={name: self.absent[name] for name in self.ages},
            held_readings=dict(held),
            skipped_readings=dict(skipped),
        )
