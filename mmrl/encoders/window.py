"""Networks for windows of readings (T, C), oldest first.

Shapes: B rows, T readings, C features of a reading, L positions along a convolved window, K = `Encoder.tokens`.
"""

from __future__ import annotations

import itertools
import math
from abc import ABC

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.layers import LEAKY_GAIN, LEAKY_SLOPE, CausalConv, orthogonal_
from mmrl.encoders.signal import VectorSignal
from mmrl.modality import Modality, TemporalConv
from mmrl.normalization import make_normalizer


class CausalWindows(Encoder, ABC):
    """Strided causal convolutions along a window (T, C): the force encoder of Lee et al. (2019).

    The normaliser, then convolutions with a leaky ReLU each. Lee et al. ("Making Sense of Vision and
    Touch", ICRA 2019, and the code released with it) use five convolutions, which leave one position
    of their 32 readings.
    """

    def __init__(self, spec: TemporalConv, modality: Modality) -> None:
        super().__init__()
        self.normalizer = make_normalizer(spec.squash, modality.shape[-1])
        length, layers = modality.window_shape[0], list[nn.Module]()
        for size in itertools.pairwise((self.normalizer.features, *spec.channels)):
            layers += [CausalConv(*size, spec.kernel, spec.stride), nn.LeakyReLU(LEAKY_SLOPE, True)]
            length = math.ceil(length / spec.stride)
        self.convolutions = nn.Sequential(*layers)
        self.positions = length

    def convolve(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, L, channels[-1]) with L = `positions`.

        Position j before the last depends on no reading among the newest j * stride ** layers.
        """
        positions: Tensor = self.convolutions(self.normalizer(self._floats(x)))
        return positions

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x)


class CausalTemporalEncoder(CausalWindows):
    """`CausalWindows` and a linear layer over the positions that remain, with a leaky ReLU."""

    def __init__(self, spec: TemporalConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.features = spec.features
        self.linear = nn.Linear(self.positions * spec.channels[-1], spec.features)
        orthogonal_(self.linear, LEAKY_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.linear(self.convolve(x).flatten(1)), LEAKY_SLOPE)


class TemporalTokens(CausalWindows):
    """`CausalWindows` with a token for each position that remains, the newest last."""

    def __init__(self, spec: TemporalConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.tokens, self.features = self.positions, spec.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x)

    def parts(self, x: Tensor) -> Tensor:
        """Consecutive readings for each position, the newest for the last; the oldest repeats where some lack."""
        missing = -x.shape[1] % self.positions
        padded = torch.cat([x[:, :1].expand(-1, missing, -1), x], dim=1).float()
        parts: Tensor = padded.unflatten(1, (self.positions, -1)).flatten(2)
        return parts

    def whole(self, parts: Tensor, shape: tuple[int, ...]) -> Tensor:
        readings: Tensor = parts.unflatten(2, (-1, shape[1])).flatten(1, 2)
        return readings[:, -shape[0] :]


NETWORKS = Networks(
    CausalTemporalEncoder,
    TemporalTokens,
    lambda spec, modality, clock, pixels: VectorSignal(modality, clock, spec.squash),
)
