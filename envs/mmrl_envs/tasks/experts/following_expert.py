"""A scripted expert that follows an instruction by its senses: it reads the words, finds the hole, and goes there.

It proves that words, holes and proprioception are enough, and that the words are needed: deaf, it takes any hole.

Letters: N = worlds, H = holes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.scenes.marked_holes import COLOURS, MARKS
from mmrl_envs.sensors.instruction import VOCABULARY

SENSES = ("instruction", "holes", "proprioception")
"""The senses that it needs."""
_LOOKS = (*COLOURS, *MARKS)
_NUMBERS = np.array([VOCABULARY.index(word) + 1 for word in _LOOKS])
_ALIGNED_M, _LOST_M = 0.0006, 0.01
"""Distance in the plane below which it begins to push, and above which it stops."""
_HOVER_M, _PUSH_M = 0.003, 0.003
"""Height above the blocks at which it aligns, and how far it pushes in a control step."""
_GAIN = 0.4
"""Share of its distance from the hole that it makes up in a control step near it."""
_NEAR_M = 0.01


class FollowingExpert:
    """Aligns above the hole whose colour and mark the words name, then pushes down.

    Args:
        num_worlds: N.
        step_m: displacement of a full action in metres.
        listens: whether it heeds the words; one that does not takes the first hole of the set.
    """

    def __init__(self, num_worlds: int, *, step_m: float, listens: bool = True) -> None:
        self._step, self._listens = step_m, listens
        self._aligned: BoolArray = np.zeros(num_worlds, np.bool_)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
        """Actions (N, 3) for the observations `SENSES` of one episode, which must be its next."""
        holes = observation["holes"].astype(np.float64)
        chosen = chosen_by_words(observation["instruction"], holes) if self._listens else np.zeros(len(holes), np.intp)
        away = holes[np.arange(len(holes)), chosen, :2]
        height = observation["proprioception"][:, -1, 2].astype(np.float64)
        move = np.zeros((len(holes), 3))
        distance = np.linalg.norm(away, axis=1)
        self._aligned = (self._aligned | (distance < _ALIGNED_M)) & (distance < _LOST_M)
        near = (distance < _NEAR_M)[:, None]
        move[:, :2] = np.where(near, _GAIN * away, away)
        move[:, 2] = np.where(self._aligned, -_PUSH_M, _HOVER_M - height)
        action: NDArray[np.float32] = np.clip(move / self._step, -1.0, 1.0).astype(np.float32)
        return action


def chosen_by_words(words: NDArray[np.uint8], holes: FloatArray) -> IntArray:
    """The hole that has most of the colours and marks among the words (N, L), of sets (N, H, d + 1): (N,)."""
    said = (words[:, :, None] == _NUMBERS).any(axis=1)  # (N, colours and marks)
    looks = holes[:, :, 2 : 2 + len(_LOOKS)] * holes[:, :, -1:]
    fits: IntArray = (looks @ said[:, :, None].astype(np.float64))[:, :, 0].argmax(axis=1)
    return fits
