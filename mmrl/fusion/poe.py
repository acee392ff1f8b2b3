"""Fusion by multiplying what each sense believes."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.layers import spread_keeping_
from mmrl.fusion.base import NO_OPTIONS, Encodings, Fusion, FusionOptions, sense_key
from mmrl.inputs import Presence

_VARIANCE_MIN = 1e-8  # Lee et al. 2019, released code


class ProductOfExpertsFusion(Fusion):
    """Product of Gaussian experts with the unit prior (Hinton 2002; for senses Wu & Goodman 2018, Lee et al. 2019).

    Each sense gives means m_s and variances v_s of D latent numbers, the prior N(0, 1) is one expert more. The joint
    vector is the mean of their product, sum_s(m_s / v_s) / (1 + sum_s 1 / v_s): Wu & Goodman, "Multimodal Generative
    Models for Scalable Weakly-Supervised Learning", sec. 2.2. It is not sampled, so that the probability of an action
    can be found again. An absent sense is no expert.
    """

    def __init__(self, sizes: Mapping[str, int], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features)
        self.beliefs = nn.ModuleDict({sense_key(name): nn.Linear(size, 2 * features) for name, size in sizes.items()})
        for layer in self.beliefs.values():
            assert isinstance(layer, nn.Linear)
            # Were the means of each expert small, the prior's 0 would drown what they say.
            spread_keeping_(layer)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        mean, _ = self.posterior(features, present)
        return mean

    def posterior(self, features: Encodings, present: Presence | None = None) -> tuple[Tensor, Tensor]:
        """Mean and variance (B, D) of the product of the experts that are present and the prior."""
        precision, weighted = [], []
        for name, (part, mask) in self.masked(features, present).items():
            mean, spread = self.beliefs[sense_key(name)](part).chunk(2, dim=1)
            variance = functional.softplus(spread) + _VARIANCE_MIN
            precision.append(torch.where(mask, 1 / variance, 0))
            weighted.append(torch.where(mask, mean / variance, 0))
        total = 1 + torch.stack(precision).sum(dim=0)
        return torch.stack(weighted).sum(dim=0) / total, 1 / total
