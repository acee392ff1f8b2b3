"""Fusions of decisions: what each sense would do is settled first.

E is the number of experts, H the `features` asked for. The joint vector holds the vectors of all experts side by side,
(B, E * (H + 1)), each followed by a 1, or by a 0 where the expert is absent and its vector zeros. Actor and critic keep
them apart, and the heads of `mmrl.policy.heads` join their decisions: a product of Gaussians for continuous actions, a
mixture of logits for discrete ones, a sum of values.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from mmrl.fusion.base import NO_OPTIONS, Encodings, Fusion, FusionOptions, Size, project, sense_key
from mmrl.fusion.simple import ConcatFusion
from mmrl.inputs import Presence


class LateFusion(Fusion):
    """Late fusion (Baltrusaitis et al. 2019): a policy head for each sense, whose decisions are joined.

    "Multimodal Machine Learning: A Survey and Taxonomy", sec. 6.1. Nothing one sense tells changes what another
    contributes. An absent sense has no say; without any, a learned prior decides.
    """

    def __init__(self, sizes: Mapping[str, Size], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        """`features` are those of each expert."""
        super().__init__(sizes, features)
        self.experts = len(sizes)
        self.features = self.experts * (features + 1)
        self.projections = nn.ModuleDict({sense_key(name): project(n, features) for name, n in self.sizes.items()})

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        """Encodings (B, D_s) by sense: (B, E * (H + 1))."""
        vectors = []
        for name, (part, mask) in self.masked(features, present).items():
            vector = self.projections[sense_key(name)](part)
            vectors += [torch.where(mask, vector, 0), mask.to(vector.dtype)]
        return torch.cat(vectors, dim=1)


class HybridFusion(Fusion):
    """Hybrid fusion (Baltrusaitis et al. 2019): late fusion with one expert more, which sees all senses joined.

    "Multimodal Machine Learning: A Survey and Taxonomy", sec. 6.1. The last expert reads the concatenation of the
    senses (`concat`), with a learned vector for an absent one; it is absent where no sense is present.
    """

    def __init__(self, sizes: Mapping[str, Size], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        """`features` are those of each expert."""
        super().__init__(sizes, features)
        self.single = LateFusion(sizes, features)
        self.joint = ConcatFusion(self.sizes, features)
        self.experts = len(sizes) + 1
        self.features = self.experts * (features + 1)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        """Encodings (B, D_s) by sense: (B, E * (H + 1))."""
        masks = [mask for _, mask in self.masked(features, present).values()]
        anything = torch.cat(masks, dim=1).any(dim=1, keepdim=True)
        joint = self.joint(features, present)
        return torch.cat(
            [self.single(features, present), torch.where(anything, joint, 0), anything.to(joint.dtype)], dim=1
        )
