"""Contexts of Atari games as ale-py itself makes them, for `mmrl.curriculum.CurriculumWrapper`.

A console has switches: the game's mode and its difficulty (Machado et al. 2018, "Revisiting the Arcade Learning
Environment", section 5). How long an action is held is the policy's own matter.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np

MOST_FRAMES = 60
"""Frames that an action is held at most: a second."""


def apply_game_context(env: gym.Env[Any, Any], context: Mapping[str, Any]) -> None:
    """Set "mode", "difficulty" and "frame_skip", as far as the context has them, for the episode that a reset begins.

    `env` is ale-py's own, as `gym.make("ALE/Pong-v5").unwrapped`; modes and difficulties are numbers of the game.
    Raises ValueError for another name and for a value that the game does not have, before anything is set.
    """
    for name, value in context.items():
        if name not in SWITCHES:
            raise ValueError(f"a game has no {name!r} to set; it has {', '.join(SWITCHES)}")
        _require_one_of(name, value, SWITCHES[name].positions(env))
    for name, value in context.items():
        SWITCHES[name].turn(env, int(value))


class Switch(NamedTuple):
    """Something about a game that can be set between episodes."""

    positions: Callable[[Any], Sequence[int]]
    """Its possible values in the game of an environment."""
    turn: Callable[[Any, int], None]


def _turn_mode(env: Any, mode: int) -> None:
    env._game_mode = mode  # a reset with a seed loads the game anew and sets it from here
    env.ale.setMode(mode)


def _turn_difficulty(env: Any, difficulty: int) -> None:
    env._game_difficulty = difficulty  # likewise
    env.ale.setDifficulty(difficulty)


def _turn_frame_skip(env: Any, frames: int) -> None:
    env._frameskip = frames


SWITCHES: Mapping[str, Switch] = MappingProxyType(
    {
        "mode": Switch(lambda env: list(env.ale.getAvailableModes()), _turn_mode),
        "difficulty": Switch(lambda env: list(env.ale.getAvailableDifficulties()), _turn_difficulty),
        "frame_skip": Switch(lambda env: range(1, MOST_FRAMES + 1), _turn_frame_skip),
    }
)
"""The parameters of a context by name."""


def _require_one_of(name: str, value: object, able: Sequence[int]) -> None:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value not in able:
        listed = f"{able[0]} to {able[-1]}" if isinstance(able, range) else ", ".join(map(str, able))
        raise ValueError(f"{name} of this game must be one of {listed}, got {value!r}")
