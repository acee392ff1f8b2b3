"""The networks of deep canonical time warping, trained by deep CCA.

n instants, b outputs.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

import torch
from torch import nn

from mmrl.arrays import FloatArray
from mmrl.representation.cca import total_correlation


class WarpNetworks:
    """A network for each of two senses, of one hidden layer."""

    def __init__(self, widths: Sequence[int], dimensions: int, hidden: int, seed: int) -> None:
        """First weights come from `seed` alone."""
        generator = torch.Generator().manual_seed(seed)
        self._networks = nn.ModuleList(_network(width, hidden, dimensions, generator) for width in widths)

    def fit(self, sets: Sequence[FloatArray], steps: int, learning_rate: float) -> None:
        """Raise the total correlation of what belongs together, sets (n, d_k), by full steps of Adam."""
        inputs = [torch.as_tensor(each) for each in sets]
        optimizer = torch.optim.Adam(self._networks.parameters(), learning_rate)
        for _ in range(steps):
            loss = -total_correlation(*(net(each) for net, each in zip(self._networks, inputs, strict=True)))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    @torch.no_grad()
    def encode(self, which: int, values: FloatArray) -> FloatArray:
        """The code (n, b) of values (n, d) of a sense."""
        code: FloatArray = self._networks[which](torch.as_tensor(values)).numpy()
        return code

    def frozen(self) -> Callable[[int, FloatArray], FloatArray]:
        """`encode` with the weights of now."""
        return copy.deepcopy(self).encode


def _network(width: int, hidden: int, dimensions: int, generator: torch.Generator) -> nn.Sequential:
    layers = (nn.Linear(width, hidden), nn.Linear(hidden, dimensions))
    with torch.no_grad():
        for layer in layers:
            layer.weight.normal_(0.0, layer.in_features**-0.5, generator=generator)
            layer.bias.zero_()
    return nn.Sequential(layers[0], nn.Tanh(), layers[1]).double()
