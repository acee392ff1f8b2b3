"""The largest force that the policy may use, as a sense."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import MLP, EncoderSpec, Modality
from mmrl_envs.sensors.base import Requires, Sensor, View


class ForceLimit(Sensor):
    """The contact force in newtons above which something breaks: exact, and the same all episode.

    Noseworthy et al. command such a limit in "FORGE: Force-Guided Exploration for Robust Contact-Rich Manipulation
    under Uncertainty" (2024).

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        encoder: how a policy encodes the limit; unset is a small network.
    """

    requires = Requires(fields=("force_limit",))
    noise_unit = 1.0
    newest_only = True

    def __init__(self, name: str = "force_limit", *, rate_hz: float = 20.0, encoder: EncoderSpec | None = None) -> None:
        self.modality = Modality(
            name=name,
            shape=(1,),
            rate_hz=rate_hz,
            low=0.0,
            high=1000.0,
            unit="N",
            labels=("limit",),
            encoder=encoder or MLP(hidden=(16,), features=16, squash=((0.02,),)),
        )

    def read(self, view: View) -> NDArray[np.float64]:
        """Limits, (n, 1, 1)."""
        return view.field("force_limit")[:, None]
