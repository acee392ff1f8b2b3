"""A dial to turn to a mark, and how its worlds differ in what they show, report and end with."""

from __future__ import annotations

import math
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces

from tests.toys.coins import COIN_FIGURES, Readings


class Dial(gym.Env[Readings, Any]):
    """Turn a dial towards a mark: the reward is minus the distance. A subclass says what is seen and reported."""

    action_space: spaces.Space[Any] = spaces.Box(-1, 1, (1,))
    length: int
    """Steps of an episode, which is truncated."""

    def observation(self) -> Readings:
        raise NotImplementedError

    def report(self) -> dict[str, Any]:
        """The info of a step."""
        return {}

    def turn(self, action: Any) -> float:
        """How far an action turns the dial."""
        return 0.5 * float(action[0])

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Readings, dict[str, Any]]:
        super().reset(seed=seed)
        self.mark, self.angle, self.steps = float(self.np_random.uniform(-1, 1)), 0.0, 0
        return self.observation(), {}

    def step(self, action: Any) -> tuple[Readings, float, bool, bool, dict[str, Any]]:
        assert self.action_space.contains(action)
        self.angle = float(np.clip(self.angle + self.turn(action), -4, 4))
        self.steps += 1
        return self.observation(), -abs(self.angle - self.mark), False, self.steps == self.length, self.report()


class LampDial(Dial):
    """A lamp is lit where the mark lies to the right; every step succeeds. It declares two figures and a score."""

    figures = COIN_FIGURES
    length = 5
    observation_space = spaces.Dict(
        {"dial": spaces.Box(-4, 4, (2,)), "lamp": spaces.Box(0, 255, (36, 36, 3), np.uint8)}
    )

    def observation(self) -> Readings:
        lamp = np.full((36, 36, 3), 255 if self.mark > 0 else 0, np.uint8)
        return {"dial": np.float32([self.angle, self.mark]), "lamp": lamp}

    def report(self) -> dict[str, Any]:
        return {"is_success": True, "swing_mm": 2.0, "luck": 1.0, "share": 80.0 + self.mark}


class SidedDial(Dial):
    """Success is to be on the side of the mark. Unless it `reports` that, only rewards say how an episode went."""

    length = 4
    observation_space = spaces.Dict({"dial": spaces.Box(-4, 4, (1,)), "mark": spaces.Box(-4, 4, (1,))})

    def __init__(self, reports: bool = True) -> None:
        self.reports, self.figures = reports, COIN_FIGURES if reports else ()

    def observation(self) -> Readings:
        return {"dial": np.float32([self.angle]), "mark": np.float32([self.mark])}

    def report(self) -> dict[str, Any]:
        everything = {"is_success": self.angle * self.mark > 0, "swing_mm": abs(self.angle), "luck": 1.0, "share": 80.0}
        return everything if self.reports else {}


class ClickingDial(Dial):
    """Turned by clicks, one of three actions, in episodes of 3 to 6 steps. Senses: the dial, its mark and a clock."""

    observation_space = spaces.Dict({name: spaces.Box(-9, 9, (1,), np.float32) for name in ("dial", "mark", "clock")})
    action_space = spaces.Discrete(3)

    def turn(self, action: Any) -> float:
        return 0.3 * (int(action) - 1)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        begun = super().reset(seed=seed)
        self.length = int(self.np_random.integers(3, 7))
        return begun

    def observation(self) -> Readings:
        values = {"dial": self.angle, "mark": self.mark, "clock": self.steps}
        return {name: np.array([value], np.float32) for name, value in values.items()}


class ReachedDial(Dial):
    """An episode is terminated where the dial comes to its mark, and truncated after `length` steps.

    The observation is nested; `privileged` is (angle, mark, steps taken). `final_ones` keeps every last state, so that
    a test can say what a bootstrap had to see. A `broken` "reward" or "dial" is no finite number.
    """

    length = 5
    figures = COIN_FIGURES
    observation_space = spaces.Dict(
        {
            "dial": spaces.Box(-np.inf, np.inf, (1,), np.float32),
            "mark": spaces.Dict({"at": spaces.Box(-1, 1, (1,), np.float32)}),
        }
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, broken: str = "") -> None:
        self.broken = broken
        self.final_ones: list[tuple[float, float, int]] = []

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        observation, _ = super().reset(seed=seed)
        return observation, self._privileged()

    def step(self, action: Any) -> Any:
        observation, reward, _, over, info = super().step(action)
        there = self.reached()
        if there or over:
            self.final_ones.append((self.angle, self.mark, self.steps))
        return observation, math.nan if self.broken == "reward" else reward, there, over, info

    def reached(self) -> bool:
        return abs(self.angle - self.mark) < 0.1

    def observation(self) -> dict[str, Any]:
        seen = math.inf if self.broken == "dial" else self.angle
        return {"dial": np.array([seen], np.float32), "mark": {"at": np.array([self.mark], np.float32)}}

    def report(self) -> dict[str, Any]:
        return self._privileged() | {"is_success": self.reached(), "swing_mm": 1.5 * self.steps}

    def _privileged(self) -> dict[str, Any]:
        return {"privileged": np.array([self.angle, self.mark, self.steps], np.float32)}
