"""The actor-critic: senses in, an action distribution and a value out.

Shapes: B rows, A the action's shape (empty for discrete actions), P the size of the privileged
vector. An observation is a dict of tensors (B, *window_shape) keyed by modality, images uint8.

With a recurrent fusion the rows are T consecutive steps of N worlds, step by step (row t * N + n),
and M numbers are carried from step to step.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple, cast

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.distributions import Distribution

from mmrl.documents import fit
from mmrl.encoders import Encoder
from mmrl.fusion import NO_OPTIONS, Fusion, RecurrentFusion, Unfused, find_fusion, sense_key
from mmrl.heads import LOG_STD_MIN, build_action_head, make_critic, make_trunk
from mmrl.inputs import Memory as Memory
from mmrl.inputs import Observation as Observation
from mmrl.inputs import Presence as Presence
from mmrl.inputs import blanked, require_memory, require_observation
from mmrl.modality import Modality
from mmrl.modality.declaration import MOST_UNITS
from mmrl.normalization import FARTHEST, RunningStatistics
from mmrl.settings import Settings

_RETURN_STEP = 0.3  # weight of the newest rollout in the scale of returns
_RETURN_STD_MIN = 1e-3
_DEFAULT_FUSION = "concat"


@dataclass(frozen=True)
class PolicyConfig:
    """Sizes of the networks behind the encoders."""

    fusion: str = _DEFAULT_FUSION
    """How the senses are joined, a name in `mmrl.fusion.FUSIONS`."""
    fusion_options: Settings = field(default_factory=dict)
    """Options of that fusion by name, such as rank=8; docs/fusion.md lists them."""
    fused_features: int = 128
    """Size of the joint vector of all senses, or of each of those that stay side by side; 0 takes the encoding of an
    only sense as it is, without fusion."""
    actor_hidden: tuple[int, ...] = (128,)
    """Sizes of the hidden layers between the joint vector and the action."""
    critic_hidden: tuple[int, ...] = (128, 128)
    """Sizes of the hidden layers of the critic."""
    separate_critic: bool = False
    """Give the critic encoders and a fusion of its own in place of the actor's."""
    log_std_init: float = -1.0
    """Initial logarithm of the standard deviation of continuous actions."""
    head: str = "auto"
    """What turns the actor's last layer into actions, a name in `mmrl.heads.ACTION_HEADS`."""

    def __post_init__(self) -> None:
        fit(self, "policy.")
        hidden = (*self.actor_hidden, *self.critic_hidden)
        if not all(1 <= size <= MOST_UNITS for size in hidden):
            raise ValueError(f"layer sizes must lie in 1..{MOST_UNITS}, got {hidden}")
        if not 0 <= self.fused_features <= MOST_UNITS:
            raise ValueError(f"fused_features must lie in 0..{MOST_UNITS}, got {self.fused_features}")
        if self.fused_features == 0 and (self.fusion != _DEFAULT_FUSION or self.fusion_options):
            asked = self.fusion if self.fusion != _DEFAULT_FUSION else f"the options {dict(self.fusion_options)}"
            raise ValueError(
                f"nothing is fused where fused_features is 0, which leaves no place for {asked}: "
                "give fused_features a size, such as 128"
            )
        if not LOG_STD_MIN <= self.log_std_init < math.inf:
            raise ValueError(f"log_std_init must be >= {LOG_STD_MIN}, got {self.log_std_init}")


class Step(NamedTuple):
    """What acting gives."""

    action: Tensor
    """Actions (B, *A), not clipped."""
    log_prob: Tensor
    """Their log-probabilities (B,)."""
    value: Tensor | None
    """Expected returns (B,); None where the critic reads a privileged vector instead of the senses."""
    state: Tensor | None
    """What is remembered after the last step, (N, M); None without a recurrent fusion."""


class Evaluation(NamedTuple):
    """What training needs to know of a batch, each (B,)."""

    log_prob: Tensor
    """Log-probability of the action taken."""
    entropy: Tensor
    """Entropy of the action distribution."""
    value: Tensor
    """Expected return."""
    state_error: Tensor | None
    """Mean squared error of the privileged vector (normalised) as read from the joint vector of the senses.

    None without a privileged vector."""


class ActorCritic(nn.Module):
    """A policy over declared senses, any of which may be absent, and its critic.

    With `privileged_size` P > 0 the critic reads a privileged vector in place of the senses
    (Pinto et al. 2017, "Asymmetric Actor Critic for Image-Based Robot Learning"); without, it
    shares encoders and fusion with the actor, unless `separate_critic` gives it its own, and
    ignores any privileged vector. A linear head
    reads the privileged vector off the fused senses; its error is an auxiliary loss that teaches
    encoders what there is to see (Jaderberg et al. 2017, "Reinforcement Learning with Unsupervised
    Auxiliary Tasks"). Acting uses neither.

    `present` maps a sense to a bool tensor (B,); a sense without one is present in every row. Only
    a sense that is absent in every row may be missing from the observation. What an absent sense's
    reading holds, NaN included, has no effect. A missing or unknown key and a wrong shape raise
    ValueError.

    With a recurrent fusion whatever reads the senses needs a `Memory`, and is refused without one.
    """

    value_mean: Tensor
    value_std: Tensor

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        action_space: spaces.Box | spaces.Discrete,
        config: PolicyConfig = PolicyConfig(),
        privileged_size: int = 0,
    ) -> None:
        super().__init__()
        if privileged_size < 0:
            raise ValueError(f"privileged_size must be >= 0, got {privileged_size}")
        self.privileged_size = privileged_size
        self.modalities = dict(modalities)
        self._shapes = {name: sense.window_shape for name, sense in modalities.items()}
        fusion, options = find_fusion(config.fusion, config.fusion_options)
        if config.fused_features == 0:
            fusion, options = Unfused, NO_OPTIONS
        encoders = fusion.make_encoders(modalities, options)
        self.encoders = nn.ModuleDict({sense_key(name): encoder for name, encoder in encoders.items()})
        sizes = {name: encoder.size for name, encoder in encoders.items()}
        self.fusion = fusion(sizes, config.fused_features, options)
        self.state_size = self.fusion.state_size if isinstance(self.fusion, RecurrentFusion) else 0
        experts = self.fusion.experts
        fused = config.fused_features or self.fusion.features
        actor_sizes = (fused, *config.actor_hidden)
        self.actor = make_trunk(actor_sizes, experts)
        self.head = build_action_head(config.head, action_space, actor_sizes[-1], config.log_std_init, experts)
        self.privileged_statistics = RunningStatistics(privileged_size) if privileged_size else None
        self.state_head = nn.Linear(self.fusion.features, privileged_size) if privileged_size else None
        critic_sizes = (privileged_size or fused, *config.critic_hidden)
        self.critic = make_critic(critic_sizes, None if privileged_size else experts)
        self.register_buffer("value_mean", torch.zeros(()))
        self.register_buffer("value_std", torch.ones(()))
        self.critic_encoders: nn.ModuleDict | None = None
        self.critic_fusion: Fusion | None = None
        if config.separate_critic:
            if privileged_size:
                raise ValueError("separate_critic is set, but the critic reads a privileged vector and shares nothing")
            if self.state_size:
                raise ValueError(f"separate_critic is set, but {config.fusion} remembers, and one memory is carried")
            own = fusion.make_encoders(modalities, options)
            self.critic_encoders = nn.ModuleDict({sense_key(name): encoder for name, encoder in own.items()})
            self.critic_fusion = fusion(sizes, config.fused_features, options)

    @property
    def num_parameters(self) -> int:
        return sum(parameter.numel() for parameter in self.parameters())

    def critic_parameters(self) -> list[nn.Parameter]:
        """What is the critic's alone."""
        parts = (self.critic, self.critic_encoders, self.critic_fusion)
        return [parameter for part in parts if part is not None for parameter in part.parameters()]

    @torch.no_grad()
    def act(
        self,
        obs: Observation,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> tuple[Tensor, Tensor]:
        """`step` of a policy that remembers nothing, without the critic: actions (B, *A), log-probabilities (B,)."""
        fused, _ = self._fuse(obs, present, None)
        return self._decide(fused, deterministic, generator)

    @torch.no_grad()
    def step(
        self,
        obs: Observation,
        memory: Memory | None,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> Step:
        """Act without gradients.

        Deterministic actions are the mean, or the most probable choice. Others are drawn with
        `generator` (on the policy's device), by default torch's global one. None is clipped.
        """
        fused, state = self._fuse(obs, present, memory)
        action, log_prob = self._decide(fused, deterministic, generator)
        value = None if self.privileged_size else self._value(self._read_by_critic(obs, present, fused))
        return Step(action, log_prob, value, state)

    def value(
        self,
        obs: Observation,
        privileged: Tensor | None = None,
        *,
        present: Presence | None = None,
        memory: Memory | None = None,
    ) -> Tensor:
        """Expected return (B,); a privileged critic reads `privileged` (B, P) and never `obs`."""
        if self.privileged_statistics is not None:
            return self._value(self._privileged(privileged))
        if self.critic_fusion is not None:
            return self._value(self._fuse_for_critic(obs, present))
        return self._value(self._fuse(obs, present, memory)[0])

    def evaluate_actions(
        self,
        obs: Observation,
        action: Tensor,
        privileged: Tensor | None = None,
        *,
        present: Presence | None = None,
        memory: Memory | None = None,
    ) -> Evaluation:
        """The policy's view of actions (B, *A) taken in given states, with gradients."""
        fused, _ = self._fuse(obs, present, memory)
        distribution: Distribution = self.head(self.actor(fused))
        log_prob, entropy = distribution.log_prob(action), distribution.entropy()
        if self.state_head is None:
            return Evaluation(log_prob, entropy, self._value(self._read_by_critic(obs, present, fused)), None)
        state = self._privileged(privileged)
        error = (self.state_head(fused) - state).square().mean(dim=1)
        return Evaluation(log_prob, entropy, self._value(state), error)

    def distribution(
        self, obs: Observation, present: Presence | None = None, memory: Memory | None = None
    ) -> Distribution:
        """Actions given the senses: independent Gaussians over (*A), or a Categorical."""
        distribution: Distribution = self.head(self.actor(self._fuse(obs, present, memory)[0]))
        return distribution

    @torch.no_grad()
    def update_statistics(
        self,
        obs: Observation,
        privileged: Tensor | None = None,
        *,
        present: Presence | None = None,
    ) -> None:
        """Let every normaliser learn from new readings, each to be shown once, during a rollout.

        Rows in which a sense is absent teach it nothing. ValueError on NaN or infinity.
        """
        present = require_observation(obs, present, self._shapes)
        for name, reading in obs.items():
            seen = reading[present[name]] if name in present else reading
            try:
                for encoders in (self.encoders, self.critic_encoders):
                    if encoders is not None:
                        _encoder(encoders, name).update_statistics(seen)
            except ValueError as error:
                raise ValueError(f"observation {name!r}: {error}") from error
        if self.privileged_statistics is not None and privileged is not None:
            self.privileged_statistics.update(privileged)

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

    def _decide(self, fused: Tensor, deterministic: bool, generator: torch.Generator | None) -> tuple[Tensor, Tensor]:
        distribution: Distribution = self.head(self.actor(fused))
        action = distribution.mode if deterministic else self.head.sample(distribution, generator)
        return action, distribution.log_prob(action)

    def _fuse(self, obs: Observation, present: Presence | None, memory: Memory | None) -> tuple[Tensor, Tensor | None]:
        present = require_observation(obs, present, self._shapes)
        encodings = self._encode(self.encoders, obs, present)
        if not isinstance(self.fusion, RecurrentFusion):
            return self.fusion(encodings, present), None
        rows = next(x.shape[0] for x in (*encodings.values(), *present.values()))
        state, start = require_memory(memory, rows, self.state_size)
        steps = {name: x.unflatten(0, start.shape) for name, x in encodings.items()}
        masks = {name: mask.unflatten(0, start.shape) for name, mask in present.items()}
        fused, state = self.fusion.unroll(steps, masks, state, start)
        return fused.flatten(0, 1), state

    def _read_by_critic(self, obs: Observation, present: Presence | None, fused: Tensor) -> Tensor:
        """The actor's joint vector of the senses, or the critic's where it has encoders of its own."""
        return fused if self.critic_fusion is None else self._fuse_for_critic(obs, present)

    def _fuse_for_critic(self, obs: Observation, present: Presence | None) -> Tensor:
        assert self.critic_encoders is not None
        assert self.critic_fusion is not None
        present = require_observation(obs, present, self._shapes)
        fused: Tensor = self.critic_fusion(self._encode(self.critic_encoders, obs, present), present)
        return fused

    def _encode(self, encoders: nn.ModuleDict, obs: Observation, present: Presence) -> dict[str, Tensor]:
        return {
            name: _encoder(encoders, name)(blanked(obs[name], present.get(name)))
            for name in self._shapes
            if name in obs
        }

    def _value(self, critic_input: Tensor) -> Tensor:
        value: Tensor = self.critic(critic_input).squeeze(-1)
        # Autocast leaves fewer digits than a return needs.
        return value.to(next(self.parameters()).dtype) * self.value_std + self.value_mean

    def _privileged(self, privileged: Tensor | None) -> Tensor:
        if privileged is None or privileged.shape[1:] != (self.privileged_size,):
            got = None if privileged is None else tuple(privileged.shape)
            raise ValueError(f"the critic needs a privileged vector (B, {self.privileged_size}), got {got}")
        assert self.privileged_statistics is not None
        state: Tensor = self.privileged_statistics(privileged.to(next(self.parameters()).dtype))
        return state


def _encoder(encoders: nn.ModuleDict, name: str) -> Encoder:
    return cast(Encoder, encoders[sense_key(name)])
