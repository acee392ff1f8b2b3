"""A scripted expert for wiping that acts on its senses: it steers to the nearest red it sees, and presses as it feels.

It proves that camera, wrench and proprioception are enough; without the wrench it presses to where the board would be
in a plan, which is what anybody can do who does not feel.

Letters: N = worlds, P = pixels of a picture.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray
from mmrl_envs.tasks.wipe import HAND_VIEW, TOOL_LENGTH

_HIGH_M, _FAST_M, _SLOW_M = 0.020, 4e-3, 2e-3
"""Height above the planned board from which the ball comes down slowly, and how far it does in a control step."""
_BEYOND_M = 5e-3
"""How far beyond the nearest edge of a dot the ball is led."""
_ASIDE_M = 2.5e-3
"""How far it is led aside in a control step: faster, and it is pushed hard where the board rises."""


class Pressing(ABC):
    """How far to lower the setpoint of the ball."""

    @abstractmethod
    def lowering(self, force: FloatArray, height: FloatArray) -> FloatArray:
        """Metres for this control step, (N,), by the force upward in N and the height in W in metres, (N,) each."""


class ByForce(Pressing):
    """Comes down until it feels the board, then keeps the force up by a share of its error.

    Args:
        aim_n: force to be kept.
        give_m_per_n: displacement for every newton that is missing.
    """

    def __init__(self, aim_n: float = 8.0, give_m_per_n: float = 1.8e-4) -> None:
        self._aim, self._give = aim_n, give_m_per_n

    def lowering(self, force: FloatArray, height: FloatArray) -> FloatArray:
        approach = np.where(height > _HIGH_M, _FAST_M, _SLOW_M)
        return np.where(force > 1.0, self._give * (self._aim - force), approach)


class ToPlan(Pressing):
    """Leads the setpoint to a depth below the board of the plan, whatever it feels.

    Args:
        depth_m: how far below.
    """

    def __init__(self, depth_m: float = 4e-3) -> None:
        self._depth = depth_m
        self._setpoint: FloatArray | None = None

    def lowering(self, force: FloatArray, height: FloatArray) -> FloatArray:
        before = height if self._setpoint is None else self._setpoint
        self._setpoint = before - np.clip(before + self._depth, -_SLOW_M, _SLOW_M)
        return before - self._setpoint


class WipingExpert:
    """Steers the ball over the red that is nearest to it.

    Args:
        step_m: displacement of a full action in metres.
        pressing: how it presses.
    """

    def __init__(self, step_m: float, pressing: Pressing) -> None:
        self._step, self._pressing = step_m, pressing

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 3) for camera, force_torque and proprioception of one episode, which must be its next."""
        force = -observation["force_torque"][:, :, 2].mean(axis=1).astype(np.float64)
        height = observation["proprioception"][:, -1, 2].astype(np.float64)
        above = np.where(force > 1.0, 0.0, np.maximum(height, 0.0))
        away = _to_nearest_red(observation["camera"], above)
        distance = np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9)
        move = np.zeros((len(away), 3))
        speed = np.minimum(distance + _BEYOND_M, _ASIDE_M) / distance
        move[:, :2] = np.where(distance > 1e-6, away * speed, 0.0)
        move[:, 2] = -self._pressing.lowering(force, height)
        action: NDArray[np.float32] = np.clip(move / self._step, -1.0, 1.0).astype(np.float32)
        return action


def _to_nearest_red(pictures: NDArray[np.uint8], above: FloatArray) -> FloatArray:
    """Ways in W from the tip to the nearest red on a board that is so far below it, metres, (N, 2); 0 without red."""
    height, width = pictures.shape[1:3]
    red = _red(pictures)  # (N, P)
    places = _places_on_board(_rays(height, width), above)  # (N, P, 2)
    distance = np.where(red, np.linalg.norm(places, axis=2), np.inf)
    nearest = places[np.arange(len(places)), distance.argmin(axis=1)]
    return np.where(red.any(axis=1, keepdims=True), nearest, 0.0)


def _red(pictures: NDArray[np.uint8]) -> BoolArray:
    """Pixels of the stain, row by row, (N, P): red by whatever light."""
    r, g, b = np.moveaxis(pictures.reshape(len(pictures), -1, 3).astype(np.int64), 2, 0)
    red: BoolArray = (r > 2 * np.maximum(g, b)) & (r > 20)
    return red


def _rays(height: int, width: int) -> FloatArray:
    """Directions through the pixels of the hand's camera in the frame of the hand, (P, 3)."""
    half = np.tan(np.radians(HAND_VIEW.fovy) / 2)
    up = half * (1.0 - 2.0 * (np.arange(height) + 0.5) / height)
    right = half * (2.0 * (np.arange(width) + 0.5) - width) / height
    x, y = np.meshgrid(right, up)
    axes = np.zeros(9)
    mujoco.mju_quat2Mat(axes, HAND_VIEW.quaternion())
    rays: FloatArray = np.stack([x, y, -np.ones_like(x)], axis=2).reshape(-1, 3) @ axes.reshape(3, 3).T
    return rays


def _places_on_board(rays: FloatArray, above: FloatArray) -> FloatArray:
    """Places from the tip in W where rays (P, 3) meet a level board below tips that are so high, (N, P, 2) metres."""
    x, y, z = HAND_VIEW.position
    reach = (TOOL_LENGTH + above[:, None] - z) / rays[:, 2]
    # the hand hangs head down: its y is the opposite of that of W
    return np.stack([x + reach * rays[:, 0], -(y + reach * rays[:, 1])], axis=2)
