"""The holes of a scene as a set: where each is, and how it looks."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import DeepSets, EncoderSpec, Modality
from mmrl_envs.scenes.marked_holes import COLOURS, HOLES, MARKS
from mmrl_envs.sensors.base import Requires, Sensor, View

_LOOKS = len(COLOURS) + len(MARKS)


class Holes(Sensor):
    """Each hole as seen from the tool tip, (H, d + 1): x, y in metres in W, colour and mark one-hot, whether it exists.

    The output of a detector, as it were. Noise shifts the places alone.

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        encoder: how a policy encodes the set; unset is a layer for each hole and one for all.
    """

    requires = Requires(fields=("holes",))
    noise_unit = (1e-3, 1e-3, *(0.0,) * (_LOOKS + 1))
    newest_only = True

    def __init__(self, name: str = "holes", *, rate_hz: float = 20.0, encoder: EncoderSpec | None = None) -> None:
        ones = (1.0,) * (_LOOKS + 1)
        self.modality = Modality(
            name=name,
            shape=(HOLES, 2 + _LOOKS + 1),
            rate_hz=rate_hz,
            low=(-1.0, -1.0, *(0.0,) * (_LOOKS + 1)),
            high=(1.0, 1.0, *ones),
            unit=("m", "m", *("",) * (_LOOKS + 1)),
            labels=("x", "y", *COLOURS, *MARKS, "exists"),
            # centimetres and millimetres
            encoder=encoder or DeepSets((64,), 64, squash=((20.0, 20.0, *ones[:-1]), (150.0, 150.0, *ones[:-1]))),
        )

    def read(self, view: View) -> NDArray[np.float64]:
        """Sets, (n, 1, H, d + 1)."""
        return view.field("holes")[:, None]
