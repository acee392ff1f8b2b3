"""The baselines that every other fusion has to beat."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.encoders import orthogonal_
from mmrl.fusion.base import NO_OPTIONS, Encodings, Fusion, FusionOptions, Presence


class ConcatFusion(Fusion):
    """Concatenation, a linear layer, layer normalisation and tanh.

    An absent sense contributes a learned vector in place of its encoding.
    """

    def __init__(self, sizes: Mapping[str, int], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features)
        total = sum(sizes.values())
        self.absent = nn.Parameter(torch.zeros(total))
        self.linear = nn.Linear(total, features)
        orthogonal_(self.linear, math.sqrt(2))
        self.norm = nn.LayerNorm(features)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        parts = self._filled(features, present, self.absent)
        return torch.tanh(self.norm(self.linear(torch.cat(parts, dim=1))))
