"""Scripted policies of the plug that clicks: one feels it, one hears it, the third stops where it is on average.

They act on observations alone. The first two prove that what a sense says is enough; the third is what can be had
without either.

Letters: N = worlds.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray

_ABOVE_M = 5e-4
"""Distance in the plane from the estimate within which it descends, metres."""
_PUSH_M = 5e-4
"""Displacement downward per control step, metres: 10 mm/s."""
_BEYOND_CHAMFERS_M = 4e-3
"""Depth of the tip in metres from which a force is no longer that of the mouth."""
_PRESSED_N, _DRAWN_N, _FREE_N = 2.5, -1.2, -0.4
"""Resistance in newtons above which the ridge is on the bolt, below which the bolt draws it in, and above which it has
let go of it then."""


_CLICK_DB = 40.0
"""Level of a band from which it is the bolt: one that slides back along its bevel is slower, and fainter."""


class _Pusher(ABC):
    """Goes above the estimate, pushes down, and says done when a subclass thinks that the plug is in.

    Args:
        num_worlds: N.
        step_m: displacement of a full action in metres.
    """

    def __init__(self, num_worlds: int, *, step_m: float) -> None:
        self._step = step_m
        self._descends: BoolArray = np.zeros(num_worlds, np.bool_)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 4) for the observations of one episode, which must be its next."""
        mouth = observation["hole_estimate"].astype(np.float64)
        self._descends |= np.linalg.norm(mouth[:, :2], axis=1) < _ABOVE_M
        move = np.where(self._descends[:, None], (0.0, 0.0, -_PUSH_M), mouth[:, :3] * (0.5, 0.5, 0.0))
        done = np.where(self._is_in(observation, mouth[:, 2]), 1.0, -1.0)
        action = np.concatenate([np.clip(move / self._step, -1.0, 1.0), done[:, None]], axis=1)
        return action.astype(np.float32)

    @abstractmethod
    def _is_in(self, observation: Mapping[str, NDArray[Any]], depth: FloatArray) -> BoolArray:
        """Whether to say done, (N,), with the tip at a depth in metres, (N,)."""


class ClickFeeler(_Pusher):
    """Says done when the bolt has resisted, has drawn the plug in, and has let go.

    The mouth makes itself felt, at times with more force than the bolt: above the depth of its chamfers nothing counts.
    """

    def __init__(self, num_worlds: int, *, step_m: float) -> None:
        super().__init__(num_worlds, step_m=step_m)
        self._pressed: BoolArray = np.zeros(num_worlds, np.bool_)
        self._drawn: BoolArray = np.zeros(num_worlds, np.bool_)

    def _is_in(self, observation: Mapping[str, NDArray[Any]], depth: FloatArray) -> BoolArray:
        push: FloatArray = -observation["force_torque"][:, :, 2]  # (N, T)
        beyond = depth > _BEYOND_CHAMFERS_M
        pressed = _once(beyond[:, None] & (push > _PRESSED_N), self._pressed)
        drawn = _once(pressed & (push < _DRAWN_N), self._drawn)
        self._pressed, self._drawn = pressed[:, -1], drawn[:, -1]
        free: BoolArray = drawn & np.greater(push, _FREE_N)
        # what slides slips for a reading now and then
        stays = free[:, 2:] & free[:, 1:-1] & free[:, :-2]
        return np.asarray(stays.any(axis=1))


def _once(here: BoolArray, before: BoolArray) -> BoolArray:
    """Whether something held at a reading of (N, T) or an earlier one, or `before` all of them, (N,)."""
    so_far: BoolArray = np.logical_or.accumulate(here, axis=1)
    return so_far | before[:, None]


class ClickHearer(_Pusher):
    """Says done when the bolt has been heard: `microphone` is silent before."""

    def _is_in(self, observation: Mapping[str, NDArray[Any]], depth: FloatArray) -> BoolArray:
        loud: BoolArray = observation["microphone"].max(axis=(1, 2)) > _CLICK_DB
        return loud


class DepthGuesser(_Pusher):
    """Says done at one depth.

    Args:
        num_worlds: N.
        step_m: displacement of a full action in metres.
        stop_m: the depth of the tip in metres.
    """

    def __init__(self, num_worlds: int, *, step_m: float, stop_m: float) -> None:
        super().__init__(num_worlds, step_m=step_m)
        self._depth = stop_m

    def _is_in(self, observation: Mapping[str, NDArray[Any]], depth: FloatArray) -> BoolArray:
        deep: BoolArray = np.greater_equal(depth, self._depth)
        return deep
