"""How a sense fails: frozen descriptions, and the running processes they start.

Unlike `mmrl.modality.noise`, which says how a sensor errs that works as it should, a `Fault` breaks a sense of an
environment that exists, whatever the environment is. It changes what is observed and nothing else.

N is the number of worlds; n that of the worlds in one call; a step is a control step.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import Indices
from mmrl.streams import Streams

Readings = NDArray[Any]


class FaultProcess(ABC):
    """A fault at work on one sense of N worlds.

    Both methods take the true readings (N, *shape) of all worlds and give what is observed in n of them, (n, *shape).
    """

    @abstractmethod
    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        """The first observation of an episode; nothing of an earlier one may show."""

    @abstractmethod
    def go_on(self, worlds: Indices, readings: Readings) -> Readings:
        """The observation after one more step, that of the last step included."""


class Fault(ABC):
    """Base of all descriptions of a broken sense."""

    @property
    @abstractmethod
    def label(self) -> str:
        """The state of the sense, in a word or two."""

    @abstractmethod
    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        """The running process for readings of `space`; ValueError where this fault cannot befall them."""


@dataclass(frozen=True)
class Zeros(Fault):
    """Every reading is zeros, or the values nearest to zero that the space of the sense admits."""

    @property
    def label(self) -> str:
        return "zeros"

    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        return _Constant(space)


@dataclass(frozen=True)
class Absent(Zeros):
    """The sense is unplugged: readings as `Zeros` gives them, and `info["present"]` says so to a policy that asks."""

    @property
    def label(self) -> str:
        return "absent"


@dataclass(frozen=True)
class Frozen(Fault):
    """The reading after step `after` of an episode stays until the episode ends."""

    after: int = 0
    """Steps of each episode that are seen as they are; 0 leaves the reading that the episode began with."""

    def __post_init__(self) -> None:
        _require_whole("Frozen.after", self.after, 0)

    @property
    def label(self) -> str:
        return f"frozen after {self.after}" if self.after else "frozen"

    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        return _Frozen(space, num_worlds, self.after)


@dataclass(frozen=True)
class Noisy(Fault):
    """Every element of every reading is off by an independent normal value, drawn anew at every step.

    That holds for all readings of a window, those seen before among them. What leaves the bounds of the space is
    clipped, what is integer rounded.
    """

    std: float | tuple[float, ...]
    """Standard deviation in the unit of the reading, grey levels for images; or one per feature of the last axis."""
    name: str = "noisy"
    """Its name, such as "noisy 0.5" where the deviation stands for half of something."""

    def __post_init__(self) -> None:
        if not all(0 <= std < math.inf for std in np.ravel(self.std)):
            raise ValueError(f"Noisy.std must be finite and >= 0, got {self.std}")

    @property
    def label(self) -> str:
        return self.name

    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        features = space.shape[-1] if space.shape else 1
        if np.size(self.std) not in (1, features):
            raise ValueError(f"Noisy.std has {np.size(self.std)} values, a reading of shape {space.shape} {features}")
        return _Noisy(space, np.asarray(self.std), streams)


@dataclass(frozen=True)
class Delayed(Fault):
    """Every reading arrives `steps` steps late; until one has, the first of the episode is observed."""

    steps: int
    """How late."""

    def __post_init__(self) -> None:
        _require_whole("Delayed.steps", self.steps, 1)

    @property
    def label(self) -> str:
        return f"delayed {self.steps}"

    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        return _Delayed(space, num_worlds, self.steps)


@dataclass(frozen=True)
class Swapped(Fault):
    """The present reading of another world, in the midst of an episode of its own, takes the place of the true one.

    So one sense tells of another episode than all others do, as in McGurk & MacDonald 1976, "Hearing Lips and Seeing
    Voices". World i gets what world (i + offset) mod N would observe. A single world has no other: see `Replayed`.
    """

    offset: int = 1
    """Distance to the world that the readings come from."""

    def __post_init__(self) -> None:
        _require_whole("Swapped.offset", self.offset, 1)

    @property
    def label(self) -> str:
        return "swapped"

    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        if self.offset % num_worlds == 0:
            raise ValueError(
                f"Swapped.offset {self.offset} gives each of {num_worlds} worlds its own readings; take another, "
                "or Replayed with a recorded episode"
            )
        return _Swapped(num_worlds, self.offset)


@dataclass(frozen=True, eq=False)
class Replayed(Fault):
    """The readings of a recorded episode, from its beginning, in every episode; the last one stays.

    The conflict of `Swapped` for a single world, or the same for all.
    """

    recording: NDArray[Any]
    """Readings (L, *shape) of L >= 1 observations in a row."""

    @property
    def label(self) -> str:
        return "replayed"

    def start(self, space: spaces.Box, num_worlds: int, streams: Streams) -> FaultProcess:
        if self.recording.ndim < 1 or not len(self.recording) or self.recording.shape[1:] != space.shape:
            need = f"(L, {', '.join(map(str, space.shape))}) with L >= 1"
            raise ValueError(f"Replayed.recording must have shape {need}, got {self.recording.shape}")
        return _Replayed(self.recording.astype(space.dtype), num_worlds)


class _Constant(FaultProcess):
    def __init__(self, space: spaces.Box) -> None:
        self._reading = np.clip(np.zeros(space.shape, space.dtype), space.low, space.high)

    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        return np.repeat(self._reading[None], len(worlds), axis=0)

    go_on = begin


class _Frozen(FaultProcess):
    def __init__(self, space: spaces.Box, num_worlds: int, after: int) -> None:
        self._after = after
        self._taken = np.zeros(num_worlds, np.int64)
        self._held = np.zeros((num_worlds, *space.shape), space.dtype)

    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        self._taken[worlds] = 0
        self._held[worlds] = readings[worlds]
        return self._held[worlds]

    def go_on(self, worlds: Indices, readings: Readings) -> Readings:
        self._taken[worlds] += 1
        awake = worlds[self._taken[worlds] <= self._after]
        self._held[awake] = readings[awake]
        return self._held[worlds]


class _Noisy(FaultProcess):
    def __init__(self, space: spaces.Box, std: NDArray[np.float64], streams: Streams) -> None:
        self._space, self._std, self._streams = space, std, streams

    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        values = readings[worlds] + self._std * self._streams.normal(worlds, self._space.shape)
        if np.issubdtype(self._space.dtype, np.integer):
            values = np.rint(values)
        return np.clip(values, self._space.low, self._space.high).astype(self._space.dtype)

    go_on = begin


class _Delayed(FaultProcess):
    """The newest readings of every world in a ring: slot `_newest` of L = steps + 1, the oldest in the next."""

    def __init__(self, space: spaces.Box, num_worlds: int, steps: int) -> None:
        self._ring = np.zeros((steps + 1, num_worlds, *space.shape), space.dtype)  # (L, N, *shape)
        self._newest = np.zeros(num_worlds, np.int64)

    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        self._ring[:, worlds] = readings[worlds]
        return readings[worlds]

    def go_on(self, worlds: Indices, readings: Readings) -> Readings:
        newest = (self._newest[worlds] + 1) % len(self._ring)
        self._newest[worlds] = newest
        self._ring[newest, worlds] = readings[worlds]
        oldest: Readings = self._ring[(newest + 1) % len(self._ring), worlds]
        return oldest


class _Swapped(FaultProcess):
    def __init__(self, num_worlds: int, offset: int) -> None:
        self._source = (np.arange(num_worlds) + offset) % num_worlds

    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        return readings[self._source[worlds]]

    go_on = begin


class _Replayed(FaultProcess):
    def __init__(self, recording: Readings, num_worlds: int) -> None:
        self._recording = recording
        self._taken = np.zeros(num_worlds, np.int64)

    def begin(self, worlds: Indices, readings: Readings) -> Readings:
        self._taken[worlds] = 0
        return self._recording[self._taken[worlds]]

    def go_on(self, worlds: Indices, readings: Readings) -> Readings:
        self._taken[worlds] += 1
        return self._recording[np.minimum(self._taken[worlds], len(self._recording) - 1)]


def _require_whole(what: str, value: int, least: int) -> None:
    if not isinstance(value, int | np.integer) or value < least:
        raise ValueError(f"{what} must be a whole number >= {least}, got {value!r}")
