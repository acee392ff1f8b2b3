"""Decoders of some senses, as several objectives have them.

B rows, D_s numbers of the encoding of sense s.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from torch import Tensor, nn

from mmrl.encoders import Decoder, build_decoder
from mmrl.fusion import sense_key
from mmrl.inputs import Inputs
from mmrl.perception import Perception
from mmrl.representation.base import Batch
from mmrl.representation.senses import encoding_size, reading_of


class SenseDecoders(nn.Module):
    """A decoder for each of some senses, from an encoding as a perception makes it."""

    def __init__(self, perception: Perception, names: Sequence[str]) -> None:
        super().__init__()
        self.names = tuple(names)
        self.decoders = nn.ModuleDict({sense_key(name): decoder_of(perception, name) for name in names})

    def of(self, name: str) -> Decoder:
        """The decoder of a sense."""
        return cast(Decoder, self.decoders[sense_key(name)])

    def errors(self, name: str, encoding: Tensor, batch: Batch) -> Tensor:
        """How far the readings of a sense, decoded from encodings (B, D_s), are off those of a batch, (B,)."""
        decoder = self.of(name)
        return decoder.error(decoder(encoding), reading_of(batch, name))

    def readings(self, name: str, encoding: Tensor) -> Tensor:
        """The readings of a sense, decoded from encodings (B, D_s): (B, *window_shape) as floats."""
        decoder = self.of(name)
        return decoder.readings(decoder(encoding))

    def update_statistics(self, observations: Inputs) -> None:
        """Learn the scales of new readings, each shown once."""
        for name in self.names:
            if name in observations:
                self.of(name).update_statistics(observations[name])


def decoder_of(perception: Perception, name: str) -> Decoder:
    """An untrained decoder of what a perception makes of a sense."""
    return build_decoder(perception.modalities[name], encoding_size(perception, name))
