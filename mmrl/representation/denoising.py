"""The denoising autoencoder: clean readings of a sense, read back from the encoding of noisy ones.

B rows, P numbers of a reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch
from typing import cast

import torch
from torch import Tensor, nn

from mmrl.fusion import sense_key
from mmrl.inputs import Inputs
from mmrl.modality import DeepSets, EncoderSpec, Modality, WordBag
from mmrl.normalization import RunningStatistics
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, DecodingObjective, Objective, ObjectiveConfig, Reconstructed
from mmrl.representation.decoders import SenseDecoders
from mmrl.representation.draws import Draws
from mmrl.representation.senses import Names, chosen_senses, mask_of, mean_over, reading_of, total


@dataclass(frozen=True)
class Denoising(ObjectiveConfig):
    """The error of the clean readings of each sense as a decoder gets them back from the encoding of noisy ones."""

    sense: Names = ()
    """The sense that is encoded and decoded, or several, [camera,force_torque]; all where none is named."""
    noise: tuple[float, ...] = (0.1, 0.2, 0.3)
    """Deviations of the noise, in those of the readings, of which each row gets one; words get lost with such a
    probability."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.noise or not all(0 < level <= 1 for level in self.noise):
            raise ValueError(f"Denoising.noise must be numbers in (0, 1], got {self.noise}")

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("denoising", "decodes", self.sense, perception)
        return DenoisedReconstruction(perception, names, self.noise)


class DenoisedReconstruction(DecodingObjective):
    """The mean error of readings decoded from encodings of noisy readings, as `Reconstruction` counts it.

    Vincent et al. 2010, "Stacked Denoising Autoencoders", with Gaussian noise, all layers at once. Size and noise of
    each row are drawn anew each time.
    """

    def __init__(self, perception: Perception, names: list[str], noise: tuple[float, ...]) -> None:
        super().__init__()
        self.specs = {name: perception.modalities[name].encoder for name in names}
        self.decoders = SenseDecoders(perception, names)
        sizes = {name: math.prod(perception.modalities[name].window_shape) for name in names}
        self.spreads = nn.ModuleDict({sense_key(name): RunningStatistics(size) for name, size in sizes.items()})
        self.draws = Draws()
        self.register_buffer("levels", torch.tensor(noise), persistent=False)

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        losses = []
        for name in self.specs:
            errors = self.decoders.errors(name, self._encoded(name, batch, seen), batch)
            losses.append(mean_over(errors, mask_of(batch.present, name)))
        return total(losses)

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        return [
            Reconstructed(name, "noisy", self.decoders.readings(name, self._encoded(name, batch, seen)))
            for name in self.specs
        ]

    def _encoded(self, name: str, batch: Batch, seen: Seen) -> Tensor:
        """The encoding (B, D) of noisy readings of a sense."""
        noisy = self._noisy(name, self.specs[name], reading_of(batch, name))
        encoded: Tensor = seen.perception.encoder(name)(noisy).flatten(1)
        return encoded

    def _noisy(self, name: str, spec: EncoderSpec, reading: Tensor) -> Tensor:
        generator, levels = self.draws(reading.device), cast(Tensor, self.levels)
        drawn = torch.randint(len(levels), (len(reading),), generator=generator, device=reading.device)
        level = levels[drawn].view(-1, *(1,) * (reading.dim() - 1))
        spread = cast(RunningStatistics, self.spreads[sense_key(name)]).var.sqrt().float()
        return noised(spec, reading, level * spread.view(reading.shape[1:]), level, generator)

    def update_statistics(self, observations: Inputs) -> None:
        self.decoders.update_statistics(observations)
        for name in self.specs:
            if name in observations:
                cast(RunningStatistics, self.spreads[sense_key(name)]).update(observations[name].flatten(1))


@singledispatch
def noised(spec: EncoderSpec, x: Tensor, deviation: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
    """Readings (B, *window_shape) under noise of a deviation (B, *window_shape), as floats."""
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return x.float() + deviation * noise


@noised.register
def _(spec: WordBag, x: Tensor, deviation: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
    """Some words get lost, each with the probability `level` (B, 1)."""
    lost = torch.rand(x.shape, generator=generator, device=x.device) < level
    return torch.where(lost, 0, x)


@noised.register
def _(spec: DeepSets, x: Tensor, deviation: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
    """Elements stay there or missing, as their last feature says."""
    noise = torch.randn(x.shape, generator=generator, device=x.device)
    return torch.cat([(x + deviation * noise)[..., :-1], x[..., -1:]], dim=-1)
