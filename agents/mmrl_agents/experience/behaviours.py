"""Ways to act that know nothing, and rollouts of them: what a perception can learn from before any policy.

N is the number of worlds, n some of them, A the shape of an action.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.arrays import Envs
from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl.policy.actor_critic import ActorCritic, Step
from mmrl.policy.among import Among
from mmrl_envs.controllers.impedance import Setpoints
from mmrl_envs.vector_env import RobotVectorEnv

_UP = 2
"""The number of an action that moves a tip up."""
_PULL = 0.5
"""How much further down than evenly drawn a tip moves, in full actions."""


class Behaviour(ABC):
    """Acts whatever is observed."""

    @abstractmethod
    def act(self, rows: int, generator: torch.Generator) -> Tensor:
        """Actions (n, *A) of so many worlds, drawn on the device of the generator."""


class RandomBehaviour(Behaviour):
    """Draws actions evenly from their space."""

    def __init__(self, envs: Envs) -> None:
        self._space: spaces.Space[Any] = envs.single_action_space

    def act(self, rows: int, generator: torch.Generator) -> Tensor:
        space, device = self._space, generator.device
        if isinstance(space, spaces.Discrete):
            return torch.randint(int(space.n), (rows,), generator=generator, device=device)
        assert isinstance(space, spaces.Box)
        low, high = (torch.as_tensor(bound, dtype=torch.float32, device=device) for bound in (space.low, space.high))
        return low + (high - low) * torch.rand((rows, *space.shape), generator=generator, device=device)


class ContactSeeking(RandomBehaviour):
    """Draws actions evenly, and pulls the tip of the robot down, where it meets and presses whatever lies below.

    As the data of Lee et al. 2019, "Making Sense of Vision and Touch", which a random and a contact-seeking policy
    gathered. Raises ValueError for worlds without a tip that actions move.
    """

    def __init__(self, envs: Envs) -> None:
        super().__init__(envs)
        inner = envs.unwrapped
        if not (isinstance(inner, RobotVectorEnv) and isinstance(inner.controller, Setpoints)):
            raise ValueError("contact is sought where actions move the tip of a robot, here they do not: use random")

    def act(self, rows: int, generator: torch.Generator) -> Tensor:
        action = super().act(rows, generator)
        action[:, _UP] = (action[:, _UP] - _PULL).clamp(min=-1.0)
        return action


BEHAVIOURS: Mapping[str, Callable[[Envs], Behaviour]] = MappingProxyType(
    {"random": RandomBehaviour, "contact": ContactSeeking}
)
"""By the word that asks for them."""


class Watching:
    """A policy that perceives while a behaviour acts: `Rollout` takes it in the place of one that decides itself."""

    def __init__(self, policy: ActorCritic, behaviour: Behaviour, generator: torch.Generator) -> None:
        self._policy, self._behaviour, self._generator = policy, behaviour, generator
        self.critic_modalities: Mapping[str, Modality] = policy.critic_modalities
        self.state_size = policy.state_size
        self.update_statistics = policy.update_statistics

    @torch.no_grad()
    def step(
        self,
        obs: Inputs,
        memory: Memory | None,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
        among: Among | None = None,
    ) -> Step:
        """Act without looking; one that remembers looks, for the sake of its memory."""
        rows = next(iter(obs.values())).shape[0]
        action = self._behaviour.act(rows, generator or self._generator)
        state = self._policy.perception(obs, present, memory).memory if self.state_size else None
        return Step(action, torch.zeros(rows, device=action.device), None, state)

    def value(self, obs: Inputs, *, present: Presence | None = None, memory: Memory | None = None) -> Tensor:
        """Nothing is expected of anything, (B,)."""
        reading = next(iter(obs.values()))
        return torch.zeros(reading.shape[0], device=reading.device)
