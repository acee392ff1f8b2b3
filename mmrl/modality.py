"""What a sense is, stated once; everything else is derived from it.

A `Modality` fixes the observation space, the sampling schedule, the random stream and the encoder
of one sense. `EncoderSpec`s are plain data, so that environments can carry them without loading a
learning library.

T is the number of readings in a window (history), d the number of features of a reading.
"""

import math
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.documents import fit
from mmrl.noise import Noise

Bound = float | tuple[float, ...]
Squash = tuple[float | tuple[float, ...], ...]

DTYPES = ("float32", "uint8")

_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)

MOST_UNITS = 65_536
"""Largest size of a layer: two such layers have 17 gigabytes of weights between them."""


@dataclass(frozen=True)
class EncoderSpec(ABC):
    """Base of all encoder descriptions: frozen, hashable, without any tensor."""

    @abstractmethod
    def check(self, modality: "Modality") -> None:
        """Raise ValueError where this kind of encoder cannot read `modality`."""


@dataclass(frozen=True)
class ImageConv(EncoderSpec):
    """A convolutional network over one image (H, W, C)."""

    channels: tuple[int, ...] = (16, 32, 32)
    """Output channels of each convolution."""
    kernels: tuple[int, ...] = (8, 4, 3)
    """Side of each square kernel in pixels."""
    strides: tuple[int, ...] = (4, 2, 1)
    """Stride of each convolution in pixels."""
    features: int = 128
    """Size of the encoding."""
    zero: float | None = None
    """Pixel value that is read as 0, such as that of the background; unset is the middle of the range."""
    unit: float | None = None
    """Difference of pixel values that is read as 1; unset is the whole range."""

    def __post_init__(self) -> None:
        fit(self, "ImageConv.")
        if self.unit is not None and not 0 < self.unit < math.inf:
            raise ValueError(f"ImageConv.unit must be finite and > 0, got {self.unit}")
        if self.zero is not None and not math.isfinite(self.zero):
            raise ValueError(f"ImageConv.zero must be finite, got {self.zero}")
        _require_units("ImageConv.channels", self.channels)
        _require_sizes("ImageConv.kernels", self.kernels)
        _require_sizes("ImageConv.strides", self.strides)
        _require_units("ImageConv.features", (self.features,))
        if not len(self.channels) == len(self.kernels) == len(self.strides):
            raise ValueError(
                "ImageConv needs channels, kernels and strides of one length, got "
                f"{self.channels}, {self.kernels} and {self.strides}"
            )

    def check(self, modality: "Modality") -> None:
        if len(modality.shape) != 3 or modality.history is not None:
            raise ValueError(
                f"modality {modality.name!r}: ImageConv reads one image (H, W, C) without history, "
                f"got shape {modality.shape} and history {modality.history}"
            )


@dataclass(frozen=True)
class TemporalConv(EncoderSpec):
    """Causal convolutions along the T readings of a window (T, d)."""

    channels: tuple[int, ...] = (16, 32, 64)
    """Output channels of each convolution."""
    kernel: int = 2
    """Length of every kernel in readings."""
    stride: int = 2
    """Stride of every convolution in readings."""
    features: int = 64
    """Size of the encoding."""
    squash: Squash = ()
    """Scales s of the inputs tanh(s x), side by side; empty for x by its running mean and std."""

    def __post_init__(self) -> None:
        fit(self, "TemporalConv.")
        _require_units("TemporalConv.channels", self.channels)
        _require_sizes("TemporalConv.kernel", (self.kernel,))
        _require_sizes("TemporalConv.stride", (self.stride,))
        _require_units("TemporalConv.features", (self.features,))
        _require_scales("TemporalConv.squash", self.squash)

    def check(self, modality: "Modality") -> None:
        if len(modality.shape) != 1 or modality.history is None:
            raise ValueError(
                f"modality {modality.name!r}: TemporalConv reads windows (T, d) and needs "
                f"history >= 1, got shape {modality.shape} and history {modality.history}"
            )
        _require_scales_fit("TemporalConv.squash", self.squash, modality)


@dataclass(frozen=True)
class MLP(EncoderSpec):
    """A fully connected network over one reading (d,) or a window (T, d)."""

    hidden: tuple[int, ...] = (64,)
    """Sizes of the hidden layers."""
    features: int = 64
    """Size of the encoding."""
    squash: Squash = ()
    """Scales s of the inputs tanh(s x), side by side; empty for x by its running mean and std."""
    window: Literal["flatten", "last"] = "flatten"
    """What it reads of a window: all T readings as one vector, or the newest one only."""

    def __post_init__(self) -> None:
        fit(self, "MLP.")
        if self.hidden:
            _require_units("MLP.hidden", self.hidden)
        _require_units("MLP.features", (self.features,))
        _require_scales("MLP.squash", self.squash)
        if self.window not in ("flatten", "last"):
            raise ValueError(f"MLP.window must be 'flatten' or 'last', got {self.window!r}")

    def check(self, modality: "Modality") -> None:
        if len(modality.shape) != 1:
            raise ValueError(
                f"modality {modality.name!r}: MLP reads vectors (d,) or windows (T, d), "
                f"got readings of shape {modality.shape}"
            )
        _require_scales_fit("MLP.squash", self.squash, modality)


@dataclass(frozen=True)
class DifferenceMLP(EncoderSpec):
    """One layer without bias over what changed from the previous to the newest of two frames (H, W, 2)."""

    features: int = 200
    """Size of the encoding, the number of hidden units of the layer."""

    def __post_init__(self) -> None:
        fit(self, "DifferenceMLP.")
        _require_units("DifferenceMLP.features", (self.features,))

    def check(self, modality: "Modality") -> None:
        name = f"modality {modality.name!r}"
        if len(modality.shape) != 3 or modality.shape[2] != 2 or modality.history is not None:
            raise ValueError(
                f"{name}: DifferenceMLP reads the previous and the newest frame (H, W, 2) without history, "
                f"got shape {modality.shape} and history {modality.history}"
            )
        if not np.isfinite([*np.ravel(modality.low), *np.ravel(modality.high)]).all():
            raise ValueError(
                f"{name}: DifferenceMLP counts changes in units of high - low and needs both declared, "
                f"got low {modality.low} and high {modality.high}"
            )


@dataclass(frozen=True)
class Custom(EncoderSpec):
    """An encoder of the user's own, found by its import path."""

    target: str
    """Import path "package.module:factory"; it takes the Modality and returns the network."""
    features: int = 64
    """Size of the encoding."""

    def __post_init__(self) -> None:
        fit(self, "Custom.")
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f"Custom.target must read 'package.module:factory', got {self.target!r}")
        _require_units("Custom.features", (self.features,))

    def check(self, modality: "Modality") -> None:
        """Every modality is accepted: only the user's factory knows what it reads."""


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
    """What a reading is counted in, such as "N", or a unit per feature of the last axis; "" where it has none."""
    labels: tuple[str, ...] = ()
    """Names of the features of the last axis, such as ("Fx", "Fy", "Fz"); () where they have none."""

    def __post_init__(self) -> None:
        """Raises ValueError for a bad value, TypeError for a wrong kind of noise or encoder."""
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise ValueError(f"modality name must be an identifier, got {self.name!r}")
        if not isinstance(self.noise, Noise | None):
            raise TypeError(f"modality {self.name!r}: noise must be a Noise, got {self.noise!r}")
        if not isinstance(self.encoder, EncoderSpec):
            raise TypeError(f"modality {self.name!r}: encoder must be an EncoderSpec, got {self.encoder!r}")
        fit(self, f"modality {self.name!r}: ")
        _require_sizes(f"modality {self.name!r}: shape", self.shape)
        self._require(0 < self.rate_hz < math.inf, "rate_hz must be finite and > 0", self.rate_hz)
        if self.history is not None:
            _require_sizes(f"modality {self.name!r}: history", (self.history,))
        self._require(self.dtype in DTYPES, f"dtype must be one of {DTYPES}", self.dtype)
        self._require(0 <= self.latency_s < math.inf, "latency_s must be finite and >= 0", self.latency_s)
        self._check_bounds()
        self._check_words()
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
        """What a run configuration records and a checkpoint compares, as JSON-able values."""
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


def _require_sizes(name: str, sizes: tuple[int, ...]) -> None:
    whole = all(isinstance(size, int) and not isinstance(size, bool) and size >= 1 for size in sizes)
    if not isinstance(sizes, tuple) or not sizes or not whole:
        raise ValueError(f"{name} must be integers >= 1, got {sizes}")


def _require_units(name: str, sizes: tuple[int, ...]) -> None:
    _require_sizes(name, sizes)
    if max(sizes) > MOST_UNITS:
        raise ValueError(f"{name} must be at most {MOST_UNITS}, got {sizes}")


def _require_scales(name: str, squash: Squash) -> None:
    for scale in squash:
        values = np.asarray(scale, dtype=np.float64)
        if not (np.isfinite(values) & (values > 0)).all():
            raise ValueError(f"{name} must be finite scales > 0, got {scale}")


def _require_scales_fit(name: str, squash: Squash, modality: Modality) -> None:
    for scale in squash:
        if isinstance(scale, tuple) and len(scale) != modality.shape[-1]:
            raise ValueError(
                f"modality {modality.name!r}: {name} gives {len(scale)} values for {modality.shape[-1]} features"
            )
