"""A scripted search by feel: a spiral about the estimated hole, pressed gently, until the peg drops in.

The blind search of Chhatpar and Branicky, "Search Strategies for Peg-in-Hole Assemblies with Position Uncertainty"
(IROS 2001), which covers the plane by an Archimedean spiral whose turns lie no further apart than the play of the
hole. It acts on observations alone, so it proves that what they say is enough, and is a floor to compare policies
with.

Letters: N = worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray

SENSES = ("hole_estimate", "force_torque", "proprioception")
"""The senses that it needs."""

_TOUCH_N = 3.0
"""Force from which the tip counts as landed, newtons."""
_DROP_M = 1.5e-3
"""How far the tip must sink below where it landed to count as in the hole, metres."""
_ABOVE_M = 2e-3
"""Distance from the estimate within which it descends, metres."""
_HOVER_M = 3e-3
"""Height from which it descends slowly, metres."""
_DESCENT_M, _PRESS_M = 1e-3, 2e-3
"""Displacement downward per control step before and after landing, metres."""
_GAIN = 0.1
"""Share of its distance from the spiral that it makes up in a control step."""


class SpiralSearch:
    """Goes to the estimate, lands, spirals outward while pressing, and pushes down once the floor gives way.

    Args:
        num_worlds: N.
        step_m: displacement of a full action in metres.
        pitch_m: distance between turns in metres; that of the play of the hole, or less.
        speed_m: displacement along the spiral per control step in metres.
    """

    def __init__(
        self,
        num_worlds: int,
        *,
        step_m: float,
        pitch_m: float = 1.5e-3,
        speed_m: float = 2.0e-3,
    ) -> None:
        self._step = step_m
        self._pitch, self._speed = pitch_m, speed_m
        self._angle: FloatArray = np.zeros(num_worlds)
        self._face: FloatArray = np.zeros(num_worlds)
        self._landed = np.zeros(num_worlds, np.bool_)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 3) for the observations `SENSES` of one episode, which must be its next."""
        estimate = observation["hole_estimate"][:, :2].astype(np.float64)
        tip = observation["proprioception"][:, -1, :3].astype(np.float64)
        pressed = -observation["force_torque"][:, :, 2].mean(axis=1) > _TOUCH_N
        above = np.linalg.norm(estimate, axis=1) < _ABOVE_M
        landing = pressed & above & ~self._landed
        self._landed |= landing
        self._face = np.where(landing, tip[:, 2], self._face)
        dropped = self._landed & (tip[:, 2] < self._face - _DROP_M)
        here = self._offset()
        searching = self._landed & ~dropped
        self._angle[searching] += self._turn()[searching]
        ahead = self._offset() - here
        error = estimate + self._offset()
        move = np.zeros((len(tip), 3))
        move[:, :2] = np.where(self._landed[:, None], ahead + _GAIN * (error - ahead), 0.5 * error)
        move[dropped, :2] = 0.0
        move[:, 2] = np.where(self._landed, -_PRESS_M, np.where(above, -_DESCENT_M, _HOVER_M - tip[:, 2]))
        action: NDArray[np.float32] = np.clip(move / self._step, -1.0, 1.0).astype(np.float32)
        return action

    def _offset(self) -> FloatArray:
        """Where the spiral r = pitch x angle / 2 pi stands from its centre, (N, 2) metres."""
        radius = self._pitch * self._angle / (2 * np.pi)
        offset: FloatArray = radius[:, None] * np.stack([np.cos(self._angle), np.sin(self._angle)], axis=1)
        return offset

    def _turn(self) -> FloatArray:
        """Angle of the next piece of the spiral, `speed_m` long but at most a radian, (N,)."""
        radius = self._pitch * self._angle / (2 * np.pi)
        return np.asarray(np.minimum(self._speed / np.maximum(radius, self._speed), 1.0))
