"""Encoders that objectives teach before anything else is learned.

B is the number of samples of a minibatch.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from mmrl.arrays import IntArray
from mmrl.inputs import Inputs
from mmrl.policy.q_network import QNetwork
from mmrl.representation import Objective
from mmrl_agents.experience.transitions import Transitions

_MINIBATCH = 16
READ_AT_ONCE = 256
"""Readings that are looked at together where nothing is learned from them by gradients."""


@dataclass(frozen=True)
class Lesson:
    """Readings that all senses have given, and the actions that followed, tensors (B, ...)."""

    observations: Inputs
    actions: Tensor
    present: None = None
    memory: None = None
    timeline: None = None


def teach(
    network: QNetwork, transitions: Transitions, epochs: int, learning_rate: float, generator: torch.Generator
) -> dict[str, float]:
    """Teach the perception of a network by its objectives alone, with Adam, in random order.

    Running statistics learn from all readings first, those of the joint vector in the end.

    Args:
        network: has objectives.
        transitions: between states of readings.
        epochs: passes over the readings that transitions begin with.
        learning_rate: of Adam, at the start; it falls to 0 from pass to pass.
        generator: shuffles; on the CPU.

    Returns:
        The mean loss of each objective in the last pass, by name.

    Raises:
        ValueError: where a loss is not finite.
    """
    numbers = transitions.steps.before
    for lesson in _lessons(network, transitions, torch.arange(len(numbers)), READ_AT_ONCE):
        update_statistics(network, lesson.observations)
    optimizer = torch.optim.Adam([*network.perception.parameters(), *network.objectives.parameters()], learning_rate)
    losses = dict[str, float]()
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - epoch / epochs)
        order = torch.randperm(len(numbers), generator=generator)
        losses = _pass(network, optimizer, _lessons(network, transitions, order, _MINIBATCH))
    with torch.no_grad():
        for lesson in _lessons(network, transitions, torch.arange(len(numbers)), READ_AT_ONCE):
            network.normalizer.update(network.see(lesson.observations))
    return losses


@torch.no_grad()
def update_statistics(network: QNetwork, observations: Inputs) -> None:
    """Let the normalisers of senses and objectives learn from new readings, each to be shown once."""
    network.perception.update_statistics(observations)
    for objective in network.objectives.values():
        cast(Objective, objective).update_statistics(observations)


def _lessons(network: QNetwork, transitions: Transitions, order: Tensor, size: int) -> Iterator[Lesson]:
    """The readings that transitions begin with in an order (B,) of these, `size` at once."""
    steps, device = transitions.steps, network.actions.device
    for part in order.split(size):
        index: IntArray = part.numpy()
        columns, _ = transitions.states(steps.before[index])
        observations = {name: rows.to(device) for name, rows in columns.items()}
        yield Lesson(observations, network.actions[torch.from_numpy(steps.choice[index]).to(device)])


def _pass(network: QNetwork, optimizer: torch.optim.Optimizer, lessons: Iterator[Lesson]) -> dict[str, float]:
    """One pass; the mean loss of each objective over its minibatches, by name."""
    seen: list[dict[str, Tensor]] = []
    for lesson in lessons:
        perceived = network.perception(lesson.observations)
        losses = {name: objective(lesson, perceived) for name, objective in network.objectives.items()}
        total = torch.stack([network.objective_weights[name] * loss for name, loss in losses.items()]).sum()
        if wrong := [name for name, loss in losses.items() if not torch.isfinite(loss)]:
            raise ValueError(f"objective {wrong[0]!r} has a loss that is not finite, {float(losses[wrong[0]])}")
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        optimizer.step()
        seen.append({name: loss.detach() for name, loss in losses.items()})
    return {name: float(torch.stack([losses[name] for losses in seen]).mean()) for name in network.objectives}
