"""A planar arm of two joints that brings its tip to a target which only a camera shows, driven by torques."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs import Camera, JointProprioception, register_task
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.base import Controller
from mmrl_envs.controllers.direct import torque_control
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.groups import SCENE_GROUP, TABLE_GROUP
from mmrl_envs.task import Outcome, Start, Task

JOINTS, LINK_M = ("shoulder", "elbow"), 0.2
NEAR_M = 0.03
"""Distance from the target that counts as reached."""
_PLAIN = {"group": SCENE_GROUP, "contype": 0, "conaffinity": 0}


@dataclass(frozen=True)
class PlanarArm(Robot):
    """Two links in the horizontal plane."""

    controller: Controller = field(default_factory=lambda: torque_control(JOINTS, (0.4, 0.2)))
    joints: tuple[str, ...] = JOINTS
    mounts: Mapping[str, str] = field(default_factory=lambda: {"tip": "tip"})

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the links, the controller, and sensors of the tip's place and velocity."""
        body, capsule = spec.worldbody, mujoco.mjtGeom.mjGEOM_CAPSULE
        for joint, x in zip(JOINTS, (0.0, LINK_M), strict=True):
            body = body.add_body(pos=[x, 0, 0])
            body.add_joint(name=joint, axis=[0, 0, 1], damping=0.05, armature=0.005)
            colour = (0.2, 0.3, 0.8, 1)
            body.add_geom(type=capsule, fromto=[0, 0, 0, LINK_M, 0, 0], size=[0.015, 0, 0], rgba=colour, **_PLAIN)
        body.add_site(name="tip", pos=[LINK_M, 0, 0])
        self.controller.install(spec)
        for name, kind in (
            ("tip_place", mujoco.mjtSensor.mjSENS_FRAMEPOS),
            ("tip_speed", mujoco.mjtSensor.mjSENS_FRAMELINVEL),
        ):
            spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_SITE, objname="tip")


class PlanarReach(Task):
    """Reach a target and stay there."""

    robot = PlanarArm()
    senses = (
        Camera("camera", view="fixed", position=(0.2, 0, 0.9), target=(0.2, 0, 0), up=(0, 1, 0), height=32, width=32),
        JointProprioception(rate_hz=100, history=4, joints=JOINTS, low=(-20, -20), high=(20, 20)),
    )
    parameters = (
        Parameter("target_m", (0.2, 0.35), 0.1, 0.4, "distance of the target from the shoulder"),
        Parameter("target_rad", (-0.6, 0.6), -1.5, 1.5, "direction of the target"),
    )
    figures = (Figure("distance_m", "m", "last", "low", "Distance of the tip from the target."),)
    reward_terms = ("near", "reached")
    privileged_size = 6

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        spec = mujoco.MjSpec()
        spec.option.timestep, spec.option.gravity = 1.0 / physics_hz, [0, 0, 0]
        spec.worldbody.add_light(pos=[0.2, 0, 2], dir=[0, 0, -1], type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
        spec.worldbody.add_camera(name="scene_camera", pos=[0.2, 0, 1.2])
        floor = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": [0.6, 0.6, 0.01], "pos": [0.2, 0, -0.05]}
        spec.worldbody.add_geom(rgba=(0.8, 0.8, 0.8, 1), **{**_PLAIN, "group": TABLE_GROUP}, **floor)
        target = spec.worldbody.add_body(name="target", mocap=True)
        ball = {"type": mujoco.mjtGeom.mjGEOM_SPHERE, "size": [NEAR_M, 0, 0]}
        target.add_geom(rgba=(0.9, 0.2, 0.1, 1), **ball, **_PLAIN)
        self.robot.install(spec)
        return [spec]

    def attach(self, world: World) -> None:
        super().attach(world)
        self._target = np.zeros((world.num_worlds, 3))
        self._away = np.zeros((world.num_worlds, 2))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        turn, zero = context["target_rad"], np.zeros(len(worlds))
        self._target[worlds] = context["target_m"][:, None] * np.column_stack([np.cos(turn), np.sin(turn), zero])
        self.world.write("mocap_pos", worlds, self._target[worlds, None])
        qpos = np.array([-0.8, 1.6]) + 0.2 * streams.normal(worlds, (2,))
        x, y = (
            LINK_M * (np.cos(qpos[:, 0]) + np.cos(qpos.sum(axis=1))),
            LINK_M * (np.sin(qpos[:, 0]) + np.sin(qpos.sum(axis=1))),
        )
        self._away[worlds] = np.column_stack([x, y]) - self._target[worlds, :2]
        return Start(qpos, figures={"distance_m": np.linalg.norm(self._away[worlds], axis=1)})

    def assess(self) -> Outcome:
        self._away[:] = (self.world.current("tip_place") - self._target)[:, :2]
        distance = np.linalg.norm(self._away, axis=1)
        reached = distance < NEAR_M
        terms = {"near": 0.1 * np.exp(-distance / 0.1), "reached": 0.2 * reached}
        return Outcome(terms["near"] + terms["reached"], reached, figures={"distance_m": distance}, reward_terms=terms)

    def privileged(self) -> NDArray[np.float32]:
        speed = self.world.current("tip_speed")[:, :2]
        return np.concatenate([self._away / 0.2, np.tanh(self._away / 0.03), speed], axis=1).astype(np.float32)

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        return {"target": self._target, "away": self._away}


RECIPE = {
    "num_worlds": 64,
    "total_steps": 120_000,
    "stop_at_success": 0.97,
    "ppo": {
        "learning_rate": 1e-3,
        "num_steps": 32,
        "minibatch_size": 512,
        "epochs": 3,
        "gamma": 0.97,
    },
    "objectives": {"state": {"weight": 1.0}},
    "policy": {"log_std_init": -0.5},
}

register_task(
    "planar/Reach-v0",
    "mmrl_planar_reach:PlanarReach",
    max_episode_steps=40,
    help="Bring the tip of a planar arm to a target that only a camera shows.",
    recipes={"": RECIPE},
    physics_hz=500,
)
