"""A scripted policy that taps, listens and goes: it compares what it hears with taps whose kinds it was shown.

It acts on observations alone, and proves that one tap says enough.

Letters: N = worlds, n = taps, K = kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.tasks.tap_to_hear import PLACES
from mmrl_envs.vector_env import RobotVectorEnv

_DOWN_M, _UP_M, _HEIGHT_M = 0.003, 0.004, 0.01
"""Metres: down and up per control step, and the height above the block at which it travels."""
_PATIENCE = 8
"""Control steps of sound before it decides: the whole picture, but for its last frames."""
_RIDGE = 10.0


class TapListener:
    """Goes down until it hears a tap, listens for 0.4 s, decides, and goes to that place.

    It reads `tap_sound` and `proprioception`. Kinds are told apart by least squares on the levels of taps before.

    Args:
        pictures: `tap_sound` some time after taps, (n, bands, frames, 1).
        kinds: of the blocks that were tapped, (n,).
        step_m: displacement of a full action in metres.
    """

    def __init__(self, pictures: NDArray[np.floating[Any]], kinds: IntArray, *, step_m: float) -> None:
        levels, wanted = _levels(pictures), np.eye(kinds.max() + 1)[kinds]
        regularized = levels.T @ levels + _RIDGE * np.eye(levels.shape[1])
        self._weights = np.linalg.solve(regularized, levels.T @ wanted)
        self._step = step_m
        self._waited: IntArray = np.zeros(0, np.intp)
        self._kind: IntArray = np.zeros(0, np.intp)

    def begin(self, num_worlds: int) -> None:
        """Forgets: episodes of N worlds begin."""
        self._waited, self._kind = np.zeros(num_worlds, np.intp), np.full(num_worlds, -1)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 3) for the observations of one episode, which must be its next."""
        picture, tip = observation["tap_sound"], observation["proprioception"][:, -1, :3].astype(np.float64)
        self._waited[picture.any(axis=(1, 2, 3))] += 1
        decides = (self._waited > _PATIENCE) & (self._kind < 0)
        self._kind[decides] = (_levels(picture[decides]) @ self._weights).argmax(axis=1)
        move, knows = tapping(observation), self._kind >= 0
        move[knows, :2] = PLACES[self._kind[knows]] - tip[knows, :2]
        return np.clip(move / self._step, -1.0, 1.0).astype(np.float32)


def tapping(observation: Mapping[str, NDArray[Any]]) -> FloatArray:
    """Displacements in metres, (N, 3): down until there is sound, then up and over the block."""
    heard = observation["tap_sound"].any(axis=(1, 2, 3))
    height = observation["proprioception"][:, -1, 2].astype(np.float64)
    move = np.zeros((len(height), 3))
    move[:, 2] = np.where(heard, np.clip(_HEIGHT_M - height, -_UP_M, _UP_M), -_DOWN_M)
    return move


def practised(envs: RobotVectorEnv, step_m: float, seed: int = 1) -> TapListener:
    """An expert that has tapped a block in each of some worlds, and was shown what kind it was."""
    observation, info = envs.reset(seed=seed)
    names = list(envs.context_parameters["kind"].options)  # type: ignore[union-attr]  # a choice
    kinds = np.array([names.index(name) for name in info["context"]["kind"]])
    for _ in range(22):
        observation, *_ = envs.step(np.clip(tapping(observation) / step_m, -1.0, 1.0).astype(np.float32))
    return TapListener(observation["tap_sound"], kinds, step_m=step_m)


def _levels(pictures: NDArray[np.floating[Any]]) -> FloatArray:
    """Levels in units of 50 dB, and a constant, (n, bands x frames + 1)."""
    flat = pictures.reshape(len(pictures), int(np.prod(pictures.shape[1:])))
    return np.concatenate([flat / 50.0, np.ones((len(flat), 1))], axis=1)
