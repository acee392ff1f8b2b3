"""Fitted Q iteration: from a batch of transitions to values, by one supervised fit after another.

Ernst, Geurts & Wehenkel 2005, "Tree-Based Batch Mode Reinforcement Learning", have the iteration, from Q_0 = 0 on:

    y_l = r_l + gamma max_a Q_k(s'_l, a),  or r_l where nothing follows;      Q_{k+1} = a fit of (s_l, a_l) -> y_l,

over all transitions l of a batch. With a network that Rprop fits, a step for the gradient of the whole batch, it is
Riedmiller 2005, "Neural Fitted Q Iteration"; there, too, the batch grows by what the newest policy collects.

B is a number of transitions, K that of choices.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from mmrl.arrays import IntArray
from mmrl.policy.q_network import QNetwork
from mmrl_agents.experience.q_states import QStates
from mmrl_agents.experience.transitions import Transitions
from mmrl_agents.learning.finiteness import first_not_finite, first_weight_not_finite
from mmrl_agents.learning.fitted_q_config import FittedQConfig

# Transitions of one pass through the network: a gradient is a sum, so it can be taken in parts that fit into memory.
_CHUNK = 8192


def q_targets(rewards: Tensor, next_values: Tensor, terminal: Tensor, gamma: float) -> Tensor:
    """Targets (B,) of rewards (B,), values (B, K) of all choices that follow, and whether nothing does, bool (B,).

    They are cut off where no sequence of the rewards seen could add up to them, as the range of a sigmoid does in NFQ.
    """
    best = torch.where(terminal, 0.0, next_values.max(dim=1).values)
    return (rewards + gamma * best).clamp(*value_bounds(rewards, gamma))


def value_bounds(rewards: Tensor, gamma: float) -> tuple[float, float]:
    """Least and greatest discounted sum of one or more of rewards (B,), each used as often as one likes."""
    low, high, longest = float(rewards.min()), float(rewards.max()), 1.0 / (1.0 - gamma)
    return min(low, low * longest), max(high, high * longest)


class Regression:
    """The transitions of a batch, whose values are to be fitted to targets."""

    def __init__(self, network: QNetwork, states: QStates, transitions: Transitions) -> None:
        self.network, self.states, self.transitions = network, states, transitions
        self.weights = states.weights
        steps, device = transitions.steps, network.actions.device
        self.rewards = torch.from_numpy(steps.reward).to(device, torch.float32)
        self._choice, self._terminal = (torch.from_numpy(rows).to(device) for rows in (steps.choice, steps.terminal))
        self.targets = self.rewards
        """The values to be reached, (B,)."""

    def __len__(self) -> int:
        return len(self.transitions)

    @torch.no_grad()
    def renew_targets(self, gamma: float) -> float:
        """Compute the targets from the values as they are; returns the mean size of their change."""
        parts = torch.arange(len(self)).split(_CHUNK)
        values = [self.network.values(*self._states(self.transitions.steps.after, part)) for part in parts]
        before, self.targets = self.targets, q_targets(self.rewards, torch.cat(values), self._terminal, gamma)
        self.network.follow_targets(self.targets)
        return float((self.targets - before).abs().mean())

    def error(self, places: Tensor) -> Tensor:
        """The summed squared error of transitions by their places (B,), in variances of all targets."""
        seen, newest = self._states(self.transitions.steps.before, places)
        on_device = places.to(self.targets.device)
        predicted = self.network.values_of(seen, newest, self._choice[on_device])
        return ((predicted - self.targets[on_device]) / self.network.value_std).square().sum()

    def _states(self, numbers: IntArray, places: Tensor) -> tuple[Tensor, Tensor]:
        """Joint vectors (B, D) and newest choices (B, M) of the states that transitions at some places begin or end in.

        `numbers` are those of the states of all transitions.
        """
        columns, newest = self.transitions.states(numbers[places.numpy()])
        device = self.targets.device
        seen = self.states.seen({name: rows.to(device) for name, rows in columns.items()})
        return seen, newest.to(device)


def fit_with_rprop(regression: Regression, config: FittedQConfig, generator: torch.Generator) -> float:
    """Resilient propagation, a step for all transitions at once (Riedmiller & Braun 1993).

    Returns the mean squared error in the last pass.
    """
    optimizer = torch.optim.Rprop(regression.weights, config.learning_rate)
    mean = math.nan
    for _ in range(config.epochs):
        optimizer.zero_grad(set_to_none=True)
        mean = 0.0
        for part in torch.arange(len(regression)).split(_CHUNK):
            error = regression.error(part) / len(regression)
            error.backward()
            mean += error.item()
        optimizer.step()
    return mean


def fit_with_adam(regression: Regression, config: FittedQConfig, generator: torch.Generator) -> float:
    """Adam, a step for each minibatch in random order; returns the mean squared error in the last pass."""
    optimizer = torch.optim.Adam(regression.weights, config.learning_rate)
    mean = math.nan
    for _ in range(config.epochs):
        total = 0.0
        for part in torch.randperm(len(regression), generator=generator).split(config.minibatch_size):
            error = regression.error(part)
            optimizer.zero_grad(set_to_none=True)
            (error / len(part)).backward()
            optimizer.step()
            total += error.item()
        mean = total / len(regression)
    return mean


FITS: Mapping[str, Callable[[Regression, FittedQConfig, torch.Generator], float]] = {
    "rprop": fit_with_rprop,
    "adam": fit_with_adam,
}
"""From transitions with targets, the settings and a generator that shuffles to the mean squared error, by name."""


class FittedQ:
    """Iterations over one batch after another; the values go on from those of the batch before."""

    def __init__(self, network: QNetwork, config: FittedQConfig, generator: torch.Generator) -> None:
        """`generator` (on the CPU) shuffles minibatches and nothing else."""
        self.network, self.config, self.generator = network, config, generator
        self.last_error = ""
        """Where the last iteration that was undone met a number that is not finite."""

    def update(self, states: QStates, transitions: Transitions) -> dict[str, float]:
        """Iterate over all transitions; an iteration that leaves numbers that are not finite is undone, and ends it."""
        regression = Regression(self.network, states, transitions)
        error = change = math.nan
        skipped = 0
        for _ in range(self.config.iterations):
            before = copy.deepcopy(self.network.state_dict())
            change = regression.renew_targets(self.config.gamma)
            error = FITS[self.config.fit](regression, self.config, self.generator)
            if not math.isfinite(error) or first_weight_not_finite(self.network):
                self.last_error = self._explain(regression)
                self.network.load_state_dict(before)
                skipped = 1
                break
        return {
            "fit_error": error,
            "target_change": change,
            "mean_target": float(regression.targets.mean()),
            "transitions": float(len(transitions)),
            "skipped_updates": float(skipped),
        }

    def _explain(self, regression: Regression) -> str:
        parts = {"targets": regression.targets, "rewards": regression.rewards}
        return first_not_finite(parts) or first_weight_not_finite(self.network) or "the error of the fit"
