"""What the present episodes have come to so far.

Letters: N = worlds, n = a subset, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.contact_force import ContactForces

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class RunningEpisodes:
    """Length, success, contact forces and context of one episode per world.

    Args:
        num_worlds: N.
    """

    def __init__(self, num_worlds: int) -> None:
        self.num_worlds = num_worlds
        self.elapsed: IntArray = np.zeros(num_worlds, np.intp)
        """Control steps so far, (N,)."""
        self.success_once: BoolArray = np.zeros(num_worlds, np.bool_)
        """Whether the task was fulfilled at any instant, (N,)."""
        self.forces = ContactForces(num_worlds)
        self.context: dict[str, FloatArray] = {}
        """Drawn value of each parameter, (N,); never written in place, so that it may be handed out."""

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray]) -> None:
        """New episodes in worlds (n,), of drawn values (n,)."""
        self.elapsed[worlds] = 0
        self.success_once[worlds] = False
        self.forces.reset(worlds)
        for name, values in context.items():
            present = self.context.get(name)
            present = np.full(self.num_worlds, np.nan) if present is None else present.copy()
            present[worlds] = values
            self.context[name] = present

    def add(self, success: BoolArray, force: FloatArray, valid: BoolArray) -> None:
        """One control step: success (N,) and forces (N, S, 3), which count where the physics is valid, (N,)."""
        self.success_once |= success
        self.forces.add(force, valid)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly."""
        return {
            "elapsed": self.elapsed.copy(),
            "success_once": self.success_once.copy(),
            "forces": self.forces.state_dict(),
            "context": dict(self.context),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self.elapsed, self.success_once = np.array(state["elapsed"]), np.array(state["success_once"])
        self.forces.load_state_dict(state["forces"])
        self.context = {name: np.array(values) for name, values in state["context"].items()}
