"""Samples of a minibatch, as an objective gets them, and senses of several kinds."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from mmrl.inputs import Memory
from mmrl.modality import MLP, DeepSets, ImageConv, Modality, TemporalConv, WordBag
from mmrl.representation import Timeline


class Samples(NamedTuple):
    observations: Mapping[str, Tensor]
    actions: Tensor
    present: Mapping[str, Tensor] | None = None
    memory: Memory | None = None
    timeline: Timeline | None = None


@dataclass(frozen=True)
class Recorded:
    """Samples of some episodes, with readings that follow some of them."""

    episodes: Tensor
    times: Tensor
    later: Mapping[str, Tensor] = field(default_factory=dict)
    follows: Tensor = field(default_factory=lambda: torch.zeros(0))

    def following(self, names: Collection[str]) -> tuple[Mapping[str, Tensor], Tensor]:
        return self.later, self.follows


SENSES = {
    "film": Modality("film", (8, 8, 1), 10, ImageConv((4,), (4,), (2,), features=8), dtype="uint8"),
    "force": Modality("force", (2,), 100, TemporalConv((4, 6), features=6), history=8, unit="N"),
    "pose": Modality("pose", (3,), 20, MLP((8,), features=5), unit=("m", "m", "rad")),
    "points": Modality("points", (3, 3), 10, DeepSets((8,), features=6)),
    "speech": Modality("speech", (4,), 20, WordBag(("left", "right", "up"), features=6), high=3, dtype="uint8"),
}
"""A sense of each kind, small."""


def readings(rows: int, seed: int = 0, **senses: Modality) -> dict[str, Tensor]:
    """Random readings of senses, of `SENSES` where none are given."""
    draw = torch.Generator().manual_seed(seed)
    return {name: _readings(rows, sense, draw) for name, sense in (senses or SENSES).items()}


def _readings(rows: int, sense: Modality, draw: torch.Generator) -> Tensor:
    shape = (rows, *sense.window_shape)
    if sense.dtype == "uint8":
        return torch.randint(int(sense.bounds[1].max()) + 1, shape, generator=draw, dtype=torch.uint8)
    drawn = 5 + 3 * torch.randn(shape, generator=draw)
    if isinstance(sense.encoder, DeepSets):
        drawn[..., -1] = torch.rand(shape[:-1], generator=draw) > 0.3
    return drawn
