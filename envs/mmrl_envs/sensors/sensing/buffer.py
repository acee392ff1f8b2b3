"""From the physics clock to the observation of one sense: schedule, noise, latency and history.

Time is counted in physics steps since the reset of each world. One control step is S physics steps. A
reading falls due every 1 / rate_hz seconds, the reset included. A sensor that is faster than the policy
takes it there and then, so that its period P has to divide S, and has S / P readings in each control step.
A slower one takes it at the first control step at or after that instant, and is held in between: 15 Hz
under 20 Hz of control (S = 50 at 1 kHz) is due at 66.7, 133.3, 200, 266.7 and read at 100, 150, 200, 300.

N is the number of worlds; n that of the worlds in one call; k that of their readings in one call;
T the history (1 without); D the number of newest readings that latency can hold back. The buffer
keeps T + D readings of each world, all of them the first reading after a reset:

    oldest [ r r r r | r r ] newest        T = 4, D = 2, latency of 2 periods:
            observed  not yet              the policy sees the first four
"""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmrl.arrays import Indices
from mmrl.modality import Modality
from mmrl.modality.noise import NoiseProcess
from mmrl.streams import Streams

_FINEST = 10**6
"""Largest denominator of a rate in Hz: 33.333333 is 100 / 3."""


class ModalityBuffer:
    """The readings of one modality in N worlds, as the policy gets to see them.

    Each control step: `tick(worlds)`, then `push` for `due_worlds(worlds)`, then `observe()`.
    """

    def __init__(
        self,
        modality: Modality,
        num_worlds: int,
        physics_hz: int,
        control_hz: int,
        streams: Streams,
        noise_unit: ArrayLike = 1.0,
    ) -> None:
        """Raises ValueError where control rate, latency or the rate of a fast sensor miss the physics clock.

        `noise_unit` is what a `context_std` of 1 means: a number, or one per element of a reading.
        """
        self.modality = modality
        self.num_worlds = num_worlds
        self.context_std: NDArray[np.float64] = np.zeros(num_worlds)
        """Extra Gaussian noise (N,) in `noise_unit`, written by the environment; 0 is free."""
        self.clipped = 0
        """Readings so far that were beyond the declared bounds before any noise, and were clipped to them."""
        self._step = _control_step(physics_hz, control_hz)  # S
        self._schedule = _schedule(modality, physics_hz, control_hz)
        self._latency = _latency(modality, physics_hz)
        self._held = self._schedule.most_within(self._latency)  # D
        self._window = modality.history or 1  # T
        self._streams = streams
        self._noise_unit = np.broadcast_to(np.asarray(noise_unit, np.float64), modality.shape)
        self._noise: NoiseProcess | None = None
        if modality.noise is not None:
            self._noise = modality.noise.start(modality.shape, num_worlds, 1.0 / modality.rate_hz, streams)
        self._clock = np.zeros(num_worlds, dtype=np.int64)  # (N,) physics steps since the reset
        self._pushed = np.zeros(num_worlds, dtype=np.int64)  # (N,) the clock at the last push
        self._kept = self._window + self._held  # T + D
        self._readings = np.zeros((num_worlds, self._kept, *modality.shape), dtype=modality.dtype)
        # Bounds repeated per reading, (T + D, *shape): clipping to a broadcast row takes 3x longer.
        self._low, self._high = (np.repeat(bound[None], self._kept, axis=0) for bound in modality.bounds)
        self._bounded = _bounded(modality)

    @property
    def substeps(self) -> NDArray[np.int64]:
        """Indices (k,) in 0..S-1 of the physics steps of a control step after which to read."""
        return np.arange(self._schedule.grid - 1, self._step, self._schedule.grid)

    def reset(self, worlds: Indices, reading: NDArray[Any]) -> None:
        """Start an episode: clocks at 0, every kept reading the first one, (n, *shape)."""
        self._clock[worlds] = 0
        self._pushed[worlds] = 0
        if self._noise is not None:
            self._noise.begin(worlds)
        self._readings[worlds] = self._reported(worlds, np.asarray(reading)[:, None])

    def tick(self, worlds: Indices) -> None:
        """Let one control step pass in `worlds`."""
        self._clock[worlds] += self._step

    def due_worlds(self, worlds: Indices) -> Indices:
        """Those of `worlds` that take a reading at the current time, in the same order."""
        if self._schedule.grid < self._step:
            return worlds
        clock = self._clock[worlds]
        due: Indices = worlds[self._schedule.taken(clock) > self._schedule.taken(clock - self._step)]
        return due

    def push(self, worlds: Indices, readings: NDArray[Any]) -> None:
        """Take the noise-free readings (n, k, *shape) of this control step, oldest first.

        Raises ValueError for readings of another shape, or where none are due.
        """
        expected = (len(worlds), len(self.substeps), *self.modality.shape)
        if readings.shape != expected:
            raise ValueError(
                f"modality {self.modality.name!r}: readings must have shape {expected}, got {readings.shape}"
            )
        self._require_due(worlds)
        self._pushed[worlds] = self._clock[worlds]
        newest = self._reported(worlds, readings)
        k = newest.shape[1]
        if k < self._kept:
            self._readings[worlds, :-k] = self._readings[worlds, k:]
        self._readings[worlds, -k:] = newest

    def observe(self, worlds: Indices | None = None) -> NDArray[Any]:
        """A fresh array of what the policy sees now, (N, [T,] *shape), or (n, ...) of `worlds`.

        The newest reading in it is the newest one that is at least `latency_s` old.
        """
        if self._held == 0:
            seen = self._readings.copy() if worlds is None else self._readings[worlds]
        else:
            seen = self._delayed(np.arange(self.num_worlds) if worlds is None else worlds)
        return seen[:, 0] if self.modality.history is None else seen

    def state_dict(self) -> dict[str, Any]:
        """Copies of everything needed to continue exactly, the random streams included."""
        return {
            "readings": self._readings.copy(),
            "clock": self._clock.copy(),
            "pushed": self._pushed.copy(),
            "context_std": self.context_std.copy(),
            "noise": {} if self._noise is None else self._noise.state_dict(),
            "streams": self._streams.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from the `state_dict()` of a buffer with the same arguments."""
        self._readings[...] = state["readings"]
        self._clock[...] = state["clock"]
        self._pushed[...] = state["pushed"]
        self.context_std[...] = state["context_std"]
        if self._noise is not None:
            self._noise.load_state_dict(state["noise"])
        self._streams.load_state_dict(state["streams"])

    def _reported(self, worlds: Indices, readings: NDArray[Any]) -> NDArray[Any]:
        """The newest T + D of readings (n, k, *shape): with noise, in bounds, rounded for uint8."""
        self._count_clipped(readings[:, -self._kept :])
        std = self.context_std[worlds]
        if std.any():
            readings = self._with_context_noise(worlds, std, readings)
        if self._noise is not None:
            readings = self._noise.apply(worlds, readings.astype(np.float64))
        # Only now: noise that drifts or repeats has to see every reading.
        readings = readings[:, -self._kept :]
        if self.modality.dtype == "uint8" and readings.dtype != np.uint8:
            readings = np.rint(readings)
        elif not self._bounded:
            return readings
        if not self._bounded:  # the bounds of a byte, which need no arrays
            np.maximum(readings, 0.0, out=readings)  # in place: what was just rounded is nobody else's
            np.minimum(readings, 255.0, out=readings)
            return readings
        k = readings.shape[1]
        inside: NDArray[Any] = np.clip(readings, self._low[-k:], self._high[-k:])
        return inside

    def _count_clipped(self, readings: NDArray[Any]) -> None:
        """Of the noise-free readings (n, k, *shape): that noise saturates is as in a real sensor."""
        if not self._bounded and readings.dtype == self.modality.dtype:
            return
        k = readings.shape[1]
        beyond = (readings < self._low[-k:]) | (readings > self._high[-k:])
        if beyond.any():
            self.clipped += int(beyond.reshape(*readings.shape[:2], -1).any(axis=2).sum())

    def _with_context_noise(
        self, worlds: Indices, std: NDArray[np.float64], readings: NDArray[Any]
    ) -> NDArray[np.float64]:
        # Worlds without it draw nothing: their streams must not depend on the others' context.
        rows = np.flatnonzero(std)
        noisy = readings.astype(np.float64)
        units = self._streams.normal(worlds[rows], readings.shape[1:]) * self._noise_unit
        noisy[rows] += std[rows].reshape(-1, *(1,) * (readings.ndim - 1)) * units
        return noisy

    def _delayed(self, worlds: Indices) -> NDArray[Any]:
        clock = self._clock[worlds]
        # Readings at or before now, less those at or before now - latency: 0 <= late <= D.
        late = self._schedule.taken(clock) - self._schedule.taken(clock - self._latency)
        start = self._held - late
        seen: NDArray[Any] = self._readings[worlds[:, None], start[:, None] + np.arange(self._window)]
        return seen

    def _require_due(self, worlds: Indices) -> None:
        late = self._clock[worlds] == self._pushed[worlds]
        if late.any() or len(self.due_worlds(worlds)) < len(worlds):
            raise ValueError(
                f"modality {self.modality.name!r}: not all of the worlds {worlds} are due for a "
                f"reading at physics steps {self._clock[worlds]}; tick first, then push once"
            )


def _bounded(modality: Modality) -> bool:
    """Whether a number of the declared dtype can be out of bounds."""
    low, high = modality.bounds
    widest = (0, 255) if modality.dtype == "uint8" else (-np.inf, np.inf)
    return bool((low > widest[0]).any() or (high < widest[1]).any())


def _control_step(physics_hz: int, control_hz: int) -> int:
    if control_hz < 1 or physics_hz % control_hz != 0:
        raise ValueError(f"control_hz {control_hz} must divide physics_hz {physics_hz}")
    return physics_hz // control_hz


@dataclass(frozen=True)
class _Schedule:
    """When readings are taken: so many of them fall due in so many physics steps."""

    readings: int
    steps: int
    grid: int
    """They are taken at multiples of so many physics steps: P of a fast sensor, S of a slow one."""

    def taken(self, clock: NDArray[np.int64]) -> NDArray[np.int64]:
        """Number (n,) of the newest reading at or before the clocks (n,); that of the reset is 0."""
        number: NDArray[np.int64] = clock // self.grid * self.grid * self.readings // self.steps
        return number

    def most_within(self, latency: int) -> int:
        """The most readings that are taken within so many physics steps."""
        whole = -(-latency // self.grid) * self.grid
        return -(-whole * self.readings // self.steps)


def _schedule(modality: Modality, physics_hz: int, control_hz: int) -> _Schedule:
    rate = modality.rate_hz
    if rate <= control_hz:
        share = Fraction(rate).limit_denominator(_FINEST) / physics_hz
        return _Schedule(share.numerator, share.denominator, physics_hz // control_hz)
    period = round(physics_hz / rate)
    if period < 1 or abs(period * rate - physics_hz) > 1e-9 * physics_hz:
        raise ValueError(f"modality {modality.name!r}: rate_hz {rate} must divide physics_hz {physics_hz}")
    if (physics_hz // control_hz) % period:
        raise ValueError(
            f"modality {modality.name!r}: rate_hz {rate} is above control_hz {control_hz} and must be a multiple of it"
        )
    return _Schedule(1, period, period)


def _latency(modality: Modality, physics_hz: int) -> int:
    steps = round(modality.latency_s * physics_hz)
    if abs(steps - modality.latency_s * physics_hz) > 1e-6:
        raise ValueError(
            f"modality {modality.name!r}: latency_s {modality.latency_s} must be a whole number of "
            f"physics steps of 1 / {physics_hz} s, got {modality.latency_s * physics_hz:g}"
        )
    return steps
