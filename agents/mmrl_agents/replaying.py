"""Exact state of worlds that cannot save theirs: how the episode began, and every action since.

Gymnasium environments draw from `np_random` alone and compute the rest. Put the generator back where it was before
the reset, take the same actions, and the world stands where it stood; at most one episode is played again.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from mmrl_envs.vector_env import RobotVectorEnv


class Replayable(gym.Wrapper[Any, Any, Any, Any]):
    """Remembers how the present episode came about."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self._beginning: dict[str, Any] = {}
        self._actions: list[NDArray[Any]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        random = None if seed is not None else self.env.unwrapped.np_random.bit_generator.state
        self._beginning = {"seed": seed, "random": random, "options": options}
        self._actions = []
        return self.env.reset(seed=seed, options=options)

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        self._actions.append(np.array(action))
        return self.env.step(action)

    def get_state(self) -> dict[str, Any]:
        """The present episode, as arrays and plain Python."""
        return {**self._beginning, "actions": list(self._actions)}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Play an episode of `get_state` again up to where it was."""
        if state["random"] is not None:
            self.env.unwrapped.np_random.bit_generator.state = state["random"]
        self.reset(seed=state["seed"], options=state["options"])
        for action in state["actions"]:
            self.step(action[()])  # a number again where the array has no axes


def worlds_state(envs: VectorEnv[Any, Any, Any]) -> dict[str, Any] | None:
    """All that the coming steps of the worlds depend on; None where they cannot tell."""
    worlds = envs.unwrapped
    if isinstance(worlds, RobotVectorEnv):
        return worlds.get_state()
    singles = _replayable(worlds)
    return {"replay": [env.get_state() for env in singles]} if singles else None


def restore_worlds(envs: VectorEnv[Any, Any, Any], state: Mapping[str, Any]) -> None:
    """Undo `worlds_state`. Raises `OtherWorlds` where robots were saved under other arguments."""
    worlds = envs.unwrapped
    if isinstance(worlds, RobotVectorEnv):
        worlds.set_state(state)
    else:
        for env, saved in zip(_replayable(worlds), state["replay"], strict=True):
            env.set_state(saved)


def _replayable(worlds: VectorEnv[Any, Any, Any]) -> list[Replayable]:
    """The single worlds, [] unless each of them remembers its episode."""
    singles = worlds.envs if isinstance(worlds, SyncVectorEnv) else ()
    able = [env for env in singles if isinstance(env, Replayable)]
    return able if len(able) == len(singles) else []
