"""A peg that suction holds on a soft palm: the pad, the springs of its foundation, and how the peg sits on it.

A soft layer under an area A is a foundation of springs (Winkler): kn = modulus / thickness along the normal,
kt = kn / 3 across, in N/m^3. A peg that stands on it is carried by kn A along the normal, kt A across, kn I in tilts
and kt (Ix + Iy) in turns, each with a damper.

Frames: W (z up), and that of the hand (z down out of the tool), whose y and turns are opposite to those of W.

Letters: n = worlds.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, HAND, ToolArm, add_tip_sensors
from mmrl_envs.scenes.groups import SCENE_GROUP
from mmrl_envs.tasks.peg import pegs
from mmrl_envs.tasks.peg.scene import PEG, PEG_MASS

HELD, PAD = "peg", "pad"
"""Names of the body that is held, and of the palm."""
PAD_SIDE, PAD_THICKNESS = 0.056, 0.006
"""Of the palm, metres."""
MODULUS_PA = 0.12e6
"""Of the palm's material, by which its thickness carries."""
SUCTION_N = 40.0
"""Force that draws the peg to the palm: 25 kPa on a square of 4 cm."""
PEG_JOINTS = ("peg_x", "peg_y", "peg_z", "peg_turn", "peg_roll", "peg_pitch")
"""Degrees of freedom of the peg on the palm: metres, then radians, in the frame of the hand."""
REACH = ADAPTER_LENGTH + PAD_THICKNESS + pegs.PEG_LENGTH
"""From the flange to the tip of a peg that just touches the palm, metres."""
_DAMPING_SHARE = 0.6  # of critical


@dataclass(frozen=True)
class Foundation:
    """Stiffness of the springs on which a peg stands."""

    normal: float
    """Along the normal, N/m."""
    across: float
    """Across it, N/m."""
    tilt: float
    """Against tilts, N m/rad."""
    turn: float
    """Against turns about the normal, N m/rad."""

    @property
    def pressed_in(self) -> float:
        """Depth of the peg in the palm under suction alone, metres."""
        return SUCTION_N / self.normal

    def of_joints(self) -> tuple[float, ...]:
        """In the order of `PEG_JOINTS`."""
        return (self.across, self.across, self.normal, self.turn, self.tilt, self.tilt)


def foundation_of(shape: pegs.PegShape) -> Foundation:
    """The springs under a peg of a shape."""
    area, moment = _area_and_moment(shape.peg_corners)
    normal = MODULUS_PA / PAD_THICKNESS
    across = normal / 3
    return Foundation(normal * area, across * area, normal * moment / 2, across * moment)


def _area_and_moment(corners: FloatArray) -> tuple[float, float]:
    """Area in m^2 of a polygon (c, 2), and Ix + Iy in m^4, which a turn sees and a tilt sees half of."""
    x, y = corners.T
    nx, ny = np.roll(corners, -1, axis=0).T
    cross = x * ny - nx * y
    moments = (x * x + x * nx + nx * nx + y * y + y * ny + ny * ny) * cross
    return float(cross.sum() / 2), float(moments.sum() / 12)


def hold_peg(spec: mujoco.MjSpec, robot: ToolArm, shape: pegs.PegShape) -> None:
    """Adds the palm to the hand and the peg under it, with sensors of the peg's tip and of the force on the peg."""
    hand, foundation, surface = spec.body(HAND), foundation_of(shape), ADAPTER_LENGTH + PAD_THICKNESS
    hand.add_geom(
        name=PAD,
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[PAD_SIDE / 2, PAD_SIDE / 2, PAD_THICKNESS / 2],
        pos=[0, 0, surface - PAD_THICKNESS / 2],
        rgba=(0.16, 0.42, 0.55, 1),
        group=SCENE_GROUP,
        mass=0,
        contype=0,
        conaffinity=0,
    )
    hand.add_site(name=robot.mounts[PAD], pos=[0, 0, surface], group=5)
    peg = hand.add_body(name=HELD, pos=[0, 0, surface - foundation.pressed_in], gravcomp=1)
    _add_springs(peg, foundation)
    pegs.add_peg(peg, shape, 0.0, **PEG)
    peg.add_site(name=f"{HELD}_tip", pos=[0, 0, pegs.PEG_LENGTH], group=5)
    add_tip_sensors(spec, f"{HELD}_tip")
    spec.sensor("contact_force").objname = HELD


def _add_springs(peg: mujoco.MjsBody, foundation: Foundation) -> None:
    kinds = (mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE)
    axes = (0, 1, 2, 2, 0, 1)
    inertia = PEG_MASS * pegs.PEG_LENGTH**2 / 3  # about the palm
    for i, (name, stiffness) in enumerate(zip(PEG_JOINTS, foundation.of_joints(), strict=True)):
        mass = PEG_MASS if i < 3 else inertia
        damping = 2 * _DAMPING_SHARE * float(np.sqrt(stiffness * mass))
        peg.add_joint(
            name=name, type=kinds[i // 3], axis=np.eye(3)[axes[i]].tolist(), stiffness=stiffness, damping=damping
        )


@dataclass(frozen=True)
class Grasp:
    """How pegs sit on their palms."""

    shift: FloatArray
    """Of the peg's middle from that of the palm along x and y of W where the hand is not turned, metres, (n, 2)."""
    turn: FloatArray
    """Of the peg against the hand about the z axis of W, radians, (n,)."""
    pressed_in: FloatArray
    """How deep they stand in the palms, metres, (n,)."""

    def joints(self) -> FloatArray:
        """Positions of `PEG_JOINTS`, (n, 6)."""
        joints = np.zeros((len(self.turn), len(PEG_JOINTS)))
        joints[:, :2] = self.shift * (1.0, -1.0)
        joints[:, 3] = -self.turn
        return joints

    def tip_of(self, hand: FloatArray) -> FloatArray:
        """Poses x, y, z, yaw in W of the pegs' tips under hands at poses (n, 4)."""
        return hand + self._offset(hand[:, 3])

    def hand_of(self, tip: FloatArray) -> FloatArray:
        """Poses of the hands that have the tips of their pegs at poses (n, 4)."""
        return tip - self._offset(tip[:, 3] - self.turn)

    def _offset(self, yaw: FloatArray) -> FloatArray:
        """From hands that are turned so far, (n,), to the tips of their pegs, (n, 4)."""
        cos, sin = np.cos(yaw), np.sin(yaw)
        x, y = self.shift.T
        return np.stack([cos * x - sin * y, sin * x + cos * y, self.pressed_in, self.turn], axis=1)
