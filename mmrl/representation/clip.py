"""Contrast between senses: which of many readings of another sense is of the same instant.

B rows, D numbers of an encoding, E those that are compared.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.fusion import sense_key
from mmrl.modality import Modality
from mmrl.modality.declaration import require_units
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, Objective, ObjectiveConfig, require_timeline
from mmrl.representation.senses import Names, chosen_senses, encoding_size, mean_over, pairs, rows_with, total

_TEMPERATURE = 0.07
_SHARPEST = 100.0

Negatives = Literal["all", "other_episodes", "same_episode"]


@dataclass(frozen=True)
class Clip(ObjectiveConfig):
    """The cross entropy of finding, among readings of many instants, that of another sense at the same instant."""

    sense: Names = ()
    """The senses that are compared, each with each, [camera,force_torque]; all where none is named."""
    size: int = 64
    """Numbers that encodings are compared by."""
    negatives: Negatives = "all"
    """Readings that the right one stands among: all others of a batch, those of other_episodes, or those of other times
    of the same_episode."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_units("Clip.size", (self.size,))

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("clip", "compares", self.sense, perception, least=2)
        return Contrast(perception, names, self.size, self.negatives)


class Contrast(Objective):
    """Symmetric InfoNCE, the mean over all pairs of senses.

    Radford et al. 2021, "Learning Transferable Visual Models From Natural Language Supervision": linear projections of
    both encodings, of unit length, are compared by exp(s) I T^T with a learned s, log(1 / 0.07) at first and exp(s) at
    most 100; the loss is the mean of the cross entropies along rows and along columns. Rows that lack one of the two
    senses are neither compared nor stand among the others.
    """

    def __init__(self, perception: Perception, names: list[str], size: int, negatives: Negatives) -> None:
        super().__init__()
        self.pairs, self.negatives = pairs(names), negatives
        sizes = {sense_key(name): encoding_size(perception, name) for name in names}
        self.projections = nn.ModuleDict({key: nn.Linear(each, size, bias=False) for key, each in sizes.items()})
        self.scale = nn.Parameter(torch.tensor(math.log(1 / _TEMPERATURE)))

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        among = self._among(batch)
        return total([self._contrast(names, batch, seen, among) for names in self.pairs])

    def _contrast(self, names: tuple[str, str], batch: Batch, seen: Seen, among: Tensor | None) -> Tensor:
        left, right = (self._compared(name, seen) for name in names)
        scores = self.scale.exp().clamp(max=_SHARPEST) * left @ right.T  # (B, B)
        there = rows_with(batch, names)
        if there is not None:
            both = there.unsqueeze(0) & there.unsqueeze(1)
            among = both if among is None else among & both
        if among is None:
            truth = torch.arange(len(scores), device=scores.device)
            return (functional.cross_entropy(scores, truth) + functional.cross_entropy(scores.T, truth)) / 2
        itself = torch.eye(len(scores), dtype=torch.bool, device=scores.device)
        scores = scores.masked_fill(~(among | itself), -math.inf)
        errors = -(scores.log_softmax(dim=1).diagonal() + scores.log_softmax(dim=0).diagonal()) / 2
        return mean_over(errors, (among & ~itself).any(dim=1))  # what stands alone is no question

    def _compared(self, name: str, seen: Seen) -> Tensor:
        """The encodings (B, E) of a sense, of unit length."""
        return functional.normalize(self.projections[sense_key(name)](seen.encodings[name].flatten(1)), dim=1)

    def _among(self, batch: Batch) -> Tensor | None:
        """Where a row may stand among the readings that another one is compared with, bool (B, B); None for all."""
        if self.negatives == "all":
            return None
        episodes = require_timeline("clip", f"negatives={self.negatives}", batch).episodes
        same = episodes.unsqueeze(0) == episodes.unsqueeze(1)
        return same if self.negatives == "same_episode" else ~same
