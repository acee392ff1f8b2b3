"""An inertial unit: which way is up, how fast it turns, how it is accelerated."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import MLP, EncoderSpec, Modality
from mmrl_envs.arguments import whole
from mmrl_envs.sensors.base import Requires, Sensor, View

_TURNING, _ACCELERATION = 50.0, 500.0


class Imu(Sensor):
    """The direction that is up, the rate of turning and the acceleration, of the robot's mount "imu": T x 9.

    Columns, all in the frame of the mount: the unit vector up, the angular velocity in rad/s, and the acceleration in
    m/s^2, which is that of gravity, upward, at rest. A real unit estimates the first from the other two.

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        history: T.
        encoder: how a policy encodes the window; unset is a network over all of it.
    """

    requires = Requires(mounts=("imu",))
    noise_unit = (1e-2,) * 3 + (5e-2,) * 3 + (0.2,) * 3

    def __init__(
        self, name: str = "imu", *, rate_hz: float = 100.0, history: int = 4, encoder: EncoderSpec | None = None
    ) -> None:
        bound = (1.0,) * 3 + (_TURNING,) * 3 + (_ACCELERATION,) * 3
        self.modality = Modality(
            name=name,
            shape=(9,),
            rate_hz=rate_hz,
            history=whole("history", history, 1),
            low=tuple(-b for b in bound),
            high=bound,
            unit=("",) * 3 + ("rad/s",) * 3 + ("m/s^2",) * 3,
            labels=("up x", "up y", "up z", "turning x", "turning y", "turning z", "ax", "ay", "az"),
            encoder=encoder or MLP(hidden=(64,), features=64),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds MuJoCo's gyroscope, accelerometer, and a sensor of the world's z axis as the mount sees it."""
        site, kinds = mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtSensor
        mount = self.mounts["imu"]
        spec.add_sensor(
            name=self._part("up"),
            type=kinds.mjSENS_FRAMEZAXIS,
            objtype=mujoco.mjtObj.mjOBJ_XBODY,
            objname="world",
            reftype=site,
            refname=mount,
        )
        for part, kind in (("turning", kinds.mjSENS_GYRO), ("acceleration", kinds.mjSENS_ACCELEROMETER)):
            spec.add_sensor(name=self._part(part), type=kind, objtype=site, objname=mount)

    def read(self, view: View) -> NDArray[np.float64]:
        """Readings, (n, k, 9)."""
        return np.concatenate([view[self._part(part)] for part in ("up", "turning", "acceleration")], axis=2)

    def _part(self, part: str) -> str:
        return f"{self.modality.name}/{part}"
