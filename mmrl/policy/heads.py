"""From the joint vector of the senses to an action and a value.

Shapes: B rows, A the action's shape (empty for discrete actions), E experts, H numbers of each.

What a fusion gives is one joint vector, or the vectors of E experts that meet in the decision only: (B, E * (H + 1)),
each followed by a 1, or by a 0 and preceded by zeros where the expert is absent.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import singledispatch
from typing import Any, cast

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.distributions import Categorical, Distribution, Independent, Normal

from mmrl.encoders.layers import mlp, orthogonal_
from mmrl.policy.among import Among
from mmrl.policy.config import LOG_STD_MIN

_ACTOR_GAIN = 0.01  # small first actions: every direction is tried before one is preferred
_CRITIC_GAIN = 1.0


def make_trunk(sizes: Sequence[int], experts: int | None) -> nn.Sequential:
    """Fully connected layers sizes[0] -> sizes[1] -> ... of the joint vector, or of each expert's."""
    return mlp(sizes) if experts is None else nn.Sequential(ExpertLayers(sizes, experts))


def make_critic(sizes: Sequence[int], experts: int | None) -> nn.Sequential:
    """A trunk and a linear layer to one number; the values of experts add up."""
    last = nn.Linear(sizes[-1] if experts is None else experts * (sizes[-1] + 1), 1)
    orthogonal_(last, _CRITIC_GAIN)
    return make_trunk(sizes, experts).append(last)


class ExpertLayers(nn.Module):
    """Fully connected layers of its own for each expert: (B, E * (sizes[0] + 1)) -> (B, E * (sizes[-1] + 1))."""

    def __init__(self, sizes: Sequence[int], experts: int) -> None:
        super().__init__()
        self.networks = nn.ModuleList(mlp(sizes) for _ in range(experts))

    def forward(self, x: Tensor) -> Tensor:
        parts = [
            torch.cat([torch.where(here, network(part), 0), here], dim=1)
            for network, (part, here) in zip(self.networks, _experts(x, len(self.networks)), strict=True)
        ]
        return torch.cat(parts, dim=1)


def _experts(x: Tensor, experts: int) -> list[tuple[Tensor, Tensor]]:
    """(B, E * (H + 1)) -> E vectors (B, H) and masks (B, 1)."""
    return [(part[:, :-1], part[:, -1:] > 0.5) for part in x.chunk(experts, dim=1)]


class ActionHead(nn.Module, ABC):
    """From the actor's last layer to a distribution over actions."""

    @abstractmethod
    def forward(self, x: Tensor) -> Distribution: ...

    def sample(
        self, distribution: Distribution, generator: torch.Generator | None, among: Among | None = None
    ) -> Tensor:
        """Actions (B, *A) drawn from what `forward` returned, with numbers for all the rows `among` which they are."""
        parameters = self.parameters_of(distribution)
        if among is None:
            return self.drawn(parameters, generator)
        everywhere = self.drawn([among.padded(rows) for rows in parameters], generator)
        return among.own(everywhere, len(parameters[0]))

    @abstractmethod
    def parameters_of(self, distribution: Distribution) -> Sequence[Tensor]:
        """The numbers that decide what is drawn, a row for each of B."""

    @abstractmethod
    def drawn(self, parameters: Sequence[Tensor], generator: torch.Generator | None) -> Tensor:
        """Actions (B, *A) drawn by such numbers."""


class _ContinuousHead(ActionHead, ABC):
    def parameters_of(self, distribution: Distribution) -> Sequence[Tensor]:
        return distribution.mean, distribution.stddev

    def drawn(self, parameters: Sequence[Tensor], generator: torch.Generator | None) -> Tensor:
        mean, deviation = parameters
        return torch.normal(mean, deviation, generator=generator)


class _DiscreteHead(ActionHead, ABC):
    def parameters_of(self, distribution: Distribution) -> Sequence[Tensor]:
        return (cast(Categorical, distribution).probs,)

    def drawn(self, parameters: Sequence[Tensor], generator: torch.Generator | None) -> Tensor:
        choice: Tensor = torch.multinomial(parameters[0], 1, generator=generator)
        return choice.squeeze(1)


class GaussianHead(_ContinuousHead):
    """Independent Gaussians whose standard deviations are parameters, equal in every state.

    The logarithm of a standard deviation is used as at least -3, from where it can rise again.
    """

    def __init__(self, shape: tuple[int, ...], inputs: int, log_std_init: float) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, math.prod(shape))
        orthogonal_(self.linear, _ACTOR_GAIN)
        self.log_std = nn.Parameter(torch.full(shape, log_std_init))

    def forward(self, x: Tensor) -> Distribution:
        mean = self.linear(x).to(self.log_std.dtype).view(-1, *self.log_std.shape)
        std = _at_least(self.log_std, LOG_STD_MIN).exp()
        normal = Normal(mean, std.expand_as(mean), validate_args=False)
        return Independent(normal, self.log_std.dim(), validate_args=False)

    def fix_log_std(self, value: float) -> None:
        """Give all actions this logarithm of the standard deviation, which is learned no more."""
        self.log_std.requires_grad_(False).fill_(value)


class GaussianProductHead(_ContinuousHead):
    """The product of the experts' Gaussians, each with mean and deviation of its own in every state, and of a prior.

    With precisions T_e = 1 / std_e^2: T = sum_e T_e and mean = sum_e T_e mean_e / T (Hinton 2002, "Training Products of
    Experts by Minimizing Contrastive Divergence"). The prior's numbers are parameters. With all experts present the
    deviation starts at exp(log_std_init). Logarithms of deviations are used as at least -3.
    """

    def __init__(self, shape: tuple[int, ...], inputs: int, log_std_init: float, experts: int) -> None:
        super().__init__()
        self.shape = shape
        actions = math.prod(shape)
        alone = log_std_init + 0.5 * math.log(experts + 1)  # E experts and the prior have E + 1 times the precision
        self.opinions = nn.ModuleList(nn.Linear(inputs, 2 * actions) for _ in range(experts))
        for layer in self.opinions:
            assert isinstance(layer, nn.Linear)
            orthogonal_(layer, _ACTOR_GAIN)
            nn.init.constant_(layer.bias[actions:], alone)
        self.prior_mean = nn.Parameter(torch.zeros(actions))
        self.prior_log_std = nn.Parameter(torch.full((actions,), alone))

    def forward(self, x: Tensor) -> Distribution:
        precision = _precision(self.prior_log_std).expand(x.shape[0], -1)
        weighted = precision * self.prior_mean
        for opinion, (part, here) in zip(self.opinions, _experts(x, len(self.opinions)), strict=True):
            mean, log_std = opinion(part).to(self.prior_mean.dtype).chunk(2, dim=1)
            certainty = torch.where(here, _precision(log_std), 0)
            precision = precision + certainty
            weighted = weighted + certainty * mean
        std = _at_least(precision.rsqrt(), math.exp(LOG_STD_MIN))
        mean = weighted / precision
        normal = Normal(mean.view(-1, *self.shape), std.view(-1, *self.shape), validate_args=False)
        return Independent(normal, len(self.shape), validate_args=False)


def _precision(log_std: Tensor) -> Tensor:
    return torch.exp(-2 * _at_least(log_std, LOG_STD_MIN))


class _Floor(torch.autograd.Function):
    """The larger of x and a number, through which a gradient passes wherever it does not push x further below.

    That of `clamp` is 0 below: what was once pushed there by a large step would stay for ever.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, least: float) -> Tensor:
        ctx.save_for_backward(x < least)
        return x.clamp(min=least)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (below,), (gradient,) = ctx.saved_tensors, gradients
        return torch.where(below & (gradient > 0), 0, gradient), None


def _at_least(x: Tensor, least: float) -> Tensor:
    floored: Tensor = _Floor.apply(x, least)  # type: ignore[no-untyped-call]  # of torch
    return floored


class CategoricalHead(_DiscreteHead):
    """One of `choices` actions 0, 1, ..., as a tensor (B,) of int64."""

    def __init__(self, choices: int, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, choices)
        orthogonal_(self.linear, _ACTOR_GAIN)

    def forward(self, x: Tensor) -> Distribution:
        logits = self.linear(x).to(self.linear.weight.dtype)
        return Categorical(logits=logits, validate_args=False)


class BernoulliHead(ActionHead):
    """Action 1 with probability sigmoid(w . x), else action 0, as a tensor (B,) of int64.

    w starts as N(0, 1) / sqrt(inputs): Karpathy 2016, "Deep Reinforcement Learning: Pong from Pixels".
    """

    def __init__(self, inputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, 1, bias=False)
        nn.init.normal_(self.linear.weight, std=inputs**-0.5)

    def forward(self, x: Tensor) -> Distribution:
        logit = self.linear(x).to(self.linear.weight.dtype)
        return Categorical(logits=torch.cat([torch.zeros_like(logit), logit], dim=1), validate_args=False)

    def parameters_of(self, distribution: Distribution) -> Sequence[Tensor]:
        return (cast(Categorical, distribution).probs[:, 1],)

    def drawn(self, parameters: Sequence[Tensor], generator: torch.Generator | None) -> Tensor:
        return torch.bernoulli(parameters[0], generator=generator).long()


class CategoricalMixtureHead(_DiscreteHead):
    """The logits of the experts that are present and of a prior, averaged with learned weights.

    The weights, the same in every state, are a softmax of parameters over those present.
    """

    def __init__(self, choices: int, inputs: int, experts: int) -> None:
        super().__init__()
        self.opinions = nn.ModuleList(nn.Linear(inputs, choices) for _ in range(experts))
        for layer in self.opinions:
            assert isinstance(layer, nn.Linear)
            orthogonal_(layer, _ACTOR_GAIN)
        self.prior_logits = nn.Parameter(torch.zeros(choices))
        self.scores = nn.Parameter(torch.zeros(experts + 1))  # the last is the prior's

    def forward(self, x: Tensor) -> Distribution:
        parts = _experts(x, len(self.opinions))
        opinions = [opinion(part) for opinion, (part, _) in zip(self.opinions, parts, strict=True)]
        opinions.append(self.prior_logits.expand_as(opinions[0]))
        masks = [here for _, here in parts]
        present = torch.cat([*masks, torch.ones_like(masks[0])], dim=1)  # (B, E + 1)
        weights = self.scores.masked_fill(~present, -math.inf).softmax(dim=1)
        logits = (weights.unsqueeze(2) * torch.stack(opinions, dim=1).to(weights.dtype)).sum(dim=1)
        return Categorical(logits=logits, validate_args=False)


@singledispatch
def make_action_head(space: spaces.Space[Any], inputs: int, log_std_init: float, experts: int | None) -> ActionHead:
    """The head for an action space, reading `inputs` numbers, or as many of each expert.

    ValueError unless the space is a Box of floats or a Discrete from 0.
    """
    raise ValueError(f"action space must be a Box of floats or Discrete, got {space}")


@make_action_head.register
def _(space: spaces.Box, inputs: int, log_std_init: float, experts: int | None) -> ActionHead:
    if not np.issubdtype(space.dtype, np.floating):
        raise ValueError(f"action space must be a Box of floats or Discrete, got {space}")
    if experts is None:
        return GaussianHead(space.shape, inputs, log_std_init)
    return GaussianProductHead(space.shape, inputs, log_std_init, experts)


@make_action_head.register
def _(space: spaces.Discrete, inputs: int, log_std_init: float, experts: int | None) -> ActionHead:
    if space.start != 0:
        raise ValueError(f"a Discrete action space must start at 0, got {space}")
    if experts is None:
        return CategoricalHead(int(space.n), inputs)
    return CategoricalMixtureHead(int(space.n), inputs, experts)


def make_bernoulli_head(space: spaces.Space[Any], inputs: int, log_std_init: float, experts: int | None) -> ActionHead:
    """One logit for an action space of two choices; ValueError for any other, and for experts."""
    if not isinstance(space, spaces.Discrete) or space.n != 2 or space.start != 0:
        raise ValueError(f"head 'bernoulli' needs the action space Discrete(2), got {space}")
    if experts is not None:
        raise ValueError("head 'bernoulli' has one opinion and cannot join those of experts; head 'auto' can")
    return BernoulliHead(inputs)


ACTION_HEADS: dict[str, Callable[[spaces.Space[Any], int, float, int | None], ActionHead]] = {
    "auto": make_action_head,
    "bernoulli": make_bernoulli_head,
}
"""From (action space, inputs, log_std_init, experts) to a head, by the name in a policy configuration; add your own."""


def build_action_head(
    name: str, space: spaces.Space[Any], inputs: int, log_std_init: float, experts: int | None = None
) -> ActionHead:
    """An untrained head; ValueError for an unknown name and for an action space that it cannot serve."""
    if name not in ACTION_HEADS:
        raise ValueError(f"unknown head {name!r}; known heads: {', '.join(sorted(ACTION_HEADS))}")
    return ACTION_HEADS[name](space, inputs, log_std_init, experts)
