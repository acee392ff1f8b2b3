"""Scripts that lift what may slip or break: one grips harder while it feels slip, others with one force for all.

They act on observations alone. The first proves that the skin of the fingers says enough; the second is the best that
can be done without it.

Letters: N = worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray
from mmrl_envs.robots.gripper import Gripping

SETTLING_STEPS = 10
"""Control steps before it lifts."""


class SlipServo:
    """Grips a little, lifts, and grips harder by a share while what it holds slides.

    Args:
        gripping: how actions drive the gripper.
        harder: factor of the force in a control step of slip.
        slip_m_s: speed from which something slides.
        first_n: force to begin with.
    """

    def __init__(
        self, gripping: Gripping, *, harder: float = 1.22, slip_m_s: float = 2e-3, first_n: float = 0.4
    ) -> None:
        self._gripping, self._harder, self._slip, self._first = gripping, harder, slip_m_s, first_n
        self._force: FloatArray | None = None
        self._steps = 0

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 2) for slip of one episode, which must be its next."""
        slip = np.abs(observation["slip"][:, -1].astype(np.float64)).max(axis=1)
        force = np.full(len(slip), self._first) if self._force is None else self._force
        self._force = np.where((slip > self._slip) & (self._steps >= SETTLING_STEPS), force * self._harder, force)
        return _action(self._gripping, self._force, self._lifts())

    def _lifts(self) -> float:
        self._steps += 1
        return float(self._steps > SETTLING_STEPS)


class FixedGrip:
    """Grips with one force, whatever it holds, and lifts.

    Args:
        gripping: how actions drive the gripper.
        force_n: the force.
    """

    def __init__(self, gripping: Gripping, force_n: float) -> None:
        self._gripping, self._force, self._steps = gripping, force_n, 0

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 2) for any observation, of N worlds."""
        self._steps += 1
        force = np.full(len(next(iter(observation.values()))), self._force)
        return _action(self._gripping, force, float(self._steps > SETTLING_STEPS))


def _action(gripping: Gripping, force: FloatArray, lift: float) -> NDArray[np.float32]:
    """Actions (N, 2) that grip with forces (N,) in newtons and lift, or not."""
    return np.stack([gripping.share(force), np.full(len(force), lift)], axis=1).astype(np.float32)
