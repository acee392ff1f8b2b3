"""The contract of an encoder, and the networks of a kind of sense.

Shapes: B rows, T readings of a window (oldest first), C features of one reading or channels of an
image, H x W pixels, L positions along a convolved window, D = `Encoder.features`, K = `Encoder.tokens`.

An encoder of your own needs a spec: `Custom`, which names a factory, or a kind of your own (`mmrl.modality.kinds`),
whose `Networks` stand beside its encoder.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor, nn

from mmrl.encoders.clock import Clock
from mmrl.modality import Modality


class Unplaced(NamedTuple):
    """The shape of tokens in no order, which a fusion must not tell apart by where they stand."""

    tokens: int
    """K."""
    features: int
    """D."""


class Encoder(nn.Module, ABC):
    """Turns readings of one sense, (B, *window_shape) in the declared dtype, into (B, features).

    One with `tokens` gives (B, tokens, features) instead, for fusions that ask for it.
    """

    features: int
    tokens: int | None = None
    places: bool = True
    """Whether it means something where among the tokens one stands: not in a set."""

    @property
    def size(self) -> int | tuple[int, int]:
        """Shape of one row of the output: D, or (K, D) for tokens."""
        if self.tokens is None:
            return self.features
        return (self.tokens, self.features) if self.places else Unplaced(self.tokens, self.features)

    def mask(self, x: Tensor) -> Tensor | None:
        """Which tokens of readings (B, *window_shape) stand for something, bool (B, tokens); None where all do."""
        return None

    def parts(self, x: Tensor) -> Tensor:
        """The numbers of readings (B, *window_shape) that each token stands for, (B, K, P) as floats.

        Tokens may have looked at more than that, as those of convolutions have. ValueError where an encoder does not
        say.
        """
        if self.tokens not in (None, 1):
            raise ValueError(f"{type(self).__name__} does not say which parts of a reading its tokens stand for")
        return x.flatten(1).unsqueeze(1).float()

    def whole(self, parts: Tensor, shape: tuple[int, ...]) -> Tensor:
        """The readings (B, *shape) that are made of parts (B, K, P)."""
        readings: Tensor = parts.flatten(1).unflatten(1, shape)
        return readings

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def update_statistics(self, x: Tensor) -> None:
        """Learn the scale of readings (B, *window_shape), if the encoder keeps statistics."""

    def _floats(self, x: Tensor) -> Tensor:
        return x.to(next(self.parameters()).dtype)


class Decoder(nn.Module, ABC):
    """Turns encodings (B, D) back into readings: P numbers that say what each was."""

    @abstractmethod
    def forward(self, encoding: Tensor) -> Tensor:
        """(B, D) -> (B, P)."""

    @abstractmethod
    def error(self, decoded: Tensor, x: Tensor) -> Tensor:
        """How far decoded numbers (B, P) are off readings (B, *window_shape), (B,); about 1 where nothing is known."""

    @abstractmethod
    def readings(self, decoded: Tensor) -> Tensor:
        """The readings that decoded numbers (B, P) stand for, (B, *window_shape) as floats."""

    @abstractmethod
    def update_statistics(self, x: Tensor) -> None:
        """Learn the scale of readings (B, *window_shape)."""


class ScaledDecoder(Decoder, ABC):
    """Gives all numbers of a reading on a common scale; how far they are off is a squared error, in variances."""

    @abstractmethod
    def scaled(self, x: Tensor) -> Tensor:
        """Readings (B, *window_shape) as they should come out, (B, P), their mean about 0 and their variance 1."""

    def error(self, decoded: Tensor, x: Tensor) -> Tensor:
        return (decoded - self.scaled(x)).square().mean(dim=1)


Builder: TypeAlias = Callable[[Any, Modality], Encoder]
"""An untrained encoder from a spec of the kind and the sense that it declares."""
SignalBuilder: TypeAlias = Callable[[Any, Modality, Clock, int], Encoder]
"""The raw readings of a sense on a clock, from a spec of the kind, the sense, the clock and the side of an image."""
DecoderBuilder: TypeAlias = Callable[[Any, Modality, int], Decoder]
"""An untrained decoder of what the encoder of a kind makes of a sense, from a spec of the kind, the sense and the size
of its encoding."""


@dataclass(frozen=True)
class Networks:
    """The networks of one kind of sense; those that it has not are made of what it has."""

    encoder: Builder
    """One vector (B, D) of a reading."""
    tokens: Builder | None = None
    """A token for each part of a reading, (B, K, D); without, its one vector is its one token."""
    signal: SignalBuilder | None = None
    """The raw readings on the clock of early fusion, (B, L, C), on the scale that the encoder gives them; without, all
    numbers of a reading side by side, by their running mean and deviation."""
    decoder: DecoderBuilder | None = None
    """The way back from the one vector of a reading; without, fully connected layers to all its numbers."""
