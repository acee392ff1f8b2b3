"""Canonical time warping: a linear map between two senses and a path, in turns.

n_w steps of the paths of all episodes together, b shared dimensions.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mmrl.alignment.canonical import canonical_projections, distance
from mmrl.alignment.warping import Pair, TimeWarping, alternate
from mmrl.arrays import FloatArray, IntArray


@dataclass(frozen=True)
class CTW(TimeWarping):
    """Canonical time warping: linear maps by CCA, and a path by DTW, in turns (Zhou and De la Torre 2009)."""

    dimensions: int = 3
    """b, at most the width of a reading."""
    rounds: int = 20
    """Most turns."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.dimensions < 1 or self.rounds < 1:
            raise ValueError(f"dimensions and rounds must be at least 1, got {self.dimensions} and {self.rounds}")

    def warp(self, pairs: Sequence[Pair]) -> tuple[list[IntArray], list[float]]:
        return alternate(self, pairs, self._spatial, self.rounds)

    def _spatial(self, sets: Sequence[FloatArray]) -> tuple[Callable[[int, FloatArray], FloatArray], float]:
        """The maps that bring warped sets (n_w, d_k) nearest to each other, and the mean squared distance left."""
        projections = canonical_projections(sets, self.dimensions)
        return projections.project, distance([projections.project(k, each) for k, each in enumerate(sets)])
