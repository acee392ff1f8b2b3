"""A controller drives a robot: it turns the actions of a policy into the inputs of actuators.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls, A = size of an action.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.world import World


class ControllerProcess(Protocol):
    """A controller at work in N worlds."""

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """Start an episode in worlds that were just put somewhere.

        Args:
            worlds: which, (n,).
            setpoint: what to hold at first, in the controller's own terms, (n, ...); None holds where they are.

        Returns:
            Controls that hold it, (n, U).
        """

    def command(self, action: NDArray[Any]) -> FloatArray:
        """Controls at each of the coming physics steps, (N, S, U), for actions (N, A), or (N,) of a Discrete space."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All state of the present episodes, name -> (N, ...): the arrays themselves, no copies."""


class Controller(Protocol):
    """How actions drive a robot: a frozen description."""

    @property
    def action_space(self) -> spaces.Box | spaces.Discrete:
        """Actions in one world; a Box is [-1, 1]."""

    def install(self, spec: mujoco.MjSpec) -> None:
        """Add the actuators, and the MuJoCo sensors that the controller reads, to a scene with the robot in it."""

    def start(self, world: World, control_hz: float) -> ControllerProcess:
        """Drive the N worlds of compiled scenes, with so many actions per second."""


def actions_of_size(size: int) -> spaces.Box:
    """A space of A numbers in [-1, 1]."""
    return spaces.Box(-1.0, 1.0, (size,), np.float32)
