"""The networks of a sense, from its declaration."""

from __future__ import annotations

import importlib

from mmrl.encoders.base import Decoder, Encoder, Networks
from mmrl.encoders.clock import Clock
from mmrl.encoders.decoding import DenseDecoder
from mmrl.encoders.signal import VectorSignal
from mmrl.modality import Modality
from mmrl.modality.kinds import Kind, kind_of


def build_encoder(modality: Modality) -> Encoder:
    """The untrained encoder that `modality.encoder` describes; TypeError for a spec of no kind."""
    return networks_of(modality).encoder(modality.encoder, modality)


def build_token_encoder(modality: Modality) -> Encoder:
    """The untrained encoder of `modality`, with a token for each part of a reading where it can tell parts apart.

    ImageConv gives the positions of its feature maps, TemporalConv those along its window; a kind without tokens gives
    one vector, which is one token.
    """
    networks = networks_of(modality)
    return (networks.tokens or networks.encoder)(modality.encoder, modality)


def build_signal(modality: Modality, clock: Clock, pixels: int) -> Encoder:
    """The raw readings of a sense as tokens (B, L, C), one for each tick; nothing in it is learned by gradients.

    They are brought to a common scale as the sense's own encoder would do it. An image is averaged over areas down to
    at most `pixels` x `pixels`.
    """
    signal = networks_of(modality).signal
    return VectorSignal(modality, clock) if signal is None else signal(modality.encoder, modality, clock, pixels)


def build_decoder(modality: Modality, features: int) -> Decoder:
    """The untrained decoder of what the encoder of `modality` gives, `features` numbers."""
    decoder = networks_of(modality).decoder
    return DenseDecoder(modality, features) if decoder is None else decoder(modality.encoder, modality, features)


def networks_of(modality: Modality) -> Networks:
    """The networks of the kind of a sense; TypeError, naming the sense, where its spec is of no kind."""
    try:
        return _networks(kind_of(modality.encoder))
    except TypeError as error:
        raise TypeError(f"modality {modality.name!r}: {error} (add one with mmrl.modality.register_kind)") from error


def _networks(kind: Kind) -> Networks:
    module, _, name = kind.networks.partition(":")
    found = vars(importlib.import_module(module)).get(name)
    if not isinstance(found, Networks):
        raise TypeError(f"kind {kind.name!r}: {kind.networks!r} must name mmrl.encoders.Networks, got {found!r}")
    return found
