"""The game console as ale-py emulates it: its screen and clock, its games, and the actions of each.

ale-py is GPL-2.0 and so an optional dependency, imported only when a game is made.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any, NamedTuple

import gymnasium as gym

from mmrl_envs.arguments import whole

FRAMES_PER_SECOND = 60
SCREEN = (210, 160)
"""Height and width of the emulator's picture in pixels."""

MEANINGS: Mapping[str, Mapping[str, str]] = MappingProxyType({"pong": {"RIGHT": "up", "LEFT": "down"}})
"""Effects of levers whose names do not say them, by game and name."""

WAIT_FOR_FIRE = frozenset({"breakout", "donkey_kong", "elevator_action", "klax"})
"""Games in which nothing moves by itself after a reset until FIRE is pressed, and much does then."""

_MISSING = "Atari games need ale-py (GPL-2.0): pip install 'mmrl[atari]'"


class GameAction(NamedTuple):
    """One choice of a policy and what the console is sent for it."""

    name: str
    code: int


def emulators_of(game: str) -> Callable[..., Any]:
    """A maker of N emulators of a game; the error for an unknown game lists the known ones."""
    try:
        from ale_py import roms
        from ale_py.vector_env import AtariVectorEnv
    except ImportError as error:
        raise gym.error.DependencyNotInstalled(_MISSING) from error
    known = roms.get_all_rom_ids()
    if game not in known:
        near = difflib.get_close_matches(game, known, n=3) or sorted(known)[:8]
        raise ValueError(f"no Atari game {game!r}; did you mean {', '.join(near)}? There are {len(known)} games.")
    return partial(AtariVectorEnv, game)


def choose_actions(names: Sequence[str], offered: Sequence[Any]) -> tuple[GameAction, ...]:
    """The named actions, or all that the game knows, in the emulator's order."""
    codes = {action.name: code for code, action in enumerate(offered)}
    for name in names:
        if name not in codes:
            raise ValueError(f"the game has no action {name!r}; it has {', '.join(codes)}")
    return tuple(GameAction(name, codes[name]) for name in names or codes)


def label_of(game: str, name: str) -> str:
    """The effect of an action: "up+fire" for Pong's "RIGHTFIRE"."""
    levers = re.findall("FIRE|UP|DOWN|RIGHT|LEFT", name) or [name]
    return "+".join(MEANINGS.get(game, {}).get(lever, lever.lower()) for lever in levers)


def decisions_per_second(frame_skip: int) -> float:
    """How often a policy decides that holds every action for so many frames, in Hz."""
    return FRAMES_PER_SECOND / whole("frame_skip", frame_skip, 1)
