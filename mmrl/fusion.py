"""Join the encodings of several senses into one vector, whichever of them are there.

Shapes: B rows, D_s the size of the encoding of sense s, D = `Fusion.features`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from mmrl.encoders import orthogonal_


class Fusion(nn.Module, ABC):
    """Maps the encodings of the senses, in the order of `sizes`, to one vector (B, `features`).

    A sense may be absent in some rows (`present[name]` is false there) or in all of them (no
    encoding under its name). What an absent sense's rows hold must change neither the output nor
    any gradient.
    """

    def __init__(self, sizes: Mapping[str, int], features: int) -> None:
        """Takes the size D_s of each sense's encoding; ValueError for no sense or a size < 1."""
        super().__init__()
        for name, size in {"features": features, **sizes}.items():
            if size < 1:
                raise ValueError(f"size of {name!r} must be >= 1, got {size}")
        if not sizes:
            raise ValueError("a fusion needs at least one sense, got none")
        self.sizes = dict(sizes)
        self.features = features

    @abstractmethod
    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Tensor:
        """Encodings (B, D_s) by sense and bool masks (B,), no mask meaning present: (B, D)."""


class ConcatFusion(Fusion):
    """Concatenation, a linear layer, layer normalisation and tanh.

    An absent sense contributes a learned vector in place of its encoding.
    """

    def __init__(self, sizes: Mapping[str, int], features: int) -> None:
        super().__init__(sizes, features)
        total = sum(sizes.values())
        self.absent = nn.Parameter(torch.zeros(total))
        self.linear = nn.Linear(total, features)
        orthogonal_(self.linear, math.sqrt(2))
        self.norm = nn.LayerNorm(features)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Tensor:
        present = present or {}
        rows = next(iter((*features.values(), *present.values()))).shape[0]
        parts = []
        for name, absent in zip(self.sizes, self._absent_vectors(), strict=True):
            if name not in features:
                parts.append(absent.expand(rows, -1))
            elif name in present:
                parts.append(torch.where(present[name].unsqueeze(1), features[name], absent))
            else:
                parts.append(features[name])
        return torch.tanh(self.norm(self.linear(torch.cat(parts, dim=1))))

    def _absent_vectors(self) -> Sequence[Tensor]:
        return torch.split(self.absent, list(self.sizes.values()))


FUSIONS: dict[str, type[Fusion]] = {"concat": ConcatFusion}
"""Fusions by the name that a policy configuration uses; add your own here."""


def make_fusion(name: str, sizes: Mapping[str, int], features: int) -> Fusion:
    """An untrained fusion of senses with encodings of `sizes`; ValueError for an unknown name."""
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion {name!r}; known fusions: {', '.join(sorted(FUSIONS))}")
    return FUSIONS[name](sizes, features)
