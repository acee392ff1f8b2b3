"""N parallel worlds on MuJoCo's native batch engine.

Every world runs on its own copy of a compiled model, so friction, clearance or shape can differ from world to
world and be changed at a reset with nothing recompiled. One call advances all worlds by the S physics steps
of a control step on all cores, with the interpreter lock released, and brings back the sensor data of each
physics step.

MuJoCo semantics, stated once for all sensors: the reading recorded with a physics step is that of the state
*before* the step, so the newest reading of a control step is one physics step (1 ms at 1 kHz) old. Rendering
uses the state after the last step.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from mujoco.batch import MODEL_FIELDS, Batch, SimulationError
from numpy.typing import NDArray

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class World:
    """N copies of a scene.

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
        if num_worlds < 1:
            raise ValueError(f"num_worlds must be at least 1, got {num_worlds}")
        self.variants = tuple(variants)
        self.template = variants[0]
        self.num_worlds = num_worlds
        self.substeps = substeps
        self.models = [copy.copy(self.template) for _ in range(num_worlds)]
        self._variant = np.zeros(num_worlds, np.intp)
        self._batch = Batch(self.template, num_worlds, num_threads)
        self._batch.set_models(self.models)
        # live views of the simulations' state rows
        self.qpos: FloatArray = self._batch.bind("qpos")
        self.qvel: FloatArray = self._batch.bind("qvel")
        self.mocap_pos: FloatArray = self._batch.bind("mocap_pos")
        self.mocap_quat: FloatArray = self._batch.bind("mocap_quat")
        self._current: FloatArray = self._batch.bind("sensordata")
        self._warnings = self._batch.warning[:, :, 1]
        size = (num_worlds, substeps, self.template.nsensordata)
        self._recorded: FloatArray = np.zeros(size)
        self._out: dict[str | int, NDArray[np.float64]] = {"sensordata": self._recorded}
        self._slices = {
            self.template.sensor(i).name: slice(
                self.template.sensor_adr[i],
                self.template.sensor_adr[i] + self.template.sensor_dim[i],
            )
            for i in range(self.template.nsensor)
        }

    @property
    def physics_hz(self) -> int:
        """Physics steps per second."""
        timestep: float = self.template.opt.timestep
        return round(1.0 / timestep)

    @property
    def num_threads(self) -> int:
        """Threads that step the worlds."""
        return int(self._batch.nthread)

    def recorded(self, sensor: str) -> FloatArray:
        """Readings of a MuJoCo sensor at each physics step of the last control step, (N, S, dim), a view."""
        return self._recorded[:, :, self._slice(sensor)]

    def current(self, sensor: str) -> FloatArray:
        """Reading of a MuJoCo sensor at the last reset or forward call, (N, dim), a view."""
        return self._current[:, self._slice(sensor)]

    def step(self, control: FloatArray) -> BoolArray:
        """Advances every world by one control step.

        Args:
            control: inputs of the actuators at each physics step, (N, S, U).

        Returns:
            The worlds in which physics failed (NaN, divergence, a full buffer), (N,). Their state and
            readings mean nothing until they are reset; the other worlds are as if alone.
        """
        before = self._warnings.sum(axis=1)
        failed = np.zeros(self.num_worlds, np.bool_)
        try:
            self._batch.rollout(self.substeps, control, record=("sensordata",), out=self._out)
        except SimulationError as error:
            failed[error.ids] = True
        failed |= self._warnings.sum(axis=1) > before
        failed |= ~np.isfinite(self._recorded[:, -1]).all(axis=1)
        if failed.any():
            self._recorded[failed] = 0.0  # no NaN may reach a reward or a network
        return failed

    def choose_variant(self, world: int, variant: int) -> mujoco.MjModel:
        """Puts a world on a fresh copy of a compiled variant unless it is on one already.

        Returns the world's model for editing; edits take effect with the next `reset`.
        """
        if self._variant[world] != variant:
            self.models[world] = copy.copy(self.variants[variant])
            self._variant[world] = variant
        return self.models[world]

    def reset(self, worlds: IntArray, qpos: FloatArray) -> None:
        """Puts worlds at rest in given configurations and computes their sensor readings.

        Mocap poses and model fields are the caller's to set before.

        Args:
            worlds: which, (n,).
            qpos: generalised positions, (n, nq).
        """
        mocap = self.mocap_pos[worlds].copy(), self.mocap_quat[worlds].copy()
        self._batch.set_models(self.models)
        self._batch.reset(worlds, stage=mujoco.mjtStage.mjSTAGE_NONE.value)
        self.mocap_pos[worlds], self.mocap_quat[worlds] = mocap
        self.qpos[worlds] = qpos
        self._batch.forward(worlds)

    def set_control(self, worlds: IntArray, control: FloatArray) -> None:
        """Sets the actuator inputs of worlds, (n, U), and recomputes their sensor readings."""
        self._batch.bind("ctrl")[worlds] = control
        self._batch.forward(worlds)

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly.

        The integration state of all worlds (with mocap poses and the solver's warm start), the variant each runs
        on, and the model fields in which some world differs from its variant, each (N, ...).
        """
        return {"state": self._batch.state.copy(), "variant": self._variant.copy(), "fields": self._edited_fields()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`. Readings are computed with the next step or reset."""
        for world, variant in enumerate(np.asarray(state["variant"]).tolist()):
            self.models[world] = copy.copy(self.variants[variant])
            self._variant[world] = variant
        for name, values in state["fields"].items():
            for model, value in zip(self.models, values, strict=True):
                _write_field(model, name, np.asarray(value))
        self._batch.set_models(self.models)
        self._batch.state[...] = state["state"]

    def _edited_fields(self) -> dict[str, NDArray[Any]]:
        pairs = [(model, self.variants[i]) for model, i in zip(self.models, self._variant, strict=True)]
        return {
            name: np.array([_read_field(model, name) for model in self.models])
            for name in MODEL_FIELDS
            if not all(np.array_equal(_read_field(model, name), _read_field(variant, name)) for model, variant in pairs)
        }

    def _slice(self, sensor: str) -> slice:
        if sensor not in self._slices:
            raise ValueError(f"the scene has no MuJoCo sensor {sensor!r}; it has {sorted(self._slices)}")
        return self._slices[sensor]


def _owner(model: mujoco.MjModel, field: str) -> tuple[Any, str]:
    """The object that has a field and its name there: those of MjOption are written "opt.name"."""
    head, dot, tail = field.partition(".")
    return (getattr(model, head), tail) if dot else (model, head)


def _read_field(model: mujoco.MjModel, field: str) -> NDArray[Any]:
    owner, name = _owner(model, field)
    return np.asarray(getattr(owner, name))


def _write_field(model: mujoco.MjModel, field: str, value: NDArray[Any]) -> None:
    owner, name = _owner(model, field)
    present = getattr(owner, name)
    if isinstance(present, np.ndarray):
        present[...] = value
    else:
        setattr(owner, name, type(present)(value.item()))
