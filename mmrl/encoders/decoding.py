"""The way back from an encoding for kinds of senses that have none of their own.

Shapes: B rows, D numbers of an encoding, P of a reading.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from mmrl.encoders.base import ScaledDecoder
from mmrl.encoders.layers import mlp
from mmrl.modality import Modality
from mmrl.normalization import RunningStatistics

_HIDDEN = 256


class DenseDecoder(ScaledDecoder):
    """A hidden layer and a linear one to all numbers of a reading, each by its own running mean and deviation."""

    def __init__(self, modality: Modality, features: int) -> None:
        super().__init__()
        self.shape, numbers = modality.window_shape, math.prod(modality.window_shape)
        self.layers = nn.Sequential(*mlp((features, _HIDDEN), nn.ReLU), nn.Linear(_HIDDEN, numbers))
        self.normalizer = RunningStatistics(numbers)

    def forward(self, encoding: Tensor) -> Tensor:
        numbers: Tensor = self.layers(encoding)
        return numbers

    def scaled(self, x: Tensor) -> Tensor:
        return self.normalizer(x.flatten(1).float())  # type: ignore[no-any-return]  # of a module

    def readings(self, decoded: Tensor) -> Tensor:
        readings: Tensor = self.normalizer.restored(decoded).unflatten(1, self.shape)
        return readings

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x.flatten(1))
