"""One small network per kind of sense, built from the sense's declaration.

Shapes: B rows, T readings of a window (oldest first), C features of one reading or channels of an
image, H x W pixels, L positions along a convolved window, D = `Encoder.features`, K = `Encoder.tokens`.

An encoder of your own needs a spec: `Custom`, which names a factory, or a subclass of `EncoderSpec`
whose encoder is decorated with `register_encoder`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch
from typing import TypeVar

from torch import Tensor, nn

from mmrl.modality import EncoderSpec, Modality

Builder = TypeVar("Builder", bound="Callable[..., Encoder]")


class Encoder(nn.Module, ABC):
    """Turns readings of one sense, (B, *window_shape) in the declared dtype, into (B, features).

    One with `tokens` gives (B, tokens, features) instead, for fusions that ask for it.
    """

    features: int
    tokens: int | None = None

    @property
    def size(self) -> int | tuple[int, int]:
        """Shape of one row of the output: D, or (K, D) for tokens."""
        return self.features if self.tokens is None else (self.tokens, self.features)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def update_statistics(self, x: Tensor) -> None:
        """Learn the scale of readings (B, *window_shape), if the encoder keeps statistics."""

    def _floats(self, x: Tensor) -> Tensor:
        return x.to(next(self.parameters()).dtype)


@singledispatch
def _build(spec: EncoderSpec, modality: Modality) -> Encoder:
    known = sorted(kind.__name__ for kind in _build.registry if kind is not object)
    raise TypeError(
        f"no encoder for spec {type(spec).__name__} of modality {modality.name!r}; "
        f"known specs: {', '.join(known)} (add one with register_encoder)"
    )


def register_encoder(spec_type: type[EncoderSpec]) -> Callable[[Builder], Builder]:
    """Decorator: build encoders for `spec_type` and its subclasses by calling (spec, modality)."""

    def register(builder: Builder) -> Builder:
        _build.register(spec_type, builder)
        return builder

    return register


def build_encoder(modality: Modality) -> Encoder:
    """The untrained encoder that `modality.encoder` describes; TypeError for an unknown spec."""
    return _build(modality.encoder, modality)


def build_token_encoder(modality: Modality) -> Encoder:
    """The untrained encoder of `modality`, with a token for each part of a reading where it can tell parts apart.

    ImageConv gives the positions of its feature maps, TemporalConv those along its window, anything
    else one vector, which is one token.
    """
    return _build_tokens(modality.encoder, modality)


@singledispatch
def _build_tokens(spec: EncoderSpec, modality: Modality) -> Encoder:
    return build_encoder(modality)


def register_tokens(spec_type: type[EncoderSpec]) -> Callable[[Builder], Builder]:
    """Decorator: build encoders with tokens for `spec_type` and its subclasses by calling (spec, modality)."""

    def register(builder: Builder) -> Builder:
        _build_tokens.register(spec_type, builder)
        return builder

    return register
