"""Raw readings of senses with different rates on one clock, for a network that reads them all together.

Shapes: B rows, T readings of a window (oldest first), L ticks of the clock (the last one now), C numbers of one
reading, H x W pixels.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import singledispatch

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from mmrl.encoders import Encoder, pixel_scaling
from mmrl.modality import MLP, DifferenceMLP, EncoderSpec, ImageConv, Modality, TemporalConv
from mmrl.normalization import RunningStatistics, make_normalizer

Scaling = tuple[NDArray[np.float64], NDArray[np.float64]]

_SIMULTANEOUS_S = 1e-9


@dataclass(frozen=True)
class Clock:
    """Instants `period_s` apart at which all senses are read, the last of them now."""

    ticks: int
    period_s: float

    def resampling(self, modality: Modality) -> NDArray[np.float64]:
        """Weights (L, T) of the readings of a window at each tick; those of a tick sum to one.

        A tick sees the mean of the readings since the tick before. Where there are none it sees the newest reading
        before it, and where that is no longer in the window, the oldest one. A reading is `latency_s` older than the
        instant at which it can be seen.
        """
        readings = modality.history or 1
        times = -np.arange(readings)[::-1] / modality.rate_hz - modality.latency_s
        weights = np.zeros((self.ticks, readings))
        for tick, row in enumerate(weights):
            now = -(self.ticks - 1 - tick) * self.period_s + _SIMULTANEOUS_S
            new = (times <= now) & (times > now - self.period_s)
            latest = max(int(np.count_nonzero(times <= now)) - 1, 0)
            row[new if new.any() else latest] = 1
        weights /= weights.sum(axis=1, keepdims=True)
        return weights


def shared_clock(modalities: Iterable[Modality], ticks: int) -> Clock:
    """At most `ticks` instants over the longest window; never more than a window has readings."""
    windows = [(sense.history / sense.rate_hz, sense.history) for sense in modalities if sense.history is not None]
    if not windows:
        return Clock(1, 1.0)
    count = min(ticks, max(readings for _, readings in windows))
    return Clock(count, max(duration for duration, _ in windows) / count)


def build_signal(modality: Modality, clock: Clock, pixels: int) -> Encoder:
    """The raw readings of a sense as tokens (B, L, C), one for each tick; nothing in it is learned by gradients.

    They are brought to a common scale as the sense's own encoder would do it. An image is averaged over areas down to
    at most `pixels` x `pixels`.
    """
    return _build(modality.encoder, modality, clock, pixels)


class _Signal(Encoder):
    resampling: Tensor

    def __init__(self, modality: Modality, clock: Clock, features: int) -> None:
        super().__init__()
        self.tokens = clock.ticks
        self.features = features
        # It follows from the declaration, so it stays out of the state dict.
        weights = torch.as_tensor(clock.resampling(modality), dtype=torch.float32)
        self.register_buffer("resampling", weights, persistent=False)

    def _floats(self, x: Tensor) -> Tensor:
        return x.to(self.resampling.dtype)


class _VectorSignal(_Signal):
    """Readings of any shape, flattened: (B, [T,] *shape) -> (B, L, C)."""

    def __init__(self, modality: Modality, clock: Clock) -> None:
        numbers = math.prod(modality.shape)
        normalizer = make_normalizer(_squash(modality.encoder), numbers)
        super().__init__(modality, clock, normalizer.features)
        self.normalizer = normalizer
        self._window = (modality.history or 1, numbers)

    def forward(self, x: Tensor) -> Tensor:
        readings: Tensor = self.normalizer(self._floats(self._readings(x)))
        return self.resampling @ readings  # (L, T) @ (B, T, C)

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(self._readings(x))

    def _readings(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], *self._window)


class _ImageSignal(_Signal):
    """One image, the same at every tick: (B, H, W, channels) -> (B, L, C)."""

    scale: Tensor
    offset: Tensor

    def __init__(self, modality: Modality, clock: Clock, pixels: int, scaling: Scaling | None) -> None:
        height, width, channels = modality.shape
        self._sides = (min(height, pixels), min(width, pixels))
        super().__init__(modality, clock, math.prod(self._sides) * channels)
        self.statistics = None if scaling else RunningStatistics(channels)
        for name, values in zip(("scale", "offset"), scaling or (np.ones(1), np.zeros(1)), strict=True):
            self.register_buffer(name, torch.as_tensor(values, dtype=torch.float32), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        pixels = self._floats(x)
        pixels = pixels if self.statistics is None else self.statistics(pixels)
        areas = functional.adaptive_avg_pool2d(pixels.permute(0, 3, 1, 2), self._sides)  # (B, channels, H, W)
        seen = areas.permute(0, 2, 3, 1) * self.scale + self.offset
        return self.resampling @ seen.flatten(1).unsqueeze(1)

    def update_statistics(self, x: Tensor) -> None:
        if self.statistics is not None:
            self.statistics.update(x)


@singledispatch
def _build(spec: EncoderSpec, modality: Modality, clock: Clock, pixels: int) -> Encoder:
    return _VectorSignal(modality, clock)


@_build.register
def _(spec: ImageConv, modality: Modality, clock: Clock, pixels: int) -> Encoder:
    return _ImageSignal(modality, clock, pixels, pixel_scaling(modality, spec.zero, spec.unit))


@_build.register
def _(spec: DifferenceMLP, modality: Modality, clock: Clock, pixels: int) -> Encoder:
    return _ImageSignal(modality, clock, pixels, pixel_scaling(modality))


def _squash(spec: EncoderSpec) -> tuple[float | tuple[float, ...], ...]:
    return spec.squash if isinstance(spec, MLP | TemporalConv) else ()
