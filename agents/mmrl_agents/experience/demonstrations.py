"""Recorded episodes as what a policy is to imitate: every frame in memory, some episodes held out.

F is the number of frames, B that of a minibatch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.modality import Modality
from mmrl_agents.records.dataset.features import ACTION, EXECUTED, OBSERVATION
from mmrl_agents.records.dataset.folder import Dataset


@dataclass(frozen=True, eq=False)
class Demonstrations:
    """Frames of episodes."""

    observations: Mapping[str, Tensor]
    """Readings by sense, (F, *window_shape), in their own dtypes."""
    actions: Tensor
    """The actions that were taken, (F, *A)."""
    episodes: Tensor
    """The number of the episode of each frame, (F,), in the order in which they were recorded."""

    def __len__(self) -> int:
        """F."""
        return len(self.actions)

    def batches(self, size: int, order: Tensor | None = None) -> Iterator[Demonstrations]:
        """Minibatches of at most `size` frames, in the order of an index (F,), or as they were recorded."""
        order = torch.arange(len(self)) if order is None else order
        for rows in order.split(size):
            yield self.at(rows)

    def at(self, rows: Tensor) -> Demonstrations:
        """The frames of an index (B,)."""
        observations = {name: each[rows] for name, each in self.observations.items()}
        return Demonstrations(observations, self.actions[rows], self.episodes[rows])

    def to(self, device: torch.device) -> Demonstrations:
        """The same on a device."""
        observations = {name: each.to(device) for name, each in self.observations.items()}
        return Demonstrations(observations, self.actions.to(device), self.episodes.to(device))


def read_demonstrations(
    folder: Path,
    senses: Mapping[str, Modality],
    actions: spaces.Box | spaces.Discrete,
    held_out: float,
    executed: bool = False,
) -> tuple[Demonstrations, Demonstrations | None]:
    """The frames to learn from, and those of the last episodes, a share `held_out` of all, where there are any.

    `executed` reads actions as they were carried out, which is what the next reading followed from.

    Raises ValueError for a folder that is no data set, one without episodes, and one whose senses or actions are not
    those of the policy.
    """
    data = Dataset(folder)
    if not len(data):
        raise ValueError(f"{folder} has no episode to learn from")
    _require_same(data, senses, actions)
    kept = len(data) - int(held_out * len(data))
    groups = (range(kept), range(kept, len(data)))
    learned, tested = (_read(data, senses, actions, numbers, executed) if numbers else None for numbers in groups)
    assert learned is not None
    return learned, tested


def _read(
    data: Dataset,
    senses: Mapping[str, Modality],
    actions: spaces.Box | spaces.Discrete,
    numbers: range,
    executed: bool,
) -> Demonstrations:
    episodes = [data.episode(number).frames for number in numbers]
    column = EXECUTED if executed and EXECUTED in data.features else ACTION
    taken = np.concatenate([frames[column] for frames in episodes])
    observations = {
        name: torch.from_numpy(np.concatenate([frames[OBSERVATION.format(name)] for frames in episodes]))
        for name in senses
    }
    chosen = torch.from_numpy(taken[:, 0] if isinstance(actions, spaces.Discrete) else taken)
    lengths = torch.tensor([len(frames[ACTION]) for frames in episodes])
    return Demonstrations(observations, chosen, torch.repeat_interleave(torch.tensor(numbers), lengths))


def _require_same(data: Dataset, senses: Mapping[str, Modality], actions: spaces.Box | spaces.Discrete) -> None:
    recorded: Mapping[str, Any] = data.ours["senses"]
    for name, sense in senses.items():
        if name not in recorded:
            raise ValueError(
                f"{data.folder} has no sense {name!r}, it has {', '.join(recorded)}: choose among them with --sensors"
            )
        shape = data.features[OBSERVATION.format(name)].shape
        if shape != sense.window_shape:
            raise ValueError(f"{name!r} has the shape {shape} in {data.folder} and {sense.window_shape} here")
    taken = data.features[ACTION]
    shape = (1,) if isinstance(actions, spaces.Discrete) else actions.shape
    if taken.shape != shape or (taken.dtype == "int64") != isinstance(actions, spaces.Discrete):
        raise ValueError(f"actions are {taken.dtype} {taken.shape} in {data.folder}, and {actions} here")
