"""The baselines that every other fusion has to beat."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrl.encoders.layers import mlp, orthogonal_
from mmrl.fusion.base import (
    NO_OPTIONS,
    Encodings,
    Fusion,
    FusionOptions,
    project,
    require_whole_numbers,
    sense_key,
)
from mmrl.inputs import Presence


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
        parts = self.filled(features, present, self.absent)
        return torch.tanh(self.norm(self.linear(torch.cat(parts, dim=1))))


class SumFusion(Fusion):
    """Sum of projected senses, a baseline of Fukui et al. (2016), "Multimodal Compact Bilinear Pooling".

    h = sum_s tanh(norm(W_s x_s + b_s)). No sense changes what another one contributes. An absent sense contributes the
    projection of a learned vector.
    """

    def __init__(self, sizes: Mapping[str, int], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features)
        self.absent = nn.Parameter(torch.zeros(sum(sizes.values())))
        self.projections = nn.ModuleDict({sense_key(name): project(size, features) for name, size in sizes.items()})

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        parts = self.filled(features, present, self.absent)
        projected = [layer(part) for layer, part in zip(self.projections.values(), parts, strict=True)]
        return torch.stack(projected).sum(dim=0)


class ProductFusion(Fusion):
    """Elementwise product of projected senses (Kim et al. 2017, "Hadamard Product for Low-rank Bilinear Pooling").

    h = tanh(norm(prod_s tanh(norm(W_s x_s + b_s)))); the outer normalisation undoes that a product of numbers below 1
    vanishes. Factors start around tanh(1), not 0, else no sense showed but by its product with all the others. An
    absent sense is no factor.
    """

    def __init__(self, sizes: Mapping[str, int], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features)
        self.projections = nn.ModuleDict({sense_key(name): project(size, features) for name, size in sizes.items()})
        for projection in self.projections.values():
            assert isinstance(projection, nn.Sequential)
            assert isinstance(projection[1], nn.LayerNorm)
            nn.init.ones_(projection[1].bias)
        self.norm = nn.LayerNorm(features)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        factors = [
            torch.where(mask, self.projections[sense_key(name)](part), 1)
            for name, (part, mask) in self.masked(features, present).items()
        ]
        return torch.tanh(self.norm(torch.stack(factors).prod(dim=0)))


@dataclass(frozen=True)
class MLPOptions(FusionOptions):
    """Options of `mlp`."""

    hidden: tuple[int, ...] = (128,)
    """Sizes of the hidden layers between the concatenation and the joint vector."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "hidden")


class MLPFusion(Fusion):
    """Concatenation and fully connected layers with tanh, as Lee et al. (2019), "Making Sense of Vision and Touch".

    An absent sense contributes a learned vector in place of its encoding.
    """

    options_type = MLPOptions

    def __init__(self, sizes: Mapping[str, int], features: int, options: MLPOptions = MLPOptions()) -> None:
        super().__init__(sizes, features)
        total = sum(sizes.values())
        self.absent = nn.Parameter(torch.zeros(total))
        self.layers = mlp((total, *options.hidden, features))

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        joint: Tensor = self.layers(torch.cat(self.filled(features, present, self.absent), dim=1))
        return joint
