"""Sensors by name: those registered in this process and those of installed packages.

A package offers a sensor through the entry-point group `mmrl.sensors`:

    [project.entry-points."mmrl.sensors"]
    whisker = "my_package.whisker:Whisker"
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from copy import copy
from dataclasses import replace
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from mmrl.evaluation.figures import RESERVED
from mmrl.modality import Modality
from mmrl.settings.offers import load
from mmrl_envs.arguments import shown
from mmrl_envs.sensors.base import Sensor
from mmrl_envs.sensors.sensing.spec import parse_sensor

if TYPE_CHECKING:
    from mmrl_envs.task import Task

ENTRY_POINT_GROUP = "mmrl.sensors"

SensorFactory = Callable[..., Sensor]
"""Anything that makes a sensor when called without arguments: a Sensor subclass or a function. The keyword arguments
that it takes besides are the options of the sensor."""

_registered: dict[str, SensorFactory] = {}


def register_sensor(name: str, factory: SensorFactory) -> None:
    """Make `factory` available under `name` in this process.

    Raises ValueError where another factory has the name; the same one again changes nothing.
    """
    if not name.isidentifier():
        raise ValueError(f"a sensor name must be a Python identifier, got {name!r}")
    known = _registered.setdefault(name, factory)
    if known is not factory:
        raise ValueError(f"sensor name {name!r} is taken by {known!r}, cannot register {factory!r}")


def sensor_names() -> tuple[str, ...]:
    """Every name that `make_sensor` knows, sorted."""
    return tuple(sorted({*_registered, *_offered()}))


def make_sensor(sensor: str | Sensor) -> Sensor:
    """The sensor of that name, freshly made, with options where the text has some (`mmrl_envs.sensors.sensing.spec`).

    A ready `Sensor` is checked and returned as it is.

    Raises ValueError for an unknown name, one claimed twice or an unknown option, TypeError where no Sensor comes out.
    """
    made = _from_text(sensor) if isinstance(sensor, str) else sensor
    if not isinstance(made, Sensor):
        raise TypeError(f"sensor {sensor!r} must give a mmrl_envs.sensors.Sensor, got {shown(made)}")
    if not isinstance(made.modality, Modality):
        raise TypeError(f"the modality of {made!r} must be a mmrl.modality.Modality, got {shown(made.modality)}")
    if "." in made.modality.name:
        raise ValueError(f"the name of a sensor's modality must have no dot, got {made.modality.name!r}")
    return made


def make_sensors(
    sensors: Sequence[str | Sensor], control_hz: int, physics_hz: int, own: Sequence[str | Sensor] = ()
) -> list[Sensor]:
    """Every sensor of a robot whose policy acts and whose physics steps so often, each as by `make_sensor`.

    A name means that of the task's `own` sensors which are objects before any that is registered.

    One that gives its newest reading alone is read at most once a control step, so that its rate is at most the
    policy's. Another that is asked for by name, without a rate, takes the highest rate up to its own that fits.

    Raises ValueError if there is none, if two share a name, and for one that only a critic may have.
    """
    if isinstance(sensors, str) or not len(sensors):
        raise ValueError(f"sensors must be a non-empty sequence of names or Sensor objects, got {sensors!r}")
    made = _made(sensors, control_hz, physics_hz, own)
    if hidden := [sensor.modality.name for sensor in made if sensor.for_critics]:
        raise ValueError(
            f"sensors {hidden} read what no robot can, so that no policy may have them; "
            f"critic_sensors={hidden} gives them to critics and objectives"
        )
    return made


def make_critic_sensors(
    sensors: Sequence[str | Sensor], control_hz: int, physics_hz: int, task: Task, of_policy: Collection[str]
) -> list[Sensor]:
    """Sensors of a critic alone, as by `make_sensors` for a task; there may be none, and any sensor will do.

    Raises ValueError if two share a name, or if one has the name of a sense `of_policy` or of anything in the infos.
    """
    if isinstance(sensors, str):
        raise ValueError(f"critic_sensors must be a sequence of names or Sensor objects, got {sensors!r}")
    made = _made(sensors, control_hz, physics_hz, task.senses)
    taken = {*RESERVED, *of_policy, *(figure.name for figure in task.figures)}
    if clash := [sensor.modality.name for sensor in made if sensor.modality.name in taken]:
        raise ValueError(f"critic_sensors need names of their own, got {clash}, which senses or infos have already")
    return made


def _made(
    sensors: Sequence[str | Sensor], control_hz: int, physics_hz: int, own: Sequence[str | Sensor]
) -> list[Sensor]:
    objects: dict[str | Sensor, Sensor] = {s.modality.name: s for s in own if isinstance(s, Sensor)}
    chosen = [objects.get(sensor, sensor) for sensor in sensors]
    made = [_paced(sensor, make_sensor(sensor), control_hz, physics_hz) for sensor in chosen]
    names = [sensor.modality.name for sensor in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"senses need distinct names; {twice} occur more than once in {names}")
    return made


def _paced(asked: str | Sensor, sensor: Sensor, control_hz: int, physics_hz: int) -> Sensor:
    """A copy of the sensor with the rate that it gets."""
    own = rate = sensor.modality.rate_hz
    if sensor.newest_only:
        rate = min(own, float(control_hz))
    elif own > control_hz and isinstance(asked, str) and "rate_hz" not in parse_sensor(asked).options:
        substeps = physics_hz // control_hz
        rate = next(physics_hz / p for p in range(1, substeps + 1) if substeps % p == 0 and physics_hz / p <= own)
    paced = copy(sensor)  # an object that is given to two environments remembers for each alone
    if rate != own:
        paced.modality = replace(sensor.modality, rate_hz=rate)
    return paced


def _from_text(text: str) -> Sensor:
    spec = parse_sensor(text)
    return spec.make(_factory(spec.name))


def _factory(name: str) -> SensorFactory:
    offered = _offered().get(name, [])
    candidates = {id(factory): factory for factory in (load(point) for point in offered)}
    if name in _registered:
        candidates[id(_registered[name])] = _registered[name]
    if not candidates:
        raise ValueError(f"unknown sensor {name!r}; known sensors: {', '.join(sensor_names())}")
    if len(candidates) > 1:
        claims = ", ".join(repr(factory) for factory in candidates.values())
        raise ValueError(f"sensor name {name!r} is claimed by {len(candidates)} sensors: {claims}")
    (factory,) = candidates.values()
    made: SensorFactory = factory
    return made


def _offered() -> dict[str, list[EntryPoint]]:
    offered: dict[str, list[EntryPoint]] = {}
    for point in entry_points(group=ENTRY_POINT_GROUP):
        offered.setdefault(point.name, []).append(point)
    return offered
