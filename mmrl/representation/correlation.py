"""Correlation between senses as an objective: linear, deep, and deep with reconstruction.

B rows, D numbers of an encoding, E those that are correlated.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from mmrl.encoders.layers import mlp
from mmrl.fusion import sense_key
from mmrl.inputs import Inputs
from mmrl.modality import Modality
from mmrl.modality.declaration import require_units
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, DecodingObjective, Objective, ObjectiveConfig, Reconstructed
from mmrl.representation.cca import total_correlation
from mmrl.representation.decoders import SenseDecoders
from mmrl.representation.senses import (
    Names,
    chosen_senses,
    encoding_size,
    mask_of,
    mean_over,
    pairs,
    rows_with,
    total,
)


@dataclass(frozen=True)
class LinearCorrelation(ObjectiveConfig):
    """The canonical correlations of the encodings of two senses, turned into a loss."""

    sense: Names = ()
    """The senses that are correlated, each with each, [camera,force_torque]; all where none is named."""
    size: int = 10
    """Pairs of directions that count, those that correlate most."""
    ridge: float = 1e-3
    """Added to the variances of what is correlated."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_units(f"{type(self).__name__}.size", (self.size,))
        if not 0 < self.ridge < math.inf:
            raise ValueError(f"{type(self).__name__}.ridge must be finite and above 0, got {self.ridge}")

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("cca", "correlates", self.sense, perception, least=2)
        return Correlated({name: nn.Identity() for name in names}, self.size, self.ridge)


@dataclass(frozen=True)
class DeepCorrelation(LinearCorrelation):
    """The canonical correlations of two senses after layers of their own, turned into a loss."""

    hidden: tuple[int, ...] = (128,)
    """Sizes of the layers between an encoding and the `size` numbers that are correlated."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("dcca", "correlates", self.sense, perception, least=2)
        return Correlated(self.layers(perception, names), self.size, self.ridge)

    def layers(self, perception: Perception, names: list[str]) -> dict[str, nn.Module]:
        """Untrained layers from an encoding to the numbers that are correlated, by sense."""
        sizes = {name: (encoding_size(perception, name), *self.hidden) for name in names}
        return {
            name: nn.Sequential(*mlp(each, nn.ReLU), nn.Linear(each[-1], self.size)) for name, each in sizes.items()
        }


@dataclass(frozen=True)
class DeepCorrelationAutoencoder(DeepCorrelation):
    """The loss of dcca, and the error of the readings as decoded from the numbers that are correlated."""

    reconstruction: float = 1.0
    """Weight of that error."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.reconstruction < math.inf:
            raise ValueError(
                f"DeepCorrelationAutoencoder.reconstruction must be finite and above 0, got {self.reconstruction}; "
                "without reconstruction it is dcca"
            )

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("dccae", "correlates", self.sense, perception, least=2)
        correlated = Correlated(self.layers(perception, names), self.size, self.ridge)
        return CorrelatedReconstruction(correlated, perception, self.reconstruction)


class Correlated(Objective):
    """Minus the mean of the `size` largest canonical correlations, from -1 to 0, the mean over all pairs of senses.

    Andrew et al. 2013, "Deep Canonical Correlation Analysis"; Hotelling 1936 without layers. Where a batch has no more
    rows with both senses than numbers on both sides, these correlate whatever they are, and the loss is 0.
    """

    def __init__(self, layers: Mapping[str, nn.Module], size: int, ridge: float) -> None:
        super().__init__()
        self.names, self.pairs = list(layers), pairs(list(layers))
        self.layers = nn.ModuleDict({sense_key(name): layer for name, layer in layers.items()})
        self.size, self.ridge = size, ridge

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        sides = self.sides(seen)
        return total(
            [self._loss(sides[left], sides[right], rows_with(batch, (left, right))) for left, right in self.pairs]
        )

    def sides(self, seen: Seen) -> dict[str, Tensor]:
        """The numbers (B, E) that are correlated, by sense."""
        return {name: self.layers[sense_key(name)](seen.encodings[name].flatten(1)) for name in self.names}

    def _loss(self, left: Tensor, right: Tensor, there: Tensor | None) -> Tensor:
        left, right = (side if there is None else side[there] for side in (left, right))
        if len(left) <= left.shape[1] + right.shape[1]:
            return 0 * (left.sum() + right.sum())
        most = min(self.size, left.shape[1], right.shape[1])
        return -total_correlation(left, right, most, self.ridge).to(left.dtype) / most


class CorrelatedReconstruction(DecodingObjective):
    """`Correlated`, and the mean error of readings decoded from what is correlated, as `Reconstruction` counts it.

    Wang et al. 2015, "On Deep Multi-View Representation Learning", DCCAE.
    """

    def __init__(self, correlated: Correlated, perception: Perception, weight: float) -> None:
        super().__init__()
        self.correlated, self.weight = correlated, weight
        sizes = {sense_key(name): encoding_size(perception, name) for name in correlated.names}
        self.ways = nn.ModuleDict({key: nn.Linear(correlated.size, size) for key, size in sizes.items()})
        self.decoders = SenseDecoders(perception, correlated.names)

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        losses = []
        for name, side in self.correlated.sides(seen).items():
            errors = self.decoders.errors(name, self.ways[sense_key(name)](side), batch)
            losses.append(mean_over(errors, mask_of(batch.present, name)))
        loss: Tensor = self.correlated(batch, seen) + self.weight * total(losses)
        return loss

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        return [
            Reconstructed(name, "itself", self.decoders.readings(name, self.ways[sense_key(name)](side)))
            for name, side in self.correlated.sides(seen).items()
        ]

    def update_statistics(self, observations: Inputs) -> None:
        self.decoders.update_statistics(observations)
