"""The contract of a fusion, and the code that all of them share.

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

from mmrl.encoders import Encoder, build_encoder
from mmrl.encoders.layers import orthogonal_
from mmrl.inputs import Presence
from mmrl.modality import Modality

Size = int | tuple[int, int]
Encodings = Mapping[str, Tensor]


@dataclass(frozen=True)
class FusionOptions:
    """Options of a fusion, a subclass for each that has any."""


NO_OPTIONS = FusionOptions()


def require_whole_numbers(options: FusionOptions, *names: str) -> None:
    """ValueError unless those options are integers >= 1 or tuples of them."""
    for name in names:
        value = vars(options)[name]
        sizes = value if isinstance(value, tuple) else (value,)
        if not all(type(size) is int and size >= 1 for size in sizes):
            raise ValueError(f"{type(options).__name__}.{name} must be >= 1 and whole, got {value!r}")


def require_number(options: FusionOptions, name: str, low: float, high: float = math.inf) -> None:
    """ValueError unless that option is a finite number in [low, high]."""
    value = vars(options)[name]
    if type(value) not in (int, float) or not (math.isfinite(value) and low <= value <= high):
        raise ValueError(f"{type(options).__name__}.{name} must be a number in [{low}, {high}], got {value!r}")


class Fusion(nn.Module, ABC):
    """Maps the encodings of the senses, in the order of `sizes`, to one vector (B, `features`).

    An encoding is a vector (B, D_s); fusions that read tokens take (B, K_s, D_s), or a vector as the only token.

    A sense may be absent in some rows (`present[name]` is false there) or in all of them (no
    encoding under its name). What an absent sense's rows hold, NaN included, must change neither the
    output nor any gradient. Where tokens can be missing one by one, its mask is (B, K_s).
    """

    options_type: ClassVar[type[FusionOptions]] = FusionOptions
    reads_tokens: ClassVar[bool] = False
    experts: int | None = None
    """How many vectors, each with its presence, `mmrl.policy.heads` finds side by side in the joint one; None: one."""

    def __init__(self, sizes: Mapping[str, Size], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        """Takes the size D_s or (K_s, D_s) of each sense's encoding.

        ValueError for no sense, a size < 1, and tokens where the fusion does not read any.
        """
        super().__init__()
        one = (1,) if self.reads_tokens else ()
        self.shapes = {name: (*one, size) if isinstance(size, int) else size for name, size in sizes.items()}
        for name, shape in {"features": (features,), **self.shapes}.items():
            if min(shape) < 1:
                raise ValueError(f"size of {name!r} must be >= 1, got {shape}")
            if isinstance(sizes.get(name), tuple) and not self.reads_tokens:
                raise ValueError(f"{type(self).__name__} joins one vector of each sense, {name!r} has tokens {shape}")
        if not sizes:
            raise ValueError("a fusion needs at least one sense, got none")
        self.features = features

    @classmethod
    def make_encoders(cls, modalities: Mapping[str, Modality], options: FusionOptions) -> dict[str, Encoder]:
        """Untrained encoders of the senses, of the kind whose output this fusion reads."""
        return {name: build_encoder(modality) for name, modality in modalities.items()}

    @property
    def sizes(self) -> dict[str, int]:
        """Size D_s of the encoding of each sense, or of a token of it."""
        return {name: shape[-1] for name, shape in self.shapes.items()}

    @abstractmethod
    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        """Encodings (B, D_s) by sense and bool masks (B,), no mask meaning present: (B, D)."""

    def filled(self, features: Encodings, present: Presence | None, absent: Tensor) -> list[Tensor]:
        """Encodings in the order of the senses; `absent` (sum of D_s,) stands where there are none."""
        present = present or {}
        rows = count_rows(features, present)
        vectors = torch.split(absent, list(self.sizes.values()))
        parts = []
        for (name, shape), vector in zip(self.shapes.items(), vectors, strict=True):
            if name not in features:
                parts.append(vector.expand(rows, *shape))
            elif name in present:
                parts.append(torch.where(_along(present[name], shape), features[name].view(rows, *shape), vector))
            else:
                parts.append(features[name].view(rows, *shape))
        return parts

    def masked(self, features: Encodings, present: Presence | None) -> dict[str, tuple[Tensor, Tensor]]:
        """Encodings and masks, (B, 1) or (B, K_s), in the order of the senses; zeros and false where there is none."""
        present = present or {}
        rows, like = count_rows(features, present), next(self.parameters())
        parts = {}
        for name, shape in self.shapes.items():
            given = features[name].view(rows, *shape) if name in features else like.new_zeros(rows, *shape)
            here = torch.full((rows,), name in features, device=given.device)
            mask = present.get(name, here)
            parts[name] = torch.where(_along(mask, shape), given, 0), mask if mask.dim() == 2 else mask.unsqueeze(1)
        return parts


def sense_key(name: str) -> str:
    """The name of a sense in a ModuleDict: there it may neither hold a dot nor be an attribute, as `values` is."""
    return "/" + name.replace(".", "/")


def project(inputs: int, outputs: int) -> nn.Sequential:
    """A linear layer, layer normalisation and tanh: encodings of any scale to numbers in (-1, 1)."""
    linear = nn.Linear(inputs, outputs)
    orthogonal_(linear, math.sqrt(2))
    return nn.Sequential(linear, nn.LayerNorm(outputs), nn.Tanh())


def count_rows(features: Encodings, present: Presence) -> int:
    """B, from whatever is given by name."""
    return next(iter((*features.values(), *present.values()))).shape[0]


def _along(mask: Tensor, shape: tuple[int, ...]) -> Tensor:
    """(B,) or (B, K) -> (B, 1), (B, 1, 1) or (B, K, 1), which reaches over rows of that shape."""
    return mask.view(*mask.shape, *(1,) * (1 + len(shape) - mask.dim()))
