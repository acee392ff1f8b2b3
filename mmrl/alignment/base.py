"""The contract of a method of alignment: episodes of recordings in, paths, clocks and the objective's value out.

m senses, E episodes, L steps of a path.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mmrl.alignment.recording import RecordedSenses, require_alignable, require_same_width
from mmrl.arrays import FloatArray
from mmrl.settings.documents import fit

_ROUNDS, _SMALLEST = 50, 1e-4


@dataclass(frozen=True)
class ClockOffset:
    """How the clock of a sense goes beside that of the first: time = lag_s + (1 + drift) * time of the first."""

    lag_s: float
    """Seconds by which it is late at the beginning of an episode."""
    drift: float
    """Share by which it is too fast."""

    def at(self, times: FloatArray) -> FloatArray:
        """Times of this clock at times of the first, in seconds."""
        return self.lag_s + (1 + self.drift) * times

    def late_s(self, time: float) -> float:
        """Seconds by which it is late at a time of the first."""
        return self.lag_s + self.drift * time


SAME_CLOCK = ClockOffset(0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Alignment:
    """Recordings brought onto one clock."""

    names: tuple[str, ...]
    """The m senses; the clock of the first is the one that the others are compared with."""
    paths: tuple[FloatArray, ...]
    """For each episode the warping path, (L, m): in each row times of the m clocks that belong together, in seconds."""
    clocks: tuple[ClockOffset, ...]
    """How the m clocks go; the first like itself."""
    objective: float
    """The value of the method's objective, as small as it made it."""
    history: tuple[float, ...]
    """The objective after each round; one value where nothing is iterated."""

    def lag_s(self, sense: str, against: str, time: float = 0.0) -> float:
        """Seconds by which the clock of a sense is later than that of another, at a time of the first clock.

        Raises ValueError for senses that are not among the names.
        """
        late = dict(zip(self.names, self.clocks, strict=True))
        for name in (sense, against):
            if name not in late:
                raise ValueError(f"nothing was aligned that is called {name!r}; there are {', '.join(self.names)}")
        return late[sense].late_s(time) - late[against].late_s(time)


@dataclass(frozen=True)
class Aligner(ABC):
    """A method of alignment."""

    most_lag_s: float = 0.3
    """Seconds by which two clocks differ at most."""
    rate_hz: float = 100.0
    """Readings per second of the clock that all recordings are brought onto first."""

    compares_numbers: ClassVar[bool] = False
    """Whether it compares the numbers of readings one by one, and learns no map between senses."""

    def __post_init__(self) -> None:
        fit(self)
        if not (0 < self.most_lag_s < 60 and 0 < self.rate_hz <= 10_000):
            raise ValueError(
                f"most_lag_s must lie in 0 to 60 s and rate_hz in 0 to 10,000, got {self.most_lag_s}, {self.rate_hz}"
            )

    def align(self, episodes: Sequence[RecordedSenses]) -> Alignment:
        """Bring the recordings of every episode onto one clock.

        Raises ValueError for recordings that do not fit together.
        """
        names = require_alignable(episodes)
        if self.compares_numbers:
            require_same_width(episodes, type(self).__name__)
        self.require_long_enough(episodes)
        return self._align(names, episodes)

    def require_long_enough(self, episodes: Sequence[RecordedSenses]) -> None:
        """Raise ValueError for a recording that is shorter than twice the largest lag."""
        for episode in episodes:
            for each in episode:
                seconds = float(each.times[-1] - each.times[0])
                if seconds <= 2 * self.most_lag_s:
                    raise ValueError(f"{each.name}: {seconds:.3g} s are too short for lags of {self.most_lag_s:g} s")

    @abstractmethod
    def _align(self, names: tuple[str, ...], episodes: Sequence[RecordedSenses]) -> Alignment:
        """`align`, for episodes that were checked."""


def fitted_clock(first: FloatArray, other: FloatArray) -> ClockOffset:
    """The straight clock nearest to pairs of times (k,), by least absolute deviations (Schlossmacher 1973).

    Absolute deviations, because paths wander where nothing happens. Weights of a least squares fit are renewed until
    the line rests.
    """
    centre, late, weights = float(first.mean()), other - first, np.ones(len(first))
    line: FloatArray = np.zeros(2)
    for _ in range(_ROUNDS):
        design = np.stack([np.ones_like(first), first - centre], axis=1) * weights[:, None]
        new = np.asarray(np.linalg.lstsq(design, late * weights, rcond=None)[0], np.float64)
        if np.abs(new - line).max() < _SMALLEST * 1e-3:
            break
        line = new
        residual = np.abs(late - line[0] - line[1] * (first - centre))
        weights = 1 / np.sqrt(np.maximum(residual, _SMALLEST))
    return ClockOffset(float(line[0] - line[1] * centre), float(line[1]))


def straight_paths(
    clocks: Sequence[ClockOffset], episodes: Sequence[RecordedSenses], rate_hz: float
) -> list[FloatArray]:
    """The paths (L, m) of clocks, over the time in which all senses were recorded."""
    paths = []
    for episode in episodes:
        begins, ends = (
            [(each.times[end] - clock.lag_s) / (1 + clock.drift) for each, clock in zip(episode, clocks, strict=True)]
            for end in (0, -1)
        )
        steps = np.arange(max(begins), min(ends), 1 / rate_hz)
        paths.append(np.stack([clock.at(steps) for clock in clocks], axis=1))
    return paths
