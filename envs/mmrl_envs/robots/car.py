"""A slot car: a guide pin that runs in a slot, a body that swings about it, and a voltage.

An analytic model of two degrees of freedom, after the Lagrangian of a body on a pin that has a given place along the
slot. MuJoCo has no spline slot, so it only draws: the compiled model of a `SlotWorld` is a picture of the body.

The state is s, v, b, r: place of the pin along the slot in metres and its speed in m/s, angle of the body to the
tangent in radians and yaw rate in rad/s.

Letters: N = worlds, n = a subset, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.controllers.base import Controller, actions_of_size
from mmrl_envs.physics.models import WorldModels
from mmrl_envs.physics.world import World, require_worlds, steps_per_second
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.groups import SCENE_GROUP

SLOT = "slot"
"""Name of the state as a field of the world, (N, 4), and of its readings at each physics step, (N, S, 4)."""
GRIP = "grip"
"""Name of the field of the world that scales the grip of the tyres, (N, 1)."""
JOINTS = ("car_x", "car_y", "car_yaw")


@dataclass(frozen=True)
class Motion:
    """The motor that moves the car."""

    mass: float = 0.10
    """Kilograms."""
    length: float = 0.14
    """Metres."""
    width: float = 0.06
    """Metres."""
    pin_to_centre: float = 0.050
    """Metres from the pin back to the centre of mass."""
    pin_to_axle: float = 0.085
    """Metres from the pin back to the rear axle."""
    grip_n: float = 0.8
    """Friction that the rear tyres can bear, in newtons: weight and magnet."""
    stall_n: float = 1.5
    """Force of the motor at full voltage and rest, in newtons."""
    top_speed: float = 6.0
    """Speed in m/s at which full voltage gives no force. A shorted motor, at voltage 0, brakes."""
    rolling_n: float = 0.06
    """Rolling resistance in newtons."""
    wall_friction: float = 0.12
    """Friction of the pin on the wall of the slot."""
    slip_rad: float = 0.15
    """Slip angle in radians at which side force saturates."""
    most_swing_rad: float = float(np.radians(50.0))
    """Angle of the body in radians beyond which the car is off the slot."""

    def accelerations(
        self, voltage: FloatArray, state: FloatArray, curvature: FloatArray, grip: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Acceleration along the slot in m/s^2 and of yaw in rad/s^2, (N,) each.

        Args:
            voltage: share of the full one, (N,).
            state: (4, N).
            curvature: of the slot at the pin in 1/m, (N,).
            grip: share of the usual one, (N,).
        """
        _, v, b, r = state
        m, a, sine, cosine = self.mass, self.pin_to_centre, np.sin(b), np.cos(b)
        limit = self.grip_n * grip
        push = np.clip(self.stall_n * (voltage - v / self.top_speed), -0.9 * limit, 0.9 * limit)
        slip = (-v * sine - r * self.pin_to_axle) / (np.abs(v * cosine) + 0.3)
        # the circle of friction: what drives cannot hold sideways
        side = -np.sqrt(limit**2 - push**2) * np.tanh(slip / self.slip_rad)
        drag = self.rolling_n + self.wall_friction * np.abs(m * v**2 * curvature - side)
        along = push * cosine - side * sine - drag - m * a * r**2 * cosine
        about = a * m * v**2 * curvature * cosine - self.pin_to_axle * side
        coupling = m * a * sine
        inertia = m * (self.length**2 + self.width**2) / 12 + m * a**2
        determinant = m * inertia - coupling**2
        return (inertia * along - coupling * about) / determinant, (m * about - coupling * along) / determinant


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

    def at(self, place: FloatArray, table: FloatArray) -> FloatArray:
        """Nearest entry of a table (K, ...) at places along the slot, (...) metres."""
        entries = len(table)
        found: FloatArray = table[np.rint(place * (entries / self.length)).astype(np.intp) % entries]
        return found


@dataclass(frozen=True)
class Throttle:
    """A `Controller`: an action of -1 is no voltage, 1 is all of it."""

    @property
    def action_space(self) -> spaces.Box:
        return actions_of_size(1)

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds nothing: MuJoCo only draws the car."""

    def start(self, world: World, control_hz: float) -> Voltage:
        return Voltage(world, lambda action: (np.clip(action[:, 0], -1.0, 1.0) + 1.0) / 2.0)


@dataclass(frozen=True)
class Levels:
    """A `Controller`: an action chooses one of a few voltages, as Lange et al. have it."""

    levels: tuple[float, ...]
    """Shares of the full voltage, 0 to 1."""

    def __post_init__(self) -> None:
        """Raises ValueError where there is nothing to choose, or a level is no share."""
        if len(self.levels) < 2 or not all(0 <= level <= 1 for level in self.levels):
            raise ValueError(f"Levels.levels must be two or more numbers from 0 to 1, got {self.levels}")

    @property
    def action_space(self) -> spaces.Discrete:
        return spaces.Discrete(len(self.levels))

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds nothing: MuJoCo only draws the car."""

    def start(self, world: World, control_hz: float) -> Voltage:
        table = np.array(self.levels)
        return Voltage(world, lambda action: table[action])


class Voltage:
    """A `mmrl_envs.controllers.base.ControllerProcess`: the same voltage at every physics step.

    Args:
        world: the worlds.
        of: voltages (N,) of actions.
    """

    def __init__(self, world: World, of: Callable[[NDArray[Any]], FloatArray]) -> None:
        self._of, self._substeps = of, world.substeps

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """No voltage, (n, 1)."""
        return np.zeros((len(worlds), 1))

    def command(self, action: NDArray[Any]) -> FloatArray:
        return np.repeat(self._of(action)[:, None, None], self._substeps, axis=1)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        return {}


@dataclass(frozen=True)
class Car(Robot):
    """The car as MuJoCo draws it: a box with a bright nose that slides and turns in the plane."""

    controller: Controller = field(default_factory=Throttle)
    """The controller: the meaning of actions."""
    motion: Motion = field(default_factory=Motion)
    """The motor that moves it."""
    joints: Sequence[str] = JOINTS
    """Place and yaw."""
    mounts: Mapping[str, str] = field(default_factory=lambda: {"pin": "pin"})
    """The guide pin."""

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the body; its origin is the pin, x along the car."""
        body = spec.worldbody.add_body(name="car", pos=[0, 0, 0.02])
        slide, hinge = mujoco.mjtJoint.mjJNT_SLIDE, mujoco.mjtJoint.mjJNT_HINGE
        for name, kind, axis in zip(JOINTS, (slide, slide, hinge), np.eye(3), strict=True):
            body.add_joint(name=name, type=kind, axis=axis)
        body.add_site(name="pin", group=5)
        half = [self.motion.length / 2, self.motion.width / 2, 0.015]
        plain = {"type": mujoco.mjtGeom.mjGEOM_BOX, "group": SCENE_GROUP, "contype": 0, "conaffinity": 0}
        body.add_geom(size=half, pos=[-half[0], 0, 0], rgba=(0.85, 0.25, 0.10, 1), mass=self.motion.mass, **plain)
        body.add_geom(size=[0.02, 0.03, 0.016], pos=[-0.02, 0, 0], rgba=(0.98, 0.95, 0.80, 1), mass=0.0, **plain)
        self.controller.install(spec)


class SlotWorld:
    """N cars, each in a slot of its own copy of the track: a `mmrl_envs.physics.world.World`.

    Its fields are the state `SLOT` and `GRIP`, besides those of the picture.

    Args:
        slot: where the cars run.
        motion: what moves them.
        variants: the compiled picture.
        num_worlds: N.
        substeps: S.
    """

    def __init__(
        self, slot: Slot, motion: Motion, variants: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int
    ) -> None:
        require_worlds(num_worlds)
        self._slot, self._motion, self._models = slot, motion, WorldModels(variants, num_worlds)
        self.variants, self.template = self._models.variants, self._models.variants[0]
        self.num_worlds, self.substeps, self.num_threads = num_worlds, substeps, 1
        self.physics_hz = steps_per_second(self.template)
        self.versions: Mapping[str, str] = {"slot_car": "1"}
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
        for i in range(self.substeps):
            curvature = self._slot.at(state[0], self._slot.curvature)
            along, about = self._motion.accelerations(control[:, i, 0], state, curvature, grip)
            state[1] = np.maximum(state[1] + dt * along, 0.0)  # no motor drives it backwards
            state[3] += dt * about
            state[0] += dt * state[1]
            state[2] += dt * (state[3] - curvature * state[1])
            self._recorded[:, i] = state.T
        self._state[:] = state.T
        self._picture(np.arange(self.num_worlds))
        return failed

    def _picture(self, worlds: IntArray) -> None:
        s, v, b, r = self._state[worlds].T
        heading = self._slot.at(s, self._slot.heading)
        self.qpos[worlds] = np.column_stack([self._slot.at(s, self._slot.points), heading + b])
        self.qvel[worlds] = np.column_stack([v * np.cos(heading), v * np.sin(heading), r])

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
