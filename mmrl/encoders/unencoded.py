"""Numbers as they are, on a common scale."""

from __future__ import annotations

import math

from torch import Tensor

from mmrl.encoders.base import Encoder, Networks
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


NETWORKS = Networks(UnencodedNumbers)
