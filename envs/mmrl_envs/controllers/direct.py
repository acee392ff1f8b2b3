"""Actions straight onto actuators, scaled: torques, forces or positions of joints.

Letters: N = worlds, n = a subset, S = physics steps per control step, U = actuators and size of an action.
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
from mmrl_envs.physics.world import World


@dataclass(frozen=True)
class Direct:
    """A `mmrl_envs.controllers.base.Controller`: an actuator per joint, driven by one element of the action.

    `torque_control` and `position_control` make the usual ones. At the beginning of an episode each actuator gets
    what an action of 0 asks for.
    """

    joints: tuple[str, ...]
    """Names of the joints, in the order of the action."""
    scale: tuple[float, ...]
    """Input of each actuator under an action of 1, beyond `centre`: N m, N, radians or metres."""
    centre: tuple[float, ...]
    """Input of each actuator under an action of 0."""
    stiffness: float = 0.0
    """Of position actuators in N m/rad or N/m; 0 makes the input a torque or a force."""
    damping: float = 0.0
    """Of position actuators in N m s/rad or N s/m."""

    def __post_init__(self) -> None:
        """Raises ValueError where scales or centres are not one for each joint."""
        for name, values in (("scale", self.scale), ("centre", self.centre)):
            if len(values) != len(self.joints):
                raise ValueError(f"Direct.{name} needs {len(self.joints)} numbers, one for each joint, got {values}")

    @property
    def action_space(self) -> spaces.Box:
        """A number in [-1, 1] for each joint."""
        return actions_of_size(len(self.joints))

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds an actuator for each joint, under the joint's name."""
        gain, bias = np.zeros(10), np.zeros(10)
        gain[0] = self.stiffness or 1.0
        bias[1], bias[2] = -self.stiffness, -self.damping
        for joint in self.joints:
            spec.add_actuator(
                name=joint,
                trntype=mujoco.mjtTrn.mjTRN_JOINT,
                target=joint,
                gaintype=mujoco.mjtGain.mjGAIN_FIXED,
                biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                gainprm=gain,
                biasprm=bias,
            )

    def start(self, world: World, control_hz: float) -> ScaledActions:
        """Inputs of the actuators of N worlds."""
        return ScaledActions(self, world)


def torque_control(joints: tuple[str, ...], limits: tuple[float, ...]) -> Direct:
    """Torques in N m, or forces in N, up to a limit at each joint."""
    return Direct(joints, limits, (0.0,) * len(joints))


def position_control(
    joints: tuple[str, ...], low: tuple[float, ...], high: tuple[float, ...], *, stiffness: float, damping: float
) -> Direct:
    """Servos to positions between low and high, in radians or metres."""
    lows, highs = np.array(low), np.array(high)
    scale, centre = ((highs - lows) / 2).tolist(), ((highs + lows) / 2).tolist()
    return Direct(joints, tuple(scale), tuple(centre), stiffness, damping)


class ScaledActions:
    """A `mmrl_envs.controllers.base.ControllerProcess`: the input of a control step is the scaled action.

    Args:
        controller: what is at work.
        world: the worlds.
    """

    def __init__(self, controller: Direct, world: World) -> None:
        self._scale, self._centre = np.array(controller.scale), np.array(controller.centre)
        self._substeps = world.substeps

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """Inputs (n, U): those given, or those of an action of 0."""
        return np.tile(self._centre, (len(worlds), 1)) if setpoint is None else setpoint

    def command(self, action: NDArray[Any]) -> FloatArray:
        """Inputs (N, S, U), the same at every physics step, of actions (N, U) clipped to [-1, 1]."""
        control = self._centre + np.clip(action, -1.0, 1.0) * self._scale
        return np.repeat(control[:, None], self._substeps, axis=1)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """None: a control step depends on its own action alone."""
        return {}
