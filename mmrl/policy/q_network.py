"""The Q network: senses and a choice of action in, the expected return of that choice out.

Shapes: B rows, K choices, A the action's shape, E numbers that say to the network which choice is meant, D features of
the joint vector of the senses, M = R K numbers that tell the R newest choices.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import singledispatch
from typing import Any, NamedTuple, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn

from mmrl.inputs import Inputs, Memory, Presence, require_memory
from mmrl.modality import Modality
from mmrl.normalization import RunningStatistics
from mmrl.perception import Perception
from mmrl.policy.actor_critic import NO_OBJECTIVES, NO_SENSES
from mmrl.policy.config import PolicyConfig
from mmrl.policy.heads import make_critic
from mmrl.policy.older_weights import leave_out_weights
from mmrl.representation import ObjectiveConfig

MOST_CHOICES = 1024
_STD_MIN = 1e-3  # of the returns that are learned from, below which they count as equal


@dataclass(frozen=True, eq=False)
class Choices:
    """The actions that a policy chooses among."""

    actions: Tensor
    """As an environment takes them, (K, *A)."""
    described: Tensor
    """As a network reads them, (K, E)."""


@singledispatch
def choices_of(space: spaces.Space[Any], levels: Sequence[float]) -> Choices:
    """The choices that an action space leaves: its own, or all combinations of `levels` in each of its numbers.

    ValueError for a space of another kind, for levels that it does not contain, and for more than 1,024 combinations.
    """
    raise ValueError(f"action space must be a Box of floats or Discrete, got {space}")


@choices_of.register
def _(space: spaces.Discrete, levels: Sequence[float]) -> Choices:
    if space.start != 0:
        raise ValueError(f"a Discrete action space must start at 0, got {space}")
    return Choices(torch.arange(int(space.n)), torch.eye(int(space.n)))


@choices_of.register
def _(space: spaces.Box, levels: Sequence[float]) -> Choices:
    numbers = math.prod(space.shape)
    if len(levels) ** numbers > MOST_CHOICES:
        raise ValueError(
            f"{len(levels)} levels in each of {numbers} numbers are {len(levels) ** numbers:,} choices, more than "
            f"{MOST_CHOICES:,}: give fewer levels"
        )
    low, high = float(np.max(space.low)), float(np.min(space.high))
    if not all(low <= level <= high for level in levels):
        raise ValueError(f"levels must lie in the action space, {low:g} to {high:g}, got {tuple(levels)}")
    flat = torch.tensor(list(itertools.product(levels, repeat=numbers)), dtype=torch.float32)
    return Choices(flat.view(-1, *space.shape), flat)


class Chosen(NamedTuple):
    """The results of acting."""

    action: Tensor
    """Actions (B, *A)."""
    state: Tensor | None
    """The newest choices afterwards, (B, M); None where none is remembered."""


class QNetwork(nn.Module):
    """Q(s, a), with the action as an input (Riedmiller 2005, "Neural Fitted Q Iteration").

    A state s is what the senses come to, standardised, and, if `remembered` is not 0, the newest choices, which worlds
    that answer late have not shown yet. The best choice is the one with the highest value. Objectives learn from what
    is perceived; acting uses nothing of theirs.

    Args:
        modalities: the senses by name.
        choices: the actions there are.
        config: sizes of the networks, those of the critic for Q.
        remembered: R, how many of the newest choices belong to the state.
        objectives: what the encoders learn from besides, by name.
    """

    critic_modalities: Mapping[str, Modality] = NO_SENSES

    actions: Tensor
    described: Tensor
    value_mean: Tensor
    value_std: Tensor
    epsilon: Tensor

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        choices: Choices,
        config: PolicyConfig,
        remembered: int = 0,
        objectives: Mapping[str, ObjectiveConfig] = NO_OBJECTIVES,
    ) -> None:
        super().__init__()
        self.modalities = dict(modalities)
        self.perception = Perception(modalities, config.fusion, config.fused_features, config.fusion_options)
        if self.perception.state_size:
            raise ValueError(f"a Q network remembers no senses, so that fusion {config.fusion!r} is none for it")
        self.register_buffer("actions", choices.actions, persistent=False)
        self.register_buffer("described", choices.described, persistent=False)
        self.state_size = remembered * len(choices.actions)
        self.normalizer = RunningStatistics(self.perception.features)
        inputs = self.perception.features + self.state_size + choices.described.shape[1]
        self.critic = make_critic((inputs, *config.critic_hidden), None)
        nn.init.zeros_(cast(nn.Linear, self.critic[-1]).weight)  # nothing is expected of anything at first
        self.register_buffer("value_mean", torch.zeros(()))
        self.register_buffer("value_std", torch.ones(()))
        self.register_buffer("epsilon", torch.ones(()))
        self.objectives = nn.ModuleDict(
            {
                name: objective.begin(self.perception, self.modalities, choices.described.shape[1])
                for name, objective in objectives.items()
            }
        )
        self.objective_weights = {name: objective.weight for name, objective in objectives.items()}
        leave_out_weights(self, "objectives.", kept=objectives)

    @torch.no_grad()
    def step(
        self,
        obs: Inputs,
        memory: Memory | None,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> Chosen:
        """Take the best choice, or else, in a share `epsilon` of the rows, any."""
        self.perception.require(obs, present)
        seen = self.see(obs, present)
        newest = self._newest(memory, len(seen))
        best = self.values(seen, newest).argmax(dim=1)
        choice = best if deterministic else self.explored(best, generator)
        return Chosen(self.actions[choice], self.remember(newest, choice) if self.state_size else None)

    def see(self, obs: Inputs, present: Presence | None = None) -> Tensor:
        """The joint vector (B, D) of readings (B, *window_shape), gradients included; it trusts their shapes."""
        seen: Tensor = self.perception(obs, present).fused
        return seen

    def values(self, seen: Tensor, newest: Tensor) -> Tensor:
        """The values (B, K) of all choices in states of joint vectors (B, D) and newest choices (B, M)."""
        state = self._states(seen, newest).unsqueeze(1).expand(-1, len(self.described), -1)
        described = self.described.unsqueeze(0).expand(len(state), -1, -1)
        return self._scaled(torch.cat([state, described], dim=2))

    def values_of(self, seen: Tensor, newest: Tensor, choice: Tensor) -> Tensor:
        """The values (B,) of one choice (B,) in each state."""
        return self._scaled(torch.cat([self._states(seen, newest), self.described[choice]], dim=1))

    def explored(self, choice: Tensor, generator: torch.Generator | None) -> Tensor:
        """Choices (B,), a share `epsilon` of them replaced by any."""
        device = choice.device
        drawn = torch.rand(choice.shape, generator=generator, device=device)
        other = torch.randint(len(self.actions), choice.shape, generator=generator, device=device)
        return torch.where(drawn < self.epsilon, other, choice)

    def remember(self, newest: Tensor, choice: Tensor) -> Tensor:
        """The newest choices (B, M) once another one (B,) has been taken."""
        if not self.state_size:
            return newest
        taken = nn.functional.one_hot(choice, len(self.actions)).to(newest.dtype)
        return torch.cat([newest[:, len(self.actions) :], taken], dim=1)

    def first(self, rows: int) -> Tensor:
        """The newest choices (B, M) where there was none yet."""
        return torch.zeros(rows, self.state_size, device=self.actions.device)

    @torch.no_grad()
    def follow_targets(self, targets: Tensor) -> None:
        """Let the network predict targets (any shape) less their mean, in their deviations; no value changes by it.

        Where all targets are equal, all values become that: nothing else would be on the scale of no deviation.
        """
        std, mean = torch.std_mean(targets.double(), correction=0)
        last = cast(nn.Linear, self.critic[-1])
        if std < _STD_MIN:
            nn.init.zeros_(last.weight)
            nn.init.zeros_(last.bias)
            std = std.clamp(min=_STD_MIN)
        else:
            last.weight.mul_(self.value_std / std)
            last.bias.mul_(self.value_std).add_(self.value_mean - mean).div_(std)
        self.value_mean.copy_(mean)
        self.value_std.copy_(std)

    def _newest(self, memory: Memory | None, rows: int) -> Tensor:
        """The newest choices (B, M) of worlds that take one step."""
        if not self.state_size:
            return self.first(rows)
        state, start = require_memory(memory, rows, self.state_size)
        return torch.where(start.view(-1, 1), 0, state)

    def _states(self, seen: Tensor, newest: Tensor) -> Tensor:
        return torch.cat([self.normalizer(seen), newest], dim=1)

    def _scaled(self, inputs: Tensor) -> Tensor:
        values: Tensor = self.critic(inputs).squeeze(-1) * self.value_std + self.value_mean
        return values
