"""A slot car: a guide pin that runs in a slot, a body that swings about it, and a voltage.

An analytic model of two degrees of freedom, after the Lagrangian of a body on a pin that has a given place along the
slot. `mmrl_envs.robots.slot_world` steps it; MuJoCo has no spline slot, so it only draws.

The state is s, v, b, r: place of the pin along the slot in metres and its speed in m/s, angle of the body to the
tangent in radians and yaw rate in rad/s.

Letters: N = worlds, n = a subset.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.controllers.base import Controller, actions_of_size
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.groups import SCENE_GROUP

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
        push = self.stall_n * (voltage - v / self.top_speed)
        push = np.maximum(np.minimum(push, 0.9 * limit), -0.9 * limit)  # np.clip takes five times longer
        slip = (v * sine + r * self.pin_to_axle) / (np.abs(v * cosine) + 0.3)
        # the circle of friction: what drives cannot hold sideways
        side = np.sqrt(limit * limit - push * push) * np.tanh(slip / self.slip_rad)
        bend = m * v * v * curvature
        drag = self.rolling_n + self.wall_friction * np.abs(bend - side)
        along = (push - m * a * r * r) * cosine - side * sine - drag
        about = a * bend * cosine - self.pin_to_axle * side
        coupling = m * a * sine
        determinant = m * self.inertia - coupling * coupling
        return (self.inertia * along - coupling * about) / determinant, (m * about - coupling * along) / determinant

    def advance(
        self, state: FloatArray, voltage: FloatArray, curvature: FloatArray, grip: FloatArray, step_s: float
    ) -> None:
        """Moves states (4, N) on by one step of semi-implicit Euler; the rest as for `accelerations`."""
        along, about = self.accelerations(voltage, state, curvature, grip)
        state[1] = np.maximum(state[1] + step_s * along, 0.0)  # no motor drives it backwards
        state[3] += step_s * about
        state[0] += step_s * state[1]
        state[2] += step_s * (state[3] - curvature * state[1])

    @property
    def inertia(self) -> float:
        """Moment of inertia about the pin in kg m^2."""
        return self.mass * ((self.length**2 + self.width**2) / 12 + self.pin_to_centre**2)


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
