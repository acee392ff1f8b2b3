"""Games of stated lengths, which show where they are and keep every action that they were given."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl_agents.experience.episodes import LOST


class Count(gym.Env[NDArray[np.float32], Any]):
    """Game g of a world has `lengths[g % len(lengths)]` steps; what is seen is (g, t), and the reward is 1 + t.

    Games of an odd number are truncated, the others terminated. `taken` keeps (g, t, action) of every step.
    """

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float32)

    def __init__(
        self, lengths: tuple[int, ...], action_space: spaces.Space[Any] | None = None, broken: float | None = None
    ) -> None:
        self.lengths, self.broken = lengths, broken
        self.action_space = action_space or spaces.Discrete(2)
        self.game = -1
        self.taken: list[tuple[int, int, float]] = []

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        super().reset(seed=seed)
        self.game, self.t = self.game + 1, 0
        return self._see(), self._info()

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.taken.append((self.game, self.t, float(np.sum(action))))
        self.t += 1
        over, odd = self.t == self.lengths[self.game % len(self.lengths)], bool(self.game % 2)
        reward = float(self.t) if self.broken is None else self.broken
        return self._see(), reward, over and not odd, over and odd, self._info() | {"is_success": odd}

    def _see(self) -> NDArray[np.float32]:
        return np.array([self.game, self.t], np.float32)

    def _info(self) -> dict[str, Any]:
        return {"privileged": np.array([10.0 * self.game, self.t, 0.5])}


class Lost(Count):
    """The process of the first game dies in it."""

    def step(self, action: Any) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        observation, reward, terminated, truncated, info = super().step(action)
        return observation, reward, terminated, truncated, info | {LOST: terminated and self.game == 0}


class Clock(gym.Env[Any, Any]):
    """Shows its world, the episode and the step; every third step ends an episode, every second episode by a limit."""

    observation_space = spaces.Box(0, np.inf, (3,), np.float32)
    action_space = spaces.Discrete(2)
    episode = -1

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.world = self.world if seed is None else seed
        self.episode, self.now = self.episode + 1, 0
        return np.array([self.world, self.episode, 0], np.float32), {}

    def step(self, action: int) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.now += 1
        over, limited = self.now == 3, self.episode % 2 == 1
        reward = 10.0 * self.episode + self.now
        return np.array([self.world, self.episode, self.now], np.float32), reward, over and not limited, over, {}
