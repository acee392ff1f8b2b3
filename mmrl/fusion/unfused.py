"""The joint vector of a policy with one sense: its encoding, as it is.

Shapes: B rows, D the size of the encoding.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from mmrl.fusion.base import NO_OPTIONS, Fusion, FusionOptions, Size


class Unfused(Fusion):
    """Hands on the encoding (B, D) of the only sense; zeros in the rows where it is absent. Nothing is learned."""

    def __init__(self, sizes: Mapping[str, Size], features: int = 0, options: FusionOptions = NO_OPTIONS) -> None:
        """Takes the size D by the name of the sense, whatever `features` asks for; ValueError unless it is alone."""
        if len(sizes) != 1:
            raise ValueError(f"only one sense can go unfused, got {', '.join(sizes) or 'none'}")
        ((self.sense, size),) = sizes.items()
        assert isinstance(size, int)  # no token encoder is asked for
        super().__init__(sizes, size)

    def forward(self, features: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Tensor:
        present = present or {}
        if self.sense not in features:
            rows = present[self.sense].shape[0]
            return torch.zeros(rows, self.features, device=present[self.sense].device)
        encoding = features[self.sense]
        if self.sense not in present:
            return encoding
        return torch.where(present[self.sense].unsqueeze(1), encoding, 0)
