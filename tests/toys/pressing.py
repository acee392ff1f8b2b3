"""A body that servos press on a soft pad, and one that hangs under a pad by springs and stands on a plate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.streams import Streams
from mmrl_envs.controllers.direct import Direct
from mmrl_envs.robots.base import Robot
from mmrl_envs.sensors import Sensor
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.vector_env import RobotVectorEnv

JOINTS = ("x", "y", "z", "roll", "pitch", "yaw")
REACH = (0.02, 0.02, 0.05, 1.0, 1.0, 1.0)
"""Target of each joint under an action of 1: metres, then radians."""
HALF_PAD = 0.012
"""Half the side of the pad, metres."""
STIFFNESS = 200.0
"""Of every servo and spring, N/m and N m/rad."""
SOFT = {"solref": (0.01, 1.0), "solimp": (0.3, 0.9, 0.002, 0.5, 2.0), "friction": (0.8, 0.01, 0.0001)}
AddGeoms = Callable[[mujoco.MjSpec, mujoco.MjsBody], None]
_GEOM, _JOINT = mujoco.mjtGeom, mujoco.mjtJoint


def geom(kind: str, *size: float, **attributes: Any) -> AddGeoms:
    """A body of one geom, "box", "sphere", "capsule" or "cylinder"."""
    padded = [*size, *(0.0,) * (3 - len(size))]

    def add(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        body.add_geom(type=getattr(_GEOM, f"mjGEOM_{kind.upper()}"), size=padded, mass=0.05, **{**SOFT, **attributes})

    return add


def ring(radius: float, tube: float, parts: int = 48) -> AddGeoms:
    """A body of capsules in a ring that lies flat, its lowest points at z = 0."""

    def add(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        angle = 2 * np.pi * np.arange(parts + 1) / parts
        corners = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.full(parts + 1, tube)], axis=1)
        for start, end in itertools.pairwise(corners):
            body.add_geom(type=_GEOM.mjGEOM_CAPSULE, size=[tube, 0, 0], fromto=[*start, *end], mass=0.01, **SOFT)

    return add


def mesh(vertices: FloatArray, faces: Sequence[Sequence[int]] = ()) -> AddGeoms:
    """A body of one mesh, the hull of its vertices (v, 3) where it has no faces."""

    def add(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
        flat = {"userface": np.ravel(faces)} if len(faces) else {}
        spec.add_mesh(name="shape", uservert=np.ravel(vertices), **flat)
        body.add_geom(type=_GEOM.mjGEOM_MESH, meshname="shape", mass=0.05, **SOFT)

    return add


@dataclass(frozen=True)
class Press(Robot):
    """A pad of 24 x 24 x 4 mm and a body, "object", whose joints servos move."""

    body: AddGeoms
    """Adds what is pressed."""
    pad: Mapping[str, Any] = field(default_factory=dict)
    """Attributes of the geom of the pad that differ."""
    hangs: bool = False
    """Whether the body hangs on the pad by springs, in place of servos."""
    controller: Direct = field(default_factory=lambda: Direct(JOINTS, REACH, (0.0,) * 6, STIFFNESS, 20.0))
    joints: Sequence[str] = JOINTS
    mounts: Mapping[str, str] = field(default_factory=lambda: {"pad": "pad", "side": "side"})

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the pad on a tilted holder, and the body over it; "side" is a site in no face of the pad."""
        holder = spec.worldbody.add_body(name="holder", pos=[0.1, 0.2, 0.3], quat=[0.9, 0.1, -0.2, 0.37417])
        box = {"type": _GEOM.mjGEOM_BOX, "size": [HALF_PAD, HALF_PAD, 0.002], "pos": [0, 0, -0.002]}
        holder.add_geom(name="pad", **{**SOFT, **box, **self.pad})
        holder.add_site(name="pad")
        holder.add_site(name="side", pos=[0.003, 0, 0])
        over = holder if self.hangs else holder.add_body(name="gantry")
        body = over.add_body(name="object")
        for i, name in enumerate(JOINTS):
            kind, armature = (_JOINT.mjJNT_SLIDE, 1.0) if i < 3 else (_JOINT.mjJNT_HINGE, 0.01)
            spring = {"stiffness": STIFFNESS, "damping": 20.0} if self.hangs else {}
            body.add_joint(name=name, type=kind, axis=np.eye(3)[i % 3], armature=armature, **spring)
        self.body(spec, body)
        if self.hangs:
            plate = {"type": _GEOM.mjGEOM_SPHERE, "size": [0.02, 0, 0], "pos": [0.004, 0.002, 0.055]}
            spec.worldbody.add_body(name="stand", pos=holder.pos, quat=holder.quat).add_geom(**plate, **SOFT)
            spec.add_exclude(bodyname1="holder", bodyname2="object")
        self.controller.install(spec)


class Pressing(Task):
    """Nothing to be done: worlds to feel in.

    Args:
        body: adds what is pressed.
        pad: attributes of the geom of the pad that differ.
        hangs: whether the body hangs on the pad by springs, and is pressed by a plate.
        at: where the joints are at the start, (6,).
    """

    def __init__(
        self,
        body: AddGeoms,
        pad: Mapping[str, Any] | None = None,
        *,
        hangs: bool = False,
        at: Sequence[float] = (0.0,) * 6,
    ) -> None:
        self.robot, self._at = Press(body, pad or {}, hangs), at

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        spec = mujoco.MjSpec()
        spec.option.timestep, spec.option.gravity = 1.0 / physics_hz, [0, 0, 0]
        spec.option.cone, spec.option.integrator = (
            mujoco.mjtCone.mjCONE_ELLIPTIC,
            mujoco.mjtIntegrator.mjINT_IMPLICITFAST,
        )
        self.robot.install(spec)
        return [spec]

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        return Start(np.tile(self._at, (len(worlds), 1)))

    def assess(self) -> Outcome:
        n = self.world.num_worlds
        return Outcome(np.zeros(n), np.zeros(n, np.bool_))


def pressing(task: Pressing, *sensors: str | Sensor, num_envs: int = 2, **kwargs: Any) -> RobotVectorEnv:
    """Worlds in which a body is pressed."""
    return RobotVectorEnv(task, num_envs, sensors=sensors, num_threads=1, max_episode_steps=None, **kwargs)
