"""The autoencoder: a reading of a sense, read back from its encoding.

B rows, P numbers of a reading.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from mmrl.encoders import Decoder, build_decoder
from mmrl.inputs import Inputs, blanked
from mmrl.modality import Modality
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, Objective, ObjectiveConfig


@dataclass(frozen=True)
class Autoencoder(ObjectiveConfig):
    """The squared error of the readings of a sense as a decoder gets them back from their encoding."""

    sense: str = "camera"
    """The sense that is encoded and decoded."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        if self.sense not in perception.modalities:
            listed = ", ".join(perception.modalities)
            raise ValueError(f"objective 'autoencoder' decodes {self.sense!r}, the senses are {listed}")
        size = perception.encoder(self.sense).size
        features = size if isinstance(size, int) else math.prod(size)
        return Reconstruction(self.sense, build_decoder(perception.modalities[self.sense], features))


class Reconstruction(Objective):
    """The mean squared error of a decoded reading, in variances: 1 where nothing but the mean is known of it.

    Hinton & Salakhutdinov 2006, "Reducing the Dimensionality of Data with Neural Networks", for one sense and its
    encoder, all layers at once. Rows in which the sense is absent have no error.
    """

    def __init__(self, sense: str, decoder: Decoder) -> None:
        super().__init__()
        self.sense, self.decoder = sense, decoder

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        mask = None if batch.present is None else batch.present.get(self.sense)
        reading = blanked(batch.observations[self.sense], mask)
        decoded = self.decoder(seen.encodings[self.sense].flatten(1))
        error: Tensor = (decoded - self.decoder.scaled(reading)).square().mean(dim=1)
        return error.mean() if mask is None else torch.where(mask, error, 0).sum() / mask.sum().clamp(min=1)

    def update_statistics(self, observations: Inputs) -> None:
        if self.sense in observations:
            self.decoder.update_statistics(observations[self.sense])
