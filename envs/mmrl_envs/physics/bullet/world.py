"""N parallel worlds on PyBullet, one simulation each.

PyBullet keeps the interpreter lock while it steps, so the worlds take turns in one thread. Each has a server of its
own (some 30 MB): a world is then the same whatever its neighbours do, and can be built anew at every reset, which is
what makes episodes repeat bit for bit. PyBullet's limit is 1024 of them in a process.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any

import mujoco
import numpy as np

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.physics.bullet.scene import BulletScene
from mmrl_envs.physics.modelled_world import ModelledWorld
from mmrl_envs.physics.version import PHYSICS_VERSION


class BulletWorld(ModelledWorld):
    """N copies of a scene, as `mmrl_envs.physics.world.World`.

    Args:
        variants: compiled models of one layout; world i starts on a copy of the first.
        num_worlds: N.
        substeps: S, physics steps per control step.

    Raises:
        NotExpressible: a ValueError, naming what of a scene PyBullet cannot simulate.
        gymnasium.error.DependencyNotInstalled: where PyBullet is missing.
    """

    def __init__(self, variants: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int) -> None:
        super().__init__(variants, num_worlds, substeps)
        template = self.template
        self.qpos: FloatArray = np.tile(template.qpos0, (num_worlds, 1))
        self.qvel: FloatArray = np.zeros((num_worlds, template.nv))
        data = mujoco.MjData(template)
        self.mocap_pos: FloatArray = np.tile(data.mocap_pos, (num_worlds, 1, 1))
        self.mocap_quat: FloatArray = np.tile(data.mocap_quat, (num_worlds, 1, 1))
        self._scenes = [BulletScene() for _ in range(num_worlds)]
        self._build(range(num_worlds))

    @property
    def num_threads(self) -> int:
        """One: see the module."""
        return 1

    @property
    def versions(self) -> Mapping[str, str]:
        """Those of PyBullet, which moves, of MuJoCo, which drives and senses, and of the scenes."""
        return {"mujoco": mujoco.__version__, "pybullet": version("pybullet"), "physics": str(PHYSICS_VERSION)}

    def current(self, sensor: str) -> FloatArray:
        """Newest reading of a MuJoCo sensor: of the last physics step, or of the reset since, (N, dim), a view.

        At a reset contacts are not counted.
        """
        return super().current(sensor)

    def step(self, control: FloatArray) -> BoolArray:
        """Advances every world by one control step under actuator inputs (N, S, U).

        Returns the worlds in which physics failed (NaN, divergence), (N,).
        """
        failed = np.zeros(self.num_worlds, np.bool_)
        for w, scene in enumerate(self._scenes):
            self._hand_over(w, scene)
            failed[w] = not scene.step(control[w], self._recorded[w])
            self.qpos[w], self.qvel[w] = scene.state
        failed |= ~np.isfinite(self._recorded[:, -1]).all(axis=1)
        self._keep_newest(failed)
        return failed

    def reset(self, worlds: IntArray, qpos: FloatArray, qvel: FloatArray | None = None) -> None:
        """Builds worlds anew from their models, in configurations (n, nq), and reads their sensors.

        Velocities are (n, nv), or 0 where None.
        """
        self.qpos[worlds], self.qvel[worlds] = qpos, 0.0 if qvel is None else qvel
        self._build(worlds.tolist())
        self.set_control(worlds, np.zeros((len(worlds), self.template.nu)))

    def set_control(self, worlds: IntArray, control: FloatArray) -> None:
        for w, inputs in zip(worlds.tolist(), control, strict=True):
            self._newest[w] = self._scenes[w].forward(inputs)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly: models and mocap poses, and what Bullet saves of each world."""
        return {
            **self._models.state_dict(),
            "mocap_pos": self.mocap_pos.copy(),
            "mocap_quat": self.mocap_quat.copy(),
            "newest": self._newest.copy(),
            "scenes": [scene.state_dict() for scene in self._scenes],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._models.load_state_dict(state)
        self.mocap_pos[...], self.mocap_quat[...] = state["mocap_pos"], state["mocap_quat"]
        self._build(range(self.num_worlds))
        for w, (scene, saved) in enumerate(zip(self._scenes, state["scenes"], strict=True)):
            scene.load_state_dict(saved)
            self.qpos[w], self.qvel[w] = scene.state
        if "newest" in state:  # not in those saved before they were
            self._newest[...] = state["newest"]

    def close(self) -> None:
        """Ends the simulations, which hold memory outside of Python."""
        for scene in self._scenes:
            scene.close()

    def _build(self, worlds: Sequence[int]) -> None:
        for w in worlds:
            self._scenes[w].build(self._models.models[w], self.mocap_pos[w], self.mocap_quat[w])
            self._scenes[w].set_state(self.qpos[w], self.qvel[w])
            self.qpos[w], self.qvel[w] = self._scenes[w].state

    def _hand_over(self, world: int, scene: BulletScene) -> None:
        """Tells Bullet what was written into the live arrays since the last step."""
        scene.follow_mocap(self.mocap_pos[world], self.mocap_quat[world])
        position, velocity = scene.state
        if not (np.array_equal(position, self.qpos[world]) and np.array_equal(velocity, self.qvel[world])):
            scene.set_state(self.qpos[world], self.qvel[world])
