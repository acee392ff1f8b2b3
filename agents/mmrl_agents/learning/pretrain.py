"""Pretraining: a perception that objectives alone teach, before any policy (Lee et al. 2019 of "Vision and Touch").

    loss = sum of weight * objective

The samples come from worlds in which somebody acts who knows nothing, or from recorded episodes. B is the number of
samples of a minibatch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from mmrl.inputs import Inputs, Memory
from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation import Batch
from mmrl.settings.documents import fit
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.learning.finiteness import (
    clip_gradient,
    first_gradient_not_finite,
    first_not_finite,
    first_weight_not_finite,
)
from mmrl_agents.learning.samples import SampleSource, samples_of
from mmrl_agents.machine.precision import Precision, computing_in


@dataclass(frozen=True)
class PretrainConfig:
    """Settings of a pretraining; its objectives are those of the training."""

    data: str = "random"
    """Where the samples come from: random (actions drawn evenly), contact (pulled down as well, where there is
    something to touch), or the folder of a data set that mmrl record wrote."""
    learning_rate: float = 5e-4
    """Step size of Adam at the start; it falls linearly to 0 over the training."""
    num_steps: int = 32
    """Steps of every world between two updates; recorded frames are all gone through in between."""
    minibatch_size: int = 256
    """Samples of one gradient step."""
    epochs: int = 8
    """Passes over the samples of an update."""
    max_grad_norm: float = 1.0
    """The gradient is scaled down to this norm."""
    precision: Precision = "float32"
    """Numbers that the update multiplies: float32, bfloat16, or auto, which is bfloat16 where the processor has
    instructions for it."""

    def __post_init__(self) -> None:
        fit(self, "pretrain.")
        for name in ("learning_rate", "num_steps", "minibatch_size", "epochs", "max_grad_norm"):
            if not vars(self)[name] > 0:
                raise ValueError(f"pretrain.{name} must be above 0, got {vars(self)[name]}")


@dataclass(frozen=True)
class LookedAt:
    """Readings that are looked at and not learned from, tensors (B, ...)."""

    observations: Inputs
    actions: Tensor
    memory: Memory | None
    present: None = None
    timeline: None = None


def objective_losses(policy: ActorCritic, batch: Batch) -> dict[str, Tensor]:
    """The losses of a policy's objectives on a batch by name, scalars without their weights."""
    seen = policy.perception(batch.observations, batch.present, batch.memory)
    return {name: objective(batch, seen) for name, objective in policy.objectives.items()}


class PretrainAgent:
    """Teaches the perception of a policy by its objectives; actor and critic stay untrained.

    Raises ValueError without any objective, for data that do not fit, and for an objective that reads what the data do
    not hold.
    """

    begins_in_mid_episode = True
    scores_episodes = False

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        if not setting.objectives:
            raise ValueError(
                "a pretraining learns from objectives alone and has none: --objective NAME; `mmrl list objectives` "
                "shows them"
            )
        self._config: PretrainConfig = setting.settings
        self._policy, self._shuffling = policy, resources.shuffling
        self._learned = nn.ModuleDict({"perception": policy.perception, "objectives": policy.objectives})
        self._samples: SampleSource = samples_of(self._config.data, self._config.num_steps, setting, policy, resources)
        self._optimizer = torch.optim.Adam(self._learned.parameters(), lr=self._config.learning_rate, eps=1e-5)
        self.start = self._samples.start
        self.collect = self._samples.collect
        self.ended = self._samples.ended
        self.rollout_state = self._samples.rollout_state
        self.last_error = ""

    def warm_up(self) -> int:
        """Samples for the running statistics alone."""
        steps = self._samples.warm_up()
        self._require_readable()
        return steps

    def update(self) -> dict[str, float]:
        """The epochs over the samples, then the running statistics; a step that is not finite is left out."""
        skipped = 0
        seen: list[dict[str, Tensor]] = []
        norms: list[Tensor] = []
        for _ in range(self._config.epochs):
            for batch in self._samples.batches(self._config.minibatch_size, self._shuffling):
                with computing_in(self._config.precision, batch.actions.device):
                    losses = objective_losses(self._policy, batch)
                norm = self._step(losses)
                if norm is None:
                    skipped += 1
                    self.last_error = self._explain(losses, batch)
                    continue
                seen.append({name: loss.detach() for name, loss in losses.items()})
                norms.append(norm)
        self._samples.learn_statistics()
        return self._metrics(seen, norms, skipped)

    def set_progress(self, fraction: float) -> float:
        """Set the step size for the done fraction of the training; returns it."""
        rate = self._config.learning_rate * max(1.0 - fraction, 0.0)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        return rate

    def state_dict(self) -> dict[str, object]:
        """Optimiser and shuffling state, and how far the data have been gone through."""
        return {
            "optimizer": self._optimizer.state_dict(),
            "shuffle": self._shuffling.get_state(),
            "samples": self._samples.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`."""
        self._optimizer.load_state_dict(state["optimizer"])
        self._shuffling.set_state(state["shuffle"])
        self._samples.load_state_dict(state["samples"])

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """Undo `rollout_state`; the worlds restart by themselves."""
        self._samples.resume_rollout(state)

    def _step(self, losses: Mapping[str, Tensor]) -> Tensor | None:
        """One gradient step; returns the norm of the gradient, or None where nothing was changed."""
        self._optimizer.zero_grad(set_to_none=True)
        total = self._total(losses)
        if not torch.isfinite(total):
            return None
        total.backward()
        norm = clip_gradient(self._learned, self._config.max_grad_norm)
        if not torch.isfinite(norm):
            return None
        self._optimizer.step()
        return norm

    def _total(self, losses: Mapping[str, Tensor]) -> Tensor:
        return torch.stack([self._policy.objective_weights[name] * loss for name, loss in losses.items()]).sum()

    def _explain(self, losses: Mapping[str, Tensor], batch: Batch) -> str:
        """Where a step went wrong: the loss or the gradient, and what it was made of."""
        parts = {f"{name} loss": loss.detach() for name, loss in losses.items()}
        wrong = first_not_finite(parts) or first_gradient_not_finite(self._learned)
        inputs = {f"observation {name!r}": rows for name, rows in batch.observations.items()}
        cause = first_weight_not_finite(self._learned) or first_not_finite(inputs)
        return f"{wrong or 'the norm of the gradient'}{f', made of {cause}' if cause else ''}"

    def _metrics(self, seen: list[dict[str, Tensor]], norms: list[Tensor], skipped: int) -> dict[str, float]:
        def mean(items: Iterable[Tensor]) -> float:
            listed = list(items)
            return float(torch.stack(listed).mean()) if listed else math.nan

        return {
            "loss": mean(self._total(losses) for losses in seen),
            **{f"{name}_loss": mean(losses[name] for losses in seen) for name in self._policy.objectives},
            "grad_norm": mean(norms),
            "skipped_updates": float(skipped),
        }

    @torch.no_grad()
    def _require_readable(self) -> None:
        """Raise ValueError for an objective that reads what the samples lack; the draws of none move on."""
        before = {name: value.clone() for name, value in self._policy.objectives.state_dict().items()}
        for batch in self._samples.batches(1, torch.Generator().manual_seed(0)):
            try:
                objective_losses(self._policy, batch)
            except KeyError as error:
                raise ValueError(f"an objective reads {error}, which {self._config.data} does not hold") from error
            break
        self._policy.objectives.load_state_dict(before)
