"""Encodings of the parts of a reading, for fusions that attend to them.

Shapes: B rows, K = `Encoder.tokens`, C channels of a feature map of H x W positions.
"""

from __future__ import annotations

from functools import singledispatch

from torch import Tensor

from mmrl.encoders import CausalWindows, Encoder, ImageMaps, build_encoder
from mmrl.modality import EncoderSpec, ImageConv, Modality, TemporalConv


def build_token_encoder(modality: Modality) -> Encoder:
    """The untrained encoder of `modality`, with a token for each part of a reading where it can tell parts apart.

    ImageConv gives the positions of its feature maps, TemporalConv those along its window, anything
    else one vector, which is one token.
    """
    return _build_tokens(modality.encoder, modality)


@singledispatch
def _build_tokens(spec: EncoderSpec, modality: Modality) -> Encoder:
    return build_encoder(modality)


@_build_tokens.register(ImageConv)
class ImageTokens(ImageMaps):
    """`ImageMaps` with a token for each position, row by row."""

    def __init__(self, spec: ImageConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.tokens, self.features = self.positions, spec.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x).flatten(2).transpose(1, 2)  # (B, C, H, W) -> (B, K, C)


@_build_tokens.register(TemporalConv)
class TemporalTokens(CausalWindows):
    """`CausalWindows` with a token for each position that remains, the newest last."""

    def __init__(self, spec: TemporalConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.tokens, self.features = self.positions, spec.channels[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.convolve(x)
