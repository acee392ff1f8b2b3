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
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.documents import build, fit

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

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

    def install(self, spec: mujoco.MjSpec, *, tip_site: str, reference_site: str) -> None:
        """Adds the six actuators to a scene that has both sites."""
        for axis in range(6):
            kp, kd = (
                (self.stiffness, self.damping) if axis < 3 else (self.rotational_stiffness, self.rotational_damping)
            )
            gear = [0.0] * 6
            gear[axis] = 1.0
            gain, bias = np.zeros(10), np.zeros(10)
            gain[0], bias[1], bias[2] = kp, -kp, -kd
            spec.add_actuator(
                name=f"impedance_{('x', 'y', 'z', 'rx', 'ry', 'rz')[axis]}",
                trntype=mujoco.mjtTrn.mjTRN_SITE,
                target=tip_site,
                refsite=reference_site,
                gear=gear,
                gaintype=mujoco.mjtGain.mjGAIN_FIXED,
                biastype=mujoco.mjtBias.mjBIAS_AFFINE,
                gainprm=gain,
                biasprm=bias,
            )


def impedance_with(settings: Mapping[str, Any]) -> Impedance:
    """The usual controller, some settings changed. Raises ValueError for an unknown name, and lists those there are."""
    if not isinstance(settings, Mapping):
        raise ValueError(f"impedance is an Impedance or a mapping from its settings to values, got {settings!r}")
    return build(Impedance, settings, "Impedance.")


class SetpointController:
    """Turns actions into interpolated setpoints for N worlds."""

    def __init__(
        self, impedance: Impedance, num_worlds: int, substeps: int, action_size: int, control_hz: float
    ) -> None:
        self.impedance = impedance
        lag_s = (impedance.damping / impedance.stiffness,) * 3 + (
            impedance.rotational_damping / impedance.rotational_stiffness,
        )
        self._lag = np.array(lag_s) * control_hz
        self.setpoint: FloatArray = np.zeros((num_worlds, 4))
        self._control: FloatArray = np.zeros((num_worlds, substeps, 6))
        self._fraction = (np.arange(substeps) + 1.0)[:, None] / substeps
        self._size = action_size
        step = (impedance.step_m,) * 3 + (impedance.step_rad,)
        self._step = np.array(step[:action_size])
        self._lead = np.array((impedance.lead_m,) * 3 + (impedance.lead_rad,))
        self._low, self._high = np.array(impedance.low), np.array(impedance.high)

    def reset(self, worlds: IntArray, pose: FloatArray) -> FloatArray:
        """Puts setpoints at tip poses (n, 4): x, y, z, yaw in W. Returns controls that hold them, (n, 6)."""
        self.setpoint[worlds] = pose
        control = np.zeros((len(worlds), 6))
        control[:, [0, 1, 2, 5]] = pose * _TO_TOOL_FRAME
        return control

    def command(self, action: FloatArray, pose: FloatArray) -> FloatArray:
        """Moves the setpoints and returns the controls of the coming physics steps.

        Args:
            action: displacements in [-1, 1], (N, A).
            pose: present tip poses x, y, z, yaw in W, (N, 4).

        Returns:
            Controls at each physics step, (N, S, 6), overwritten by the next call.
        """
        start = self.setpoint
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
        self.setpoint = goal
        return self._control

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly."""
        return {"setpoint": self.setpoint.copy()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self.setpoint = np.array(state["setpoint"])
