"""Two fingers with soft pads on a lift: an action says how hard they grip and how the lift moves.

Frames: that of the world, z up. The fingers close along x, both alike, as those of a parallel gripper do.

Letters: N = worlds, n = some of them, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.controllers.base import actions_of_size
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.groups import ARM_GROUP, SCENE_GROUP

LIFT, FINGERS = "lift", ("left_finger", "right_finger")
"""Joints: height of the hand over its start in metres, and how far the fingers have closed, in metres."""
PADS = ("left_pad", "right_pad")
"""Mounts of the pads: sites in the middle of the faces that grip, y up."""
HALF_PAD, HALF_THICKNESS = 0.012, 0.002
"""Of the square pads and of their thickness, metres."""
# A pad that gives way by half a millimetre under 8 N. MuJoCo takes the larger friction of two: that of what is gripped.
SOFT = {"solref": (0.01, 1.0), "solimp": (0.3, 0.9, 0.002, 0.5, 2.0), "friction": (0.01, 0.005, 0.0001), "condim": 4}
"""Contact of pads, and of what they grip."""
_GEOM, _JOINT = mujoco.mjtGeom, mujoco.mjtJoint


@dataclass(frozen=True)
class Gripping:
    """A `mmrl_envs.controllers.base.Controller`: the grip force by its logarithm, and the way of the lift.

    The first number of an action is the force of each finger, from the least at -1 to the most at 1, and stands for
    itself; the second moves the setpoint of the lift.
    """

    least_n: float = 0.2
    """Force of a finger under -1, newtons."""
    most_n: float = 20.0
    """Force of a finger under 1, newtons."""
    step_m: float = 1.5e-3
    """Way of the lift in a control step under 1, metres."""
    high_m: float = 0.1
    """Highest setpoint of the lift, metres; the lowest is 0."""
    stiffness: float = 4000.0
    """Of the lift, N/m."""
    damping: float = 150.0
    """Of the lift, N s/m."""

    def __post_init__(self) -> None:
        """Raises ValueError where the forces are not in order."""
        if not 0.0 < self.least_n < self.most_n:
            raise ValueError(f"Gripping needs 0 < least_n < most_n, got {self.least_n} and {self.most_n}")

    @property
    def action_space(self) -> spaces.Box:
        """Force and lift, (2,)."""
        return actions_of_size(2)

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds a motor for each finger and a servo for the lift."""
        for finger in FINGERS:
            spec.add_actuator(name=finger, trntype=mujoco.mjtTrn.mjTRN_JOINT, target=finger, gainprm=np.eye(10)[0])
        gain, bias = np.zeros(10), np.zeros(10)
        gain[0], bias[1], bias[2] = self.stiffness, -self.stiffness, -self.damping
        spec.add_actuator(
            name=LIFT,
            trntype=mujoco.mjtTrn.mjTRN_JOINT,
            target=LIFT,
            gainprm=gain,
            biastype=mujoco.mjtBias.mjBIAS_AFFINE,
            biasprm=bias,
        )

    def start(self, world: World, control_hz: float) -> GripAndLift:
        """Forces and setpoints of N worlds."""
        return GripAndLift(self, world)

    def force(self, share: FloatArray) -> FloatArray:
        """Forces in newtons of the first numbers of actions."""
        force: FloatArray = self.least_n * (self.most_n / self.least_n) ** ((np.clip(share, -1.0, 1.0) + 1.0) / 2.0)
        return force

    def share(self, force: FloatArray) -> FloatArray:
        """The first numbers of actions that ask for forces in newtons, within [-1, 1]."""
        span = np.log(self.most_n / self.least_n)
        share: FloatArray = np.clip(
            2.0 * np.log(np.maximum(force, self.least_n) / self.least_n) / span - 1.0, -1.0, 1.0
        )
        return share


class GripAndLift:
    """A `mmrl_envs.controllers.base.ControllerProcess`: both are led to their new values within the control step.

    Args:
        controller: what is at work.
        world: the worlds.
    """

    def __init__(self, controller: Gripping, world: World) -> None:
        self._controller = controller
        self._setpoint: FloatArray = np.zeros((world.num_worlds, 2))  # newtons, metres
        self._fraction = (np.arange(world.substeps) + 1.0)[:, None] / world.substeps

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """Grips with the least force at the bottom, or as the setpoints (n, 2) say, newtons and metres; (n, 3)."""
        self._setpoint[worlds] = (self._controller.least_n, 0.0) if setpoint is None else setpoint
        return self._setpoint[worlds][:, [0, 0, 1]]

    def command(self, action: NDArray[Any]) -> FloatArray:
        """Controls (N, S, 3) of actions (N, 2)."""
        controller, start = self._controller, self._setpoint.copy()
        moved = start[:, 1] + np.clip(action[:, 1], -1.0, 1.0) * controller.step_m
        self._setpoint[:, 0] = controller.force(action[:, 0])
        self._setpoint[:, 1] = np.clip(moved, 0.0, controller.high_m)
        path = start[:, None] + (self._setpoint - start)[:, None] * self._fraction
        return path[:, :, [0, 0, 1]]

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The setpoints."""
        return {"setpoint": self._setpoint}


@dataclass(frozen=True)
class Gripper(Robot):
    """A hand on a lift with two fingers whose pads touch what is 2 cm wide between them at the start."""

    height: float
    """Of the middle of the pads at the start, metres."""
    controller: Gripping = field(default_factory=Gripping)
    """How actions drive it."""
    joints: Sequence[str] = (LIFT, *FINGERS)
    """The lift, then the fingers."""
    mounts: Mapping[str, str] = field(default_factory=lambda: {pad: pad for pad in PADS})
    """The pads."""

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds hand, fingers, pads and controller."""
        hand = spec.worldbody.add_body(name="hand", pos=[0, 0, self.height], gravcomp=1)
        hand.add_joint(name=LIFT, type=_JOINT.mjJNT_SLIDE, axis=[0, 0, 1])
        bar = {"type": _GEOM.mjGEOM_BOX, "size": [0.05, 0.015, 0.01], "pos": [0, 0, 0.07], "mass": 0.5}
        hand.add_geom(rgba=(0.3, 0.32, 0.35, 1), group=ARM_GROUP, contype=0, conaffinity=0, **bar)
        for side, finger, pad in zip((-1, 1), FINGERS, PADS, strict=True):
            _add_finger(hand, side, finger, pad)
        spec.add_equality(
            type=mujoco.mjtEq.mjEQ_JOINT,
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            name1=FINGERS[0],
            name2=FINGERS[1],
            data=[0, 1, *(0,) * 10],
        )
        self.controller.install(spec)


def _add_finger(hand: mujoco.MjsBody, side: int, name: str, pad: str) -> None:
    """Adds a finger at the left (-1) or the right (1), its pad's face 1 cm from the middle."""
    finger = hand.add_body(name=name, pos=[side * (0.010 + HALF_THICKNESS), 0, 0], gravcomp=1)
    finger.add_joint(name=name, type=_JOINT.mjJNT_SLIDE, axis=[-side, 0, 0], damping=40.0, armature=0.1)
    size = [HALF_THICKNESS, HALF_PAD, HALF_PAD]
    finger.add_geom(name=pad, type=_GEOM.mjGEOM_BOX, size=size, rgba=(0.16, 0.42, 0.55, 1), group=SCENE_GROUP, **SOFT)
    bar = {"type": _GEOM.mjGEOM_BOX, "size": [0.004, 0.012, 0.036], "pos": [side * 0.006, 0, 0.024], "mass": 0.05}
    finger.add_geom(rgba=(0.3, 0.32, 0.35, 1), group=ARM_GROUP, contype=0, conaffinity=0, **bar)
    inward = np.array([-side, 0.0, 0.0])
    up = np.array([0.0, 0.0, 1.0])
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack([np.cross(up, inward), up, inward], axis=1).ravel())
    finger.add_site(name=pad, pos=[-side * HALF_THICKNESS, 0, 0], quat=quat, group=5)
