"""Fusion by a gate per sense."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.encoders.layers import orthogonal_
from mmrl.fusion.base import NO_OPTIONS, Encodings, Fusion, FusionOptions, sense_key
from mmrl.inputs import Presence


class GatedFusion(Fusion):
    """Gated Multimodal Unit (Arevalo et al. 2017): each sense through a gate that all of them set.

    h = sum_s sigmoid(V_s [x_1 ... x_S]) * tanh(W_s x_s), the form for S senses of "Gated Multimodal Units for
    Information Fusion", with biases. The gate of an absent sense is shut; the other gates see a learned vector
    in place of it.
    """

    def __init__(self, sizes: Mapping[str, int], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features)
        total = sum(sizes.values())
        self.absent = nn.Parameter(torch.zeros(total))
        self.contents = nn.ModuleDict({sense_key(name): nn.Linear(size, features) for name, size in sizes.items()})
        self.gates = nn.ModuleDict({sense_key(name): nn.Linear(total, features) for name in sizes})
        for layer in (*self.contents.values(), *self.gates.values()):
            assert isinstance(layer, nn.Linear)
            orthogonal_(layer, 1.0)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        together = torch.cat(self.filled(features, present, self.absent), dim=1)
        passed = []
        for name, (part, mask) in self.masked(features, present).items():
            gate = torch.sigmoid(self.gates[sense_key(name)](together))
            passed.append(torch.where(mask, gate * torch.tanh(self.contents[sense_key(name)](part)), 0))
        return torch.stack(passed).sum(dim=0)
