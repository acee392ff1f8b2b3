"""The autoencoder: readings of a sense, read back from their own encoding.

B rows, P numbers of a reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from mmrl.encoders import Decoder
from mmrl.inputs import Inputs
from mmrl.modality import Modality
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, DecodingObjective, Objective, ObjectiveConfig, Reconstructed
from mmrl.representation.decoders import decoder_of
from mmrl.representation.senses import Names, chosen_senses, mask_of, mean_over, reading_of, total


@dataclass(frozen=True)
class Autoencoder(ObjectiveConfig):
    """The error of the readings of each sense as a decoder gets them back from their encoding."""

    sense: Names = ()
    """The sense that is encoded and decoded, or several, [camera,force_torque]; all where none is named."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        names = chosen_senses("autoencoder", "decodes", self.sense, perception)
        parts = [Reconstruction(name, decoder_of(perception, name)) for name in names]
        return parts[0] if len(parts) == 1 else Reconstructions(parts)


class Reconstruction(DecodingObjective):
    """The mean error of decoded readings of one sense: 1 where nothing but their mean is known of them.

    Hinton & Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks", for one sense and its
    encoder, all layers at once. The error of numbers is squared, in variances; that of words is their cross entropy, in
    that of guessing. Rows in which the sense is absent have no error.
    """

    def __init__(self, sense: str, decoder: Decoder) -> None:
        super().__init__()
        self.sense, self.decoder = sense, decoder

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        errors = self.decoder.error(self._decoded(seen), reading_of(batch, self.sense))
        return mean_over(errors, mask_of(batch.present, self.sense))

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        return [Reconstructed(self.sense, "itself", self.decoder.readings(self._decoded(seen)))]

    def update_statistics(self, observations: Inputs) -> None:
        if self.sense in observations:
            self.decoder.update_statistics(observations[self.sense])

    def _decoded(self, seen: Seen) -> Tensor:
        decoded: Tensor = self.decoder(seen.encodings[self.sense].flatten(1))
        return decoded


class Reconstructions(DecodingObjective):
    """The mean of `Reconstruction` over several senses."""

    def __init__(self, parts: Sequence[Reconstruction]) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        return total([part(batch, seen) for part in self.parts])

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        return [one for part in self.parts for one in cast(Reconstruction, part).reconstructed(batch, seen)]

    def update_statistics(self, observations: Inputs) -> None:
        for part in self.parts:
            cast(Reconstruction, part).update_statistics(observations)
