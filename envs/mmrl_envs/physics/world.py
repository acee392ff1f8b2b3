"""N parallel worlds: what every physics engine offers to tasks, sensors and cameras.

The compiled `mujoco.MjModel` is the one description of a scene, whatever simulates it. Every world runs on its own
copy of it, so friction, clearance or shape can differ from world to world and be changed at a reset.

The reading recorded with a physics step is that of the state *before* the step, so the newest reading of a control
step is one physics step (1 ms at 1 kHz) old. Rendering uses the state after the last step.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.intp]
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


class World(Protocol):
    """N copies of a scene."""

    template: mujoco.MjModel
    """The first variant, as compiled."""
    models: list[mujoco.MjModel]
    """The model of each world, N."""
    num_worlds: int
    """N."""
    substeps: int
    """S."""
    qpos: FloatArray
    """Generalised positions, (N, nq): live, written in place by the engine."""
    qvel: FloatArray
    """Generalised velocities, (N, nv): live."""
    mocap_pos: FloatArray
    """Places of the mocap bodies in metres, (N, nmocap, 3): live, the caller's to set."""
    mocap_quat: FloatArray
    """Their orientations w, x, y, z, (N, nmocap, 4): live, the caller's to set."""

    @property
    def physics_hz(self) -> int:
        """Physics steps per second."""

    @property
    def num_threads(self) -> int:
        """Threads that step the worlds."""

    @property
    def versions(self) -> Mapping[str, str]:
        """Versions of the libraries that a state of these worlds can be continued with."""

    def recorded(self, sensor: str) -> FloatArray:
        """Readings of a MuJoCo sensor at each physics step of the last control step, (N, S, dim), a view."""

    def current(self, sensor: str) -> FloatArray:
        """Newest reading of a MuJoCo sensor: of the last physics step, or of the reset since, (N, dim), a view."""

    def step(self, control: FloatArray) -> BoolArray:
        """Advances every world by one control step.

        Args:
            control: inputs of the actuators at each physics step, (N, S, U).

        Returns:
            The worlds in which physics failed (NaN, divergence, a full buffer), (N,). Their state and
            readings mean nothing until they are reset; the other worlds are as if alone.
        """

    def choose_variant(self, world: int, variant: int) -> mujoco.MjModel:
        """Puts a world on a fresh copy of a compiled variant unless it is on one already.

        Returns the world's model for editing; edits take effect with the next `reset`.
        """

    def reset(self, worlds: IntArray, qpos: FloatArray, qvel: FloatArray | None = None) -> None:
        """Puts worlds in given configurations, at rest or moving, and computes their sensor readings.

        Mocap poses and model fields are the caller's to set before.

        Args:
            worlds: which, (n,).
            qpos: generalised positions, (n, nq).
            qvel: generalised velocities, (n, nv); at rest where None.
        """

    def set_control(self, worlds: IntArray, control: FloatArray) -> None:
        """Sets the actuator inputs of worlds, (n, U), and recomputes their sensor readings."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`. Recorded readings come with the next step; the newest ones are there at once."""

    def close(self) -> None:
        """Gives back what the engine holds outside of Python."""


class SensorSlices:
    """Where each MuJoCo sensor of a scene lies in its `sensordata`."""

    def __init__(self, model: mujoco.MjModel) -> None:
        self._slices = {
            model.sensor(i).name: slice(model.sensor_adr[i], model.sensor_adr[i] + model.sensor_dim[i])
            for i in range(model.nsensor)
        }

    def __getitem__(self, sensor: str) -> slice:
        """The columns of a sensor. Raises ValueError listing those there are."""
        if sensor not in self._slices:
            raise ValueError(f"the scene has no MuJoCo sensor {sensor!r}; it has {sorted(self._slices)}")
        return self._slices[sensor]


def require_worlds(num_worlds: int) -> None:
    """Raises ValueError on fewer worlds than one."""
    if num_worlds < 1:
        raise ValueError(f"num_worlds must be at least 1, got {num_worlds}")


def steps_per_second(model: mujoco.MjModel) -> int:
    """Physics steps per second of a model."""
    timestep: float = model.opt.timestep
    return round(1.0 / timestep)
