"""Environments that show pictures."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tests.toys.coins import COIN_FIGURES, Readings
from tests.toys.plain import Plain

EPISODE_STEPS = 4
FPS = 8
RED, GREEN = (220, 0, 0), (0, 160, 0)
PICTURE = spaces.Box(0, 255, (36, 36, 3), np.uint8)


class Traffic(gym.Env[Readings, Any]):
    """Red until the last step of an episode, then green: the scene shows it and the eye sees it."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": FPS}  # noqa: RUF012
    observation_space = spaces.Dict({"eye": PICTURE, "clock": spaces.Box(0, 99, (2,))})
    action_space: spaces.Space[Any] = spaces.Box(-1, 1, (1,))
    figures = COIN_FIGURES

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode
        self.steps = 0

    def _light(self, height: int, width: int) -> NDArray[np.uint8]:
        colour = GREEN if self.steps == EPISODE_STEPS else RED
        return np.broadcast_to(np.uint8(colour), (height, width, 3)).copy()

    def _observation(self) -> Readings:
        return {"eye": self._light(36, 36), "clock": np.float32([self.steps, 1])}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self._observation(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        over = self.steps == EPISODE_STEPS
        return self._observation(), 0.0, False, over, {"is_success": over, "swing_mm": 1.5 * self.steps, "luck": 0.5}

    def render(self) -> Any:
        return self._light(48, 64)


class Beacon(Traffic):
    """The same light for a policy with three choices, each worth half a point."""

    observation_space = spaces.Dict({"eye": PICTURE})
    action_space = spaces.Discrete(3)

    def _observation(self) -> Readings:
        return {"eye": self._light(36, 36)}

    def step(self, action: Any) -> Any:
        observation, _, terminated, truncated, _ = super().step(action)
        return observation, 0.5, terminated, truncated, {}


class Signal(Traffic):
    """The same light in a window that needs no display."""

    metadata = {"render_modes": ["human"], "render_fps": FPS}  # noqa: RUF012


class Shade(Plain):
    """A picture as grey as the last action says, 7 a choice, in an episode without an end; random at first."""

    observation_space = PICTURE

    def __init__(self) -> None:
        super().__init__(length=None)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action: Any) -> Any:
        _, *rest = super().step(action)
        return np.full(PICTURE.shape, 7 * int(action), np.uint8), *rest
