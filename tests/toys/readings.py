"""Environments with observations, actions and infos of many kinds, as other packages have them."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from numpy.typing import NDArray

from tests.toys.coins import COIN_FIGURES, Readings
from tests.toys.plain import Plain


class Everything(Plain):
    """An observation of every kind, nested."""

    observation_space = spaces.Dict(
        {
            "robot": spaces.Dict({"joint-angles": spaces.Box(-4, 4, (2,), np.float64), "0": spaces.Discrete(3)}),
            "force": spaces.Box(-np.inf, np.inf, (4, 3), np.float64),
            "text": spaces.Text(5),
        }
    )

    def look(self) -> dict[str, Any]:
        force = np.arange(12.0).reshape(4, 3)
        return {"robot": {"joint-angles": np.array([1.0, 2.0]), "0": 2}, "force": force, "text": "left"}


class Workbench(Plain):
    """A window of forces, a nested state, a choice and a note; success is a large first action."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012  # as Gymnasium has it
    observation_space = spaces.Dict(
        {
            "force": spaces.Box(-np.inf, np.inf, (4, 3), np.float64),
            "robot": spaces.Dict({"joints": spaces.Box(-np.inf, np.inf, (2,), np.float64)}),
            "tool": spaces.Discrete(3, start=1),
            "note": spaces.Text(5),
        }
    )
    action_space = spaces.Box(-2, 2, (2,), np.float64)

    def __init__(self, length: int = 5, render_mode: str | None = None) -> None:
        super().__init__(length, {"is_success": False})
        self.render_mode = render_mode

    def step(self, action: Any) -> Any:
        assert self.action_space.contains(action)
        observation, _, over, _, _ = super().step(action)
        return observation, float(action[0]), over, False, {"is_success": over and bool(action[0] > 1)}

    def look(self) -> dict[str, Any]:
        force, joints = self.np_random.normal(size=(4, 3)), self.np_random.normal(size=2)
        return {"force": force, "robot": {"joints": joints}, "tool": 2, "note": "left"}

    def render(self) -> Any:
        return np.zeros((64, 64, 3), np.uint8)


class Receiver(Plain):
    """Acts in a space that it is made with, and remembers the last action."""

    def __init__(self, space: spaces.Space[Any]) -> None:
        super().__init__(length=None)
        self.action_space = space

    def step(self, action: Any) -> Any:
        self.given = action
        return super().step(action)


class Drift(gym.Env[Readings, NDArray[np.float32]]):
    """A point moves by its action and at random; episodes last 2 to 5 steps, as drawn.

    `where` is the position with the step taken, `eye` a grey image of it, `inner.gauge` an angle that is never below 1.
    """

    observation_space = spaces.Dict(
        {
            "where": spaces.Box(-np.inf, np.inf, (2,), np.float32),
            "eye": spaces.Box(0, 255, (2, 2, 1), np.uint8),
            "inner": spaces.Dict({"gauge": spaces.Box(1, 3, (1,), np.float32)}),
        }
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.place, self.steps = float(self.np_random.normal()), 0
        self.limit = int(self.np_random.integers(2, 6))
        return self.look(), {"place": self.place}

    def step(self, action: NDArray[np.float32]) -> Any:
        self.place += float(action[0]) + 0.1 * float(self.np_random.normal())
        self.steps += 1
        ended = self.steps == self.limit
        return self.look(), self.place, ended and self.place > 0, ended and self.place <= 0, {"place": self.place}

    def look(self) -> dict[str, Any]:
        return {
            "where": np.array([self.place, self.steps], np.float32),
            "eye": np.full((2, 2, 1), int(128 + 20 * np.tanh(self.place)), np.uint8),
            "inner": {"gauge": np.array([2 + np.tanh(self.place)], np.float32)},
        }


class Counter(gym.Env[NDArray[np.float32], Any]):
    """Counts to five in the same array, and says so in the same dict."""

    observation_space, action_space = spaces.Box(0, 99, (1,), np.float32), spaces.Discrete(2)

    def __init__(self) -> None:
        self.seen, self.info = np.zeros(1, np.float32), dict[str, Any]()

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.seen[:] = 0
        self.info["is_success"] = False
        return self.seen, self.info

    def step(self, action: Any) -> Any:
        self.seen += 1
        over = bool(self.seen >= 5)
        self.info["is_success"] = over
        return self.seen, 0.0, False, over, self.info


class Swinging(Counter):
    """Counts, and declares what it counts."""

    figures = COIN_FIGURES[:1]

    def step(self, action: Any) -> Any:
        observation, reward, terminated, truncated, _ = super().step(action)
        return observation, reward, terminated, truncated, {"swing_mm": self.seen}


class Drawing(Counter):
    """Keeps pictures, which are figures in another sense."""

    figures = ("a plot",)


class Maskless(VectorEnv[Any, Any, Any]):
    """Two worlds of a Box, whose info holds arrays without masks and calls success `success`."""

    metadata = {"autoreset_mode": AutoresetMode.SAME_STEP}  # noqa: RUF012  # Gymnasium's attribute
    num_envs = 2
    single_observation_space = spaces.Box(0, 9, (1,))
    clock = 0

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        self.clock = 0
        return np.zeros((2, 1), np.float32), {}

    def step(self, actions: Any) -> Any:
        self.clock += 1
        done = np.array([self.clock % 2 == 0, self.clock % 3 == 0])
        info: dict[str, Any] = {"success": np.array([False, False])}
        if done.any():
            info["final_info"] = {"success": np.array([True, False])}
            info["_final_info"] = done
        return np.zeros((2, 1), np.float32), np.ones(2), np.zeros(2, bool), done, info
