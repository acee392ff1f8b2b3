"""Lifting what slips if it is gripped too softly, and breaks if it is gripped too hard.

How heavy it is and how slippery is drawn anew in every episode, together worth a factor of twelve in the force that
holds it; it breaks at little more than twice that force. So no force fits all, and nothing but the skin of the fingers
says which one does: how hard they press, which way they are dragged, and whether what they hold slides.

Letters: N = worlds, n = those being reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.physics.world import World
from mmrl_envs.robots.gripper import LIFT, PADS, SOFT, Gripper
from mmrl_envs.scenes.empty import make_empty_scene
from mmrl_envs.scenes.friction import write_sliding
from mmrl_envs.scenes.groups import SCENE_GROUP, TABLE_GROUP
from mmrl_envs.sensors.proprioception import JointProprioception
from mmrl_envs.sensors.tactile.pad import TactilePad
from mmrl_envs.sensors.tactile.slip import Slip
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import RewardWeights, weights_with

HALF_SIZE = (0.010, 0.008, 0.030)
"""Of the object, metres."""
HIGH_M, HOLD_STEPS = 0.03, 10
"""Height to which the object must be lifted, and control steps for which it must be there."""
MOST_SHARE, SPARE_N = 2.0, 0.3
"""An object breaks under this multiple of the force that it needs, by default, and so many newtons more."""
IMPEDANCE_RATIO = 50.0
"""Of friction to normal force in contacts."""
_GRAVITY = 9.81


@dataclass(frozen=True)
class LiftReward(RewardWeights):
    """Weights of the terms of the reward of a control step."""

    height: float = 0.1
    """Height as a share of that which is asked for, at most 1."""
    pressed: float = -0.5
    """For a force that is twice the one that breaks, in proportion to the excess, which counts up to that."""
    success: float = 0.2
    """While the object is held up and whole."""


class FragileLift(Task):
    """Lift what may slip or break.

    Args:
        reward_weights: those weights that differ from the usual ones, by the names of `LiftReward`.
    """

    robot: Gripper
    senses = (
        TactilePad(pads=PADS, body="object"),
        # three seconds, all of an episode: how long it has slid tells how hard to grip
        Slip(pads=PADS, body="object", history=60),
        JointProprioception(rate_hz=20, history=1, joints=(LIFT,), low=(-1.0,), high=(1.0,)),
    )
    parameters = (
        Parameter("log_mass", (float(np.log(0.05)), float(np.log(0.6))), -3.5, 0.0, "logarithm of the mass in kg"),
        Parameter("friction", (0.25, 1.0), 0.1, 1.5, "sliding friction of the object"),
        Parameter("most_share", MOST_SHARE, 1.2, 50.0, "force that breaks the object, by the force that it needs"),
    )
    figures = (
        Figure("height_m", "m", "last", "high", "How high the object is."),
        Figure("broken", "", "last", "low", "1 where the object is broken, else 0.", event=True),
        Figure("force_share", "", "max", "low", "The largest grip force as a share of that which breaks the object."),
    )
    reward_terms = tuple(vars(LiftReward()))
    privileged_size = 8

    def __init__(self, *, reward_weights: Mapping[str, float] | None = None) -> None:
        self.weights = weights_with(LiftReward, reward_weights)
        self.robot = Gripper(height=HALF_SIZE[2])

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """A table, the object on it, and the fingers beside it."""
        spec = make_empty_scene("mmrl_fragile_lift", physics_hz, headlight=0.35)
        # Friction of soft contacts creeps: at 1, what is held firmly slides by 3 mm/s, more than what slips a little.
        spec.option.impratio = IMPEDANCE_RATIO
        world = spec.worldbody
        world.add_light(type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, pos=[0.3, -0.6, 1.5], dir=[0.2, 0.5, -1.0])
        world.add_camera(
            name="scene_camera", pos=[0.10, -0.26, 0.16], xyaxes=[0.93, 0.36, 0, -0.16, 0.41, 0.9], fovy=40
        )
        box = mujoco.mjtGeom.mjGEOM_BOX
        table = {"size": [0.3, 0.3, 0.02], "pos": [0, 0, -0.02], "rgba": (0.42, 0.47, 0.52, 1)}
        world.add_geom(name="table", type=box, group=TABLE_GROUP, **table, **SOFT)
        thing = world.add_body(name="object", pos=[0, 0, HALF_SIZE[2]])
        thing.add_freejoint(name="object")
        thing.add_geom(
            name="object", type=box, size=HALF_SIZE, mass=1.0, rgba=(0.9, 0.42, 0.1, 1), group=SCENE_GROUP, **SOFT
        )
        self.robot.install(spec)
        _add_sensors(spec)
        return [spec]

    def attach(self, world: World) -> None:
        super().attach(world)
        n, model = world.num_worlds, world.template
        self._body, self._geom = model.body("object").id, np.array([model.geom("object").id])
        self._free = model.joint("object").dofadr[0] + np.arange(6)
        self._limit: FloatArray = np.ones(n)
        self._needed: FloatArray = np.ones(n)
        self._friction: FloatArray = np.ones(n)
        self._broken: BoolArray = np.zeros(n, np.bool_)
        self._held: IntArray = np.zeros(n, np.intp)
        self._height: FloatArray = np.zeros(n)
        self._grip: FloatArray = np.zeros(n)
        self._sliding: FloatArray = np.zeros(n)

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Gives worlds objects of a mass and a friction, which stand on the table between the fingers."""
        mass, friction = np.exp(context["log_mass"]), context["friction"]
        self._write_mass(worlds, mass)
        write_sliding(self.world, worlds, self._geom, friction)
        self._needed[worlds] = mass * _GRAVITY / (2.0 * friction)
        self._limit[worlds] = context["most_share"] * self._needed[worlds] + SPARE_N
        self._friction[worlds] = friction
        self._broken[worlds], self._held[worlds] = False, 0
        self._height[worlds], self._grip[worlds], self._sliding[worlds] = 0.0, 0.0, 0.0
        return Start(np.tile(self.world.template.qpos0, (len(worlds), 1)))

    def _write_mass(self, worlds: IntArray, mass: FloatArray) -> None:
        """Masses (n,) in kilograms, and all that MuJoCo derives from them; the object is compiled with 1 kg."""
        model, body = self.world.template, np.array([self._body])
        self.world.write("body_mass", worlds, mass[:, None], body)
        self.world.write("body_inertia", worlds, mass[:, None, None] * model.body_inertia[body], body)
        self.world.write("body_invweight0", worlds, model.body_invweight0[body] / mass[:, None, None], body)
        self.world.write("dof_invweight0", worlds, model.dof_invweight0[self._free] / mass[:, None], self._free)

    def assess(self) -> Outcome:
        """Success is a whole object that has been up for a while."""
        grip = np.abs(self.world.recorded("grip")[:, :, 0]).max(axis=1)  # fingers close along x
        share = grip / self._limit
        self._grip[:] = grip
        self._broken |= share > 1.0
        self._height[:] = self.world.recorded("object_place")[:, -1, 2] - HALF_SIZE[2]
        self._sliding[:] = self.world.recorded("object_sliding")[:, -1, 2]
        up = (self._height >= HIGH_M) & ~self._broken
        self._held[:] = np.where(up, self._held + 1, 0)
        success = self._held >= HOLD_STEPS
        amounts = (np.clip(self._height / HIGH_M, 0.0, 1.0), np.clip(share - 1.0, 0.0, 1.0), success)
        terms = {name: vars(self.weights)[name] * each for name, each in zip(self.reward_terms, amounts, strict=True)}
        figures = {"height_m": self._height.copy(), "broken": self._broken.astype(np.float64), "force_share": share}
        return Outcome(np.sum(list(terms.values()), axis=0), success, figures=figures, reward_terms=terms)

    def privileged(self) -> NDArray[np.float32]:
        """Height, sliding, force by what is needed and what breaks, both of these, broken, how long held."""
        columns = [
            self._height / HIGH_M,
            np.tanh(50.0 * self._sliding),
            np.tanh(self._grip / self._needed - 1.0),
            np.tanh(self._grip / self._limit - 1.0),
            np.log(self._needed),
            self._friction,
            self._broken,
            np.minimum(self._held, HOLD_STEPS) / HOLD_STEPS,
        ]
        return np.stack(columns, axis=1).astype(np.float32)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        names = ("limit", "needed", "friction", "broken", "held", "height", "grip", "sliding")
        return {name: vars(self)[f"_{name}"] for name in names}

    @property
    def needed_n(self) -> FloatArray:
        """Forces in newtons with which each finger must press, (N,): ground truth, for tests."""
        return self._needed


def _add_sensors(spec: mujoco.MjSpec) -> None:
    """Adds where the object is, how fast it slides along the left pad, and how hard the left pad presses."""
    body, kinds = mujoco.mjtObj.mjOBJ_XBODY, mujoco.mjtSensor
    spec.add_sensor(name="object_place", type=kinds.mjSENS_FRAMEPOS, objtype=body, objname="object")
    spec.add_sensor(
        name="object_sliding",
        type=kinds.mjSENS_FRAMELINVEL,
        objtype=body,
        objname="object",
        reftype=mujoco.mjtObj.mjOBJ_BODY,
        refname="hand",
    )
    spec.add_sensor(
        name="grip",
        type=kinds.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_GEOM,
        objname=PADS[0],
        reftype=mujoco.mjtObj.mjOBJ_BODY,
        refname="object",
        intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],
    )
