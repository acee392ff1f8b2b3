"""The contract of a policy that a rollout is collected with.

Shapes: n worlds, B rows, as in `mmrl.policy.actor_critic`.
"""

from collections.abc import Mapping
from typing import Protocol

import torch
from torch import Tensor

from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl.policy.actor_critic import Step
from mmrl.policy.among import Among


class RolloutPolicy(Protocol):
    """A policy as a rollout needs it; `ActorCritic` says what each does."""

    @property
    def critic_modalities(self) -> Mapping[str, Modality]: ...

    @property
    def state_size(self) -> int: ...

    def step(
        self,
        obs: Inputs,
        memory: Memory | None,
        *,
        present: Presence | None,
        generator: torch.Generator | None,
        among: Among | None,
    ) -> Step: ...

    def value(self, obs: Inputs, *, present: Presence | None, memory: Memory | None) -> Tensor: ...

    def update_statistics(self, obs: Inputs, *, present: Presence | None) -> None: ...
