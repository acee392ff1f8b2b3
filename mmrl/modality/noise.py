"""How sensors err: frozen descriptions, and the running processes they start.

A `Noise` is a value: it can be compared, hashed and written into a run configuration. What changes
during an episode (a bias that drifts, the last reading that arrived) lives in the `NoiseProcess`
that `Noise.start` returns.

N is the number of worlds; n that of the worlds in one call; k that of their readings in one call.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, Indices
from mmrl.streams import Streams

PerFeature = float | tuple[float, ...]


class NoiseProcess(ABC):
    """Noise at work on N worlds."""

    @abstractmethod
    def begin(self, worlds: Indices) -> None:
        """Start an episode in `worlds`: draw what stays constant over one, forget the last one."""

    @abstractmethod
    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        """The noisy readings for true ones (n, k, *shape), oldest first, one period apart."""

    @abstractmethod
    def state_dict(self) -> dict[str, Any]:
        """Copies of the running arrays, none for noise without memory; streams not included."""

    @abstractmethod
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict()`."""


class Noise(ABC):
    """Base of all noise descriptions."""

    @abstractmethod
    def check(self, shape: tuple[int, ...]) -> None:
        """Raise ValueError where a per-feature parameter does not fit readings of `shape`."""

    @abstractmethod
    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        """The running process for readings of `shape`, `period_s` seconds apart."""


@dataclass(frozen=True)
class Gaussian(Noise):
    """White noise: every element of every reading is off by an independent normal value."""

    std: PerFeature
    """Standard deviation in the unit of the reading, or one per feature of the last axis."""

    def __post_init__(self) -> None:
        _require_not_negative("Gaussian.std", self.std)

    def check(self, shape: tuple[int, ...]) -> None:
        _require_fit("Gaussian.std", self.std, shape)

    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        self.check(shape)
        return _GaussianProcess(np.asarray(self.std), streams)


@dataclass(frozen=True)
class Bias(Noise):
    """An offset drawn once per episode that then walks at random, as in gauges and gyroscopes."""

    std: PerFeature
    """Standard deviation of the offset at the start of an episode, or one per feature."""
    drift_std: PerFeature = 0.0
    """Standard deviation gained per square root of a second (0 keeps the offset constant)."""

    def __post_init__(self) -> None:
        _require_not_negative("Bias.std", self.std)
        _require_not_negative("Bias.drift_std", self.drift_std)

    def check(self, shape: tuple[int, ...]) -> None:
        _require_fit("Bias.std", self.std, shape)
        _require_fit("Bias.drift_std", self.drift_std, shape)

    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        self.check(shape)
        step_std = np.asarray(self.drift_std) * math.sqrt(period_s)
        return _BiasProcess(np.asarray(self.std), step_std, np.zeros((num_worlds, *shape)), streams)


@dataclass(frozen=True)
class Quantisation(Noise):
    """Readings rounded to the nearest multiple of a step, as by an analogue-digital converter."""

    step: PerFeature
    """Size of one step in the unit of the reading, or one per feature of the last axis."""

    def __post_init__(self) -> None:
        steps = np.asarray(self.step, dtype=np.float64)
        if not (np.isfinite(steps) & (steps > 0)).all():
            raise ValueError(f"Quantisation.step must be finite and > 0, got {self.step}")

    def check(self, shape: tuple[int, ...]) -> None:
        _require_fit("Quantisation.step", self.step, shape)

    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        self.check(shape)
        return _QuantisationProcess(np.asarray(self.step))


@dataclass(frozen=True)
class Dropout(Noise):
    """Whole readings that get lost: the last one that arrived is seen again.

    The first reading of an episode always arrives.
    """

    probability: float
    """Chance in [0, 1) that one reading is lost, independent of the others."""

    def __post_init__(self) -> None:
        if not 0.0 <= self.probability < 1.0:
            raise ValueError(f"Dropout.probability must be in [0, 1), got {self.probability}")

    def check(self, shape: tuple[int, ...]) -> None:
        """Readings of every shape can be lost."""

    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        return _DropoutProcess(self.probability, np.zeros((num_worlds, *shape)), streams)


@dataclass(frozen=True, init=False)
class Chain(Noise):
    """Several kinds of noise, the first one nearest to the physics.

    All draw from the same streams, so inserting one changes the values of the others.
    """

    noises: tuple[Noise, ...]
    """The noises, in the order in which they apply."""

    def __init__(self, *noises: Noise) -> None:
        """Raises ValueError for no noise at all, TypeError for anything that is not a Noise."""
        if not noises:
            raise ValueError("Chain needs at least 1 noise, got 0")
        for noise in noises:
            if not isinstance(noise, Noise):
                raise TypeError(f"Chain takes Noise values, got {noise!r}")
        object.__setattr__(self, "noises", noises)

    def check(self, shape: tuple[int, ...]) -> None:
        for noise in self.noises:
            noise.check(shape)

    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        return _ChainProcess([noise.start(shape, num_worlds, period_s, streams) for noise in self.noises])


class _MemorylessProcess(NoiseProcess):
    """Noise in which no reading depends on an earlier one; `apply` is left to subclasses."""

    def begin(self, worlds: Indices) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass


class _GaussianProcess(_MemorylessProcess):
    def __init__(self, std: NDArray[np.float64], streams: Streams) -> None:
        self._std = std
        self._streams = streams

    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        noisy: FloatArray = readings + self._std * self._streams.normal(worlds, readings.shape[1:])
        return noisy


class _BiasProcess(NoiseProcess):
    def __init__(
        self,
        std: NDArray[np.float64],
        step_std: NDArray[np.float64],
        offset: FloatArray,
        streams: Streams,
    ) -> None:
        self._std = std
        self._step_std = step_std
        self._offset = offset  # (N, *shape), the one the next reading will have
        self._streams = streams

    def begin(self, worlds: Indices) -> None:
        self._offset[worlds] = self._std * self._streams.normal(worlds, self._offset.shape[1:])

    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        now = self._offset[worlds][:, None]  # (n, 1, *shape)
        if not self._step_std.any():
            return readings + now
        steps = self._step_std * self._streams.normal(worlds, readings.shape[1:])
        after = now + np.cumsum(steps, axis=1)  # (n, k, *shape)
        self._offset[worlds] = after[:, -1]
        # The walk moves between readings: reading j has seen the steps before it, not its own.
        walked: FloatArray = readings + np.concatenate([now, after[:, :-1]], axis=1)
        return walked

    def state_dict(self) -> dict[str, Any]:
        return {"offset": self._offset.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._offset[...] = state["offset"]


class _QuantisationProcess(_MemorylessProcess):
    def __init__(self, step: NDArray[np.float64]) -> None:
        self._step = step

    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        rounded: FloatArray = np.rint(readings / self._step) * self._step
        return rounded


class _DropoutProcess(NoiseProcess):
    def __init__(self, probability: float, last: FloatArray, streams: Streams) -> None:
        self._probability = probability
        self._last = last  # (N, *shape), the last reading that arrived
        self._arrived = np.zeros(len(last), dtype=np.bool_)  # (N,), whether one arrived yet
        self._streams = streams

    def begin(self, worlds: Indices) -> None:
        self._arrived[worlds] = False

    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        k = readings.shape[1]
        arrives = self._streams.uniform(worlds, (k,)) >= self._probability  # (n, k)
        arrives[:, 0] |= ~self._arrived[worlds]
        # Position 0 is the last reading of the previous call, position j + 1 reading j of this.
        known = np.concatenate([self._last[worlds][:, None], readings], axis=1)
        source = np.maximum.accumulate(np.where(arrives, np.arange(1, k + 1), 0), axis=1)
        seen = known[np.arange(len(worlds))[:, None], source]
        self._last[worlds] = seen[:, -1]
        self._arrived[worlds] = True
        return seen

    def state_dict(self) -> dict[str, Any]:
        return {"last": self._last.copy(), "arrived": self._arrived.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._last[...] = state["last"]
        self._arrived[...] = state["arrived"]


class _ChainProcess(NoiseProcess):
    def __init__(self, processes: list[NoiseProcess]) -> None:
        self._processes = processes

    def begin(self, worlds: Indices) -> None:
        for process in self._processes:
            process.begin(worlds)

    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        for process in self._processes:
            readings = process.apply(worlds, readings)
        return readings

    def state_dict(self) -> dict[str, Any]:
        return {str(i): process.state_dict() for i, process in enumerate(self._processes)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        for i, process in enumerate(self._processes):
            process.load_state_dict(state[str(i)])


def _require_not_negative(name: str, value: PerFeature) -> None:
    values = np.asarray(value, dtype=np.float64)
    if not (np.isfinite(values) & (values >= 0)).all():
        raise ValueError(f"{name} must be finite and >= 0, got {value}")


def _require_fit(name: str, value: PerFeature, shape: tuple[int, ...]) -> None:
    if not isinstance(value, tuple):
        return
    features = shape[-1] if shape else 0
    if len(value) != features:
        raise ValueError(f"{name} gives {len(value)} values, readings of shape {shape} have {features} features")
