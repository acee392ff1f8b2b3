"""Proximal policy optimisation (Schulman et al. 2017), from loss to update; its settings are in `ppo_config.py`.

B is the number of samples of a minibatch. The rollout that feeds it is in `rollout.py`, the
advantages are in `returns.py`.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.heads import ActionHead, GaussianHead
from mmrl_agents.experience.returns import explained_variance
from mmrl_agents.experience.storage import Minibatch, RolloutStorage
from mmrl_agents.learning.finiteness import (
    clip_gradient,
    first_gradient_not_finite,
    first_not_finite,
    first_weight_not_finite,
    spoil_gradients,
)
from mmrl_agents.learning.optimizers import OPTIMIZERS, require_same_optimizer
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.machine.precision import computing_in
from mmrl_agents.machine.ranks import ALONE, Ranks


def policy_loss(log_ratio: Tensor, advantages: Tensor, clip: float) -> Tensor:
    """The clipped surrogate to be minimised, eq. 7; log_ratio (B,) is new minus old."""
    ratio = log_ratio.exp()
    clipped = ratio.clamp(1.0 - clip, 1.0 + clip)
    return -torch.minimum(ratio * advantages, clipped * advantages).mean()


def value_loss(values: Tensor, old_values: Tensor, returns: Tensor, clip: float | None) -> Tensor:
    """Half the mean squared error; with `clip` the larger of the free and the clipped error."""
    error = (values - returns).square()
    if clip is not None:
        near = old_values + (values - old_values).clamp(-clip, clip)
        error = torch.maximum(error, (near - returns).square())
    return 0.5 * error.mean()


def approximate_kl(log_ratio: Tensor) -> Tensor:
    """Estimate of KL(old || new) from samples of old: mean of r - 1 - log r, never negative."""
    return (log_ratio.exp() - 1.0 - log_ratio).mean()


class PPOLoss(NamedTuple):
    """The total and its parts, scalar tensors; only the total carries a gradient."""

    total: Tensor
    policy: Tensor
    value: Tensor
    entropy: Tensor
    kl: Tensor
    clip_fraction: Tensor
    objectives: dict[str, Tensor]
    """The objectives that the encoders learn from besides, by name, without their weights."""


def ppo_loss(policy: ActorCritic, batch: Minibatch, config: PPOConfig, entropy_coef: float | None = None) -> PPOLoss:
    """The objective of one minibatch, eq. 9 with the sign turned round; `entropy_coef` is by default the config's."""
    now = policy.evaluate_actions(batch.observations, batch.actions, present=batch.present, memory=batch.memory)
    log_ratio = now.log_prob - batch.log_probs
    surrogate = policy_loss(log_ratio, batch.advantages, config.clip)
    scale = policy.value_std  # errors count in standard deviations of the returns
    critic = value_loss(now.value / scale, batch.values / scale, batch.returns / scale, config.clip_value)
    mean_entropy = now.entropy.mean()
    entropy_coef = config.entropy_coef if entropy_coef is None else entropy_coef
    total = surrogate + config.value_coef * critic - entropy_coef * mean_entropy + policy.penalty.of(policy)
    objectives = {}
    for name, objective in policy.objectives.items():
        loss = objective(batch, now.seen)
        total = total + policy.objective_weights[name] * loss
        objectives[name] = loss.detach()
    with torch.no_grad():
        clipped = ((log_ratio.exp() - 1.0).abs() > config.clip).float().mean()
        kl = approximate_kl(log_ratio)
    return PPOLoss(total, surrogate.detach(), critic.detach(), mean_entropy.detach(), kl, clipped, objectives)


class PPO:
    """The optimiser of one policy: `update` consumes a rollout and returns metrics."""

    def __init__(
        self, policy: ActorCritic, config: PPOConfig, generator: torch.Generator, ranks: Ranks = ALONE
    ) -> None:
        """`generator` (on the CPU) shuffles the minibatches and nothing else; all `ranks` take the same steps."""
        self.policy = policy
        self.ranks = ranks
        self.config = config
        self.generator = generator
        self.entropy_coef = config.entropy_coef
        self.last_error = ""
        """Where the last gradient step that was left out met a number that is not finite."""
        self.optimizer = OPTIMIZERS[config.optimizer](list(policy.parameters()), config, fused=True)
        self.set_progress(0.0)

    def set_progress(self, fraction: float) -> float:
        """Set all that is on a schedule for the done fraction of the training, 0 to 1; returns the step size."""
        done = min(max(fraction, 0.0), 1.0)
        config = self.config
        decayed = min(done / config.decay_share, 1.0) if config.anneal else 0.0
        rate = _between(config.learning_rate, config.final_learning_rate, decayed)
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        if config.final_entropy_coef is not None:
            self.entropy_coef = _between(config.entropy_coef, config.final_entropy_coef, done)
        if config.log_std is not None:
            _with_one_deviation(self.policy.head).fix_log_std(_between(*config.log_std, done))
        return rate

    def update(self, storage: RolloutStorage) -> dict[str, float]:
        """Run the epochs over a finished rollout; a step that is not finite is left out."""
        config = self.config
        storage.finish(config.gamma, config.gae_lambda, config.normalize_advantages, config.cut_at_rewards, self.ranks)
        if config.scale_values:
            self.policy.follow_returns(self.ranks.join(storage.returns, dim=1))
        parts = storage.portions(config.minibatch_size, self.ranks).weights(self.ranks.index)
        seen: list[PPOLoss] = []
        shares: list[float] = []
        norms: list[Tensor] = []
        skipped = 0
        for _ in range(config.epochs):
            batches = storage.minibatches(config.minibatch_size, self.generator, self.ranks)
            for batch, share in zip(batches, parts, strict=True):
                with computing_in(config.precision, storage.values.device):
                    loss = ppo_loss(self.policy, batch, config, self.entropy_coef)
                norm = self._step(loss, share)
                if norm is None:
                    skipped += 1
                    self.last_error = self._explain(loss, batch)
                    continue
                seen.append(loss)
                shares.append(share)
                norms.append(norm)
            if self._moved_too_far(seen, shares):
                break
        return self._metrics(seen, shares, norms, skipped, storage)

    def _step(self, loss: PPOLoss, share: float) -> Tensor | None:
        """One gradient step; returns the gradient norm, or None where nothing was changed.

        `share` is that of this rank in the minibatch, of which all ranks take a part.
        """
        self.optimizer.zero_grad(set_to_none=True)
        if torch.isfinite(loss.total):
            (loss.total * share).backward()
        else:
            spoil_gradients(self.policy)  # and with them those of all ranks
        self.ranks.sum_gradients(self.policy.parameters())
        norm = clip_gradient(self.policy, self.config.max_grad_norm)
        if not torch.isfinite(norm):
            return None
        self.optimizer.step()
        return norm

    def _explain(self, loss: PPOLoss, batch: Minibatch) -> str:
        """Where a step went wrong: the part of the loss or the gradient, and what it was made of."""
        parts = {
            "policy loss": loss.policy,
            "value loss": loss.value,
            "entropy": loss.entropy,
            **{f"{name} loss": value for name, value in loss.objectives.items()},
        }
        wrong = first_not_finite({**parts, "loss": loss.total.detach()}) or first_gradient_not_finite(self.policy)
        inputs = {
            **{f"observation {name!r}": rows for name, rows in batch.observations.items()},
            "returns": batch.returns,
            "values": batch.values,
            "advantages": batch.advantages,
            "log-probabilities": batch.log_probs,
        }
        cause = first_weight_not_finite(self.policy) or first_not_finite(inputs)
        return f"{wrong or 'the norm of the gradient'}{f', made of {cause}' if cause else ''}"

    def _moved_too_far(self, seen: list[PPOLoss], shares: list[float]) -> bool:
        limit = self.config.target_kl
        return limit is not None and bool(seen) and float(self.ranks.sum(seen[-1].kl * shares[-1])) > limit

    def _metrics(
        self, seen: list[PPOLoss], shares: list[float], norms: list[Tensor], skipped: int, storage: RolloutStorage
    ) -> dict[str, float]:
        values, returns = (self.ranks.join(rows, dim=1) for rows in (storage.values[:-1], storage.returns))
        parts = {
            "policy_loss": [loss.policy for loss in seen],
            "value_loss": [loss.value for loss in seen],
            "entropy": [loss.entropy for loss in seen],
            "approx_kl": [loss.kl for loss in seen],
            "clip_fraction": [loss.clip_fraction for loss in seen],
        }
        objectives = {f"{name}_loss": [loss.objectives[name] for loss in seen] for name in self.policy.objectives}
        return {
            **self.ranks.means(parts, shares),
            "explained_variance": float(explained_variance(values, returns)),
            "grad_norm": float(torch.stack(norms).mean()) if norms else math.nan,
            "skipped_updates": float(skipped),
            **self.ranks.means(objectives, shares),
        }

    def state_dict(self) -> dict[str, object]:
        """Optimiser and shuffling state: tensors and plain Python."""
        return {
            "optimizer_name": self.config.optimizer,
            "optimizer": self.optimizer.state_dict(),
            "shuffle": self.generator.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Undo `state_dict`; raises ValueError for the state of another optimiser."""
        require_same_optimizer("ppo", self.config.optimizer, state)
        self.optimizer.load_state_dict(state["optimizer"])  # type: ignore[arg-type]  # a checkpoint is untyped
        self.generator.set_state(state["shuffle"])  # type: ignore[arg-type]  # a checkpoint is untyped


def _with_one_deviation(head: ActionHead) -> GaussianHead:
    """The head, if it has a deviation that can be set."""
    if isinstance(head, GaussianHead):
        return head
    raise ValueError(
        "ppo.log_std sets the one deviation of continuous actions that are joined before the decision; this policy's "
        f"head is {type(head).__name__}, so leave it unset"
    )


def _between(start: float, end: float, fraction: float) -> float:
    return start + fraction * (end - start)
