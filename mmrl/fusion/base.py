"""What a fusion is, and what all of them share.

Shapes: S senses, B rows, D_s the size of the encoding of sense s, K_s its tokens where it is encoded as
tokens, D = `Fusion.features`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn

from mmrl.encoders import Encoder, build_encoder
from mmrl.modality import Modality

Encodings = Mapping[str, Tensor]
Presence = Mapping[str, Tensor]


@dataclass(frozen=True)
class FusionOptions:
    """Options of a fusion, a subclass for each that has any."""


NO_OPTIONS = FusionOptions()


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


def _count_rows(features: Encodings, present: Presence) -> int:
    return next(iter((*features.values(), *present.values()))).shape[0]
