"""The declaration of a sense, stated once; everything else is derived from it.

A `Modality` fixes the observation space, the sampling schedule, the random stream and the encoder
of one sense. `EncoderSpec`s are plain data, so that environments can carry them without loading a
learning library.

T is the number of readings in a window (history), d the number of features of a reading.
"""

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.modality.noise import Noise
from mmrl.settings.documents import fit

Bound = float | tuple[float, ...]

DTYPES = ("float32", "uint8")

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)

MOST_UNITS = 65_536
"""Largest size of a layer: two such layers have 17 gigabytes of weights between them."""


@dataclass(frozen=True)
class EncoderSpec(ABC):
    """Base of all encoder descriptions: frozen, hashable, without any tensor."""

    @abstractmethod
    def check(self, modality: "Modality") -> None:
        """Raise ValueError where this kind of encoder cannot read `modality`."""


@dataclass(frozen=True)
class Modality:
    """One sense: what a reading is, how often it comes, how it errs and how it is encoded."""

    name: str
    """Key in the observation dict: an identifier (dotted for nested keys of foreign spaces)."""
    shape: tuple[int, ...]
    """Shape of one reading; images are (H, W, C)."""
    rate_hz: float
    """Readings per second."""
    encoder: EncoderSpec
    """How a policy encodes it."""
    history: int | None = None
    """Number T of newest readings observed together, oldest first; None for the newest alone."""
    low: Bound = -math.inf
    """Lower bound of a reading, a number or one per feature of the last axis; uint8 starts at 0."""
    high: Bound = math.inf
    """Upper bound of a reading, likewise; uint8 ends at 255."""
    dtype: str = "float32"
    """Type of the observed array, "float32" or "uint8"."""
    noise: Noise | None = None
    """How readings err, None for a perfect sensor."""
    latency_s: float = 0.0
    """Age in seconds that a reading reaches before the policy can see it."""
    unit: str | tuple[str, ...] = ""
    """The unit of a reading, such as "N", or a unit per feature of the last axis; "" where it has none."""
    labels: tuple[str, ...] = ()
    """Names of the features of the last axis, such as ("Fx", "Fy", "Fz"); () where they have none."""
    as_picture: bool = False
    """Whether films show a window (T, d) as a picture, time to the right and the last feature on top, not as curves."""

    def __post_init__(self) -> None:
        """Raises ValueError for a bad value, TypeError for a wrong kind of noise or encoder."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"modality name must be an identifier, got {self.name!r}")
        if not isinstance(self.noise, Noise | None):
            raise TypeError(f"modality {self.name!r}: noise must be a Noise, got {self.noise!r}")
        if not isinstance(self.encoder, EncoderSpec):
            raise TypeError(f"modality {self.name!r}: encoder must be an EncoderSpec, got {self.encoder!r}")
        fit(self, f"modality {self.name!r}: ")
        require_sizes(f"modality {self.name!r}: shape", self.shape)
        self._require(0 < self.rate_hz < math.inf, "rate_hz must be finite and > 0", self.rate_hz)
        if self.history is not None:
            require_sizes(f"modality {self.name!r}: history", (self.history,))
        self._require(self.dtype in DTYPES, f"dtype must be one of {DTYPES}", self.dtype)
        self._require(0 <= self.latency_s < math.inf, "latency_s must be finite and >= 0", self.latency_s)
        self._check_bounds()
        self._check_words()
        window = len(self.shape) == 1 and self.history is not None
        self._require(window or not self.as_picture, "as_picture is for windows (T, d)", self.as_picture)
        if self.noise is not None:
            self.noise.check(self.shape)
        self.encoder.check(self)

    @property
    def window_shape(self) -> tuple[int, ...]:
        """Shape of one observation: (T, *shape), or shape without history."""
        return self.shape if self.history is None else (self.history, *self.shape)

    @property
    def space(self) -> spaces.Box:
        """A new Box of `window_shape` with the bounds of a reading at every instant."""
        low, high = self.bounds
        window = self.window_shape
        return spaces.Box(
            np.broadcast_to(low, window).copy(),
            np.broadcast_to(high, window).copy(),
            dtype=np.dtype(self.dtype).type,
        )

    @property
    def bounds(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """Lowest and highest reading, arrays of `shape` and `dtype`."""
        low = np.broadcast_to(np.asarray(self.low, dtype=np.float64), self.shape)
        high = np.broadcast_to(np.asarray(self.high, dtype=np.float64), self.shape)
        if self.dtype == "uint8":
            low = np.where(np.isneginf(low), 0, low)
            high = np.where(np.isposinf(high), 255, high)
        return low.astype(self.dtype), high.astype(self.dtype)

    @property
    def units(self) -> tuple[str, ...]:
        """The unit of each feature of the last axis."""
        return (self.unit,) * self.shape[-1] if isinstance(self.unit, str) else self.unit

    def describe(self) -> dict[str, Any]:
        """The values that a run configuration records and a checkpoint compares, as JSON has them."""
        return {
            "name": self.name,
            "shape": list(self.shape),
            "history": self.history,
            "dtype": self.dtype,
            "rate_hz": self.rate_hz,
            "latency_s": self.latency_s,
            "encoder": repr(self.encoder),
            "unit": self.unit if isinstance(self.unit, str) else list(self.unit),
            "labels": list(self.labels),
        }

    def _check_words(self) -> None:
        size = self.shape[-1]
        for name, words in (("unit", self.units), ("labels", self.labels)):
            printed = isinstance(words, tuple) and all(isinstance(word, str) and word.isprintable() for word in words)
            self._require(printed, f"{name} must be made of printable words", words)
            fits = len(words) == size or (name == "labels" and not words)
            self._require(fits, f"{name} must name all {size} features of the last axis", words)
        self._require(len(set(self.labels)) == len(self.labels), "labels must differ", self.labels)

    def _check_bounds(self) -> None:
        for side in (self.low, self.high):
            try:
                np.broadcast_to(np.asarray(side, dtype=np.float64), self.shape)
            except ValueError:
                message = f"low and high must broadcast to shape {self.shape}"
                self._require(False, message, side)
        low: NDArray[np.float64] = np.asarray(self.low, dtype=np.float64)
        high: NDArray[np.float64] = np.asarray(self.high, dtype=np.float64)
        self._require(bool((low < high).all()), "low must be < high", (self.low, self.high))
        if self.dtype == "uint8":
            finite = np.concatenate([low[np.isfinite(low)], high[np.isfinite(high)]])
            inside = (finite >= 0) & (finite <= 255) & (finite == np.rint(finite))
            rule = "low and high of uint8 must be integers in 0..255"
            self._require(bool(inside.all()), rule, (self.low, self.high))

    def _require(self, holds: bool, rule: str, value: object) -> None:
        if not holds:
            raise ValueError(f"modality {self.name!r}: {rule}, got {value!r}")


def require_sizes(name: str, sizes: tuple[int, ...]) -> None:
    """Raise ValueError where `sizes` is not a tuple of whole numbers >= 1."""
    whole = all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes)
    if not isinstance(sizes, tuple) or not sizes or not whole:
        raise ValueError(f"{name} must be integers >= 1, got {sizes}")


def require_units(name: str, sizes: tuple[int, ...]) -> None:
    """Raise ValueError where `sizes` are no sizes of layers, 1 to `MOST_UNITS`."""
    require_sizes(name, sizes)
    if max(sizes) > MOST_UNITS:
        raise ValueError(f"{name} must be at most {MOST_UNITS}, got {sizes}")
