"""The part of a world that is the same in every engine: models and readings kept on the host.

Letters: N = worlds, n = a subset of them, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.models import WorldModels, write_state
from mmrl_envs.physics.world import STATE_FIELDS, SensorSlices, require_worlds, steps_per_second


class ModelledWorld:
    """The answers of a `mmrl_envs.physics.world.World` that every engine gives alike; an engine sets the state arrays.

    Args:
        variants: compiled models of one layout; world i starts on a copy of the first.
        num_worlds: N.
        substeps: S, physics steps per control step.
    """

    qpos: FloatArray
    qvel: FloatArray
    mocap_pos: FloatArray
    mocap_quat: FloatArray

    def __init__(self, variants: Sequence[mujoco.MjModel], num_worlds: int, substeps: int) -> None:
        require_worlds(num_worlds)
        self._models = WorldModels(variants, num_worlds)
        self.variants = self._models.variants
        self.template = self.variants[0]
        self.num_worlds, self.substeps = num_worlds, substeps
        self._recorded: FloatArray = np.zeros((num_worlds, substeps, self.template.nsensordata))
        self._newest: FloatArray = np.zeros((num_worlds, self.template.nsensordata))
        self._slices = SensorSlices(self.template)

    @property
    def physics_hz(self) -> int:
        return steps_per_second(self.template)

    def recorded(self, sensor: str) -> FloatArray:
        return self._recorded[:, :, self._slices[sensor]]

    def current(self, sensor: str) -> FloatArray:
        return self._newest[:, self._slices[sensor]]

    def choose(self, worlds: IntArray, variants: IntArray) -> None:
        self._models.choose(worlds, variants)

    def write(self, field: str, worlds: IntArray, values: NDArray[Any], rows: IntArray | None = None) -> None:
        if field not in STATE_FIELDS:
            return self._models.write(field, worlds, values, rows)
        write_state(field, self._state(field), worlds, values, rows)

    def read(self, field: str) -> NDArray[Any]:
        return self._state(field).copy() if field in STATE_FIELDS else self._models.read(field)

    def model_of(self, world: int) -> mujoco.MjModel:
        return self._models.models[world]

    def _state(self, field: str) -> FloatArray:
        return {"qpos": self.qpos, "qvel": self.qvel, "mocap_pos": self.mocap_pos, "mocap_quat": self.mocap_quat}[field]

    def _keep_newest(self, failed: NDArray[np.bool_]) -> None:
        """Takes the last reading of a control step as the newest; worlds that failed, (N,), have none."""
        if failed.any():
            self._recorded[failed] = 0.0  # no NaN may reach a reward or a network
        self._newest[:] = self._recorded[:, -1]
