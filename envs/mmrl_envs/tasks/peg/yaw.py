"""Turns of pegs and holes: by the symmetry of a shape, and within the reach of the arm.

Letters: N = worlds, n = some of them.
"""

from __future__ import annotations

import numpy as np

from mmrl.arrays import FloatArray

MAX_HOLE_YAW = 2.4
"""Largest hole yaw in radians, for shapes without symmetry: the last joint reaches it with room to spare."""


def wrap(angle: FloatArray, period: FloatArray) -> FloatArray:
    """Angles brought into [-period / 2, period / 2); zero where the period is zero (bodies of revolution)."""
    safe = np.where(period > 0, period, 1.0)
    return np.where(period > 0, (angle + safe / 2) % safe - safe / 2, 0.0)


def fold_yaw(yaw: FloatArray, symmetry: FloatArray) -> FloatArray:
    """Hole yaw in radians within the reach of the last joint, the same hole wherever symmetry allows."""
    folded = wrap(yaw, symmetry)
    return np.where(symmetry > 2 * MAX_HOLE_YAW, folded * (MAX_HOLE_YAW / np.pi), folded)
