"""Numbers as they are, on a common scale."""

from __future__ import annotations

import math

from torch import Tensor

from mmrl.encoders.base import Encoder, Networks, ScaledDecoder
from mmrl.modality import Modality, Unencoded
from mmrl.normalization import RunningStatistics


class UnencodedNumbers(Encoder):
    """Readings (B, *window_shape) by the running mean and deviation of each number, (B, D); nothing is learned."""

    def __init__(self, spec: Unencoded, modality: Modality) -> None:
        super().__init__()
        self.features = math.prod(modality.window_shape)
        self.normalizer = RunningStatistics(self.features)

    def forward(self, x: Tensor) -> Tensor:
        return self.normalizer(self._floats(x).flatten(1))  # type: ignore[no-any-return]  # of a module

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x.flatten(1))

    def _floats(self, x: Tensor) -> Tensor:
        return x if x.is_floating_point() else x.float()  # it has no weights whose type it would take


class UnencodedBack(ScaledDecoder):
    """The encoding as it is, which is the reading on a common scale."""

    def __init__(self, spec: Unencoded, modality: Modality, features: int) -> None:
        super().__init__()
        self.shape = modality.window_shape
        if features != math.prod(self.shape):
            raise ValueError(f"{modality.name!r} is encoded as its {math.prod(self.shape)} numbers, got {features}")
        self.normalizer = RunningStatistics(features)

    def forward(self, encoding: Tensor) -> Tensor:
        return encoding

    def scaled(self, x: Tensor) -> Tensor:
        return self.normalizer(x.flatten(1).float())  # type: ignore[no-any-return]  # of a module

    def readings(self, decoded: Tensor) -> Tensor:
        readings: Tensor = self.normalizer.restored(decoded).unflatten(1, self.shape)
        return readings

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x.flatten(1))


NETWORKS = Networks(UnencodedNumbers, decoder=UnencodedBack)
