"""Bring readings to a common scale: running standardisation, or squashing at several known scales.

Shapes: B rows, K scales, D features (the last axis of a reading); ``...`` any leading axes.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

Scale = float | Sequence[float]

_EPSILON = 1e-8
_CLIP = 10.0
FARTHEST = 1e3
"""Standard deviations from the mean beyond which a number counts as if it lay there, in whatever keeps a running scale.

Enough for a scale to grow a hundredfold at once, and little enough to be outgrown."""


class Normalizer(nn.Module, ABC):
    """Maps (..., D) to (..., `features`) of moderate size."""

    features: int

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    @abstractmethod
    def update(self, x: Tensor) -> None:
        """Learn from a batch (..., D), if there is anything to learn."""


class Moments(NamedTuple):
    """Moments of a batch of readings of one shape."""

    size: int
    """How many readings."""
    mean: Tensor
    """Their mean, float64 of the shape of one; not finite where one of them is not."""
    var: Tensor
    """Their variance, float64 of the same shape."""


Gather = Callable[[Sequence[Moments]], Sequence[Moments]]
"""From the moments that one process has to those that all have that learn together, in the same order everywhere."""


class RunningStatistics(Normalizer):
    """Standardises by the mean and variance of everything `update` has seen.

    The statistics are float64 buffers: saved with the policy, and exact over billions of readings.
    Before the first update they are those of a standard normal, so that `forward` only clips.
    """

    gather: Gather
    """`update` learns from the moments that this makes of those of its batch; see `pool_statistics`."""

    fixed: bool
    """Whether `update` learns nothing any more; see `fix_statistics`."""

    mean: Tensor
    var: Tensor
    count: Tensor

    def __init__(self, size_shape: int | Sequence[int]) -> None:
        super().__init__()
        self.fixed = False
        shape = (size_shape,) if isinstance(size_shape, int) else tuple(size_shape)
        self.register_buffer("mean", torch.zeros(shape, dtype=torch.float64))
        self.register_buffer("var", torch.ones(shape, dtype=torch.float64))
        self.register_buffer("count", torch.zeros((), dtype=torch.float64))
        self.features = shape[-1] if shape else 1
        self.gather = list

    def forward(self, x: Tensor) -> Tensor:
        """clip((x - mean) / sqrt(var + 1e-8), -10, 10), elementwise over (..., *shape)."""
        mean = self.mean.to(x.dtype)
        inverse_std = torch.rsqrt(self.var + _EPSILON).to(x.dtype)
        return ((x - mean) * inverse_std).clamp(-_CLIP, _CLIP)

    def restored(self, x: Tensor) -> Tensor:
        """The readings (..., *shape) that `forward` brings to x, where it does not clip them."""
        return x * torch.sqrt(self.var + _EPSILON).to(x.dtype) + self.mean.to(x.dtype)

    @torch.no_grad()
    def update(self, x: Tensor) -> None:
        """Merge a batch (..., *shape) in; an empty batch changes nothing, and none does once they are `fixed`.

        After the first batch a reading counts as at most 1,000 standard deviations from the mean of those before it, so
        that a single wild one does not decide the scale for good. Pairwise merge of Chan, Golub & LeVeque (1979),
        "Updating Formulae and a Pairwise Algorithm for Computing Sample Variances", eq. 2.1. Raises ValueError on a NaN
        or an infinity, which would otherwise stay in the statistics for ever.
        """
        if self.fixed:
            return
        moments = self.gather([self._moments(self._rows(x).to(torch.float64))])
        if not all(bool(torch.isfinite(batch.mean).all()) for batch in moments):
            raise ValueError("running statistics need finite readings, got a NaN or an infinity")
        for batch in moments:
            if batch.size:
                self._merge(batch)

    def _moments(self, batch: Tensor) -> Moments:
        """Those of readings (B, *shape), none of which counts as too far away."""
        total = batch.sum(dim=0)
        if batch.shape[0] == 0 or not bool(torch.isfinite(total).all()):
            return Moments(batch.shape[0], total, torch.zeros_like(total))
        if self.count > 0:
            # What never varied before has no scale to go by.
            reach = torch.where(self.var > 0, FARTHEST * self.var.sqrt(), math.inf)
            batch = batch.clamp(self.mean - reach, self.mean + reach)
        var, mean = torch.var_mean(batch, dim=0, correction=0)
        return Moments(batch.shape[0], mean, var)

    def _merge(self, batch: Moments) -> None:
        total = self.count + batch.size
        share = batch.size / total
        delta = batch.mean - self.mean
        # On the first batch share = 1, and the initial mean and variance drop out.
        self.var.mul_(1 - share).add_(share * batch.var + delta**2 * share * (1 - share))
        self.mean.add_(delta * share)
        self.count.copy_(total)

    def _rows(self, x: Tensor) -> Tensor:
        """(..., *shape) -> (B, *shape)."""
        shape = self.mean.shape
        leading = x.dim() - len(shape)
        if leading < 0 or x.shape[leading:] != shape:
            raise ValueError(f"statistics of shape {tuple(shape)} got a batch {tuple(x.shape)}")
        return x.reshape(math.prod(x.shape[:leading]), *shape)


class MultiScaleSquash(Normalizer):
    """Shows one quantity coarsely and finely at once: tanh(x * scale_1), tanh(x * scale_2), ...

    A coarse scale says where far from zero, a fine one resolves the last millimetre; neither needs
    data. A scale is one number, or one number per feature. Output features are scale-major: all D
    of the first scale come first.
    """

    scales: Tensor

    def __init__(self, scales: Sequence[Scale], features: int) -> None:
        super().__init__()
        if not scales:
            raise ValueError("MultiScaleSquash needs at least one scale, got none")
        rows = [_per_feature(scale, features) for scale in scales]
        # A constant of the declaration, not learned: it stays out of the state dict.
        self.register_buffer("scales", torch.tensor(rows), persistent=False)  # (K, D)
        self.features = len(rows) * features

    def forward(self, x: Tensor) -> Tensor:
        """(..., D) -> (..., K * D), values in [-1, 1]."""
        return torch.tanh(x.unsqueeze(-2) * self.scales.to(x.dtype)).flatten(-2)

    def update(self, x: Tensor) -> None:
        """Nothing to learn: the scales are declared."""


def pool_statistics(modules: Iterable[nn.Module], gather: Gather) -> None:
    """Let all running statistics among the modules learn from the readings of all processes that learn together.

    Each process then calls `update` with its own batch, as often as the others and in the same order, and all come to
    the same statistics: those of all batches in one process, to rounding.
    """
    for module in modules:
        if isinstance(module, RunningStatistics):
            module.gather = gather


def fix_statistics(modules: Iterable[nn.Module]) -> None:
    """Let all running statistics among the modules stay what they are."""
    for module in modules:
        if isinstance(module, RunningStatistics):
            module.fixed = True


def make_normalizer(squash: Sequence[Scale], features: int) -> Normalizer:
    """Squashing at the given scales, or running statistics where none is given."""
    return MultiScaleSquash(squash, features) if squash else RunningStatistics(features)


def _per_feature(scale: Scale, features: int) -> list[float]:
    values = [float(scale)] * features if isinstance(scale, int | float) else list(scale)
    if len(values) != features:
        raise ValueError(f"a scale needs one number per feature ({features}), got {scale}")
    if not all(math.isfinite(value) and value != 0 for value in values):
        raise ValueError(f"scales must be finite and not zero, got {scale}")
    return values
