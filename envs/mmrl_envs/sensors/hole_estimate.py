"""A prior guess of the goal, as a CAD model or an earlier look would give."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import MLP, EncoderSpec, Modality
from mmrl_envs.sensors.base import Requires, Sensor, View


class HoleEstimate(Sensor):
    """Estimated hole pose relative to the tool tip: x, y, z in metres, yaw in radians, in W.

    W is the workspace frame. The estimate is off by the context `hole_estimate_error_m` in a direction drawn
    at each reset. Not among the default senses: it is privileged knowledge unless that error is realistic.

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        encoder: how a policy encodes the estimate; unset is a small network.
    """

    requires = Requires(fields=("hole_estimate",))
    noise_unit = (1e-3, 1e-3, 1e-3, 1e-2)
    newest_only = True

    def __init__(
        self, name: str = "hole_estimate", *, rate_hz: float = 20.0, encoder: EncoderSpec | None = None
    ) -> None:
        self.modality = Modality(
            name=name,
            shape=(4,),
            rate_hz=rate_hz,
            low=(-1.0, -1.0, -1.0, -2 * np.pi),
            high=(1.0, 1.0, 1.0, 2 * np.pi),
            unit=("m", "m", "m", "rad"),
            labels=("x", "y", "z", "yaw"),
            encoder=encoder
            or MLP(
                hidden=(64,),
                features=64,
                squash=((20.0, 20.0, 20.0, 1.0), (150.0, 150.0, 150.0, 10.0)),
            ),
        )

    def read(self, view: View) -> NDArray[np.float64]:
        """Relative poses, (n, 1, 4)."""
        return view.field("hole_estimate")[:, None]
