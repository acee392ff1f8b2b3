"""Sound as people hear it, beside what a policy is given of it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Sound:
    """The sound of a control step in N worlds."""

    samples: NDArray[np.float32]
    """Velocity of what rings in m/s, (N, samples of a control step)."""
    rate_hz: int
    """Samples per second."""
