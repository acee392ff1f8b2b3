"""Behaviour cloning (Pomerleau 1989, "ALVINN"): the actions of recorded episodes made as likely as they can be.

B is the number of frames of a minibatch.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from mmrl.policy.actor_critic import ActorCritic
from mmrl.settings.documents import fit
from mmrl_agents.experience.demonstrations import Demonstrations, read_demonstrations
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.learning.finiteness import clip_gradient, first_gradient_not_finite, first_not_finite
from mmrl_agents.worlds.making import action_space_of

_AT_ONCE = 512
"""Frames that are looked at together where nothing is learned."""


@dataclass(frozen=True)
class CloneConfig:
    """Settings of behaviour cloning."""

    data: str = ""
    """Folder that mmrl record wrote."""
    learning_rate: float = 1e-3
    """Step size of Adam at the start; it falls linearly to 0 over the training."""
    minibatch_size: int = 256
    """Frames of one gradient step."""
    held_out: float = 0.1
    """Share of the episodes, the last ones, that only `held_out_loss` is measured on; 0 learns from all."""
    max_grad_norm: float = 1.0
    """The gradient is scaled down to this norm."""

    def __post_init__(self) -> None:
        fit(self, "clone.")
        for name in ("learning_rate", "minibatch_size", "max_grad_norm"):
            if not vars(self)[name] > 0:
                raise ValueError(f"clone.{name} must be above 0, got {vars(self)[name]}")
        if not 0 <= self.held_out < 1:
            raise ValueError(f"clone.held_out must lie in [0, 1), got {self.held_out}")


def clone_loss(policy: ActorCritic, batch: Demonstrations) -> Tensor:
    """The mean negative log-likelihood of the actions, a scalar."""
    return -policy.distribution(batch.observations).log_prob(batch.actions).mean()


class CloneAgent:
    """Behaviour cloning: an epoch over all frames between two updates of the log. Worlds are there to be judged in.

    Raises ValueError where no data are named, where they do not fit the policy, and for a policy that remembers, which
    would have to see whole episodes.
    """

    begins_in_mid_episode = False
    scores_episodes = False

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        self._config: CloneConfig = setting.settings
        if not self._config.data:
            raise ValueError("clone.data names no data to learn from: a folder that mmrl record wrote")
        if policy.state_size:
            raise ValueError(
                f"{setting.policy.fusion} remembers; cloning learns from single frames: take another fusion"
            )
        if setting.dropped:
            raise ValueError(f"cloning learns from whole recordings and drops no sense, got {dict(setting.dropped)}")
        held_out, space = self._config.held_out, action_space_of(setting.envs)
        learned, tested = read_demonstrations(Path(self._config.data), setting.modalities, space, held_out)
        self._learned = learned.to(resources.device)
        self._tested = None if tested is None else tested.to(resources.device)
        self._envs, self._policy, self._shuffling = setting.envs, policy, resources.shuffling
        self._optimizer = torch.optim.Adam(policy.parameters(), lr=self._config.learning_rate, eps=1e-5)
        self.last_error = ""

    def start(self, seed: int, options: dict[str, Any] | None = None) -> None:
        """Reset the worlds, which nothing acts in."""
        self._envs.reset(seed=seed, options=options)

    def warm_up(self) -> int:
        """Show the running statistics every frame once."""
        for batch in self._learned.batches(_AT_ONCE):
            self._policy.perception.update_statistics(batch.observations)
        return 0

    def collect(self) -> int:
        """The frames of an epoch, which count as steps."""
        return len(self._learned)

    def update(self) -> dict[str, float]:
        """An epoch over all frames; a gradient that is not finite is left out."""
        order = torch.randperm(len(self._learned), generator=self._shuffling)
        losses, skipped = [], 0
        for batch in self._learned.batches(self._config.minibatch_size, order):
            loss = clone_loss(self._policy, batch)
            if self._step(loss):
                losses.append(loss.detach())
            else:
                skipped += 1
                wrong = first_not_finite({"loss": loss.detach()}) or first_gradient_not_finite(self._policy)
                self.last_error = wrong or "the norm of the gradient"
        return {
            "loss": float(torch.stack(losses).mean()) if losses else math.nan,
            "skipped_updates": float(skipped),
            **self._on_held_out(),
        }

    def set_progress(self, fraction: float) -> float:
        """Set the step size for the done fraction of the training; returns it."""
        rate = self._config.learning_rate * max(1.0 - fraction, 0.0)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def state_dict(self) -> dict[str, object]:
        """Optimiser and shuffling state."""
        return {"optimizer": self._optimizer.state_dict(), "shuffle": self._shuffling.get_state()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._shuffling.set_state(state["shuffle"])

    def rollout_state(self) -> dict[str, Any]:
        """Nothing is under way."""
        return {}

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """Nothing was under way."""

    def ended(self) -> list[Ended]:
        """No episode is played."""
        return []

    def _step(self, loss: Tensor) -> bool:
        """One gradient step; whether it was finite and taken."""
        self._optimizer.zero_grad(set_to_none=True)
        if not torch.isfinite(loss):
            return False
        loss.backward()
        if not torch.isfinite(clip_gradient(self._policy, self._config.max_grad_norm)):
            return False
        self._optimizer.step()
        return True

    @torch.no_grad()
    def _on_held_out(self) -> dict[str, float]:
        """The loss on the episodes that nothing is learned from, where there are any."""
        if self._tested is None:
            return {}
        self._policy.eval()
        total = sum(len(batch) * float(clone_loss(self._policy, batch)) for batch in self._tested.batches(_AT_ONCE))
        self._policy.train()
        return {"held_out_loss": total / len(self._tested)}
