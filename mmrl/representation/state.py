"""The read-out of the state: what only the critic knows, read off what the actor sees.

B rows, D features of the joint vector, P numbers of the state.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mmrl.inputs import Inputs
from mmrl.modality import Modality
from mmrl.normalization import RunningStatistics
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, Objective, ObjectiveConfig


@dataclass(frozen=True)
class StateReadOut(ObjectiveConfig):
    """The squared error of a linear read-out of the critic's state from the joint vector of the senses."""

    sense: str = "privileged"
    """The sense of the critic that is read off."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        if self.sense not in senses or self.sense in perception.modalities:
            hidden = ", ".join(name for name in senses if name not in perception.modalities) or "none"
            raise ValueError(
                f"objective 'state' reads off {self.sense!r}, which must be a sense of the critic alone; "
                f"the critic here has {hidden}; state=null leaves the objective out"
            )
        return LinearReadOut(self.sense, perception.features, math.prod(senses[self.sense].window_shape))


class LinearReadOut(Objective):
    """The mean squared error of W h + b, h the joint vector (B, D), from a sense (B, P) by its mean and deviation.

    It teaches encoders what there is to see (Jaderberg et al. 2017, "Reinforcement Learning with Unsupervised Auxiliary
    Tasks"). Acting uses nothing of it.
    """

    def __init__(self, sense: str, features: int, numbers: int) -> None:
        super().__init__()
        self.sense = sense
        self.head = nn.Linear(features, numbers)
        self.normalizer = RunningStatistics(numbers)

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        state = self.normalizer(batch.observations[self.sense].flatten(1).to(self.head.weight.dtype))
        error: Tensor = (self.head(seen.fused) - state).square().mean(dim=1)
        return error.mean()

    def update_statistics(self, observations: Inputs) -> None:
        if self.sense in observations:
            self.normalizer.update(observations[self.sense].flatten(1))
