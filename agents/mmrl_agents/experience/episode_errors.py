"""Means over episodes of what is known only rollout by rollout.

Letters: T = steps of a rollout, N = worlds.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


class EpisodeErrors:
    """Running mean of an error over each episode, across the rollouts that it spans."""

    def __init__(self, num_worlds: int) -> None:
        self._sum = np.zeros(num_worlds)
        self._count = np.zeros(num_worlds, np.int64)

    def means(self, errors: NDArray[np.float64], ends: Sequence[tuple[int, int]]) -> list[float]:
        """Take in a rollout (T, N); the means of the episodes that ended with (step, world), in order of time."""
        begun = np.zeros(len(self._sum), np.int64)  # (N,) first step of the present episode in this rollout
        means = []
        for step, world in ends:
            self._add(errors[begun[world] : step + 1, world], world)
            means.append(float(self._sum[world] / self._count[world]))
            self._sum[world] = self._count[world] = 0
            begun[world] = step + 1
        for world, first in enumerate(begun.tolist()):
            self._add(errors[first:, world], world)
        return means

    def state_dict(self) -> dict[str, Any]:
        """The episodes under way."""
        return {"sum": self._sum.copy(), "count": self._count.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`."""
        self._sum[:], self._count[:] = state["sum"], state["count"]

    def _add(self, errors: NDArray[np.float64], world: int) -> None:
        self._sum[world] += errors.sum()
        self._count[world] += len(errors)
