"""Networks for words of a closed vocabulary, numbered from 1 on.

Shapes: B rows, L words of a reading, V of the vocabulary, D the size of the vector of a word.
"""

from __future__ import annotations

import math
from abc import ABC

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders.base import Decoder, Encoder, Networks
from mmrl.encoders.clock import Clock
from mmrl.encoders.layers import mlp
from mmrl.encoders.signal import Signal
from mmrl.modality import Modality, WordBag

_HIDDEN = 64


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

    def parts(self, x: Tensor) -> Tensor:
        """A one at each word, (B, L, V)."""
        return self.count(x)

    def whole(self, parts: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The likeliest word of each."""
        return 1.0 + parts.argmax(dim=2)

    def mask(self, x: Tensor) -> Tensor:
        return one_hot(x, len(self.vectors)).any(dim=2)


class WordSignal(Signal):
    """How often each word occurs, the same at every tick: (B, L words) -> (B, L ticks, V)."""

    def __init__(self, spec: WordBag, modality: Modality, clock: Clock) -> None:
        super().__init__(modality, clock, len(spec.vocabulary))

    def forward(self, x: Tensor) -> Tensor:
        counts = self._floats(one_hot(x, self.features)).sum(dim=1)
        return self.resampling @ counts.unsqueeze(1)


class WordDecoder(Decoder):
    """A hidden layer, and one to the scores of all words, and of none, at each place: (B, D) -> (B, L (1 + V))."""

    def __init__(self, spec: WordBag, modality: Modality, features: int) -> None:
        super().__init__()
        (self.places,) = modality.shape
        self.words = 1 + len(spec.vocabulary)
        self.layers = nn.Sequential(*mlp((features, _HIDDEN), nn.ReLU), nn.Linear(_HIDDEN, self.places * self.words))

    def forward(self, encoding: Tensor) -> Tensor:
        scores: Tensor = self.layers(encoding)
        return scores

    def error(self, decoded: Tensor, x: Tensor) -> Tensor:
        """The mean cross entropy of the words (B, L), in units of that of guessing."""
        scores = decoded.unflatten(1, (self.places, self.words)).transpose(1, 2)  # (B, 1 + V, L)
        known = torch.where(x < self.words, x, 0).long()  # a number beyond the vocabulary is no word
        errors = functional.cross_entropy(scores, known, reduction="none")  # (B, L)
        shares: Tensor = errors.mean(dim=1) / math.log(self.words)
        return shares

    def readings(self, decoded: Tensor) -> Tensor:
        """The words that are likeliest, (B, L)."""
        likeliest: Tensor = decoded.unflatten(1, (self.places, self.words)).argmax(dim=2)
        return likeliest.float()

    def update_statistics(self, x: Tensor) -> None:
        """Words have no scale."""


NETWORKS = Networks(
    WordBagEncoder,
    WordTokens,
    lambda spec, modality, clock, pixels: WordSignal(spec, modality, clock),
    WordDecoder,
)
