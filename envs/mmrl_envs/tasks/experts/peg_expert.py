"""A scripted expert for peg insertion that knows where the hole is.

It proves that success is within reach for every shape and clearance, and gives a ceiling to compare policies
with.

Letters: N = worlds, A = size of an action.
"""

from __future__ import annotations

import numpy as np
from gymnasium.spaces import flatdim
from numpy.typing import NDArray

from mmrl_envs.controllers.impedance import Setpoints
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.tasks.peg.pegs import HOLE_DEPTH
from mmrl_envs.tasks.peg.yaw import wrap
from mmrl_envs.vector_env import RobotVectorEnv

HOVER = 0.003
"""Height in metres above the block at which the expert aligns."""
NEAR = 0.01
"""Distance in metres under which it corrects its place by what it sees rather than by where it aimed."""
GENTLE_HEIGHT = 0.012
"""Height in metres above the face below which a gentle expert is slow."""
GENTLE_SPEED = 0.012
"""How fast it comes down there, metres per second."""
PUSH, GENTLE_PUSH = 0.01, 0.003
"""Distance in metres below the floor of the hole to which it leads the setpoint, as a rule and gently."""


class PegExpert:
    """Aligns above the hole, then pushes down.

    Args:
        envs: a peg-insertion vector environment; the expert reads its ground truth.
        gently: whether it comes down at `GENTLE_SPEED` from `GENTLE_HEIGHT` above the face on, and pushes less.
    """

    def __init__(self, envs: RobotVectorEnv, *, gently: bool = False) -> None:
        if not isinstance(envs.task, PegInsertion):
            raise TypeError(f"PegExpert needs a peg-insertion environment, got {type(envs.task).__name__}")
        assert isinstance(envs.controller, Setpoints)
        self._task, self._setpoints = envs.task, envs.controller
        self._size = flatdim(envs.single_action_space)
        control_s = self._task.world.substeps / self._task.world.physics_hz
        self._slow = GENTLE_SPEED * control_s / self._task.impedance.step_m if gently else 1.0
        self._push = GENTLE_PUSH if gently else PUSH
        self._aligned = np.zeros(envs.num_envs, np.bool_)

    def reset(self) -> None:
        """Forgets what has been aligned; to be called with the environment's reset."""
        self._aligned[:] = False

    def act(self) -> NDArray[np.float32]:
        """Actions for the present state, (N, A)."""
        tip = self._task.tip_pose()
        setpoint = self._setpoints.setpoint
        error = self._task.hole - tip
        error[:, 3] = wrap(error[:, 3], self._task.symmetry)
        distance = np.linalg.norm(error[:, :2], axis=1)
        tight = np.minimum(self._task.clearance / 4, 5e-4)
        # One alignment suffices: friction and damping pull the tip a little aside on the way down.
        self._aligned |= (distance < tight) & (np.abs(error[:, 3]) < 0.01)
        self._aligned &= distance < NEAR
        goal = tip + error
        goal[:, 2] = self._task.hole[:, 2] + np.where(self._aligned, -HOLE_DEPTH - self._push, HOVER)
        step = np.array([self._task.impedance.step_m] * 3 + [self._task.impedance.step_rad])
        move = goal - setpoint
        # Near the hole the setpoint integrates what is left of the error, which no stiffness can hide.
        near = (distance < NEAR)[:, None]
        move[:, :2] = np.where(near, 0.4 * error[:, :2], move[:, :2])
        action = move / step
        # A landing in a tight hole is slow, or it bounces off the edge.
        speed = np.where(self._task.clearance < 1e-3, 0.15, 0.5)
        speed = np.where(self._task.height() < GENTLE_HEIGHT, np.minimum(self._slow, speed), speed)
        action[:, 2] = np.clip(action[:, 2], -speed, 1.0)
        bounded: NDArray[np.float32] = np.clip(action[:, : self._size], -1.0, 1.0).astype(np.float32)
        return bounded
