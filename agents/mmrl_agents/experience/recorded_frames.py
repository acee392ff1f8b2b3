"""Recorded frames as batches that objectives learn from.

F is the number of frames, E that of episodes, B that of a minibatch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mmrl.inputs import Inputs, Presence
from mmrl_agents.experience.demonstrations import Demonstrations
from mmrl_agents.experience.sense_dropout import SenseDropout


@dataclass(frozen=True, eq=False)
class Frames:
    """Some frames of a data set, with what came before and after each at hand."""

    whole: Demonstrations
    """All frames."""
    rows: Tensor
    """Which of them, (B,)."""
    observations: Inputs
    """Readings (B, *window_shape) by sense."""
    actions: Tensor
    """The actions, (B, *A)."""
    present: Presence | None
    """Bool masks (B,) by sense, if any are dropped."""
    memory: None = None

    @property
    def timeline(self) -> Frames:
        """The order in which they were recorded."""
        return self

    @property
    def episodes(self) -> Tensor:
        """The number of the episode of each, (B,)."""
        return self.whole.episodes[self.rows]

    @property
    def times(self) -> Tensor:
        """The frame number of each, (B,)."""
        return self.rows

    def following(self, names: Collection[str]) -> tuple[Inputs, Tensor]:
        """Readings of some senses one step later, and whether they are of the same episode, bool (B,)."""
        later = (self.rows + 1).clamp(max=len(self.whole) - 1)
        readings = {name: self.whole.observations[name][later] for name in names}
        return readings, (later > self.rows) & (self.whole.episodes[later] == self.episodes)


class FramesWithoutSenses:
    """Batches of recorded frames, of which each episode lacks senses in each pass anew, where any are dropped."""

    def __init__(self, frames: Demonstrations, dropped: Mapping[str, float], seed: int) -> None:
        """`dropped` is the share of the episodes that each sense is absent from, where it is any."""
        self.frames = frames
        self._number = torch.unique_consecutive(frames.episodes, return_inverse=True)[1]
        episodes = int(self._number[-1]) + 1
        self._dropout = SenseDropout(tuple(frames.observations), episodes, dropped, seed) if dropped else None

    def batches(self, size: int, order: Tensor) -> Iterator[Frames]:
        """A pass in the order of an index (F,), at most `size` frames at once."""
        masks = self._masks()
        for rows in order.to(self.frames.actions.device).split(size):
            part = self.frames.at(rows)
            present = {name: mask[rows] for name, mask in masks.items()} if masks else None
            yield Frames(self.frames, rows, part.observations, part.actions, present)

    def _masks(self) -> dict[str, Tensor]:
        """Bool masks (F,) by sense for a pass; {} where none is dropped."""
        if self._dropout is None:
            return {}
        self._dropout.begin(np.arange(len(self._dropout.present)))
        of_episodes = torch.from_numpy(self._dropout.present.copy()).to(self._number.device)  # (E, S)
        return {name: of_episodes[self._number, i] for i, name in enumerate(self._dropout.senses)}

    def state_dict(self) -> dict[str, Any] | None:
        """The state of what is dropped, None where nothing is."""
        return None if self._dropout is None else self._dropout.state_dict()

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Undo `state_dict`."""
        if self._dropout is not None:
            self._dropout.load_state_dict(state)
