"""Networks for sets of elements (K, d + 1), the last feature of which says whether an element exists.

Shapes: B rows, K elements, d features of an element, H the size of the last layer that reads an element.
"""

from __future__ import annotations

import math
from abc import ABC

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.clock import Clock
from mmrl.encoders.layers import mlp, orthogonal_
from mmrl.encoders.signal import Signal
from mmrl.modality import DeepSets, Modality
from mmrl.normalization import make_normalizer

_EXISTS = 0.5
"""Last feature above which an element exists."""


def existing(x: Tensor) -> Tensor:
    """Which elements of sets (B, K, d + 1) exist, (B, K)."""
    return x[..., -1] > _EXISTS


def _features(x: Tensor, there: Tensor) -> Tensor:
    """The features (B, K, d) of the elements that are there, and zeros, whatever the others hold."""
    return torch.where(there.unsqueeze(2), x[..., :-1], 0)


class ElementLayers(Encoder, ABC):
    """The same layers with a ReLU each for every element of a set."""

    def __init__(self, spec: DeepSets, modality: Modality) -> None:
        super().__init__()
        self.normalizer = make_normalizer(spec.squash, modality.shape[1] - 1)
        self.layers = mlp((self.normalizer.features, *spec.hidden), nn.ReLU)

    def read(self, x: Tensor) -> Tensor:
        """(B, K, d + 1) -> (B, K, H), zeros for the elements that are missing."""
        there = existing(x)
        elements = self.layers(self.normalizer(self._floats(_features(x, there))))
        return torch.where(there.unsqueeze(2), elements, 0)

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x[existing(x)][:, :-1])


class SetEncoder(ElementLayers):
    """`ElementLayers`, the largest number of each feature over the elements, and a layer with a ReLU.

    No number after a ReLU is below 0, so that missing elements count for nothing, and a set without elements is zeros.
    """

    def __init__(self, spec: DeepSets, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.features = spec.features
        self.linear = nn.Linear(spec.hidden[-1], spec.features)
        orthogonal_(self.linear, math.sqrt(2))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.linear(self.read(x).amax(dim=1)))


class SetTokens(ElementLayers):
    """`ElementLayers` with a token for each element, none of which has a place; those that are missing are masked."""

    places = False

    def __init__(self, spec: DeepSets, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.tokens, self.features = modality.shape[0], spec.hidden[-1]

    def forward(self, x: Tensor) -> Tensor:
        return self.read(x)

    def parts(self, x: Tensor) -> Tensor:
        """The features of each element."""
        return x

    def mask(self, x: Tensor) -> Tensor:
        return existing(x)


class SetSignal(Signal):
    """The elements of a set side by side, the same at every tick: (B, K, d + 1) -> (B, L, C).

    They stand in the order in which they come. Zeros stand for missing ones, and the last number of each says which.
    """

    def __init__(self, spec: DeepSets, modality: Modality, clock: Clock) -> None:
        elements, features = modality.shape
        normalizer = make_normalizer(spec.squash, features - 1)
        super().__init__(modality, clock, elements * (normalizer.features + 1))
        self.normalizer = normalizer

    def forward(self, x: Tensor) -> Tensor:
        there = existing(x).unsqueeze(2)
        elements = torch.where(there, self.normalizer(self._floats(_features(x, there.squeeze(2)))), 0)
        side_by_side = torch.cat([elements, there.to(elements.dtype)], dim=2)
        return self.resampling @ side_by_side.flatten(1).unsqueeze(1)

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x[existing(x)][:, :-1])


NETWORKS = Networks(SetEncoder, SetTokens, lambda spec, modality, clock, pixels: SetSignal(spec, modality, clock))
