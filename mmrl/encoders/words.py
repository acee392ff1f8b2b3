"""Networks for words of a closed vocabulary, numbered from 1 on.

Shapes: B rows, L words of a reading, V of the vocabulary, D the size of the vector of a word.
"""

from __future__ import annotations

from abc import ABC

import torch
from torch import Tensor, nn

from mmrl.encoders.base import Encoder, Networks
from mmrl.encoders.clock import Clock
from mmrl.encoders.signal import Signal
from mmrl.modality import Modality, WordBag


def one_hot(x: Tensor, words: int) -> Tensor:
    """Numbers of words (B, L) as (B, L, V) true at that of each; false throughout for no word of the vocabulary."""
    return x.unsqueeze(2) == torch.arange(1, words + 1, device=x.device)


class WordVectors(Encoder, ABC):
    """A learned vector for each word."""

    def __init__(self, spec: WordBag, modality: Modality) -> None:
        super().__init__()
        self.features = spec.features
        self.vectors = nn.Parameter(torch.randn(len(spec.vocabulary), spec.features))

    def count(self, x: Tensor) -> Tensor:
        """(B, L) -> (B, L, V), a one at each word."""
        return one_hot(x, len(self.vectors)).to(self.vectors.dtype)


class WordBagEncoder(WordVectors):
    """The sum of the vectors of the words."""

    def forward(self, x: Tensor) -> Tensor:
        return self.count(x).sum(dim=1) @ self.vectors


class WordTokens(WordVectors):
    """A token for each word, none of which has a place; where there is no word it is masked."""

    places = False

    def __init__(self, spec: WordBag, modality: Modality) -> None:
        super().__init__(spec, modality)
        (self.tokens,) = modality.shape

    def forward(self, x: Tensor) -> Tensor:
        return self.count(x) @ self.vectors

    def mask(self, x: Tensor) -> Tensor:
        return one_hot(x, len(self.vectors)).any(dim=2)


class WordSignal(Signal):
    """How often each word occurs, the same at every tick: (B, L words) -> (B, L ticks, V)."""

    def __init__(self, spec: WordBag, modality: Modality, clock: Clock) -> None:
        super().__init__(modality, clock, len(spec.vocabulary))

    def forward(self, x: Tensor) -> Tensor:
        counts = self._floats(one_hot(x, self.features)).sum(dim=1)
        return self.resampling @ counts.unsqueeze(1)


NETWORKS = Networks(WordBagEncoder, WordTokens, lambda spec, modality, clock, pixels: WordSignal(spec, modality, clock))
