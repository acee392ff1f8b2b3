"""The actor-critic: senses in, an action distribution and a value out.

Shapes: B rows, A the action's shape (empty for discrete actions). An observation is a dict of tensors
(B, *window_shape) keyed by modality, images uint8.

With a recurrent fusion the rows are T consecutive steps of N worlds, step by step (row t * N + n),
and M numbers are carried from step to step.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple, cast

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.distributions import Distribution

from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl.normalization import FARTHEST
from mmrl.perception import Perception, Seen
from mmrl.policy.among import Among
from mmrl.policy.config import PolicyConfig
from mmrl.policy.heads import build_action_head, make_critic, make_trunk
from mmrl.policy.older_weights import leave_out_weights, rename_older_weights
from mmrl.policy.penalty import LpPenalty
from mmrl.representation import Objective, ObjectiveConfig

_RETURN_STEP = 0.3  # weight of the newest rollout in the scale of returns
_RETURN_STD_MIN = 1e-3

_USUAL = PolicyConfig()
NO_SENSES: Mapping[str, Modality] = MappingProxyType({})
NO_OBJECTIVES: Mapping[str, ObjectiveConfig] = MappingProxyType({})

# Where weights of older versions were, and where they are.
_OLDER_NAMES = (
    ("encoders.", "perception.encoders."),
    ("fusion.", "perception.fusion."),
    ("critic_encoders.", "critic_perception.encoders."),
    ("critic_fusion.", "critic_perception.fusion."),
    ("privileged_statistics.", "critic_perception.encoders./privileged.normalizer."),
    ("privileged_statistics.", "objectives.state.normalizer."),
    ("state_head.", "objectives.state.head."),
)


class Step(NamedTuple):
    """The results of acting."""

    action: Tensor
    """Actions (B, *A), not clipped."""
    log_prob: Tensor
    """Their log-probabilities (B,)."""
    value: Tensor | None
    """Expected returns (B,); None where the critic has senses of its own, which nobody needs to act."""
    state: Tensor | None
    """The memory after the last step, (N, M); None without a recurrent fusion."""


class Evaluation(NamedTuple):
    """The figures of a batch that training needs."""

    log_prob: Tensor
    """Log-probability of the action taken, (B,)."""
    entropy: Tensor
    """Entropy of the action distribution, (B,)."""
    value: Tensor
    """Expected return, (B,)."""
    seen: Seen
    """The batch as the actor's perception sees it."""


class ActorCritic(nn.Module):
    """A policy over declared senses, any of which may be absent, and its critic.

    With senses of its own the critic reads those in place of the actor's (Pinto et al. 2017, "Asymmetric Actor Critic
    for Image-Based Robot Learning"): they stand beside the actor's in an observation, and acting needs none of them.
    Without any it shares the actor's perception, unless `separate_critic` gives it one of its own. Objectives learn
    from what the actor's perception sees; acting uses nothing of theirs either.

    `present` is as in `Perception`; the critic's own senses are always there. A missing or unknown sense and a wrong
    shape raise ValueError, but for `evaluate_actions`, which trusts the rollout.

    With a recurrent fusion whatever reads the senses needs a `Memory`, and is refused without one.

    Args:
        modalities: the senses of the actor by name.
        action_space: what it acts in.
        config: sizes of the networks.
        critic_modalities: the critic's own senses by name; without any it reads the actor's.
        objectives: what the encoders learn from besides, by name.
    """

    value_mean: Tensor
    value_std: Tensor

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        action_space: spaces.Box | spaces.Discrete,
        config: PolicyConfig = _USUAL,
        critic_modalities: Mapping[str, Modality] = NO_SENSES,
        objectives: Mapping[str, ObjectiveConfig] = NO_OBJECTIVES,
    ) -> None:
        super().__init__()
        self.modalities, self.critic_modalities = dict(modalities), dict(critic_modalities)
        self.perception = _perceive(modalities, config)
        self.state_size = self.perception.state_size
        self.penalty = LpPenalty(config.penalty, config.penalty_power)
        width, experts = self.perception.width, self.perception.experts
        actor_sizes = (width, *config.actor_hidden)
        self.actor = make_trunk(actor_sizes, experts)
        self.head = build_action_head(config.head, action_space, actor_sizes[-1], config.log_std_init, experts)
        self.objectives = nn.ModuleDict(
            {
                name: objective.begin(self.perception, self.senses, spaces.flatdim(action_space))
                for name, objective in objectives.items()
            }
        )
        self.objective_weights = {name: objective.weight for name, objective in objectives.items()}
        own = _perceive_all(critic_modalities, config) if critic_modalities else None
        if own is not None:
            width, experts = own.width, own.experts
        self.critic = make_critic((width, *config.critic_hidden), experts)
        self.register_buffer("value_mean", torch.zeros(()))
        self.register_buffer("value_std", torch.ones(()))
        if config.separate_critic:
            _require_separable(config, critic_modalities, self.state_size)
            own = _perceive(modalities, config)  # after the critic: the order of draws is that of older trainings
        self.critic_perception = own
        rename_older_weights(self, _OLDER_NAMES)
        leave_out_weights(self, "objectives.", kept=objectives)

    @property
    def senses(self) -> dict[str, Modality]:
        """All senses by name, those of the critic last."""
        return {**self.modalities, **self.critic_modalities}

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def critic_parameters(self) -> list[nn.Parameter]:
        """The parameters of the critic alone."""
        parts = (self.critic, self.critic_perception)
        return [parameter for part in parts if part is not None for parameter in part.parameters()]

    @torch.no_grad()
    def act(
        self,
        obs: Inputs,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """`step` of a policy that remembers nothing, without the critic: actions (B, *A), log-probabilities (B,)."""
        return self._decide(self._see(obs, present, None).fused, deterministic, generator)

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
        """Act without gradients.

        Deterministic actions are the mean, or the most probable choice. Others are drawn with
        `generator` (on the policy's device), by default torch's global one, with numbers for the rows `among`
        which these are. None is clipped.
        """
        seen = self._see(obs, present, memory)
        action, log_prob = self._decide(seen.fused, deterministic, generator, among)
        value = None if self.critic_modalities else self._value(self._read_by_critic(obs, present, seen))
        return Step(action, log_prob, value, seen.memory)

    def value(self, obs: Inputs, *, present: Presence | None = None, memory: Memory | None = None) -> Tensor:
        """Expected return (B,); a critic with senses of its own reads nothing else of `obs`."""
        if self.critic_perception is None:
            return self._value(self._see(obs, present, memory).fused)
        self.critic_perception.require(obs, present, self.senses)
        return self._value(self._seen_by_critic(self.critic_perception, obs, present))

    def evaluate_actions(
        self,
        obs: Inputs,
        action: Tensor,
        *,
        present: Presence | None = None,
        memory: Memory | None = None,
    ) -> Evaluation:
        """The policy's view of actions (B, *A) taken in given states, with gradients; shapes are not checked again."""
        seen = self.perception(obs, present, memory)
        distribution: Distribution = self.head(self.actor(seen.fused))
        log_prob, entropy = distribution.log_prob(action), distribution.entropy()
        return Evaluation(log_prob, entropy, self._value(self._read_by_critic(obs, present, seen)), seen)

    def distribution(self, obs: Inputs, present: Presence | None = None, memory: Memory | None = None) -> Distribution:
        """Actions given the senses: independent Gaussians over (*A), or a Categorical."""
        distribution: Distribution = self.head(self.actor(self._see(obs, present, memory).fused))
        return distribution

    @torch.no_grad()
    def update_statistics(self, obs: Inputs, *, present: Presence | None = None) -> None:
        """Let every normaliser learn from new readings, each to be shown once, during a rollout.

        Rows in which a sense is absent teach it nothing. ValueError on NaN or infinity.
        """
        self.perception.require(obs, present, self.senses)
        self.perception.update_statistics(obs, present)
        if self.critic_perception is not None:
            self.critic_perception.update_statistics(obs, self._masks_of_critic(present))
        for objective in self.objectives.values():
            cast(Objective, objective).update_statistics(obs)

    @torch.no_grad()
    def follow_returns(self, returns: Tensor) -> None:
        """Put the critic on the scale of new returns (any shape), its values staying what they were.

        Nothing happens where a return is not finite. One that is more than 1,000 standard deviations from the mean so
        far counts as if it were there, so that the scale outgrows it.

        The critic's network predicts returns less their mean, in standard deviations, so that it can tell states apart
        however little their returns differ. Mean and deviation are those of recent returns; the last layer is adjusted
        for the change: PopArt, van Hasselt et al. 2016, "Learning Values Across Many Orders of Magnitude", eq. 6.
        """
        if not torch.isfinite(returns).all():
            return  # one NaN would stay in the scale for ever
        # In 64 bits: a square may be more than 32 hold.
        before, std = self.value_mean.double(), self.value_std.double()
        returns = returns.double().clamp(before - FARTHEST * std, before + FARTHEST * std)
        mean = before + _RETURN_STEP * (returns.mean() - before)
        second_moment = before**2 + std**2
        second_moment = second_moment + _RETURN_STEP * (returns.square().mean() - second_moment)
        scale = (second_moment - mean**2).clamp(min=_RETURN_STD_MIN**2).sqrt()
        last = cast(nn.Linear, self.critic[-1])
        last.weight.mul_(std / scale)
        last.bias.mul_(std).add_(before - mean).div_(scale)
        self.value_mean.copy_(mean)
        self.value_std.copy_(scale)

    def _decide(
        self, fused: Tensor, deterministic: bool, generator: torch.Generator | None, among: Among | None = None
    ) -> tuple[Tensor, Tensor]:
        distribution: Distribution = self.head(self.actor(fused))
        action = distribution.mode if deterministic else self.head.sample(distribution, generator, among)
        return action, distribution.log_prob(action)

    def _see(self, obs: Inputs, present: Presence | None, memory: Memory | None) -> Seen:
        self.perception.require(obs, present, self.senses)
        seen: Seen = self.perception(obs, present, memory)
        return seen

    def _read_by_critic(self, obs: Inputs, present: Presence | None, seen: Seen) -> Tensor:
        """The batch as the actor sees it, or as the critic does where it has a perception of its own."""
        if self.critic_perception is None:
            return seen.fused
        return self._seen_by_critic(self.critic_perception, obs, present)

    def _seen_by_critic(self, perception: Perception, obs: Inputs, present: Presence | None) -> Tensor:
        fused: Tensor = perception(obs, self._masks_of_critic(present)).fused
        return fused

    def _masks_of_critic(self, present: Presence | None) -> Presence | None:
        """Its own senses are never taken away."""
        return None if self.critic_modalities else present

    def _value(self, critic_input: Tensor) -> Tensor:
        value: Tensor = self.critic(critic_input).squeeze(-1)
        # Autocast leaves fewer digits than a return needs.
        return value.to(next(self.parameters()).dtype) * self.value_std + self.value_mean


def _perceive(modalities: Mapping[str, Modality], config: PolicyConfig) -> Perception:
    return Perception(modalities, config.fusion, config.fused_features, config.fusion_options)


def _perceive_all(modalities: Mapping[str, Modality], config: PolicyConfig) -> Perception:
    """A single sense of a critic as it is encoded, several side by side."""
    features = 0 if len(modalities) == 1 else config.fused_features or PolicyConfig.fused_features
    return Perception(modalities, features=features)


def _require_separable(config: PolicyConfig, critic_modalities: Mapping[str, Modality], state_size: int) -> None:
    if critic_modalities:
        named = ", ".join(critic_modalities)
        raise ValueError(f"separate_critic is set, but the critic has senses of its own, {named}, and shares nothing")
    if state_size:
        raise ValueError(f"separate_critic is set, but {config.fusion} remembers, and one memory is carried")
