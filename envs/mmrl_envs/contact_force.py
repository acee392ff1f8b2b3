"""What an episode's contact forces come to: the figures in `info` that say how hard the robot pressed.

Letters: N = worlds, n = a subset, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


class ContactForces:
    """Peak and mean of the contact force over an episode, in newtons.

    Args:
        num_worlds: N.
    """

    def __init__(self, num_worlds: int) -> None:
        self.peak: FloatArray = np.zeros(num_worlds)
        self._sum: FloatArray = np.zeros(num_worlds)
        self._count: IntArray = np.zeros(num_worlds, np.intp)

    @property
    def mean(self) -> FloatArray:
        """Mean over the control steps so far, 0 before the first, (N,)."""
        return self._sum / np.maximum(self._count, 1)

    def reset(self, worlds: IntArray) -> None:
        """Begins a new episode in worlds (n,)."""
        self.peak[worlds] = self._sum[worlds] = 0.0
        self._count[worlds] = 0

    def add(self, force: FloatArray, valid: BoolArray) -> None:
        """Takes in forces at every physics step, (N, S, 3), of the worlds where they are valid, (N,)."""
        magnitude = np.sqrt(np.einsum("nsd,nsd->ns", force, force))  # (N, S)
        self.peak = np.where(valid, np.maximum(self.peak, magnitude.max(axis=1)), self.peak)
        self._sum += np.where(valid, magnitude.mean(axis=1), 0.0)
        self._count += valid

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly."""
        return {"peak": self.peak.copy(), "sum": self._sum.copy(), "count": self._count.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self.peak, self._sum, self._count = (np.array(state[name]) for name in ("peak", "sum", "count"))
