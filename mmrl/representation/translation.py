"""Translation: what one sense reads, from what another one does, and back again.

B rows, D_s numbers of the encoding of sense s.
"""

from __future__ import annotations

import itertools
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
from mmrl.representation.decoders import SenseDecoders
from mmrl.representation.senses import Names, chosen_senses, encoding_size, mean_over, rows_with, total


@dataclass(frozen=True)
class Translation(ObjectiveConfig):
    """The error of the readings of each sense as predicted from each other one, and of the way back."""

    sense: Names = ()
    """The senses that are translated, each into each, [camera,force_torque]; all where none is named."""
    hidden: tuple[int, ...] = (128,)
    """Sizes of the layers between the encodings of two senses; [] for a linear translation."""
    cycle: float = 1.0
    """Weight of the error of the way back."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hidden:
            require_units("Translation.hidden", self.hidden)
        if not 0 <= self.cycle < math.inf:
            raise ValueError(f"Translation.cycle must be finite and not negative, got {self.cycle}")

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("translation", "translates", self.sense, perception, least=2)
        return Translators(perception, names, self.hidden, self.cycle)


class Translators(DecodingObjective):
    """The mean error of predicted readings, as `Reconstruction` counts it, over all ordered pairs of senses.

    Pham et al. 2019, "Found in Translation: Learning Robust Joint Representations by Cyclic Translations Between
    Modalities": sense A is translated into B, and what came out back into A. Here the translation leads from the
    encoding of A to one as B has it, of which the decoder of B makes the readings; the way back begins at that
    encoding. Rows that lack one of the two senses have no error.
    """

    def __init__(self, perception: Perception, names: list[str], hidden: tuple[int, ...], cycle: float) -> None:
        super().__init__()
        self.names, self.cycle = names, cycle
        sizes = {name: encoding_size(perception, name) for name in names}
        self.translators = nn.ModuleDict(
            {_key(a, b): _translator((sizes[a], *hidden), sizes[b]) for a, b in itertools.permutations(names, 2)}
        )
        self.decoders = SenseDecoders(perception, names)

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        return total([self._there_and_back(a, b, batch, seen) for a, b in itertools.permutations(self.names, 2)])

    def _there_and_back(self, a: str, b: str, batch: Batch, seen: Seen) -> Tensor:
        translated = self.translators[_key(a, b)](seen.encodings[a].flatten(1))
        errors = self.decoders.errors(b, translated, batch)
        if self.cycle:
            errors = errors + self.cycle * self.decoders.errors(a, self.translators[_key(b, a)](translated), batch)
        return mean_over(errors, rows_with(batch, (a, b)))

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        return [Reconstructed(b, a, self.imagined(a, b, seen)) for a, b in itertools.permutations(self.names, 2)]

    def imagined(self, a: str, b: str, seen: Seen) -> Tensor:
        """The readings of sense b, (B, *window_shape) as floats, as predicted from the encoding of sense a."""
        return self.decoders.readings(b, self.translators[_key(a, b)](seen.encodings[a].flatten(1)))

    def update_statistics(self, observations: Inputs) -> None:
        self.decoders.update_statistics(observations)


def _translator(sizes: tuple[int, ...], outputs: int) -> nn.Sequential:
    return nn.Sequential(*mlp(sizes, nn.ReLU), nn.Linear(sizes[-1], outputs))


def _key(a: str, b: str) -> str:
    return sense_key(a) + ">" + sense_key(b)
