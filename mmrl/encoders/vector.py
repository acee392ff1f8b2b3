"""Fully connected networks for vectors (C,) and windows (T, C)."""

from __future__ import annotations

from torch import Tensor

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.layers import mlp
from mmrl.encoders.signal import VectorSignal
from mmrl.modality import MLP, Modality
from mmrl.normalization import make_normalizer


class MLPEncoder(Encoder):
    """Fully connected layers with tanh over a reading (C,), or over a window (T, C) or its last."""

    def __init__(self, spec: MLP, modality: Modality) -> None:
        super().__init__()
        self.features = spec.features
        self.last_only = modality.history is not None and spec.window == "last"
        self.normalizer = make_normalizer(spec.squash, modality.shape[-1])
        readings = 1 if self.last_only else modality.history or 1
        self.layers = mlp((readings * self.normalizer.features, *spec.hidden, spec.features))

    def forward(self, x: Tensor) -> Tensor:
        read = self.normalizer(self._floats(self._read(x)))
        encoding: Tensor = self.layers(read.flatten(1))
        return encoding

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(self._read(x))

    def _read(self, x: Tensor) -> Tensor:
        return x[:, -1] if self.last_only else x


NETWORKS = Networks(MLPEncoder, signal=lambda spec, modality, clock, pixels: VectorSignal(modality, clock, spec.squash))
