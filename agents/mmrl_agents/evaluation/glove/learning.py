"""Learning to say by frames of the glove which thing is held.

The trunk learns from single frames. Then it stays, and for each number of frames a head learns to join their maps:
that is what a probe does, and it is cheap, so that seven numbers of frames cost little more than one.

Letters: R = recordings, F = frames of a recording, n = frames that are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.arrays import FloatArray, IntArray
from mmrl_agents.evaluation.glove.choosing import FrameChoice
from mmrl_agents.evaluation.glove.network import FramesHead, FrameTrunk, as_input
from mmrl_agents.evaluation.glove.recordings import Recordings

_AT_ONCE = 512  # frames through the trunk


@dataclass(frozen=True)
class GloveLearning:
    """How the network learns."""

    width: int = 16
    """Channels of the first convolution; 64 is that of the paper."""
    epochs: int = 4
    """Passes of the trunk over all frames."""
    batch: int = 64
    """Frames of a step of the trunk."""
    learning_rate: float = 4e-3
    """Highest one of the trunk: it rises and falls in one cycle (Smith and Topin 2018)."""
    noise: float = 0.015
    """Standard deviation that is added to frames, as a share of the full scale: that of the paper."""
    head_steps: int = 800
    """Steps of a head."""
    head_batch: int = 64
    """Recordings of a step of a head, each with frames drawn anew."""
    head_learning_rate: float = 3e-3
    """As `learning_rate`."""

    def __post_init__(self) -> None:
        """Raises ValueError for numbers that must be positive and are not."""
        for name, value in vars(self).items():
            if name != "noise" and not value > 0:
                raise ValueError(f"{name} must be above 0, got {value}")


def learn_trunk(
    recordings: Recordings, things: int, how: GloveLearning, seed: int, progress: Callable[[], None] = lambda: None
) -> FrameTrunk:
    """A trunk that has learned from single frames; `progress` is called after each step, `trunk_steps` times."""
    frames = as_input(torch.as_tensor(recordings.frames, dtype=torch.float32)).flatten(0, 1)
    labels = torch.as_tensor(recordings.things).repeat_interleave(recordings.frames.shape[1])
    with _seeded(seed):
        trunk = FrameTrunk(how.width)
        trunk.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # of modules
        head = FramesHead(trunk.map_shape, 1, things)
        step = _Steps(nn.ModuleList([trunk, head]), how.learning_rate, trunk_steps(recordings, how))
        for _ in range(how.epochs):
            for rows in torch.randperm(len(frames)).split(how.batch):
                seen = frames[rows] + how.noise * torch.randn(len(rows), *frames.shape[1:])
                step(head(trunk(seen)[:, None]), labels[rows])
                progress()
    return trunk.eval()


def trunk_steps(recordings: Recordings, how: GloveLearning) -> int:
    """Number of steps of `learn_trunk`."""
    count, frames = recordings.frames.shape[:2]
    steps: int = how.epochs * -(-count * frames // how.batch)
    return steps


@torch.no_grad()
def maps_of(trunk: FrameTrunk, frames: FloatArray) -> Tensor:
    """Maps of all frames of recordings (R, F, k, k), in half precision, (R, F, *map_shape)."""
    flat = as_input(torch.as_tensor(frames, dtype=torch.float32)).flatten(0, 1)
    maps = [trunk(some).half() for some in flat.split(_AT_ONCE)]
    together: Tensor = torch.cat(maps).contiguous().unflatten(0, frames.shape[:2])
    return together


def learn_head(
    maps: Tensor, things: IntArray, choice: FrameChoice, number: int, how: GloveLearning, seed: int
) -> FramesHead:
    """A head that has learned from n frames of each recording, chosen anew at every pass, to say which thing it is.

    Args:
        maps: of all frames, (R, F, *map_shape).
        things: of the recordings, (R,).
        choice: of the same recordings.
        number: n.
        how: it learns.
        seed: of all draws.
    """
    rng, labels = np.random.default_rng(seed), torch.as_tensor(things)
    _, _, *map_shape = maps.shape
    with _seeded(seed):
        head = FramesHead(tuple(map_shape), number, int(labels.max()) + 1)  # type: ignore[arg-type]  # three
        step = _Steps(head, how.head_learning_rate, how.head_steps)
        chosen, waiting = torch.empty(0), torch.empty(0, dtype=torch.int64)
        for _ in range(how.head_steps):
            if len(waiting) < how.head_batch:
                chosen, waiting = torch.as_tensor(choice.choose(number, rng)), torch.randperm(len(labels))
            rows, waiting = waiting[: how.head_batch], waiting[how.head_batch :]
            step(head(maps[rows[:, None], chosen[rows]].float()), labels[rows])
    return head.eval()


@torch.no_grad()
def answers_of(head: FramesHead, maps: Tensor, chosen: IntArray) -> IntArray:
    """The thing that a head takes each recording for, (R,), by its chosen frames (R, n)."""
    which = torch.as_tensor(chosen)
    rows = torch.arange(len(which)).split(_AT_ONCE)
    scores = torch.cat([head(maps[some[:, None], which[some]].float()) for some in rows])
    answers: IntArray = scores.argmax(dim=1).numpy()
    return answers


class _Steps:
    """Steps of AdamW on the cross-entropy, the learning rate in one cycle."""

    def __init__(self, module: nn.Module, learning_rate: float, steps: int) -> None:
        self._optimizer = torch.optim.AdamW(module.parameters(), learning_rate, weight_decay=0.02)
        self._schedule = torch.optim.lr_scheduler.OneCycleLR(self._optimizer, learning_rate, steps)

    def __call__(self, scores: Tensor, labels: Tensor) -> None:
        self._optimizer.zero_grad()
        functional.cross_entropy(scores, labels).backward()
        self._optimizer.step()
        self._schedule.step()


@contextmanager
def _seeded(seed: int) -> Iterator[None]:
    """Torch draws from a seed within, and goes on as before after it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        yield
