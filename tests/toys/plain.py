"""An environment that shows nothing, and those that differ from it by how long they last and by what they draw."""

from __future__ import annotations

import random
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray


class Plain(gym.Env[Any, Any]):
    """Shows a zero and gives a reward of 1; an episode ends after `length` steps, never where it is None.

    Every info, of resets too, has the entries of `info`. A subclass says what else is seen or rewarded.
    """

    observation_space: spaces.Space[Any] = spaces.Box(-1, 1, (1,), np.float32)
    action_space: spaces.Space[Any] = spaces.Discrete(2)
    taken = 0
    """Steps taken in this episode."""

    def __init__(self, length: int | None = 1, info: dict[str, Any] | None = None) -> None:
        self.length, self.info = length, info or {}

    def look(self) -> Any:
        """The observation, after `taken` steps of the episode."""
        return np.zeros(1, np.float32)

    def reward(self) -> float:
        """The reward of the step that was just taken."""
        return 1.0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.taken = 0
        return self.look(), dict(self.info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self.taken += 1
        return self.look(), self.reward(), self.taken == self.length, False, dict(self.info)


class EndlessUnlessOdd(Plain):
    """Ends only in episodes whose seed is odd, after three steps; succeeds from the fifth step on."""

    action_space = spaces.Box(-1, 1, (1,), np.float32)
    begun = 0
    """How many episodes have begun."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.length = 3 if (seed or 0) % 2 else None
        self.begun += 1
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        *rest, _ = super().step(action)
        return *rest, {"is_success": self.taken >= 5}


class Clockwork(Plain):
    """Observes a number of its own generator, which only a reset with a seed starts, and counts all its resets."""

    observation_space = spaces.Box(-np.inf, np.inf, (2,), np.float64)
    resets = 0

    def __init__(self) -> None:
        super().__init__(length=None)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.own = np.random.default_rng(seed)
        self.resets += 1
        return super().reset(seed=seed)

    def look(self) -> NDArray[np.float64]:
        return np.array([self.own.random(), 0.0])


class Ageing(Clockwork):
    """Keeps something over a reset."""

    def look(self) -> NDArray[np.float64]:
        return np.array([0.0, float(self.resets)])


class Dice(Plain):
    """Draws from the generators of the whole process; episodes of five steps."""

    observation_space = spaces.Box(-9, 9, (2,), np.float32)

    def __init__(self) -> None:
        super().__init__(length=5)

    def look(self) -> NDArray[np.float32]:
        return np.array([np.random.normal(), random.random()], np.float32)  # noqa: NPY002 - that is the point

    def reward(self) -> float:
        return random.random()


class Open(gym.Env[Any, Any]):
    """Says nothing of the arguments that it takes."""

    def __init__(self, **kwargs: Any) -> None:
        """Takes anything."""
