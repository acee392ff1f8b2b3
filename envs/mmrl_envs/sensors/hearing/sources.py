"""Sources of sound: a thing that is touched, or a spring that snaps.

Letters: N = worlds, n = those being read, S = physics steps of a control step, e = strikes, r = worlds that are rubbed.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import mujoco
import numpy as np

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.physics.sound.tap import TOOL_KG
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import View

LEAST_WATTS = 1e-6
"""Of rubbing that is heard: a touch that rests creeps a little."""
AWAY_M, HOME_M = 5e-4, 2.5e-4
"""How far in metres a joint must have been from its rest, and how near to it it must come then, to have snapped."""
_SNAP_PLACE = (0.31, 0.43)  # as shares of the sides
_DATA = mujoco.mjtConDataField
_FIELDS = (_DATA.mjCONDATA_FOUND, _DATA.mjCONDATA_FORCE, _DATA.mjCONDATA_POS, _DATA.mjCONDATA_LINVEL)
_LARGEST_FORCE = 2  # of several contacts the one with the largest force


@dataclass(frozen=True, eq=False)
class Strikes:
    """Blows on the sounding things of some worlds."""

    rows: IntArray
    """Which of the n worlds, (e,)."""
    steps: IntArray
    """At which of the S physics steps, (e,)."""
    speed: FloatArray
    """At which the two met, m/s, (e,)."""
    place: FloatArray
    """As shares of the sides of the plate, (e, 2)."""


@dataclass(frozen=True, eq=False)
class Rubbing:
    """Rubbing of sounding things, where there is any."""

    rows: IntArray
    """Which of the n worlds, (r,)."""
    watts: FloatArray
    """Normal force times sliding speed at each physics step, (r, S)."""
    place: FloatArray
    """The mean of the control step as shares of the sides of the plate, (r, 2)."""


class Source(ABC):
    """A named part of the scene that rings.

    Args:
        part: name of the geom or joint.
    """

    def __init__(self, part: str) -> None:
        self.part, self.striker_kg = part, TOOL_KG
        self.ready: BoolArray = np.zeros(0, np.bool_)
        """Worlds in which the next touch or snap is a new one, (N,): the memory of a source."""

    @abstractmethod
    def install(self, spec: mujoco.MjSpec, prefix: str) -> None:
        """Adds MuJoCo sensors whose names begin with a prefix."""

    def attach(self, world: World) -> None:
        """Makes room for the memory."""
        self.ready = np.zeros(world.num_worlds, np.bool_)

    @abstractmethod
    def begin(self, view: View) -> None:
        """Takes worlds as they are when their episodes begin."""

    @abstractmethod
    def heard(self, view: View) -> tuple[Strikes, Rubbing]:
        """All strikes and all rubbing of a control step."""


class TouchedGeom(Source):
    """A box that rings where something touches or rubs it: the plate is its upper face, x and y.

    A touch is new where there was none a physics step before, and its speed is that of approach. Of several contacts
    at once the one with the largest force counts.
    """

    def install(self, spec: mujoco.MjSpec, prefix: str) -> None:
        """Adds a contact sensor, and the pose of the box. Raises ValueError where it is no box."""
        kinds, geom = mujoco.mjtSensor, mujoco.mjtObj.mjOBJ_GEOM
        if spec.geom(self.part).type != mujoco.mjtGeom.mjGEOM_BOX:
            raise ValueError(f"what sounds when it is touched must be a box, but the geom {self.part!r} is none")
        self._prefix = prefix
        asked = [sum(1 << int(field) for field in _FIELDS), _LARGEST_FORCE, 1]
        touched = {"objtype": geom, "objname": self.part}
        spec.add_sensor(name=f"{prefix}/touch", type=kinds.mjSENS_CONTACT, intprm=asked, **touched)
        for axis, kind in (
            ("middle", kinds.mjSENS_FRAMEPOS),
            ("x", kinds.mjSENS_FRAMEXAXIS),
            ("y", kinds.mjSENS_FRAMEYAXIS),
        ):
            spec.add_sensor(name=f"{prefix}/{axis}", type=kind, **touched)

    def attach(self, world: World) -> None:
        """Makes room for the memory, and reads how large the box is."""
        super().attach(world)
        self._sides = 2.0 * world.template.geom(self.part).size[:2]

    def begin(self, view: View) -> None:
        """Touches from the start on are no strikes."""
        self.ready[view.worlds] = view.steps(f"{self._prefix}/touch")[:, -1, 0] == 0.0

    def heard(self, view: View) -> tuple[Strikes, Rubbing]:
        """New touches, and force times sliding speed."""
        touch = view.steps(f"{self._prefix}/touch")  # (n, S, 10): found, force, place, velocity; normal first
        touching = touch[:, :, 0] > 0.0
        free_before = np.concatenate([self.ready[view.worlds, None], ~touching[:, :-1]], axis=1)
        self.ready[view.worlds] = ~touching[:, -1]
        rows, steps = np.nonzero(touching & free_before & (touch[:, :, 7] < 0.0))
        strikes = Strikes(rows, steps, -touch[rows, steps, 7], self._places(view, touch, rows, steps))
        return strikes, self._rubbing(view, touch)

    def _rubbing(self, view: View, touch: FloatArray) -> Rubbing:
        """Force times sliding speed; what rests does not rub."""
        touched = np.flatnonzero(touch[:, :, 0].any(axis=1))
        watts = np.abs(touch[touched, :, 1]) * np.hypot(touch[touched, :, 8], touch[touched, :, 9])  # 0 without a touch
        rubs = watts.max(axis=1) > LEAST_WATTS
        rubbed, watts = touched[rubs], watts[rubs]
        place = self._places(view, touch, rubbed[:, None], np.arange(touch.shape[1]))
        return Rubbing(rubbed, watts, np.einsum("rs,rsd->rd", watts / watts.sum(axis=1, keepdims=True), place))

    def _places(self, view: View, touch: FloatArray, rows: IntArray, steps: IntArray) -> FloatArray:
        """Places of contacts on the plate as shares of its sides, (..., 2)."""
        from_middle = touch[rows, steps, 4:7] - view.steps(f"{self._prefix}/middle")[rows, steps]
        along = [(from_middle * view.steps(f"{self._prefix}/{axis}")[rows, steps]).sum(axis=-1) for axis in "xy"]
        place: FloatArray = np.clip(0.5 + np.stack(along, axis=-1) / self._sides, 0.0, 1.0)
        return place


class SnappedJoint(Source):
    """A slide on a spring that rings when it snaps back to its rest, where its position is 0."""

    def install(self, spec: mujoco.MjSpec, prefix: str) -> None:
        """Adds sensors of position and velocity. Raises ValueError where the joint is no slide."""
        kinds, joint = mujoco.mjtSensor, mujoco.mjtObj.mjOBJ_JOINT
        if spec.joint(self.part).type != mujoco.mjtJoint.mjJNT_SLIDE:
            raise ValueError(f"what sounds when it snaps must be a slide joint, but the joint {self.part!r} is none")
        self._prefix = prefix
        for name, kind in (("position", kinds.mjSENS_JOINTPOS), ("velocity", kinds.mjSENS_JOINTVEL)):
            spec.add_sensor(name=f"{prefix}/{name}", type=kind, objtype=joint, objname=self.part)

    def attach(self, world: World) -> None:
        """Makes room for the memory; what strikes is the body that the joint moves."""
        super().attach(world)
        model = world.template
        self.striker_kg = float(model.body_mass[model.jnt_bodyid[model.joint(self.part).id]])

    def begin(self, view: View) -> None:
        """A joint that is away from its rest may snap."""
        self.ready[view.worlds] = np.abs(view.steps(f"{self._prefix}/position")[:, -1, 0]) > AWAY_M

    def heard(self, view: View) -> tuple[Strikes, Rubbing]:
        """The first step near its rest after one away from it; its speed is the largest since a step before."""
        away = np.abs(view.steps(f"{self._prefix}/position")[:, :, 0])
        speed = np.abs(view.steps(f"{self._prefix}/velocity")[:, :, 0])
        ready, snaps = self.ready[view.worlds], np.zeros(away.shape, np.bool_)
        for step in range(away.shape[1]):
            snaps[:, step] = ready & (away[:, step] < HOME_M)
            ready = (ready & ~snaps[:, step]) | (away[:, step] > AWAY_M)
        self.ready[view.worlds] = ready
        rows, steps = np.nonzero(snaps)
        fastest = np.maximum(speed[rows, steps], speed[rows, np.maximum(steps - 1, 0)])
        nothing = np.zeros(0, np.intp)
        places = np.tile(_SNAP_PLACE, (len(rows), 1))
        return (
            Strikes(rows, steps, fastest, places),
            Rubbing(nothing, np.zeros((0, away.shape[1])), np.zeros((0, 2))),
        )


def source_named(spec: mujoco.MjSpec, part: str) -> Source:
    """The source that a geom or a joint of a scene is. Raises ValueError where there is neither."""
    if spec.geom(part) is not None:
        return TouchedGeom(part)
    if spec.joint(part) is not None:
        return SnappedJoint(part)
    named = {kind: ", ".join(sorted(p.name for p in parts if p.name)) or "none" for kind, parts in _parts(spec)}
    listed = "; ".join(f"{kind} {names}" for kind, names in named.items())
    raise ValueError(f"nothing here is called {part!r}: name a geom or a joint that sounds. There are {listed}")


def _parts(spec: mujoco.MjSpec) -> list[tuple[str, list[mujoco.MjsGeom] | list[mujoco.MjsJoint]]]:
    return [("the geoms", spec.geoms), ("the joints", spec.joints)]
