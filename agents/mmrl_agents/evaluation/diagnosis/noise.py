"""The gradient noise scale: the batch beyond which larger ones hardly point better."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def noise_scale(gradients: Sequence[Tensor], batch: int) -> float:
    """B = tr(S) / |G|^2 in samples, from the gradients (P,) of batches of so many samples (McCandlish et al. 2018).

    With g the mean of k gradients of b samples, |G|^2 = (k b |g|^2 - b mean |g_i|^2) / (k b - b) and
    tr(S) = (mean |g_i|^2 - |g|^2) / (1 / b - 1 / (k b)) are without bias (appendix A.1). Infinite where the estimate of
    |G|^2 is not above 0: the noise hides the gradient. Raises ValueError for fewer than two gradients.
    """
    if len(gradients) < 2:
        raise ValueError(f"the noise of a gradient needs two of them at least, got {len(gradients)}")
    small = float(torch.stack([gradient.double().square().sum() for gradient in gradients]).mean())
    big = float(torch.stack([gradient.double() for gradient in gradients]).mean(dim=0).square().sum())
    whole = batch * len(gradients)
    signal = (whole * big - batch * small) / (whole - batch)
    noise = (small - big) / (1 / batch - 1 / whole)
    return noise / signal if signal > 0 else math.inf
