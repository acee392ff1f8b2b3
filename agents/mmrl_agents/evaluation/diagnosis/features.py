"""Units that no longer answer, and how many directions the features of a policy have."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.SELU, nn.GELU, nn.SiLU, nn.Tanh, nn.Sigmoid)
_STILL = 1e-6


@dataclass(frozen=True)
class DeadUnits:
    """The units of a layer that gave one and the same number on all that they were shown."""

    layer: str
    """Name of the layer."""
    dead: int
    """How many."""
    units: int
    """Of how many."""


def dead_units(network: nn.Module, show: Callable[[], object]) -> tuple[DeadUnits, ...]:
    """The dead units behind every activation that is called while `show` runs.

    A unit is a feature of the last axis, a channel of pictures (B, C, H, W); it is dead where its smallest and its
    largest number are the same but for 1e-6 of its size: a ReLU that is always 0, a tanh that is always saturated.
    """
    ends: dict[str, tuple[Tensor, Tensor]] = {}
    with _watched(network, ends):
        show()
    still = {name: high - low <= _STILL * (1 + high.abs()) for name, (low, high) in ends.items()}
    return tuple(DeadUnits(name, int(units.sum()), len(units)) for name, units in still.items())


@contextmanager
def _watched(network: nn.Module, ends: dict[str, tuple[Tensor, Tensor]]) -> Iterator[None]:
    """Notes the smallest and the largest number of every unit, by layer, as long as it lasts."""

    def noting(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def note(module: nn.Module, inputs: object, output: Tensor) -> None:
            units = (output.detach().movedim(1, -1) if output.dim() == 4 else output.detach()).flatten(0, -2)
            low, high = units.amin(dim=0), units.amax(dim=0)
            known = ends.get(name, (low, high))
            ends[name] = torch.minimum(known[0], low), torch.maximum(known[1], high)

        return note

    hooks = [
        module.register_forward_hook(noting(name))
        for name, module in network.named_modules()
        if isinstance(module, _ACTIVATIONS)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def effective_rank(features: Tensor) -> float:
    """Exp of the entropy of the singular values of features (n, d), as shares of their sum (Roy and Vetterli 2007).

    Between 1, where all features are one, and min(n, d); 0 where they never vary. Their mean counts as nothing.
    """
    values = torch.linalg.svdvals(features.double() - features.double().mean(dim=0))
    total = values.sum()
    if float(total) <= 1e-12:
        return 0.0
    shares = values / total
    return float(torch.exp(-torch.xlogy(shares, shares).sum()))
