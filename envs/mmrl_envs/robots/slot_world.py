"""Slots, and worlds in which cars run in them: an analytic `mmrl_envs.physics.world.World`.

Its compiled models are pictures of a body in the plane, one variant per slot: `World.choose` puts a world on another
slot.

Letters: N = worlds, n = a subset, S = physics steps per control step, K = points of a slot.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.physics.models import WorldModels
from mmrl_envs.physics.world import require_worlds, steps_per_second
from mmrl_envs.robots.car import Motion

SLOT = "slot"
"""Name of the state as a field of the world, (N, 4), and of its readings at each physics step, (N, S, 4)."""
GRIP = "grip"
"""Name of the field of the world that scales the grip of the tyres, (N, 1)."""


@dataclass(frozen=True)
class Slot:
    """A closed curve in the plane, at equal distances along it."""

    points: FloatArray
    """(K, 2) metres."""
    heading: FloatArray
    """Direction of the tangent in radians, unwrapped, (K,)."""
    curvature: FloatArray
    """1/m, to the left, (K,)."""
    length: float
    """Metres."""


class Slots:
    """Slots of one number of points, their tables end to end, so that each world reads its own.

    Args:
        slots: of K points each.
    """

    def __init__(self, slots: Sequence[Slot]) -> None:
        self._size = len(slots[0].points)
        self.points = np.concatenate([slot.points for slot in slots])
        """(slots x K, 2) metres."""
        self.heading = np.concatenate([slot.heading for slot in slots])
        """(slots x K,) radians."""
        self.curvature = np.concatenate([slot.curvature for slot in slots])
        """(slots x K,) 1/m."""
        self.length = np.array([slot.length for slot in slots])
        """(slots,) metres."""

    def entries(self, which: IntArray, place: FloatArray) -> IntArray:
        """Where in the tables the places along slots lie, the nearest entry of each.

        Args:
            which: numbers of the slots, of a shape that broadcasts with that of `place`.
            place: metres along them, not negative.
        """
        nearest = (place * (self._size / self.length[which]) + 0.5).astype(np.intp)
        found: IntArray = nearest % self._size + which * self._size
        return found


class SlotWorld:
    """N cars, each in a slot of its own: a `mmrl_envs.physics.world.World`.

    Its fields are the state `SLOT` and `GRIP`, besides those of the picture.

    Args:
        slots: where the cars may run.
        motion: what moves them.
        variants: the compiled picture of each slot.
        num_worlds: N.
        substeps: S.
    """

    def __init__(
        self, slots: Slots, motion: Motion, variants: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int
    ) -> None:
        require_worlds(num_worlds)
        self._slots, self._motion, self._models = slots, motion, WorldModels(variants, num_worlds)
        self.variants, self.template = self._models.variants, self._models.variants[0]
        self.num_worlds, self.substeps, self.num_threads = num_worlds, substeps, 1
        self.physics_hz = steps_per_second(self.template)
        self.versions: Mapping[str, str] = {"slot_car": "2"}
        self.qpos, self.qvel = np.zeros((num_worlds, 3)), np.zeros((num_worlds, 3))
        self.mocap_pos, self.mocap_quat = np.zeros((num_worlds, 0, 3)), np.zeros((num_worlds, 0, 4))
        self._state, self._grip = np.zeros((num_worlds, 4)), np.ones((num_worlds, 1))
        self._recorded = np.zeros((num_worlds, substeps, 4))

    def recorded(self, sensor: str) -> FloatArray:
        _require_slot(sensor)
        return self._recorded

    def current(self, sensor: str) -> FloatArray:
        _require_slot(sensor)
        return self._state

    def step(self, control: FloatArray) -> BoolArray:
        numbers = np.concatenate([self.qpos, self.qvel, self._state], axis=1)
        failed: BoolArray = ~np.asarray(np.isfinite(numbers).all(axis=1))
        self._state[failed] = 0.0
        state, grip, dt = self._state.T.copy(), self._grip[:, 0], 1.0 / self.physics_hz
        recorded = np.empty((self.substeps, *state.shape))
        for i in range(self.substeps):
            curvature = self._slots.curvature[self._slots.entries(self.slot_of_world, state[0])]
            self._motion.advance(state, control[:, i, 0], curvature, grip, dt)
            recorded[i] = state
        self._recorded[:], self._state[:] = recorded.transpose(2, 0, 1), state.T
        self._picture(np.arange(self.num_worlds))
        return failed

    def _picture(self, worlds: IntArray) -> None:
        s, v, b, r = self._state[worlds].T
        entries = self._slots.entries(self.slot_of_world[worlds], s)
        heading = self._slots.heading[entries]
        self.qpos[worlds] = np.column_stack([self._slots.points[entries], heading + b])
        self.qvel[worlds] = np.column_stack([v * np.cos(heading), v * np.sin(heading), r])

    @property
    def slot_of_world(self) -> IntArray:
        """The number of the slot in which each car runs, (N,): live, to be read."""
        return self._models.chosen

    def choose(self, worlds: IntArray, variants: IntArray) -> None:
        self._models.choose(worlds, variants)

    def write(self, field: str, worlds: IntArray, values: NDArray[Any], rows: IntArray | None = None) -> None:
        own = self._own()
        if field in own:
            own[field][worlds if rows is None else np.ix_(worlds, rows)] = values
        else:
            self._models.write(field, worlds, values, rows)

    def read(self, field: str) -> NDArray[Any]:
        own = self._own()
        return own[field].copy() if field in own else self._models.read(field)

    def _own(self) -> dict[str, FloatArray]:
        return {SLOT: self._state, GRIP: self._grip, "qpos": self.qpos, "qvel": self.qvel}

    def model_of(self, world: int) -> mujoco.MjModel:
        return self._models.models[world]

    def reset(self, worlds: IntArray, qpos: FloatArray, qvel: FloatArray | None = None) -> None:
        self._recorded[worlds] = self._state[worlds, None]
        self._picture(worlds)

    def set_control(self, worlds: IntArray, control: FloatArray) -> None:
        """Changes nothing that is read."""

    def state_dict(self) -> dict[str, Any]:
        return {**self._models.state_dict(), **{name: array.copy() for name, array in self._own().items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._models.load_state_dict(state)
        for name, array in self._own().items():
            array[...] = state[name]

    def close(self) -> None:
        """Nothing to give back."""


def _require_slot(sensor: str) -> None:
    if sensor != SLOT:
        raise ValueError(f"a slot car has no sensor {sensor!r}; it has [{SLOT!r}]")
