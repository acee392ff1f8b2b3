"""N parallel worlds: what every physics engine offers to tasks, sensors and cameras.

The compiled `mujoco.MjModel` is the one description of a scene, whatever simulates it. Friction, clearance, shape or
the place of a camera may differ from world to world: `write` sets fields of the model and of the state by name, as
arrays over worlds, and `choose` takes another compiled variant. Nobody edits an `MjModel`.

The reading recorded with a physics step is that of the state *before* the step, so the newest reading of a control
step is one physics step (1 ms at 1 kHz) old. Rendering uses the state after the last step.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import mujoco
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray

STATE_FIELDS = ("qpos", "qvel", "mocap_pos", "mocap_quat")
"""Fields of the state that `World.write` sets."""


class World(Protocol):
    """N copies of a scene."""

    template: mujoco.MjModel
    """The first variant, as compiled."""
    variants: tuple[mujoco.MjModel, ...]
    """The variants, as compiled."""
    num_worlds: int
    """N."""
    substeps: int
    """S."""
    qpos: FloatArray
    """Generalised positions, (N, nq): live, to be read."""
    qvel: FloatArray
    """Generalised velocities, (N, nv): live, to be read."""
    mocap_pos: FloatArray
    """Places of the mocap bodies in metres, (N, nmocap, 3): live, to be read."""
    mocap_quat: FloatArray
    """Their orientations w, x, y, z, (N, nmocap, 4): live, to be read."""

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
        """Readings of a MuJoCo sensor at each physics step of the last control step, (N, S, dim), a view.

        Engines keep all sensors of the scene so, asked for or not: `mujoco.batch.Batch` records a field of `MjData` as
        a whole. A scene whose sensors give 100 numbers takes N * S * 100 * 8 bytes, 2.6 MB for 64 worlds of 50 steps.
        """

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

    def choose(self, worlds: IntArray, variants: IntArray) -> None:
        """Puts worlds (n,) on variants (n,), as compiled, unless they are on them already; effective with a `reset`."""

    def write(self, field: str, worlds: IntArray, values: NDArray[Any], rows: IntArray | None = None) -> None:
        """Sets a field in some worlds: of the state at once, of the model with the next `reset`.

        MuJoCo keeps a geom that was compiled at the origin of its body there, whatever its `geom_pos` says.

        Args:
            field: one of `STATE_FIELDS`, or a numeric field of `mujoco.MjModel`, those of its options as "opt.NAME".
            worlds: which, (n,).
            values: (n, ...), or (n, k, ...) of k rows.
            rows: which entries of the field's first axis, (k,); all where None.

        Raises:
            ValueError: if there is no such field.
        """

    def read(self, field: str) -> NDArray[Any]:
        """A field that `write` knows, of every world, (N, ...), as it stands; a copy."""

    def model_of(self, world: int) -> mujoco.MjModel:
        """The model of a world, to draw with: not to be edited."""

    def reset(self, worlds: IntArray, qpos: FloatArray, qvel: FloatArray | None = None) -> None:
        """Puts worlds in given configurations, at rest or moving, and computes their sensor readings.

        Mocap poses and model fields are to be written before.

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
