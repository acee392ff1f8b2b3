"""From scenes and sensors to compiled models, and what a sensor did wrong where that fails.

n is the number of worlds being read, k the number of instants per world.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality.readings import finite_rows
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.task import Task
from mmrl_envs.task.answers import checked_scenes


def compile_scenes(task: Task, sensors: Sequence[Sensor], physics_hz: int) -> list[mujoco.MjModel]:
    """Compiled variants of a task's scene with the sensors in it.

    Raises ValueError that names the first sensor which does not fit robot, task or scene, and what there is.
    """
    specs, robot = checked_scenes(task, physics_hz), task.robot
    readings = [sensor.name for sensor in specs[0].sensors]
    there = {"mounts": robot.mounts, "joints": robot.joints, "readings": readings, "fields": task.fields}
    for sensor in sensors:
        _require_met(sensor, there)
        sensor.mounts = robot.mounts
    try:
        return _compiled(specs, sensors)
    except Exception:
        for sensor in sensors:
            _require_fit(sensor, task.scenes(physics_hz)[0])
        raise


def bytes_of_a_world(model: mujoco.MjModel, sensors: Sequence[Sensor], substeps: int) -> int:
    """Memory that a world takes at least: its model, its readings, and an observation of it."""
    senses = [sensor.modality for sensor in sensors]
    observed = sum(int(np.prod(sense.window_shape)) * np.dtype(sense.dtype).itemsize for sense in senses)
    own: int = model.nbuffer + 8 * model.nsensordata * substeps
    return own + 2 * observed


def read_checked(sensor: Sensor, view: View, instants: int) -> NDArray[Any]:
    """Readings of a sensor, (n, k, *shape). Raises ValueError for another shape and for a number that is not finite."""
    readings = np.asarray(sensor.read(view))
    expected = (len(view.worlds), instants, *sensor.modality.shape)
    if readings.shape != expected:
        raise ValueError(
            f"{_named(sensor)}: read must give shape {expected}, worlds x instants x one reading, got {readings.shape}"
        )
    if readings.dtype.kind not in "biuf":
        raise ValueError(f"{_named(sensor)}: read must give numbers, got {readings.dtype}")
    if readings.dtype.kind == "f" and not np.isfinite(readings).all():
        broken = view.worlds[~finite_rows(readings)].tolist()
        raise ValueError(f"{_named(sensor)}: read is not finite in worlds {broken}")
    return readings


def _compiled(specs: list[mujoco.MjSpec], sensors: Sequence[Sensor]) -> list[mujoco.MjModel]:
    for spec in specs:
        for sensor in sensors:
            sensor.install(spec)
    return [spec.compile() for spec in specs]


def _require_met(sensor: Sensor, there: Mapping[str, Collection[str]]) -> None:
    for kind, names in vars(sensor.requires).items():
        if missing := [name for name in names if name not in there[kind]]:
            has = ", ".join(sorted(there[kind])) or "none"
            raise ValueError(f"{_named(sensor)}: needs the {kind} {', '.join(missing)}; there are {has}")


def _require_fit(sensor: Sensor, spec: mujoco.MjSpec) -> None:
    there = {"bodies": spec.bodies, "joints": spec.joints, "sites": spec.sites}
    listed = "; ".join(f"{kind} {', '.join(sorted(item.name for item in items))}" for kind, items in there.items())
    try:
        _compiled([spec], [sensor])
    except Exception as error:  # whatever a user's own install may raise
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{_named(sensor)}: cannot be installed ({type(error).__name__}: {reason}). The scene has {listed}"
        ) from error


def _named(sensor: Sensor) -> str:
    return f"sensor {sensor.modality.name!r} ({type(sensor).__name__})"
