"""Six-axis force-torque sensor in the flange, with torques about the flange or about the tip of the tool."""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import EncoderSpec, Modality, TemporalConv
from mmrl_envs.arguments import number, whole
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import Requires, Sensor, View

FORCE_LIMIT_N = 500.0
TORQUE_LIMIT_NM = 50.0
_TORQUE_SCALES = {"flange": (1.0, 10.0), "tip": (3.0, 20.0)}
"""Coarse and fine scale in 1/(N m): those of 1 and 0.1 N m about the flange, of 0.3 and 0.05 N m about the tip."""


class ForceTorque(Sensor):
    """Wrench that the tool exerts on the flange: force in N, then torque in N m about the flange's origin.

    Frame: the robot's mount "wrist" (z out of the flange, straight down at rest). Sign: a tool hanging free under its
    own weight pulls the flange along +z, and a tip pressed on the table pushes it along -z. Readings are of
    the last T physics steps of 1 kHz (T = 32 as in Lee et al., "Making Sense of Vision and Touch", ICRA
    2019).

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        history: T.
        compensate_weight: subtract the static weight of the tool from the readings, as a calibrated sensor
            does.
        about: the point that torques refer to, a site of the tool: "flange", or "tip". About the tip a force
            across at the tip, such as friction, has no torque, and what is left says on which side the tip is touched.
        bandwidth_hz: frequency above which the sensor does not follow (-3 dB), as the filter of a real one has it;
            unset follows everything. A first-order low-pass, y += (1 - exp(-2 pi bandwidth / physics_hz)) (x - y) at
            every physics step, which is exact for a wrench that is constant within a step.
        encoder: how a policy encodes the window; unset is convolutions over time.

    Raises ValueError for another point, and for a bandwidth that is not below half the physics rate.
    """

    noise_unit = (1.0, 1.0, 1.0, 0.05, 0.05, 0.05)

    def __init__(
        self,
        name: str = "force_torque",
        *,
        rate_hz: float = 1000.0,
        history: int = 32,
        compensate_weight: bool = True,
        about: str = "flange",
        bandwidth_hz: float | None = None,
        encoder: EncoderSpec | None = None,
    ) -> None:
        if about not in _TORQUE_SCALES:
            raise ValueError(f"torques can be taken about {sorted(_TORQUE_SCALES)}, got {about!r}")
        self.compensate_weight, self.about = compensate_weight, about
        mounts = ("wrist",) if about == "flange" else ("wrist", about)
        self.requires = Requires(mounts=mounts, fields=("tool_wrench",) if compensate_weight else ())
        self.bandwidth_hz = None if bandwidth_hz is None else number("bandwidth_hz", bandwidth_hz)
        self._memory: dict[str, NDArray[np.float64]] = {}
        self._arm: NDArray[np.float64] = np.zeros(3)  # from the flange to that point, metres, in the flange's frame
        coarse, fine = _TORQUE_SCALES[about]
        bound = (FORCE_LIMIT_N,) * 3 + (TORQUE_LIMIT_NM,) * 3
        self.modality = Modality(
            name=name,
            shape=(6,),
            rate_hz=rate_hz,
            history=whole("history", history, 1),
            low=tuple(-b for b in bound),
            high=bound,
            unit=("N",) * 3 + ("N m",) * 3,
            labels=("Fx", "Fy", "Fz", "Tx", "Ty", "Tz"),
            # coarse (tens of newtons: a jammed peg) and fine (a newton: first touch)
            encoder=encoder
            or TemporalConv(
                channels=(16, 32, 64),
                features=32,
                squash=((0.05,) * 3 + (coarse,) * 3, (0.5,) * 3 + (fine,) * 3),
            ),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds MuJoCo's force and torque sensors at the wrist, which read what the parent exerts on the tool."""
        wrist = self.mounts["wrist"]
        about = wrist if self.about == "flange" else self.mounts[self.about]
        self._arm = np.subtract(spec.site(about).pos, spec.site(wrist).pos)
        for kind in (mujoco.mjtSensor.mjSENS_FORCE, mujoco.mjtSensor.mjSENS_TORQUE):
            spec.add_sensor(
                name=self._mujoco_name(kind),
                type=kind,
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname=wrist,
            )

    def attach(self, world: World) -> None:
        """Makes room for the last output of the filter."""
        if self.bandwidth_hz is None:
            return
        if not 0 < self.bandwidth_hz < world.physics_hz / 2:
            raise ValueError(
                f"bandwidth_hz of {self.modality.name!r} must be above 0 and below {world.physics_hz / 2:g}, half of "
                f"physics_hz, got {self.bandwidth_hz:g}"
            )
        self._kept = float(np.exp(-2 * np.pi * self.bandwidth_hz / world.physics_hz))
        self._memory = {"filtered": np.zeros((world.num_worlds, 6))}

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """The last output of the filter in N and N m, (N, 6), if there is one."""
        return self._memory

    def read(self, view: View) -> NDArray[np.float64]:
        """Wrenches, (n, k, 6)."""
        names = self._mujoco_name(mujoco.mjtSensor.mjSENS_FORCE), self._mujoco_name(mujoco.mjtSensor.mjSENS_TORQUE)
        if not self._memory:
            return self._wrench(view, [view[name] for name in names])
        at_every_step = self._wrench(view, [view.steps(name) for name in names])
        stride = at_every_step.shape[1] // view[names[0]].shape[1]
        return self._filtered(view, at_every_step)[:, stride - 1 :: stride]

    def _filtered(self, view: View, wrench: NDArray[np.float64]) -> NDArray[np.float64]:
        """Filtered wrenches (n, S, 6), each following on the last; an episode begins at rest."""
        from scipy.signal import lfilter  # takes longer to import than all of mmrl_envs

        memory = self._memory["filtered"]
        if view.begins:
            memory[view.worlds] = wrench[:, -1]
        start = self._kept * memory[view.worlds, None]
        out, _ = lfilter([1.0 - self._kept], [1.0, -self._kept], wrench, axis=1, zi=start)
        memory[view.worlds] = out[:, -1]
        filtered: NDArray[np.float64] = out
        return filtered

    def _wrench(self, view: View, force_and_torque: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """The wrench of the tool, (n, t, 6), from the readings of MuJoCo at t instants, (n, t, 3) each."""
        # MuJoCo reports what the flange exerts on the tool; a sensor on the flange feels the opposite
        wrench = -np.concatenate(force_and_torque, axis=2)
        if self.compensate_weight:
            wrench -= view.field("tool_wrench")[:, None]
        wrench[..., 3:] -= np.cross(self._arm, wrench[..., :3])
        return wrench

    def _mujoco_name(self, kind: mujoco.mjtSensor) -> str:
        part = "force" if kind == mujoco.mjtSensor.mjSENS_FORCE else "torque"
        return f"{self.modality.name}/{part}"
