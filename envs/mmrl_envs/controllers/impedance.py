"""Cartesian impedance control of a tool tip, run natively by MuJoCo.

Six actuators act between the site of the tool tip and a fixed reference frame (three translations, three
rotations) with force kp (u - x) - kd v, so the controller runs at the physics rate at no cost in Python. The
policy moves the setpoint u; the setpoints inside a control step are interpolated, and the setpoint may lead
the tip by a bounded distance only, which bounds the static contact force by stiffness times lead.

Frames: poses here are in the workspace frame W (z up). The reference frame of the actuators has W's origin
but z down, like the tool, so that a tool hanging straight down is at rotation zero. It never follows the
hole, which would leak the goal.

Letters: N = worlds, n = a subset, S = physics steps per control step, A = size of the action (3: x y z,
4: x y z yaw).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl.settings.documents import build, fit
from mmrl_envs.controllers.base import actions_of_size
from mmrl_envs.physics.world import World

ACTIONS: Mapping[str, int] = MappingProxyType({"xyz": 3, "xyz_yaw": 4})
"""Kinds of action, by what they move, and their sizes A."""

_TO_TOOL_FRAME = np.array([1.0, -1.0, -1.0, -1.0])
"""W (x, y, z, yaw) to the actuators' frame, which is W turned by pi about x."""


@dataclass(frozen=True)
class Impedance:
    """Stiffness, damping and limits of the controller."""

    stiffness: float = 2000.0
    """Translational stiffness in N/m."""
    damping: float = 220.0
    """Translational damping in N s/m, about critical for the arm's effective mass of some 6 kg."""
    rotational_stiffness: float = 60.0
    """Rotational stiffness in N m/rad."""
    rotational_damping: float = 4.0
    """Rotational damping in N m s/rad."""
    step_m: float = 0.006
    """Setpoint displacement in metres per control step of a full action."""
    step_rad: float = 0.1
    """Setpoint rotation in radians per control step of a full yaw action."""
    lead_m: float = 0.0075
    """Largest distance per axis from tip to setpoint, metres; stiffness times it bounds the static force."""
    lead_rad: float = 0.15
    """Largest angle between setpoint and tip in radians."""
    low: tuple[float, float, float, float] = (-0.10, -0.10, -0.06, -2.6)
    """Smallest setpoint: x, y, z in metres, yaw in radians."""
    high: tuple[float, float, float, float] = (0.10, 0.10, 0.10, 2.6)
    """Largest setpoint."""

    def __post_init__(self) -> None:
        """Raises ValueError naming the field that is not finite, of another shape, or not positive."""
        fit(self, "Impedance.")
        for name, value in vars(self).items():
            if not np.isfinite(value).all():
                raise ValueError(f"Impedance.{name} must be finite, got {value}")
        for name in ("stiffness", "rotational_stiffness", "step_m", "lead_m", "lead_rad"):
            if not vars(self)[name] > 0:
                raise ValueError(f"Impedance.{name} must be positive, got {vars(self)[name]}")
        for name in ("damping", "rotational_damping", "step_rad"):
            if not vars(self)[name] >= 0:
                raise ValueError(f"Impedance.{name} must not be negative, got {vars(self)[name]}")
        if not np.less(self.low, self.high).all():
            raise ValueError(f"Impedance.low must be below Impedance.high, got {self.low} and {self.high}")

    @property
    def max_force_n(self) -> float:
        """Bound of the static force per axis in newtons."""
        return self.stiffness * self.lead_m


def impedance_with(settings: Mapping[str, Any]) -> Impedance:
    """The usual controller, some settings changed. Raises ValueError for an unknown name, and lists those there are."""
    if not isinstance(settings, Mapping):
        raise ValueError(f"impedance is an Impedance or a mapping from its settings to values, got {settings!r}")
    return build(Impedance, settings, "Impedance.")


@dataclass(frozen=True)
class ImpedanceController:
    """A `mmrl_envs.controllers.base.Controller`: actions displace the setpoint of an impedance at a tool's tip.

    The robot has the site of the tip; the scene has that of the frame in its world body, z up; the robot installs the
    MuJoCo sensors "tip_position" and "tip_xaxis", of the tip in the frame.
    """

    impedance: Impedance = field(default_factory=Impedance)
    """Stiffness, damping and limits."""
    action: str = "xyz"
    """The degrees of freedom that actions move: "xyz" at fixed orientation, or "xyz_yaw"."""
    tip: str = "tip"
    """Name of the site of the tip."""
    frame: str = "workspace"
    """Name of the site whose frame is W."""

    def __post_init__(self) -> None:
        """Raises ValueError for another kind of action."""
        if self.action not in ACTIONS:
            raise ValueError(f"unknown action {self.action!r}; actions are {sorted(ACTIONS)}")

    @property
    def action_space(self) -> spaces.Box:
        """Displacements as shares of the largest step, (A,)."""
        return actions_of_size(ACTIONS[self.action])

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the six actuators, and the site of the frame in which they act."""
        reference = f"{self.frame}_z_down"
        spec.worldbody.add_site(name=reference, pos=spec.site(self.frame).pos, quat=[0, 1, 0, 0], group=5)
        impedance = self.impedance
        linear = (impedance.stiffness, impedance.damping)
        angular = (impedance.rotational_stiffness, impedance.rotational_damping)
        for axis, name in enumerate(("x", "y", "z", "rx", "ry", "rz")):
            kp, kd = linear if axis < 3 else angular
            gear, gain, bias = np.eye(6)[axis], np.zeros(10), np.zeros(10)
            gain[0], bias[1], bias[2] = kp, -kp, -kd
            spec.add_actuator(
                name=f"impedance_{name}",
                trntype=mujoco.mjtTrn.mjTRN_SITE,
                target=self.tip,
                refsite=reference,
                gear=gear,
                gaintype=mujoco.mjtGain.mjGAIN_FIXED,
                biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                gainprm=gain,
                biasprm=bias,
            )

    def start(self, world: World, control_hz: float) -> Setpoints:
        """Setpoints of N worlds."""
        return Setpoints(self, world, control_hz)


class Setpoints:
    """Turns actions into interpolated setpoints for N worlds: a `mmrl_envs.controllers.base.ControllerProcess`.

    Args:
        controller: what is at work.
        world: the worlds.
        control_hz: actions per second.
    """

    def __init__(self, controller: ImpedanceController, world: World, control_hz: float) -> None:
        impedance, self._world = controller.impedance, world
        lag_s = (impedance.damping / impedance.stiffness,) * 3 + (
            impedance.rotational_damping / impedance.rotational_stiffness,
        )
        self._lag = np.array(lag_s) * control_hz
        self.setpoint: FloatArray = np.zeros((world.num_worlds, 4))
        """Tip poses that are held: x, y, z in metres, yaw in radians, in W, (N, 4)."""
        self._control: FloatArray = np.zeros((world.num_worlds, world.substeps, 6))
        self._fraction = (np.arange(world.substeps) + 1.0)[:, None] / world.substeps
        self._size = ACTIONS[controller.action]
        self._step = np.array((impedance.step_m,) * 3 + (impedance.step_rad,))[: self._size]
        self._lead = np.array((impedance.lead_m,) * 3 + (impedance.lead_rad,))
        self._low, self._high = np.array(impedance.low), np.array(impedance.high)

    def tip_pose(self) -> FloatArray:
        """Tip poses x, y, z in metres and yaw in radians in W by the newest reading, (N, 4)."""
        axis = self._world.current("tip_xaxis")
        yaw = np.arctan2(axis[:, 1], axis[:, 0])
        return np.concatenate([self._world.current("tip_position"), yaw[:, None]], axis=1)

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """Puts setpoints at tip poses (n, 4), by default the present ones. Returns controls that hold them, (n, 6)."""
        pose = self.tip_pose()[worlds] if setpoint is None else setpoint
        self.setpoint[worlds] = pose
        control = np.zeros((len(worlds), 6))
        control[:, [0, 1, 2, 5]] = pose * _TO_TOOL_FRAME
        return control

    def command(self, action: NDArray[Any]) -> FloatArray:
        """Moves the setpoints by actions (N, A) in [-1, 1]; controls of the coming physics steps, (N, S, 6).

        The array is overwritten by the next call.
        """
        start, pose = self.setpoint, self.tip_pose()
        goal = start.copy()
        goal[:, : self._size] += np.clip(action, -1.0, 1.0) * self._step
        goal = np.clip(goal, pose - self._lead, pose + self._lead)
        goal = np.clip(goal, self._low, self._high)
        # The lag that damping leaves behind a moving setpoint, made up for in advance.
        ahead = (goal - start) * self._lag
        path = (start + ahead)[:, None] + (goal - start)[:, None] * self._fraction  # (N, S, 4)
        path *= _TO_TOOL_FRAME
        self._control[:, :, :3] = path[:, :, :3]
        self._control[:, :, 5] = path[:, :, 3]
        self.setpoint[:] = goal
        return self._control

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The setpoints."""
        return {"setpoint": self.setpoint}
