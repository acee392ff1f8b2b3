"""Exact state of worlds that cannot save theirs: how the episode began, and every action since.

Gymnasium environments are to compute everything from the seed of a reset. Reset with the same seed, take the same
actions, and the world stands where it stood; at most one episode is played again. Where it stands elsewhere, because
physics kept something over the reset, say, that is noticed and reported.
"""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl.modality.foreign import flatten_observation
from mmrl_agents.worlds import global_random
from mmrl_agents.worlds.contexts import EpisodeContexts
from mmrl_envs.snapshot import OtherWorlds


class Actions:
    """The actions of an episode in one array, which doubles when it is full."""

    def __init__(self, space: gym.Space[Any]) -> None:
        # Of a space without a dtype, such as a Dict, the actions are objects.
        self._rows: NDArray[Any] = np.empty((16, *(space.shape or ())), space.dtype or object)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def append(self, action: Any) -> Any:
        """Keep a copy of an action, and return it: what is played again is what was played."""
        if self._count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
        self._rows[self._count] = action
        self._count += 1
        return self._rows[self._count - 1].copy() if self._rows.ndim > 1 else self._rows[self._count - 1]

    def array(self) -> NDArray[Any]:
        """All of them, (T, *A)."""
        return self._rows[: self._count].copy()


class Replayable(gym.Wrapper[Any, Any, Any, Any]):
    """Gives every episode a seed of its own and remembers how the present one came about.

    A reset without a seed draws one from a generator that the last reset with a seed started. Left to themselves, some
    environments would begin such an episode from the clock (panda-gym's tasks), others from generators that nobody
    can reach (the point of Gymnasium-Robotics' mazes). The generators that the process shares start from that seed too.
    """

    def __init__(self, env: gym.Env[Any, Any], name: str = "") -> None:
        """`name` is that of the environment in messages. Raises ValueError where it declares no sound context."""
        super().__init__(env)
        self.contexts = EpisodeContexts(env, name or str(env))
        self._seeds = np.random.default_rng()
        self._beginning: dict[str, Any] = {}
        self._actions = Actions(env.action_space)
        self.last_observation: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; the option "context" lasts for those that follow."""
        if seed is None:
            seed = int(self._seeds.integers(2**31))
        else:
            self._seeds = np.random.default_rng(seed)
        self.contexts.choose(options or {}, seed)
        return self._begin(seed, options)

    def _begin(self, seed: int, options: dict[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in the present context."""
        self._beginning, self._actions = {"seed": seed, "options": options}, Actions(self.action_space)
        global_random.seed_globally(seed)
        self.last_observation, info = self.contexts.reset(self.env, seed, options)
        return self.last_observation, self._with_context(info)

    def _with_context(self, info: dict[str, Any]) -> dict[str, Any]:
        present = self.contexts.present
        return {**info, "context": {**info.get("context", {}), **present}} if present else info

    takes_context = True

    def require_context(self, context: Mapping[str, Any]) -> None:
        """Raises ValueError for a context that the environment does not take, which one that declares none must try."""
        self.contexts.require(context)
        before = dict(self.contexts.setting)
        try:
            self.reset(seed=0, options={"context": context})
        finally:
            self.contexts.setting = before

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        kept = self._actions.append(action)
        self.last_observation, reward, terminated, truncated, info = self.env.step(kept)
        return self.last_observation, reward, terminated, truncated, self._with_context(info)

    def get_state(self) -> dict[str, Any]:
        """The present episode, as arrays and plain Python."""
        return {
            **self._beginning,
            "setting": dict(self.contexts.setting),
            "context": dict(self.contexts.present),
            "actions": self._actions.array(),
            "seeds": self._seeds.bit_generator.state,
            "observation": {
                name: np.array(array) for name, array in flatten_observation(self.last_observation).items()
            },
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Play an episode of `get_state` again up to where it was. Raises `OtherWorlds` where it does not get there."""
        # older checkpoints know of no context
        self.contexts.setting, self.contexts.present = dict(state.get("setting", {})), dict(state.get("context", {}))
        self._seeds = np.random.default_rng(state["seed"])
        self._begin(state["seed"], state["options"])
        for action in state["actions"]:  # older checkpoints have a list of arrays
            self.step(action)
        for name, array in flatten_observation(self.last_observation).items():
            if not np.array_equal(array, state["observation"][name], equal_nan=True):
                raise OtherWorlds(f"the episode played again leads to another observation {name!r}")
        self._seeds.bit_generator.state = state["seeds"]
