"""Forces on the feet of a walker: a load cell in each ankle."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import MLP, EncoderSpec, Modality
from mmrl_envs.arguments import whole
from mmrl_envs.sensors.base import Requires, Sensor, View

FEET = ("left_foot", "right_foot")
"""Mounts of the robot that carry the load cells."""
_MOST_N = 1000.0


class FootForces(Sensor):
    """The force that each foot exerts on its leg, in newtons in the frame of the foot: T x 6.

    Columns: x, y, z of the left foot, then of the right one. A foot that bears weight pushes its leg along +z; one that
    hangs in the air pulls it down by its own weight. They are read by the mounts `FEET` of the robot.

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        history: T.
        encoder: how a policy encodes the window; unset is a network over all of it.
    """

    requires = Requires(mounts=FEET)
    noise_unit = 0.5

    def __init__(
        self, name: str = "feet", *, rate_hz: float = 100.0, history: int = 4, encoder: EncoderSpec | None = None
    ) -> None:
        self.modality = Modality(
            name=name,
            shape=(6,),
            rate_hz=rate_hz,
            history=whole("history", history, 1),
            low=-_MOST_N,
            high=_MOST_N,
            unit="N",
            labels=tuple(f"{foot.partition('_')[0]} F{axis}" for foot in FEET for axis in "xyz"),
            encoder=encoder or MLP(hidden=(64,), features=64, squash=((0.05,) * 6, (0.5,) * 6)),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds MuJoCo's force sensors at the ankles, which read what the leg exerts on the foot."""
        for foot in FEET:
            spec.add_sensor(
                name=f"{self.modality.name}/{foot}",
                type=mujoco.mjtSensor.mjSENS_FORCE,
                objtype=mujoco.mjtObj.mjOBJ_SITE,
                objname=self.mounts[foot],
            )

    def read(self, view: View) -> NDArray[np.float64]:
        """Forces, (n, k, 6)."""
        return -np.concatenate([view[f"{self.modality.name}/{foot}"] for foot in FEET], axis=2)
