"""REINFORCE, from config to update: whole games are played, then every action is judged by what came after it.

The gradient of the expected return J is that of Williams 1992, "Simple Statistical Gradient-Following Algorithms for
Connectionist Reinforcement Learning":

    grad J = E[ sum_t A_t grad log p(a_t | x_t) ],

so the actions of a won point become more probable and those of a lost one less, whichever of them was to blame. What
stands for A_t, and most defaults, follow Karpathy 2016, "Deep Reinforcement Learning: Pong from Pixels".

N is the number of steps of a batch, game after game. How games are played and kept is in `games.py`.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mmrl.normalization import RunningStatistics
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.games import Games, Samples
from mmrl_agents.experience.returns import STANDARDIZATIONS, discounted_returns
from mmrl_agents.learning.finiteness import (
    clip_gradient,
    first_gradient_not_finite,
    first_not_finite,
    first_weight_not_finite,
)
from mmrl_agents.learning.optimizers import OPTIMIZERS, require_same_optimizer
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.machine.ranks import ALONE, Ranks
from mmrl_agents.records.checkpoint import load_moments

# Steps of one pass through the network: the gradient is a sum, so it can be taken in parts that fit into memory.
_CHUNK = 2048
_CRITIC_BATCH = 1024


def policy_gradient_loss(log_prob: Tensor, advantages: Tensor) -> Tensor:
    """Minus the sum over steps (B,) of A_t log p(a_t | x_t), whose gradient is minus that of the expected return.

    It is a sum, as published: a mean would shrink the gradient towards the eps of the optimisers.
    """
    return -(advantages * log_prob).sum()


def step_size(k: float, initial: float, final: float, tau: float) -> float:
    """(1 - a) initial + a final with a = k / tau until k = tau, constant from then on.

    Goodfellow, Bengio & Courville 2016, "Deep Learning", eq. 8.14.
    """
    a = min(k / tau, 1.0)
    return (1.0 - a) * initial + a * final


class ReinforceLoss(NamedTuple):
    """The total and its parts, each a scalar tensor, summed over steps; only the total carries a gradient."""

    total: Tensor
    policy: Tensor
    entropy: Tensor


def reinforce_loss(policy: ActorCritic, samples: Samples, advantages: Tensor, config: ReinforceConfig) -> ReinforceLoss:
    """The loss of the policy over steps (B,)."""
    distribution = policy.distribution(samples.observations, samples.present)
    actor = policy_gradient_loss(distribution.log_prob(samples.actions), advantages)
    entropy = distribution.entropy().sum()
    return ReinforceLoss(actor - config.entropy_coef * entropy, actor.detach(), entropy.detach())


def critic_loss(policy: ActorCritic, samples: Samples, returns: Tensor) -> Tensor:
    """The loss of the critic: half the sum of the squared errors, in variances of the returns."""
    value = policy.value(samples.observations, present=samples.present)
    return 0.5 * ((value - returns) / policy.value_std).square().sum()


class Reinforce:
    """Plays batches of whole games with one policy and takes one gradient step after each."""

    def __init__(self, games: Games, config: ReinforceConfig, ranks: Ranks = ALONE) -> None:
        """Learns the policy that plays `games`; all `ranks` share the games of a batch and take the same steps."""
        worlds, policy = sum(ranks.gather([games.envs.num_envs])), games.policy
        if config.games_per_batch % worlds:
            raise ValueError(
                "every world plays the same number of games, so reinforce.games_per_batch must be a multiple of "
                f"num_worlds, got {config.games_per_batch} games for {worlds} worlds"
            )
        self._games_of_batch = config.games_per_batch // worlds * games.envs.num_envs
        if policy.state_size:
            raise ValueError(
                "REINFORCE here plays policies that remember nothing; a recurrent fusion trains with --agent ppo"
            )
        self.games, self.policy, self.config, self.ranks = games, policy, config, ranks
        self.optimizer = OPTIMIZERS[config.optimizer](list(policy.parameters()), config)
        self.critic_optimizer = torch.optim.Adam(policy.critic_parameters(), config.value_learning_rate)
        self.updates = 0
        self.running_mean: float | None = None
        self._progress = 0.0
        self.last_error = ""
        """Where the last gradient step that was left out met a number that is not finite."""

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds; `options` come with every later reset too."""
        self.games.start(seed, options)

    def collect(self) -> int:
        """Play a batch of games under the policy as it is; returns the number of their steps."""
        self.games.play(self._games_of_batch)
        return len(self.games)

    def update(self) -> dict[str, float]:
        """One gradient step on the games that were collected; one that is not finite is left out and counted."""
        if not len(self.games):
            raise RuntimeError("there is no game to learn from: collect() comes before update()")
        config, rewards, lengths = self.config, self.games.rewards, self.games.lengths
        ends = torch.zeros(len(rewards), dtype=torch.bool)
        ends[lengths.cumsum(0) - 1] = True
        returns = discounted_returns(rewards, config.gamma, config.reset_returns_at_points, ends)
        advantages = self._advantages(returns, lengths)
        loss, norm = self._gradient(advantages)
        rate = self._step_size()
        if taken := all(map(math.isfinite, (norm, *loss.values()))):
            self._step(rate)
            if config.baseline == "value":
                loss["value_loss"] = self._learn_values(returns)
                taken = math.isfinite(loss["value_loss"])
                self.last_error = self.last_error if taken else "the loss of the critic or its gradient"
        else:
            self.last_error = self._explain(loss, returns, advantages)
        self.learn_statistics()
        games = self.ranks.sum(torch.tensor(len(lengths)))
        return loss | {
            "grad_norm": norm,
            "games": float(games),
            "points": float(self.ranks.sum((rewards != 0).sum())),
            "batch_return": float(self.ranks.sum(rewards.sum())) / int(games),
            "learning_rate": rate,
            "skipped_updates": float(not taken),
        }

    def learn_statistics(self) -> None:
        """Feed the games to the running statistics of the policy, if it keeps any.

        Done after the update, so that playing and learning see the same normalisation.
        """
        if any(isinstance(module, RunningStatistics) for module in self.policy.modules()):
            for _, samples in self._in_step(_CHUNK):
                self.policy.update_statistics(samples.observations, present=samples.present)

    def _in_step(self, size: int, order: Sequence[int] | None = None) -> Iterator[tuple[slice, Samples]]:
        """The batches of `Games.samples`, as many on every rank: one that has fewer steps has empty ones in the end."""
        times = max(self.ranks.gather([math.ceil(len(self.games) / size)]))
        for rows, samples in self.games.samples(size, order):
            yield rows, samples
            times -= 1
        for _ in range(times):
            yield slice(len(self.games), None), samples.first(0)

    def _advantages(self, returns: Tensor, lengths: Tensor) -> Tensor:
        """Returns (N,) less the baseline, standardised; a baseline takes the place of their mean."""
        games = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
        better = returns - BASELINES[self.config.baseline](self, returns)
        shares = self.ranks.gather([better])
        everywhere = STANDARDIZATIONS[self.config.standardize](
            torch.cat(shares), self._numbered_everywhere(games), self.config.baseline == "none"
        )
        return torch.split(everywhere, [len(share) for share in shares])[self.ranks.index]

    def _numbered_everywhere(self, games: Tensor) -> Tensor:
        """The number of the game of every step of all ranks, from those of this one."""
        return self.ranks.join(games + self.ranks.index * self.config.games_per_batch)

    def _gradient(self, advantages: Tensor) -> tuple[dict[str, float], float]:
        """Leave the gradient of all steps in the parameters; the loss per step by part, and the gradient's norm."""
        advantages = advantages.to(self.policy.value_std)
        self.optimizer.zero_grad(set_to_none=True)
        parts = []
        for rows, samples in self.games.samples(_CHUNK):
            loss = reinforce_loss(self.policy, samples, advantages[rows], self.config)
            loss.total.backward()
            parts.append(torch.stack(loss[1:]))
        if self.policy.penalty.weight:
            (self.policy.penalty.of(self.policy) / self.ranks.count).backward()
        self.ranks.sum_gradients(self.policy.parameters())
        norm = clip_gradient(self.policy, self.config.max_grad_norm or math.inf)
        steps = self.ranks.sum(torch.tensor(len(self.games)))
        policy, entropy = (self.ranks.sum(torch.stack(parts).sum(dim=0)) / int(steps)).tolist()
        return {"policy_loss": policy, "entropy": entropy}, float(norm)

    def _learn_values(self, returns: Tensor) -> float:
        """Passes of the critic over all steps in random order; its mean loss, NaN if a step had to be left out."""
        returns = returns.to(self.policy.value_std)
        shuffle = torch.Generator().manual_seed(self.updates)
        losses = []
        for _ in range(self.config.value_epochs):
            order = torch.randperm(len(returns), generator=shuffle)
            for rows, samples in self._in_step(math.ceil(_CRITIC_BATCH / self.ranks.count), order.tolist()):
                loss, count = self._learn_values_of(samples, returns[order[rows].to(returns.device)])
                losses.append(loss * count)
        steps = int(self.ranks.sum(torch.tensor(len(returns))))
        return float(self.ranks.sum(torch.stack(losses).sum())) / (steps * self.config.value_epochs)

    def _learn_values_of(self, samples: Samples, returns: Tensor) -> tuple[Tensor, int]:
        """A step of the critic; its loss per sample of all ranks, NaN if it had to be left out, and their number."""
        weights = self.policy.critic_parameters()
        count = int(self.ranks.sum(torch.tensor(len(returns))))
        loss = critic_loss(self.policy, samples, returns) / count
        # What stands for an absent sense is in no gradient where none is absent.
        gradients = torch.autograd.grad(loss, weights, allow_unused=True, materialize_grads=True)
        for weight, gradient in zip(weights, gradients, strict=True):
            weight.grad = gradient
        self.ranks.sum_gradients(weights)
        finite = torch.stack([weight.grad.isfinite().all() for weight in weights if weight.grad is not None]).all()
        if finite:
            self.critic_optimizer.step()
        return torch.where(finite, loss.detach(), math.nan), count

    def _explain(self, loss: Mapping[str, float], returns: Tensor, advantages: Tensor) -> str:
        """Where a step went wrong: the part of the loss or the gradient, and what it was made of."""
        parts = {name.replace("_", " "): torch.tensor(value) for name, value in loss.items()}
        wrong = first_not_finite(parts) or first_gradient_not_finite(self.policy)
        dtype = self.policy.value_std.dtype  # what is still a number in 64 bits may be none in these
        inputs = {"returns": returns.to(dtype), "advantages": advantages.to(dtype)}
        cause = first_weight_not_finite(self.policy) or first_not_finite(inputs)
        return f"{wrong or 'the norm of the gradient'}{f', made of {cause}' if cause else ''}"

    def _step(self, rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.step()
        self.updates += 1

    def set_progress(self, fraction: float) -> float:
        """Take note of the done fraction of the training, 0 to 1; returns the size of the next step."""
        self._progress = min(max(fraction, 0.0), 1.0)
        return self._step_size()

    def _step_size(self) -> float:
        config = self.config
        if config.final_learning_rate is None:
            return config.learning_rate
        k, tau = (self._progress, 1.0) if config.decay_updates is None else (self.updates, config.decay_updates)
        return step_size(k, config.learning_rate, config.final_learning_rate, tau)

    def state_dict(self) -> dict[str, object]:
        """Tensors and plain Python; games, worlds and the generator of actions are not part of it."""
        return {
            "optimizer_name": self.config.optimizer,
            "optimizer": self.optimizer.state_dict(),
            "critic_optimizer": self.critic_optimizer.state_dict(),
            "updates": self.updates,
            "running_mean": self.running_mean,
            "progress": self._progress,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`."""
        require_same_optimizer("reinforce", self.config.optimizer, state)
        load_moments(self.optimizer, state["optimizer"])
        if "critic_optimizer" in state:  # older checkpoints have none
            load_moments(self.critic_optimizer, state["critic_optimizer"])
        self.updates, self.running_mean, self._progress = state["updates"], state["running_mean"], state["progress"]


def no_baseline(agent: Reinforce, returns: Tensor) -> Tensor:
    """Zeros (N,)."""
    return torch.zeros_like(returns)


def running_mean(agent: Reinforce, returns: Tensor) -> Tensor:
    """The mean return of a step in earlier batches (N times), of this one where it is the first; then learns of it.

    One that is not finite would stay in the mean for ever and is not learned of.
    """
    newest = float(agent.ranks.join(returns).mean())
    mean = newest if agent.running_mean is None else agent.running_mean
    if math.isfinite(newest):
        agent.running_mean = agent.config.baseline_decay * mean + (1.0 - agent.config.baseline_decay) * newest
    return torch.full_like(returns, mean)


@torch.no_grad()
def critic_value(agent: Reinforce, returns: Tensor) -> Tensor:
    """The values of the critic at each step (N,); then puts the critic on the scale of the returns."""
    policy = agent.policy
    values = [policy.value(samples.observations, present=samples.present) for _, samples in agent.games.samples(_CHUNK)]
    policy.follow_returns(agent.ranks.join(returns).to(policy.value_std))
    return torch.cat(values).to(returns)


# From the agent and the returns (N,) of its games to what is subtracted from them.
BASELINES: Mapping[str, Callable[[Reinforce, Tensor], Tensor]] = {
    "none": no_baseline,
    "running_mean": running_mean,
    "value": critic_value,
}
