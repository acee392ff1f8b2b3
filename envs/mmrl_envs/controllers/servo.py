"""Servos: a target for each of some joints, approached evenly within a control step, and a spring and a damper to it.

A servo whose target stands still is a spring and a damper and nothing else: it gives no energy.

Letters: N = worlds, n = a subset, S = physics steps per control step, U = servos and size of an action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.controllers.base import actions_of_size
from mmrl_envs.controllers.direct import Direct
from mmrl_envs.physics.world import World


@dataclass(frozen=True)
class ServoController:
    """A `mmrl_envs.controllers.base.Controller`: an action is where the joints shall be at the end of its step."""

    joints: tuple[str, ...]
    """Names of the joints, in the order of the action."""
    reach: tuple[float, ...]
    """Target of each joint under an action of 1, in radians; that under -1 is its negative."""
    stiffness: float
    """N m/rad."""
    damping: float
    """N m s/rad."""

    def __post_init__(self) -> None:
        """Raises ValueError where a number is not above 0, or the reaches are not one for each joint."""
        if len(self.reach) != len(self.joints):
            raise ValueError(f"ServoController.reach needs {len(self.joints)} numbers, one a joint, got {self.reach}")
        for name, values in (("reach", self.reach), ("stiffness", (self.stiffness,)), ("damping", (self.damping,))):
            if not all(value > 0 for value in values):
                raise ValueError(f"ServoController.{name} must be above 0, got {vars(self)[name]}")

    @property
    def action_space(self) -> spaces.Box:
        """A number in [-1, 1] for each joint."""
        return actions_of_size(len(self.joints))

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds an actuator for each joint, under the joint's name."""
        nothing = (0.0,) * len(self.joints)
        Direct(self.joints, self.reach, nothing, self.stiffness, self.damping).install(spec)

    def start(self, world: World, control_hz: float) -> Servos:
        """Servos of N worlds."""
        return Servos(self, world)


class Servos:
    """A `mmrl_envs.controllers.base.ControllerProcess`: targets move evenly from the last to the next.

    Args:
        controller: what is at work.
        world: the worlds.
    """

    def __init__(self, controller: ServoController, world: World) -> None:
        self._reach = np.array(controller.reach)
        self._targets = np.zeros((world.num_worlds, len(self._reach)))
        self._share = np.arange(1, world.substeps + 1)[:, None] / world.substeps  # of the way at each physics step

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """Targets (n, U): those given, or 0."""
        self._targets[worlds] = 0.0 if setpoint is None else setpoint
        return self._targets[worlds]

    def command(self, action: NDArray[Any]) -> FloatArray:
        """Targets (N, S, U) on the way to those of actions (N, U), which are clipped to [-1, 1]."""
        step = np.clip(action, -1.0, 1.0) * self._reach - self._targets
        way: FloatArray = self._targets[:, None] + self._share * step[:, None]
        self._targets[:] = way[:, -1]
        return way

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The last targets in radians, (N, U)."""
        return {"targets": self._targets}
