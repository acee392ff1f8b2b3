"""Six-axis force-torque sensor in the flange, told about the flange or about the tip of the tool."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import EncoderSpec, Modality, TemporalConv
from mmrl_envs.arguments import whole
from mmrl_envs.sensors.base import Sensor, View

FORCE_LIMIT_N = 500.0
TORQUE_LIMIT_NM = 50.0
_TORQUE_SCALES = {"flange": (1.0, 10.0), "tip": (3.0, 20.0)}
"""Coarse and fine scale in 1/(N m): those of 1 and 0.1 N m about the flange, of 0.3 and 0.05 N m about the tip."""


class ForceTorque(Sensor):
    """Wrench that the tool exerts on the flange: force in N, then torque in N m about the flange's origin.

    Frame: the site "flange" (z out of the flange, straight down at rest). Sign: a tool hanging free under its
    own weight pulls the flange along +z, and a tip pressed on the table pushes it along -z. Readings are of
    the last T physics steps of 1 kHz (T = 32 as in Lee et al., "Making Sense of Vision and Touch", ICRA
    2019).

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        history: T.
        compensate_weight: subtract the static weight of the tool from the readings, as a calibrated sensor
            does.
        about: the point that torques are told about, a site of the tool: "flange", or "tip". About the tip a force
            across at the tip, such as friction, has no torque, and what is left says on which side the tip is touched.
        encoder: how a policy encodes the window; unset is convolutions over time.

    Raises ValueError for another point.
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
        encoder: EncoderSpec | None = None,
    ) -> None:
        if about not in _TORQUE_SCALES:
            raise ValueError(f"torques can be told about {sorted(_TORQUE_SCALES)}, got {about!r}")
        self.compensate_weight, self.about = compensate_weight, about
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
            # coarse (tens of newtons: a jammed peg) and fine (a newton: first touch)
            encoder=encoder
            or TemporalConv(
                channels=(16, 32, 64),
                features=32,
                squash=((0.05,) * 3 + (coarse,) * 3, (0.5,) * 3 + (fine,) * 3),
            ),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds MuJoCo's force and torque sensors at the site "flange".

        Those read what the parent exerts on the tool.
        """
        self._arm = np.subtract(spec.site(self.about).pos, spec.site("flange").pos)
        for kind in (mujoco.mjtSensor.mjSENS_FORCE, mujoco.mjtSensor.mjSENS_TORQUE):
            spec.add_sensor(
                name=self._mujoco_name(kind),
                type=kind,
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname="flange",
            )

    def read(self, view: View) -> NDArray[np.float64]:
        """Wrenches, (n, k, 6)."""
        force = view[self._mujoco_name(mujoco.mjtSensor.mjSENS_FORCE)]
        torque = view[self._mujoco_name(mujoco.mjtSensor.mjSENS_TORQUE)]
        # MuJoCo reports what the flange exerts on the tool; a sensor on the flange feels the opposite
        wrench = -np.concatenate([force, torque], axis=2)
        if self.compensate_weight:
            wrench -= view.field("tool_wrench")[:, None]
        wrench[..., 3:] -= np.cross(self._arm, wrench[..., :3])
        return wrench

    def _mujoco_name(self, kind: mujoco.mjtSensor) -> str:
        part = "force" if kind == mujoco.mjtSensor.mjSENS_FORCE else "torque"
        return f"{self.modality.name}/{part}"
