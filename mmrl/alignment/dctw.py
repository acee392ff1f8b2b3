"""Deep canonical time warping: networks in place of the linear maps."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmrl.alignment.canonical import canonical_projections, distance
from mmrl.alignment.warping import Pair, TimeWarping, alternate
from mmrl.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class DCTW(TimeWarping):
    """Deep canonical time warping: networks by deep CCA, and a path by DTW, in turns (Trigeorgis et al. 2018)."""

    dimensions: int = 3
    """b, the outputs of each network."""
    rounds: int = 5
    """Most turns."""
    hidden: int = 32
    """Units of the hidden layer of each network."""
    steps: int = 60
    """Steps of Adam in each turn, each on all instants."""
    learning_rate: float = 1e-2
    """Of Adam."""
    seed: int = 0
    """Of the first weights."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if min(self.dimensions, self.rounds, self.hidden, self.steps) < 1 or not self.learning_rate > 0:
            raise ValueError(
                "dimensions, rounds, hidden and steps must be at least 1 and learning_rate positive, got "
                f"{self.dimensions}, {self.rounds}, {self.hidden}, {self.steps} and {self.learning_rate}"
            )

    def warp(self, pairs: Sequence[Pair]) -> tuple[list[IntArray], list[float]]:
        from mmrl.alignment.deep import WarpNetworks

        networks = WarpNetworks([each.shape[1] for each in pairs[0]], self.dimensions, self.hidden, self.seed)

        def spatial(sets: Sequence[FloatArray]) -> tuple[Callable[[int, FloatArray], FloatArray], float]:
            networks.fit(sets, self.steps, self.learning_rate)
            encoded = [networks.encode(k, each) for k, each in enumerate(sets)]
            linear = canonical_projections(encoded, self.dimensions)
            # The maps of this turn, whatever the networks learn in later ones.
            encode = networks.frozen()
            value = distance([linear.project(k, each) for k, each in enumerate(encoded)])
            return lambda k, values: linear.project(k, encode(k, values)), value

        return alternate(self, pairs, spatial, self.rounds)
