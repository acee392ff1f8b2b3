"""N parallel worlds on MuJoCo's native batch engine.

One call advances all worlds by the S physics steps of a control step on all cores, with the interpreter lock
released, and brings back the sensor data of each physics step.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls.
"""

from __future__ import annotations

import ctypes
import os
import sys
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import Batch, SimulationError
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.arguments import available_cores
from mmrl_envs.physics.modelled_world import ModelledWorld
from mmrl_envs.physics.mujoco_log import quiet
from mmrl_envs.physics.version import PHYSICS_VERSION


class MujocoWorld(ModelledWorld):
    """N copies of a scene, as `mmrl_envs.physics.world.World`.

    Args:
        variants: compiled models of one layout; world i starts on a copy of the first.
        num_worlds: N.
        substeps: S, physics steps per control step.
        num_threads: threads for stepping, 0 for one per core.
    """

    def __init__(
        self,
        variants: Sequence[mujoco.MjModel],
        num_worlds: int,
        *,
        substeps: int,
        num_threads: int = 0,
    ) -> None:
        super().__init__(variants, num_worlds, substeps)
        self._use(Batch(self.template, num_worlds, num_threads or available_cores()))
        self._out: dict[str | int, NDArray[np.float64]] = {"sensordata": self._recorded}
        _living.add(self)

    def _use(self, batch: Batch) -> None:
        """Runs the worlds on `batch` from now on."""
        self._batch = batch
        batch.set_models(self._models.models)
        # live views of the simulations' state rows
        self.qpos: FloatArray = batch.bind("qpos")
        self.qvel: FloatArray = batch.bind("qvel")
        self.mocap_pos: FloatArray = batch.bind("mocap_pos")
        self.mocap_quat: FloatArray = batch.bind("mocap_quat")
        self._sensordata: FloatArray = batch.bind("sensordata")  # as the last call left it
        self._warnings = batch.warning[:, :, 1]

    @property
    def num_threads(self) -> int:
        return int(self._batch.nthread)

    @property
    def versions(self) -> Mapping[str, str]:
        """Those of MuJoCo and of the scenes: contact trajectories differ between versions."""
        return {"mujoco": mujoco.__version__, "physics": str(PHYSICS_VERSION)}

    def step(self, control: FloatArray) -> BoolArray:
        before = self._warnings.sum(axis=1)
        failed = np.zeros(self.num_worlds, np.bool_)
        try:
            with quiet():
                self._batch.rollout(self.substeps, control, record=("sensordata",), out=self._out)
        except SimulationError as error:
            failed[error.ids] = True
        failed |= self._warnings.sum(axis=1) > before
        failed |= ~np.isfinite(self._recorded[:, -1]).all(axis=1)
        self._keep_newest(failed)
        return failed

    def reset(self, worlds: IntArray, qpos: FloatArray, qvel: FloatArray | None = None) -> None:
        mocap = self.mocap_pos[worlds].copy(), self.mocap_quat[worlds].copy()
        self._batch.set_models(self._models.models)
        self._batch.reset(worlds, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self.mocap_pos[worlds], self.mocap_quat[worlds] = mocap
        self.qpos[worlds] = qpos
        if qvel is not None:
            self.qvel[worlds] = qvel
        self._forward(worlds)

    def set_control(self, worlds: IntArray, control: FloatArray) -> None:
        self._batch.bind("ctrl")[worlds] = control
        self._forward(worlds)

    def _forward(self, worlds: IntArray) -> None:
        self._batch.forward(worlds)
        self._newest[worlds] = self._sensordata[worlds]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly.

        The integration state of all worlds (with mocap poses and the solver's warm start), the variant each runs
        on, the model fields in which some world differs from its variant, each (N, ...), and the newest readings.
        """
        return {"state": self._batch.state.copy(), "newest": self._newest.copy(), **self._models.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._models.load_state_dict(state)
        self._batch.set_models(self._models.models)
        self._batch.state[...] = state["state"]
        if "newest" in state:
            self._newest[...] = state["newest"]
        else:  # saved before they were: those of the state itself, which are one physics step newer
            self._forward(np.arange(self.num_worlds))
            self._batch.state[...] = state["state"]

    def close(self) -> None:
        """Nothing: MuJoCo's memory goes with its objects."""

    def renew_batch(self) -> None:
        """Goes on from the same state with threads of this process, in a child that was forked with the worlds.

        Readings are computed with the next step or reset.
        """
        old = self._batch
        # The threads of the old batch stayed in the parent. To free it would wait for them for ever.
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(old))
        new = Batch(self.template, self.num_worlds, old.nthread)
        new.state[...] = old.state
        self._use(new)


_living: weakref.WeakSet[MujocoWorld] = weakref.WeakSet()


def _renew_batches() -> None:
    for world in list(_living):
        world.renew_batch()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_renew_batches)
