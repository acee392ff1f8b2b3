"""White noise for images, of which drawing the normal numbers would take longer than all else.

N is the number of worlds; n that of the worlds in one call; k that of their readings in one call.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray, Indices
from mmrl.modality.noise import Noise, NoiseProcess
from mmrl.streams import Streams

_PLACES = 1 << 17
"""Stretches of the table that a reading may get."""


@dataclass(frozen=True)
class TabledGaussian(Noise):
    """White noise as `Gaussian`, its values read off a table at a place drawn anew for each reading.

    The table has 131,072 stretches: two images of 8,320 elements have some noise in common, shifted, in one case of
    eight.
    """

    std: float
    """Standard deviation in the unit of the reading."""

    def __post_init__(self) -> None:
        if not 0 <= self.std < math.inf:
            raise ValueError(f"TabledGaussian.std must be finite and not negative, got {self.std}")

    def check(self, shape: tuple[int, ...]) -> None:
        """One deviation fits every shape."""

    def start(self, shape: tuple[int, ...], num_worlds: int, period_s: float, streams: Streams) -> NoiseProcess:
        return _TabledGaussianProcess(self.std, math.prod(shape), streams)


class _TabledGaussianProcess(NoiseProcess):
    """Adds stretches of one table, the same for all worlds; remembers nothing."""

    def __init__(self, std: float, size: int, streams: Streams) -> None:
        self._table = std * np.random.default_rng(0).standard_normal(_PLACES + size)
        self._size, self._streams = size, streams

    def begin(self, worlds: Indices) -> None:
        pass

    def apply(self, worlds: Indices, readings: FloatArray) -> FloatArray:
        flat = readings.reshape(*readings.shape[:2], self._size)
        noisy = np.empty_like(flat)
        places = (self._streams.uniform(worlds, readings.shape[1:2]) * _PLACES).astype(np.intp)  # (n, k)
        for world, of_readings in enumerate(places.tolist()):
            for reading, place in enumerate(of_readings):
                np.add(flat[world, reading], self._table[place : place + self._size], out=noisy[world, reading])
        return noisy.reshape(readings.shape)

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        pass
