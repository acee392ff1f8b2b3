"""Fusion before any encoding."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrl.encoders import Encoder, build_signal
from mmrl.encoders.clock import shared_clock
from mmrl.encoders.layers import LEAKY_SLOPE, CausalConv
from mmrl.fusion.base import Encodings, Fusion, FusionOptions, Size, project, require_whole_numbers
from mmrl.inputs import Presence
from mmrl.modality import Modality

_KERNEL = _STRIDE = 2


@dataclass(frozen=True)
class EarlyOptions(FusionOptions):
    """Options of `early`."""

    ticks: int = 8
    """Most instants of the common clock, spread over the longest window of any sense."""
    pixels: int = 16
    """Side to which an image is averaged down."""
    channels: tuple[int, ...] = (64, 64)
    """Output channels of each causal convolution along the ticks, which halves their number."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "ticks", "pixels", "channels")


class EarlyFusion(Fusion):
    """Early fusion (Baltrusaitis et al. 2019): raw signals of all senses on one clock, then one encoder for them all.

    "Multimodal Machine Learning: A Survey and Taxonomy", sec. 6.1. Windows are resampled to common instants, images
    averaged to a few pixels and held (`mmrl.encoders.signal`), everything is put side by side, (B, L, sum of C_s), and
    read by causal convolutions along the L instants. An absent sense contributes learned readings, the same at every
    instant.
    """

    options_type = EarlyOptions
    reads_tokens = True

    def __init__(self, sizes: Mapping[str, Size], features: int, options: EarlyOptions = EarlyOptions()) -> None:
        """ValueError for senses with different numbers of instants."""
        super().__init__(sizes, features)
        lengths = {name: shape[0] for name, shape in self.shapes.items()}
        length = next(iter(lengths.values()))
        if set(lengths.values()) != {length}:
            raise ValueError(f"early fusion needs all senses on one clock, got instants {lengths}")
        total = sum(self.sizes.values())
        self.absent = nn.Parameter(torch.zeros(total))
        layers: list[nn.Module] = []
        for size in itertools.pairwise((total, *options.channels)):
            layers += [CausalConv(*size, _KERNEL, _STRIDE), nn.LeakyReLU(LEAKY_SLOPE)]
            length = -(-length // _STRIDE)
        self.convolutions = nn.Sequential(*layers)
        self.output = project(length * options.channels[-1], features)

    @classmethod
    def make_encoders(cls, modalities: Mapping[str, Modality], options: FusionOptions) -> dict[str, Encoder]:
        """No encoders, only what puts raw readings on the common clock."""
        assert isinstance(options, EarlyOptions)
        clock = shared_clock(modalities.values(), options.ticks)
        return {name: build_signal(modality, clock, options.pixels) for name, modality in modalities.items()}

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        """Signals (B, L, C_s) by sense: (B, D)."""
        signals = torch.cat(self.filled(features, present, self.absent), dim=-1)  # (B, L, sum of C_s)
        fused: Tensor = self.output(self.convolutions(signals).flatten(1))
        return fused
