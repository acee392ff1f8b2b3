"""The bimodal autoencoder: readings of all senses, read back from the joint vector of all or of one.

B rows, S senses, D numbers of the joint vector.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrl.fusion import sense_key
from mmrl.inputs import Inputs, Presence
from mmrl.modality import Modality
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, DecodingObjective, Objective, ObjectiveConfig, Reconstructed
from mmrl.representation.decoders import SenseDecoders
from mmrl.representation.draws import Draws
from mmrl.representation.senses import Names, chosen_senses, encoding_size, mask_of, mean_over, total


@dataclass(frozen=True)
class Bimodal(ObjectiveConfig):
    """The error of the readings of all senses as decoded from the joint vector of all, or of one of them alone."""

    sense: Names = ()
    """The senses that are decoded, [camera,force_torque]; all where none is named."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("bimodal", "decodes", self.sense, perception)
        chosen_senses("bimodal", "sees", (), perception, least=2)
        return JointReconstruction(perception, names)


class JointReconstruction(DecodingObjective):
    """The mean error of readings decoded from a joint vector of few senses, as `Reconstruction` counts it.

    Ngiam et al. 2011, "Multimodal Deep Learning", sec. 4: of two senses a third of the samples shows both, a third the
    one alone and a third the other, and both are reconstructed of each. Of S senses a share 1 / (S + 1) shows all and
    as much each sense alone, drawn anew each time. A row that lacks a sense shows it never and reconstructs it never.
    """

    def __init__(self, perception: Perception, names: list[str]) -> None:
        super().__init__()
        self.names, self.all_names = names, list(perception.modalities)
        sizes = {sense_key(name): encoding_size(perception, name) for name in names}
        self.ways = nn.ModuleDict({key: nn.Linear(perception.features, size) for key, size in sizes.items()})
        self.decoders = SenseDecoders(perception, names)
        self.draws = Draws()

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        joint = seen.perception(batch.observations, self.shown(batch), batch.memory).fused
        losses = []
        for name in self.names:
            errors = self.decoders.errors(name, self.ways[sense_key(name)](joint), batch)
            losses.append(mean_over(errors, mask_of(batch.present, name)))
        return total(losses)

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        """Each sense from all, and from each other one alone."""
        found = [self._decoded(name, "all senses", seen.fused) for name in self.names]
        for alone in self.all_names:
            masks = {
                name: torch.full_like(seen.fused[:, 0], name == alone, dtype=torch.bool) for name in self.all_names
            }
            joint = seen.perception(batch.observations, masks, batch.memory).fused
            found += [self._decoded(name, alone, joint) for name in self.names if name != alone]
        return found

    def _decoded(self, name: str, source: str, joint: Tensor) -> Reconstructed:
        return Reconstructed(name, source, self.decoders.readings(name, self.ways[sense_key(name)](joint)))

    def shown(self, batch: Batch) -> Presence:
        """Masks (B,) of the senses that are shown, drawn; of worlds that are remembered the same at all steps."""
        rows = len(batch.actions)
        worlds, device = rows if batch.memory is None else batch.memory.episode_start.shape[1], batch.actions.device
        drawn = torch.randint(len(self.all_names) + 1, (worlds,), generator=self.draws(device), device=device)
        choice = drawn.repeat(rows // worlds)
        there = torch.ones(rows, dtype=torch.bool, device=device)
        masks = [mask_of(batch.present, name) for name in self.all_names]
        present = torch.stack([there if mask is None else mask for mask in masks])  # (S, B)
        alone = torch.arange(len(present), device=device).unsqueeze(1)
        chosen = present & ((choice == alone) | (choice == len(present)))
        shown = torch.where(chosen.any(dim=0), chosen, present)  # else that one is absent: all that is there
        return dict(zip(self.all_names, shown, strict=True))

    def update_statistics(self, observations: Inputs) -> None:
        self.decoders.update_statistics(observations)
