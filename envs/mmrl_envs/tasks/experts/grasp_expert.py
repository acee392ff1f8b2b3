"""A scripted expert that feels how the peg sits in the grasp, and then steers the peg, not the hand, into the hole.

It acts on observations alone: the outline in the first tactile map, fitted once, the estimate of the hole and the pose
of the hand. So it proves that what they say is enough.

Letters: N = worlds, c = candidates, k = taxels to a side of the palm.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray
from mmrl_envs.sensors.tactile.taxels import Taxels
from mmrl_envs.tasks.peg.grasp import PAD_SIDE, Grasp, foundation_of
from mmrl_envs.tasks.peg.pegs import PEG_SHAPES
from mmrl_envs.tasks.peg.yaw import wrap

_SQUARE = PEG_SHAPES["square"]
_MOST_M, _MOST_RAD = 0.009, 0.75
"""Largest shift and turn that candidates have."""
_ROUNDS = 6
_DELTAS = np.array([1e-4, 1e-4, 5e-3])
"""Differences of shift and turn by which derivatives are taken, metres and radians."""
_HOVER_M, _DROP_M = 0.004, 0.002
"""Height of the peg above the face at which it aligns, and how far it goes down in a control step."""
_NEAR_M, _NEAR_RAD = 2.5e-4, 6e-3
"""Error within which it is aligned."""
_GAIN = 0.4
"""Share of the error that it makes up in a control step."""


class OutlineFit:
    """How a square peg sits on the palm, by the map of the force that presses.

    The nearest of some hundred candidates begins; Gauss and Newton's steps by the differences of the maps refine it.

    Args:
        resolution: k.
        blur_m: of the pad, metres.
    """

    def __init__(self, resolution: int, blur_m: float = 0.5e-3) -> None:
        self._taxels = Taxels((PAD_SIDE, PAD_SIDE), resolution, blur_m)
        self._depth = foundation_of(_SQUARE).pressed_in
        x = np.linspace(-_MOST_M, _MOST_M, 7)
        turns = np.linspace(-_MOST_RAD, _MOST_RAD, 13)
        self._candidates = np.stack(np.meshgrid(x, x, turns), axis=3).reshape(-1, 3)
        self._maps = self.maps(self._candidates).reshape(len(self._candidates), -1)

    def maps(self, sits: FloatArray) -> FloatArray:
        """Shares of the taxels under pegs with shifts along x and y and turns in the frame of the hand, (c, k, k)."""
        x, y = np.meshgrid(self._taxels.columns, self._taxels.rows)
        away_x, away_y = x - sits[:, 0, None, None], y - sits[:, 1, None, None]
        cos, sin = np.cos(sits[:, 2])[:, None, None], np.sin(sits[:, 2])[:, None, None]
        aside = np.maximum(np.abs(cos * away_x + sin * away_y), np.abs(cos * away_y - sin * away_x))
        half = _SQUARE.corners.max()
        return self._taxels.shares(np.minimum(float(half) - aside, self._depth))

    def __call__(self, pressure: FloatArray) -> FloatArray:
        """Shift along x and y in metres and turn in radians, in the frame of the hand, (N, 3), of maps (N, k, k)."""
        shares = (pressure / pressure.sum(axis=(1, 2), keepdims=True)).reshape(len(pressure), -1)
        apart = (self._maps**2).sum(axis=1) - 2 * shares @ self._maps.T
        sits: FloatArray = self._candidates[apart.argmin(axis=1)]
        for _ in range(_ROUNDS):
            sits = sits + self._step(sits, shares)
        return sits

    def _step(self, sits: FloatArray, shares: FloatArray) -> FloatArray:
        """The step that makes maps nearest to shares (N, k k), were they linear, (N, 3)."""
        here = self.maps(sits).reshape(shares.shape)
        slopes = [(self.maps(sits + delta).reshape(shares.shape) - here) / delta.sum() for delta in np.diag(_DELTAS)]
        jacobian = np.stack(slopes, axis=2)  # (N, k k, 3)
        step: FloatArray = np.einsum("nij,nj->ni", np.linalg.pinv(jacobian), shares - here)
        return step


class GraspExpert:
    """Aligns the peg above the hole, then pushes down; feels how it sits at the first step of an episode.

    Args:
        step_m: displacement of a full action in metres.
        step_rad: turn of a full action in radians.
    """

    def __init__(self, step_m: float, step_rad: float) -> None:
        self._steps = np.array([step_m] * 3 + [step_rad])
        self._grasp: Grasp | None = None
        self._aligned: NDArray[np.bool_] = np.zeros(0, np.bool_)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 4) for hole_estimate, tactile and proprioception of one episode, which must be its next."""
        hand = observation["proprioception"][:, -1, :4].astype(np.float64)
        if self._grasp is None:
            self._grasp = self._feel(observation["tactile"][..., 0].astype(np.float64))
            self._aligned = np.zeros(len(hand), np.bool_)
        goal = hand + observation["hole_estimate"]  # of the tip
        to_turn = goal[:, 3] - self._grasp.turn - hand[:, 3]
        goal[:, 3] += wrap(to_turn, np.full(len(hand), _SQUARE.symmetry_rad)) - to_turn
        error = self._grasp.hand_of(goal) - hand
        self._aligned |= (np.linalg.norm(error[:, :2], axis=1) < _NEAR_M) & (np.abs(error[:, 3]) < _NEAR_RAD)
        move = _GAIN * error
        move[:, 2] = np.where(self._aligned, -_DROP_M, _GAIN * (error[:, 2] + _HOVER_M))
        action: NDArray[np.float32] = np.clip(move / self._steps, -1.0, 1.0).astype(np.float32)
        return action

    def _feel(self, pressure: FloatArray) -> Grasp:
        """The grasp in W, whose y and turns are opposite to those of the hand."""
        sits = OutlineFit(pressure.shape[1])(pressure)
        depth = np.full(len(sits), foundation_of(_SQUARE).pressed_in)
        return Grasp(sits[:, :2] * (1.0, -1.0), -sits[:, 2], depth)
