"""The Panda with a straight tool that points down: wrist, tip, Cartesian controller, and what is known of the tip.

Frames: the base frame has its origin under the arm; the workspace frame W is parallel to it, z up, with its origin
at `WORKSPACE`. The tool's frame ("hand") has z out of the flange.

Letters: n = some worlds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.controllers.base import Controller
from mmrl_envs.controllers.impedance import ImpedanceController
from mmrl_envs.robots import panda
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.groups import ARM_GROUP, SCENE_GROUP
from mmrl_envs.scenes.workcell import WORKSPACE

ADAPTER_LENGTH = 0.04
"""Length of the part between flange and tool, metres."""
ADAPTER_MASS = 0.20
"""Its mass in kilograms."""
HAND = "hand"
"""Name of the body that carries the tool."""
_FAR_YAW = 1.5


@dataclass(frozen=True)
class ToolArm(Robot):
    """A Panda whose hand carries an adapter; a task adds the tool itself to the body `HAND`.

    MuJoCo sensors of the tip in W, whatever senses a policy has: "tip_position", "tip_xaxis", "tip_zaxis",
    "tip_velocity", "tip_angular_velocity"; and "contact_force", the net force of all contacts of the tool, in N.
    """

    tool_length: float
    """Distance from flange to tip in metres, the adapter included."""
    controller: Controller = field(default_factory=ImpedanceController)
    """How actions drive it."""
    joints: Sequence[str] = panda.JOINT_NAMES
    """Base to flange."""
    mounts: Mapping[str, str] = field(default_factory=lambda: {"wrist": "flange", "tip": "tip"})
    """The flange, which the tool hangs on, and the tool's tip."""

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds arm, hand, adapter, the sites "flange" and "tip", the controller, and the sensors.

        The scene has a site "workspace" at the origin of W, as `mmrl_envs.scenes.workcell.make_bench` gives it.
        """
        hand = panda.add_panda(spec, geom_group=ARM_GROUP).add_body(name=HAND, gravcomp=1)
        hand.add_site(name="flange", group=5)
        hand.add_site(name="tip", pos=[0, 0, self.tool_length], group=5)
        hand.add_geom(
            type=mujoco.mjtGeom.mjGEOM_CYLINDER,
            size=[0.025, ADAPTER_LENGTH / 2, 0],
            pos=[0, 0, ADAPTER_LENGTH / 2],
            rgba=(0.3, 0.32, 0.35, 1),
            group=SCENE_GROUP,
            mass=ADAPTER_MASS,
            contype=0,
            conaffinity=0,
        )
        self.controller.install(spec)
        add_tip_sensors(spec, "tip")
        _add_contact_force(spec)

    def joints_at(self, tip: FloatArray) -> FloatArray:
        """Joint angles in radians, (n, 7), that put the tip at poses x, y, z (metres), yaw (radians) in W, (n, 4)."""
        yaw = tip[:, 3]
        return panda.inverse_kinematics(
            tip[:, :3] + WORKSPACE, yaw, tool_length=self.tool_length, guess=_joints_near(yaw)
        )


def _joints_near(yaw: FloatArray) -> FloatArray:
    """Joint angles (n, 7) from which the inverse kinematics finds the arm with the tool turned so far, (n,).

    `READY` has the tool at -45 degrees, and more than half a turn from there the search would go the wrong way round.
    """
    guess = np.tile(panda.READY, (len(yaw), 1))
    far = yaw > _FAR_YAW
    guess[far, -1] = -yaw[far]
    return guess


def add_tip_sensors(spec: mujoco.MjSpec, tip: str) -> None:
    """Adds sensors of where a site is in W, which way it points and how it moves, "tip_position" and so on of "tip"."""
    site, kinds = mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtSensor
    for name, kind in (
        ("position", kinds.mjSENS_FRAMEPOS),
        ("xaxis", kinds.mjSENS_FRAMEXAXIS),
        ("zaxis", kinds.mjSENS_FRAMEZAXIS),
        ("velocity", kinds.mjSENS_FRAMELINVEL),
        ("angular_velocity", kinds.mjSENS_FRAMEANGVEL),
    ):
        spec.add_sensor(name=f"{tip}_{name}", type=kind, objtype=site, objname=tip, reftype=site, refname="workspace")


def _add_contact_force(spec: mujoco.MjSpec) -> None:
    # Net force of all contacts of the tool (reduce = 3, net force; data = bit 1, force).
    spec.add_sensor(
        name="contact_force",
        type=mujoco.mjtSensor.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        objname=HAND,
        intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],
    )
