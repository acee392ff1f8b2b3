"""Raw readings of senses with different rates on one clock, for a network that reads them all together.

Nothing in a signal is learned by gradients. Shapes: B rows, T readings of a window (oldest first), L ticks of the clock
(the last one now), C numbers of one reading.
"""

from __future__ import annotations

import math
from abc import ABC

import torch
from torch import Tensor

from mmrl.encoders.base import Encoder
from mmrl.encoders.clock import Clock
from mmrl.modality import Modality, Squash
from mmrl.normalization import make_normalizer


class Signal(Encoder, ABC):
    """The raw readings of a sense as tokens (B, L, C), one for each tick."""

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


class VectorSignal(Signal):
    """Readings of any shape, flattened: (B, [T,] *shape) -> (B, L, C)."""

    def __init__(self, modality: Modality, clock: Clock, squash: Squash = ()) -> None:
        numbers = math.prod(modality.shape)
        normalizer = make_normalizer(squash, numbers)
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
