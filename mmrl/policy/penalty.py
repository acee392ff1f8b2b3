"""Lp regularisation: a penalty on the size of weights, beside the loss."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LpPenalty:
    """weight * sum |w|^power over all weights of two and more axes; biases and scales of layers are left alone."""

    weight: float
    """Beside the loss; 0 for none."""
    power: int
    """1 for sparse weights, 2 for small ones."""

    def of(self, network: nn.Module) -> Tensor:
        """The penalty of the weights of a network, a scalar with a gradient."""
        if not self.weight:
            return torch.zeros(())
        sizes = [weights.abs().pow(self.power).sum() for weights in network.parameters() if weights.dim() > 1]
        return self.weight * torch.stack(sizes).sum()
