"""The senses of N worlds: sensors, when they are read, and the buffers of what they read.

Letters: N = worlds, n = a subset, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import Indices, Observation
from mmrl.modality import Modality, Unencoded
from mmrl.streams import Streams
from mmrl_envs import snapshot
from mmrl_envs.context import Parameter
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.physics.world import World
from mmrl_envs.sensors import Sensor, make_sensor, sensor_names
from mmrl_envs.sensors.base import View
from mmrl_envs.sensors.sensing.buffer import ModalityBuffer
from mmrl_envs.sensors.sensing.installation import read_checked

Look = Callable[[Indices, Indices | None], View]
"""The view of some worlds (n,) after those of the S physics steps that an array names, None at a reset."""
MAX_NOISE = 100.0


class Senses:
    """The senses of the policies of N worlds, and those of their critics alone.

    Args:
        sensors: by which policies sense; installed in the scene of the worlds.
        world: the worlds.
        look: gives sensors their view.
        of_critic: sensors likewise, for critics alone; their readings have no noise from the context.
    """

    def __init__(self, sensors: Sequence[Sensor], world: World, look: Look, of_critic: Sequence[Sensor] = ()) -> None:
        self._sensors, self._look = [*sensors, *of_critic], look
        self._of_critic = [sensor.modality.name for sensor in of_critic]
        self._num_worlds, self._every = world.num_worlds, np.arange(world.num_worlds)
        self._physics_hz, self._control_hz = world.physics_hz, world.physics_hz // world.substeps
        self._buffers: dict[str, ModalityBuffer] = {}
        self._clipped: dict[str, int] = {}  # by buffers that were replaced
        for sensor in self._sensors:
            sensor.attach(world)

    def seed(self, seed: int, first_world: int = 0) -> None:
        """Fresh buffers, whose noise starts from the seed; world 0 draws as `first_world` of a larger number does."""
        self._clipped = self.clipped
        self._buffers = {
            s.modality.name: ModalityBuffer(
                s.modality,
                self._num_worlds,
                self._physics_hz,
                self._control_hz,
                Streams(seed, f"sense/{s.modality.name}", self._num_worlds, first_world),
                s.noise_unit,
            )
            for s in self._sensors
        }

    def begin(self, worlds: Indices, context: Mapping[str, NDArray[np.float64]]) -> None:
        """Takes the first readings of episodes that begin, with the extra noise (n,) that `context` has of each."""
        view = self._look(worlds, None)
        for sensor in self._sensors:
            buffer = self._buffers[sensor.modality.name]
            if sensor.modality.name not in self._of_critic:
                buffer.context_std[worlds] = context[_noise_name(sensor.modality.name)]
            buffer.reset(worlds, read_checked(sensor, view, 1)[:, -1])

    def read(self, alive: Indices) -> None:
        """Takes the readings of `alive` worlds that fell due in the control step that has passed in all worlds."""
        for sensor in self._sensors:
            buffer = self._buffers[sensor.modality.name]
            buffer.tick(self._every)
            due, substeps = buffer.due_worlds(alive), buffer.substeps
            read = alive if sensor.arrays() else due  # whoever remembers must not miss a control step
            if len(read):
                readings = read_checked(sensor, self._look(read, substeps), len(substeps))
                if len(due):
                    buffer.push(due, readings if len(due) == len(read) else readings[np.isin(read, due)])

    def observe(self, worlds: Indices | None = None) -> Observation:
        """The present readings of the policies of all worlds or of some, in new arrays."""
        return {name: buffer.observe(worlds) for name, buffer in self._buffers.items() if name not in self._of_critic}

    def observed_by_critic(self) -> Observation:
        """The present readings of the critics alone, of all worlds, in new arrays."""
        return {name: self._buffers[name].observe() for name in self._of_critic}

    @property
    def clipped(self) -> dict[str, int]:
        """How many readings of each sense were beyond its declared bounds so far."""
        return {name: self._clipped.get(name, 0) + buffer.clipped for name, buffer in self._buffers.items()}

    @property
    def sound(self) -> Sound | None:
        """The sound of the last control step by the first sense that hears, None where none does."""
        return next((sensor.sound for sensor in self._sensors if sensor.sound is not None), None)

    @property
    def identity(self) -> dict[str, Any]:
        """The names, shapes and memories that must be equal for `parts` to fit."""
        shapes = {sensor.modality.name: list(sensor.modality.window_shape) for sensor in self._sensors}
        of_critic = {name: shapes.pop(name) for name in self._of_critic}
        remembering = [sensor.modality.name for sensor in self._sensors if sensor.arrays()]
        return {
            "senses": shapes,
            **({"critic_senses": of_critic} if of_critic else {}),
            **({"remembering": remembering} if remembering else {}),
        }

    def parts(self) -> dict[str, snapshot.Stateful]:
        """All that the coming readings depend on beyond the worlds."""
        memories = {s.modality.name: s.arrays() for s in self._sensors if s.arrays()}
        return {
            **{f"senses/{name}": buffer for name, buffer in self._buffers.items()},
            **{f"sensors/{name}": snapshot.Arrays(arrays) for name, arrays in memories.items()},
        }


def noise_parameter(sense: str) -> Parameter:
    """The context parameter that adds noise to a sense."""
    what = f"standard deviation added to {sense}, in its noise units"
    return Parameter(_noise_name(sense), 0.0, 0.0, MAX_NOISE, what, group=f"sense/{sense}")


def without_absent(defaults: Mapping[str, Any], usual: Iterable[str | Sensor], chosen: Iterable[str]) -> dict[str, Any]:
    """Defaults of the context without the noise of senses, usual ones of the task or known by name, not chosen."""
    known = {*sensor_names(), *(make_sensor(sensor).modality.name for sensor in usual)}
    absent = {_noise_name(sense) for sense in known.difference(chosen)}
    return {name: value for name, value in defaults.items() if name not in absent}


def _noise_name(sense: str) -> str:
    return f"{sense}_noise"


def critic_senses(privileged_size: int, control_hz: int, sensors: Sequence[Sensor]) -> dict[str, Modality]:
    """The senses of a critic alone: the privileged state of a task, (P,), where it has any, and those of sensors."""
    of_task = Modality("privileged", (privileged_size,), control_hz, Unencoded()) if privileged_size else None
    declared = [*([of_task] if of_task else []), *(sensor.modality for sensor in sensors)]
    return {modality.name: modality for modality in declared}
