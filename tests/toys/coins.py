"""A coin to bet on, worlds that declare figures, and policies that bet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from numpy.typing import NDArray

from mmrl.evaluation.figures import Figure

Readings = dict[str, NDArray[Any]]
Mask = Mapping[str, NDArray[np.bool_]]

FAST, SLOW = 2, 7
"""Steps of an episode with a coin: after a right first guess, after a wrong one."""

COIN_FIGURES = (
    Figure("swing_mm", "mm", "max", "low", "The farthest that the coin swung."),
    Figure("luck", over_episode="mean", help="The mean luck."),
    Figure("share", "%", "last", "high", "The share of the steps that were needed.", score=True),
)


class Coin(gym.Env[Readings, NDArray[np.float32]]):
    """A coin lies at reset; an episode succeeds while the action has its sign.

    `eye` shows the coin, `clock` the steps taken. A right first guess ends after FAST steps and a
    wrong one after SLOW: the setting in which counting early finishers is biased. Infos have the entries in `reported`.
    """

    observation_space = spaces.Dict({"eye": spaces.Box(-1, 1, (1,)), "clock": spaces.Box(0, np.inf, (1,))})
    action_space = spaces.Box(-1, 1, (1,))

    def __init__(self, reported: tuple[str, ...] = ("is_success",), broken: bool = False) -> None:
        self.reported, self.broken = reported, broken
        self.coin, self.step_count, self.length = 1.0, 0, FAST

    def _observation(self) -> Readings:
        eye, clock = np.float32([self.coin]), np.float32([self.step_count])
        return {"eye": eye, "clock": clock}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Readings, dict[str, Any]]:
        super().reset(seed=seed)
        self.step_count = 0
        self.coin = float(self.np_random.choice([-1.0, 1.0]))
        if options:
            self.coin = float(options["context"]["coin"])
        return self._observation(), {}

    def step(self, action: NDArray[np.float32]) -> tuple[Readings, float, bool, bool, dict[str, Any]]:
        right = bool(np.sign(action[0]) == self.coin)
        if self.step_count == 0:
            self.length = FAST if right else SLOW
        self.step_count += 1
        everything = {
            "is_success": right,
            "swing_mm": 3.0 * self.step_count,
            "luck": 2.0,
            "share": 100.0 * FAST / self.length,
            "physics_error": self.broken,
        }
        info = {key: everything[key] for key in self.reported}
        return self._observation(), float(right), self.step_count >= self.length, False, info


class DeclaringWorlds(SyncVectorEnv):
    """Worlds side by side that declare figures."""

    figures: tuple[Figure, ...] = ()


def coins(num_worlds: int, mode: AutoresetMode = AutoresetMode.SAME_STEP, **kwargs: Any) -> Any:
    return SyncVectorEnv([lambda: Coin(**kwargs)] * num_worlds, autoreset_mode=mode)


def declaring_coins(num_worlds: int) -> DeclaringWorlds:
    """Coins that declare two figures and a score, and tell them."""
    reported = ("is_success", *(figure.name for figure in COIN_FIGURES))
    worlds = DeclaringWorlds([lambda: Coin(reported)] * num_worlds, autoreset_mode=AutoresetMode.SAME_STEP)
    worlds.figures = COIN_FIGURES
    return worlds


def coins_drawn(world: int, episodes: int, seed: int) -> list[float]:
    """The coins a world lies, read off a single environment (world w is seeded seed + w)."""
    env = Coin()
    drawn = []
    for episode in range(episodes):
        env.reset(seed=seed + world if episode == 0 else None)
        drawn.append(env.coin)
    return drawn


class Looker:
    """Bets on the coin it sees, on heads where it sees none; keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[Readings] = []
        self.masks: list[Mask | None] = []

    def act(self, observation: Readings, present: Mask | None = None) -> NDArray[Any]:
        self.seen.append(observation)
        self.masks.append(present)
        return np.where(observation["eye"] < 0, -1.0, 1.0).astype(np.float32)

    def reset(self, worlds: NDArray[np.int64]) -> None:
        """Nothing is carried between steps."""


class Heads(Looker):
    """Bets on heads without looking."""

    def act(self, observation: Readings, present: Mask | None = None) -> NDArray[Any]:
        return np.ones_like(observation["eye"])
