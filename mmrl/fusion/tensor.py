"""Fusions by the outer product of the senses, whole or of low rank.

R is the rank, d the size to which every sense is projected. Both end in h = tanh(norm(.)) of what the papers hand to
their decision layers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.layers import orthogonal_
from mmrl.fusion.base import Encodings, Fusion, FusionOptions, project, require_whole_numbers, sense_key
from mmrl.inputs import Presence

# More products than this cost more weights than all the rest of a policy has: 2^15 x 128 are 4 million.
_MAX_PRODUCTS = 2**15


@dataclass(frozen=True)
class TensorOptions(FusionOptions):
    """Options of `tensor`."""

    projection: int = 16
    """Size d to which each sense is projected first: S senses make (d + 1) ** S products."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "projection")


class TensorFusion(Fusion):
    """Tensor Fusion Network (Zadeh et al. 2017): the outer product of all senses, each with a 1 appended.

    The products of the features of one sense, of two, up to all of them, eq. 4 of "Tensor Fusion Network for
    Multimodal Sentiment Analysis", and a linear layer over these. Of an absent sense the appended 1 alone is left, so
    that the products without it stay what they were.
    """

    options_type = TensorOptions

    def __init__(self, sizes: Mapping[str, int], features: int, options: TensorOptions = TensorOptions()) -> None:
        """ValueError for more than 2 ** 15 products."""
        super().__init__(sizes, features)
        products = (options.projection + 1) ** len(sizes)
        if products > _MAX_PRODUCTS:
            raise ValueError(
                f"tensor fusion of {len(sizes)} senses with projection {options.projection} makes {products} products, "
                f"more than {_MAX_PRODUCTS}: lower projection, or take lowrank"
            )
        self.projections = _projections(sizes, options.projection)
        self.linear = nn.Linear(products, features)
        orthogonal_(self.linear, 1.0)
        self.norm = nn.LayerNorm(features)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        parts = _projected(self.projections, self.masked(features, present))
        return torch.tanh(self.norm(self.linear(outer_product(parts))))


@dataclass(frozen=True)
class LowRankOptions(FusionOptions):
    """Options of `lowrank`."""

    rank: int = 4
    """Terms R of the decomposition."""
    projection: int = 32
    """Size d to which each sense is projected first."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "rank", "projection")


class LowRankFusion(Fusion):
    """Low-rank Multimodal Fusion (Liu et al. 2018): the tensor fusion with weights of low rank, without the tensor.

    sum_r w_r prod_s [x_s; 1] F_s^r + b, eq. 6 of "Efficient Low-rank Multimodal Fusion with Modality-Specific Factors"
    with the weights w of the code released with it. Every factor starts around 1. Of an absent sense the appended 1
    alone is left.
    """

    options_type = LowRankOptions

    def __init__(self, sizes: Mapping[str, int], features: int, options: LowRankOptions = LowRankOptions()) -> None:
        super().__init__(sizes, features)
        self.projections = _projections(sizes, options.projection)
        shape = (options.rank, options.projection + 1, features)
        self.factors = nn.ParameterDict({sense_key(name): torch.empty(shape) for name in sizes})
        for factor in self.factors.values():
            _start_near_one_(factor)
        self.weights = nn.Parameter(torch.full((options.rank,), options.rank**-0.5))
        self.bias = nn.Parameter(torch.zeros(features))
        self.norm = nn.LayerNorm(features)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        parts = _projected(self.projections, self.masked(features, present))
        terms = [_with_one(part) @ self.factors[sense_key(name)] for name, part in zip(self.sizes, parts, strict=True)]
        joint = torch.einsum("r,rbd->bd", self.weights, torch.stack(terms).prod(dim=0))
        return torch.tanh(self.norm(joint + self.bias))


def outer_product(parts: Sequence[Tensor]) -> Tensor:
    """[x_1; 1] (x) ... (x) [x_S; 1] of vectors (B, d_s), flat: (B, prod_s (d_s + 1)), the last running fastest."""
    product = parts[0].new_ones(parts[0].shape[0], 1)
    for part in parts:
        # (B, P, 1) * (B, 1, d + 1) -> (B, P * (d + 1))
        product = (product.unsqueeze(2) * _with_one(part).unsqueeze(1)).flatten(1)
    return product


def _start_near_one_(factor: Tensor) -> None:
    """Matrices (R, d + 1, D) that take any [x; 1] to numbers around 1.

    Products of numbers around 0 vanish with the number of senses, and show nothing of a sense but by its product with
    all the others.
    """
    nn.init.normal_(factor[:, :-1], std=(factor.shape[1] - 1) ** -0.5)
    nn.init.ones_(factor[:, -1])


def _with_one(part: Tensor) -> Tensor:
    return functional.pad(part, (0, 1), value=1.0)


def _projections(sizes: Mapping[str, int], outputs: int) -> nn.ModuleDict:
    return nn.ModuleDict({sense_key(name): project(size, outputs) for name, size in sizes.items()})


def _projected(projections: nn.ModuleDict, parts: Mapping[str, tuple[Tensor, Tensor]]) -> list[Tensor]:
    """The projected senses (B, d), zeros where absent."""
    return [torch.where(mask, projections[sense_key(name)](part), 0) for name, (part, mask) in parts.items()]
