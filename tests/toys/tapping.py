"""A rod on two slides above a box that rings: what the senses that hear are tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.direct import Direct
from mmrl_envs.physics.sound import MATERIALS, SOUNDING, plate_row
from mmrl_envs.robots.base import Robot
from mmrl_envs.task import Outcome, Start, Task

GAP_M = 0.01
"""Height of the rod above the box at the start."""
ROD_KG = 0.1


@dataclass(frozen=True)
class Rod(Robot):
    """A rod that forces of up to 5 N move along x, and up and down."""

    controller: Direct = field(default_factory=lambda: Direct(("x", "z"), (5.0, 5.0), (0.0, 0.0)))
    joints: Sequence[str] = ("x", "z")
    mounts: Mapping[str, str] = field(default_factory=dict)

    def install(self, spec: mujoco.MjSpec) -> None:
        body = spec.worldbody.add_body(name="rod", pos=[0, 0, 0.046 + GAP_M], gravcomp=1)
        for name, axis in (("x", [1, 0, 0]), ("z", [0, 0, 1])):
            body.add_joint(name=name, type=mujoco.mjtJoint.mjJNT_SLIDE, axis=axis, damping=0.1)
        rod = {"fromto": [0, 0, -0.04, 0, 0, 0.04], "size": [0.006, 0, 0], "mass": ROD_KG}
        body.add_geom(name="rod", type=mujoco.mjtGeom.mjGEOM_CAPSULE, **rod)
        self.controller.install(spec)


class Tapping(Task):
    """Nothing to be done; the material of the box and the speed at first are contexts."""

    robot: Rod
    senses = ("microphone",)
    fields = ("sounding_plate",)
    parameters = (
        Parameter("material", 0.0, 0.0, 3.0, "of the box, by its place in the table"),
        Parameter("sideways_m_s", 0.0, -1.0, 1.0, "speed of the rod at the start"),
        Parameter("down_m_s", 0.2, -1.0, 1.0, "speed of the rod at the start"),
        Parameter("place_m", (-0.03, 0.03), -0.04, 0.04, "place of the rod at the start"),
        Parameter("stretch", (0.85, 1.15), 0.5, 2.0, "sides of the plate against the usual ones"),
    )

    def __init__(self, shape: mujoco.mjtGeom = mujoco.mjtGeom.mjGEOM_BOX) -> None:
        self.robot, self._shape = Rod(), shape

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        spec = mujoco.MjSpec()
        spec.option.timestep = 1.0 / physics_hz
        box = {"size": [0.04, 0.035, 0.02], "pos": [0, 0, -0.02]}
        spec.worldbody.add_geom(name=SOUNDING, type=self._shape, **box)
        self.robot.install(spec)
        return [spec]

    def attach(self, world: Any) -> None:
        super().attach(world)
        self.plates: FloatArray = np.zeros((world.num_worlds, 8))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        sides = np.array([0.08, 0.07, 0.003])
        for i, world in enumerate(worlds):
            material = MATERIALS[[*MATERIALS][int(context["material"][i])]]
            self.plates[world] = plate_row(material, tuple(sides * [context["stretch"][i], 1.0, 1.0]))
        zero = np.zeros(len(worlds))
        speed = np.stack([context["sideways_m_s"], -context["down_m_s"]], axis=1)
        return Start(np.stack([context["place_m"], zero], axis=1), speed)

    def assess(self) -> Outcome:
        n = self.world.num_worlds
        return Outcome(np.zeros(n), np.zeros(n, np.bool_))

    def field(self, name: str) -> FloatArray:
        return self.plates if name == "sounding_plate" else super().field(name)

    def arrays(self) -> Mapping[str, FloatArray]:
        return {"plates": self.plates}
