"""A thing pressed into a soft palm that wears the glove: nothing to be done but to feel.

A press begins just over the palm, in a drawn place and any orientation. The other hand, which holds the thing by its
middle and lets it turn, presses; the thing tips until it lies on a corner, an edge or a face, as the palm lets it. An
action says how hard. There is no weight: what is felt does not tell how heavy a thing is.

Frame: that of the palm, its origin in the middle of the surface, z out of it; fingers point along y.

Letters: N = worlds, n = those being reset, p = points.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.direct import Direct
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.empty import make_empty_scene
from mmrl_envs.scenes.groups import SCENE_GROUP
from mmrl_envs.sensors.tactile.pad import TactilePad
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.tasks.glove.objects import THINGS, Part

HALF_PALM = 0.08
"""Half the side of the square in which the hand lies, metres: taxels of 5 mm."""
LEAST_N, MOST_N = 4.0, 24.0
"""Forces under actions of -1 and 1, newtons."""
HELD_OVER = (0.010, -0.015)
"""Where things are held over the palm, but for the shift that is drawn, metres: between the roots of the fingers."""
FRAMES_HZ = 4
"""Control steps, and readings of the glove, in a second."""
DEEPEST_M = 0.015
"""A thing that stands deeper in the palm has gone through it, metres."""
_HIGH = 0.001  # at the start, metres
_ASIDE = 500.0  # stiffness of what holds a thing, along the palm, N/m
# Soft as the flesh of a palm, which gives way by some millimetres. All of the contact is that of the palm.
_FLESH = {
    "solref": (0.025, 1.0),
    "solimp": (0.3, 0.95, 0.006, 0.5, 2.0),
    "friction": (0.8, 0.005, 0.0001),
    "condim": 4,
    "priority": 1,
}
_GEOM, _JOINT = mujoco.mjtGeom, mujoco.mjtJoint


@dataclass(frozen=True)
class GlovedHand(Robot):
    """A flat palm that feels, and what presses a thing into it: the z axis moves by force, the others give way."""

    parts: Sequence[Part]
    """Of the thing."""
    controller: Direct = field(
        default_factory=lambda: Direct(("z",), ((LEAST_N - MOST_N) / 2,), (-(LEAST_N + MOST_N) / 2,))
    )
    """Presses along z."""
    joints: Sequence[str] = ("x", "y", "z")
    """Slides of what holds the thing."""
    mounts: Mapping[str, str] = field(default_factory=lambda: {"pad": "palm"})
    """The palm."""

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds palm, thing and controller."""
        box = {"type": _GEOM.mjGEOM_BOX, "size": [HALF_PALM, HALF_PALM, 0.02], "pos": [0, 0, -0.02]}
        hand = spec.worldbody.add_body(name="hand")
        hand.add_geom(name="palm", rgba=(0.2, 0.25, 0.32, 1), group=SCENE_GROUP, **box, **_FLESH)
        hand.add_site(name="palm", group=5)
        middle = middle_of(self.parts)
        thing = spec.worldbody.add_body(name="object", pos=-middle)
        for name, axis, stiffness in zip(self.joints, np.eye(3), (_ASIDE, _ASIDE, 0.0), strict=True):
            slide = {"damping": 60.0, "armature": 0.2, "stiffness": stiffness}
            thing.add_joint(name=name, type=_JOINT.mjJNT_SLIDE, axis=axis, **slide)
        thing.add_joint(name="turn", type=_JOINT.mjJNT_BALL, pos=middle, damping=0.02, armature=2e-4)
        add_parts(spec, thing, self.parts)
        self.controller.install(spec)


def add_parts(spec: mujoco.MjSpec, body: mujoco.MjsBody, parts: Sequence[Part]) -> None:
    """Adds the geoms of a thing of 500 kg/m^3."""
    for i, part in enumerate(parts):
        part.add_to(spec, body, f"part{i}", density=500.0, rgba=(0.9, 0.42, 0.1, 1), group=SCENE_GROUP)


def middle_of(parts: Sequence[Part]) -> FloatArray:
    """Centre of mass of a thing in its own frame, (3,) metres."""
    spec = mujoco.MjSpec()
    add_parts(spec, spec.worldbody.add_body(name="object"), parts)
    middle: FloatArray = spec.compile().body("object").ipos.copy()
    return middle


class GloveGrasp(Task):
    """Feel a thing that is pressed into the palm.

    Args:
        thing: its name in `THINGS`.

    Raises ValueError for a thing that there is not.
    """

    robot: GlovedHand
    senses = (TactilePad(resolution=32, mask="glove", body="object", blur_m=2e-3, rate_hz=FRAMES_HZ),)
    parameters = (Parameter("shift_m", (0.0, 0.02), 0.0, 0.04, "distance of the thing from where things are held"),)

    def __init__(self, thing: str) -> None:
        if thing not in THINGS:
            raise ValueError(f"thing must be one of {', '.join(THINGS)}; got {thing!r}")
        self.robot = GlovedHand(THINGS[thing])

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The palm and the thing over it."""
        spec = make_empty_scene("mmrl_glove", physics_hz, headlight=0.4)
        spec.option.gravity = [0, 0, 0]
        spec.worldbody.add_camera(name="scene_camera", pos=[0, -0.26, 0.2], xyaxes=[1, 0, 0, 0, 0.6, 0.8], fovy=40)
        self.robot.install(spec)
        return [spec]

    def attach(self, world: World) -> None:
        super().attach(world)
        middle = middle_of(self.robot.parts)
        self._outlines = [(points - middle, radius) for points, radius in (p.outline() for p in self.robot.parts)]

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Holds things over the palm, a millimetre high, in any orientation."""
        angle = 2 * np.pi * streams.uniform(worlds, ())
        quat = streams.normal(worlds, (4,))
        quat /= np.linalg.norm(quat, axis=1, keepdims=True)  # uniform over all rotations
        place = np.array(HELD_OVER) + np.stack([np.cos(angle), np.sin(angle)], axis=1) * context["shift_m"][:, None]
        self.world.write("qpos_spring", worlds, place, np.arange(2))
        return Start(np.column_stack([place, _HIGH + self._below(quat), quat]))

    def _below(self, quat: FloatArray) -> FloatArray:
        """How far turned things (n, 4) reach below their middles, metres, (n,)."""
        w, x, y, z = quat.T
        down = np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=1)  # (n, 3)
        lowest = [(down @ points.T).min(axis=1) - radius for points, radius in self._outlines]
        below: FloatArray = -np.min(lowest, axis=0)
        return below

    def assess(self) -> Outcome:
        """Nothing is asked for; a thing that has gone through the palm is an error of physics."""
        n, (quat, height) = self.world.num_worlds, (self.world.qpos[:, 3:], self.world.qpos[:, 2])
        through = self._below(quat / np.linalg.norm(quat, axis=1, keepdims=True)) - height > DEEPEST_M
        return Outcome(np.zeros(n), np.zeros(n, np.bool_), broken=through)
