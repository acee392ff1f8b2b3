"""What a fusion is, and what all of them share.

Shapes: S senses, B rows, D_s the size of the encoding of sense s, K_s its tokens where it is encoded as
tokens, D = `Fusion.features`.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmrl.encoders import Encoder, build_encoder, orthogonal_
from mmrl.modality import Modality

Encodings = Mapping[str, Tensor]
Presence = Mapping[str, Tensor]


@dataclass(frozen=True)
class FusionOptions:
    """Options of a fusion, a subclass for each that has any."""


NO_OPTIONS = FusionOptions()


def require_sizes(options: FusionOptions, *names: str) -> None:
    """ValueError unless those options are integers >= 1 or tuples of them."""
    for name in names:
        value = vars(options)[name]
        sizes = value if isinstance(value, tuple) else (value,)
        if not all(type(size) is int and size >= 1 for size in sizes):
            raise ValueError(f"{type(options).__name__}.{name} must be >= 1 and whole, got {value!r}")


class Fusion(nn.Module, ABC):
    """Maps the encodings of the senses, in the order of `sizes`, to one vector (B, `features`).

    A sense may be absent in some rows (`present[name]` is false there) or in all of them (no
    encoding under its name). What an absent sense's rows hold, NaN included, must change neither the
    output nor any gradient.
    """

    options_type: ClassVar[type[FusionOptions]] = FusionOptions

    def __init__(self, sizes: Mapping[str, int], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        """Takes the size D_s of each sense's encoding; ValueError for no sense or a size < 1."""
        super().__init__()
        for name, size in {"features": features, **sizes}.items():
            if size < 1:
                raise ValueError(f"size of {name!r} must be >= 1, got {size}")
        if not sizes:
            raise ValueError("a fusion needs at least one sense, got none")
        self.sizes = dict(sizes)
        self.features = features

    @classmethod
    def make_encoders(cls, modalities: Mapping[str, Modality], options: FusionOptions) -> dict[str, Encoder]:
        """Untrained encoders of the senses, of the kind whose output this fusion reads."""
        return {name: build_encoder(modality) for name, modality in modalities.items()}

    @abstractmethod
    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        """Encodings (B, D_s) by sense and bool masks (B,), no mask meaning present: (B, D)."""

    def _filled(self, features: Encodings, present: Presence | None, absent: Tensor) -> list[Tensor]:
        """Encodings in the order of the senses; `absent` (sum of D_s,) stands where there are none."""
        present = present or {}
        rows = _count_rows(features, present)
        parts = []
        for name, vector in zip(self.sizes, torch.split(absent, list(self.sizes.values())), strict=True):
            if name not in features:
                parts.append(vector.expand(rows, -1))
            elif name in present:
                parts.append(torch.where(present[name].unsqueeze(1), features[name], vector))
            else:
                parts.append(features[name])
        return parts

    def _masked(self, features: Encodings, present: Presence | None) -> dict[str, tuple[Tensor, Tensor]]:
        """Encodings and masks (B, 1) in the order of the senses; zeros and false where there is no encoding."""
        present = present or {}
        rows, like = _count_rows(features, present), next(self.parameters())
        parts = {}
        for name, size in self.sizes.items():
            given = features.get(name, like.new_zeros(rows, size))
            here = torch.full((rows,), name in features, device=given.device)
            mask = present.get(name, here).unsqueeze(1)
            parts[name] = torch.where(mask, given, 0), mask
        return parts


def sense_key(name: str) -> str:
    """The name of a sense in a ModuleDict: there it may neither hold a dot nor be an attribute, as `values` is."""
    return "/" + name.replace(".", "/")


def project(inputs: int, outputs: int) -> nn.Sequential:
    """A linear layer, layer normalisation and tanh: encodings of any scale to numbers in (-1, 1)."""
    linear = nn.Linear(inputs, outputs)
    orthogonal_(linear, math.sqrt(2))
    return nn.Sequential(linear, nn.LayerNorm(outputs), nn.Tanh())


def _count_rows(features: Encodings, present: Presence) -> int:
    return next(iter((*features.values(), *present.values()))).shape[0]
