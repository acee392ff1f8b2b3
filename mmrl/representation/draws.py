"""Random numbers of an objective, which go on where a resumed training stood."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_SEEDS = 2**31


class Draws(nn.Module):
    """Generators, one after another, whose state is two numbers of the state dict.

    The first seed is drawn with the initial weights, so that it follows from the seed of a training.
    """

    seed: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("seed", torch.randint(_SEEDS, ()))
        self.register_buffer("count", torch.zeros((), dtype=torch.int64))

    def forward(self, device: torch.device) -> torch.Generator:
        """A generator on a device, another one at each call."""
        seed = (int(self.seed) + int(self.count)) % _SEEDS
        self.count += 1
        return torch.Generator(device).manual_seed(seed)
