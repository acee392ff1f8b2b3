"""Small problems that a policy can learn: to recall, aim, guess a sign, multiply, push, find and catch."""

from __future__ import annotations

import signal
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tests.toys.coins import Readings


class Recall(gym.Env[NDArray[np.float32], np.int64]):
    """A sign is shown in the first of five steps; the last action succeeds if it is that sign."""

    observation_space = spaces.Box(-1, 1, (2,), np.float32)
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.sign, self.steps = int(self.np_random.integers(2)), 0
        return np.array([2 * self.sign - 1, 0], np.float32), {}

    def step(self, action: np.int64) -> Any:
        self.steps += 1
        over = self.steps == 5
        right = over and int(action) == self.sign
        return np.array([0, self.steps / 5], np.float32), float(right), over, False, {"is_success": right}


class Aim(gym.Env[NDArray[np.float32], NDArray[np.float32]]):
    """One step: success where the action comes within 0.5 of the number that is shown, half of what there is."""

    observation_space = spaces.Box(-1, 1, (1,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.mark = np.float32(self.np_random.uniform(-1, 1, 1))
        return self.mark.copy(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        error = float(abs(action[0] - self.mark[0]))
        return self.mark.copy(), -error, True, False, {"is_success": error < 0.5}


class Guess(gym.Env[Readings, NDArray[np.float32]]):
    """The sign that the action should have is seen; what is heard is noise. Four steps an episode."""

    observation_space = spaces.Dict({name: spaces.Box(-1.0, 1.0, (2,), np.float32) for name in ("eye", "ear")})
    action_space = spaces.Box(-1.0, 1.0, (1,), np.float32)
    interrupt_after: ClassVar[int | None] = None
    """Steps of all worlds after which somebody presses ^C."""

    def _observe(self) -> Readings:
        noise = {name: self.np_random.uniform(-1, 1, 2).astype(np.float32) for name in ("eye", "ear")}
        return {**noise, "eye": np.full(2, self._sign, np.float32)}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self._step, self._sign = 0, float(self.np_random.choice([-1.0, 1.0]))
        return self._observe(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        if Guess.interrupt_after is not None:
            Guess.interrupt_after -= 1
            if Guess.interrupt_after == 0:
                signal.raise_signal(signal.SIGINT)
        right = bool(action[0] * self._sign > 0)
        self._step += 1
        done = self._step == 4
        return self._observe(), float(right), False, done, {"is_success": right}


class Lock(gym.Env[Readings, NDArray[np.float32]]):
    """Opens while the action has the sign of left x right, which are 2 or -2; `lamp` is a picture that tells nothing.

    An episode has 3 steps, and both signs turn in each: one old reading tells a wrong sign, two the right product.
    """

    observation_space = spaces.Dict(
        {
            "left": spaces.Box(-9, 9, (1,), np.float32),
            "right": spaces.Box(-9, 9, (1,), np.float32),
            "lamp": spaces.Box(0, 255, (2, 2, 1), np.uint8),
        }
    )
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, reported: bool = True) -> None:
        self.reported = reported

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.bits, self.steps = 4.0 * self.np_random.integers(0, 2, 2) - 2, 0
        return self._see(), {}

    def step(self, action: NDArray[np.float32]) -> Any:
        opened = bool(action[0] * np.prod(self.bits) > 0)
        self.steps += 1
        self.bits = -self.bits
        info = {"is_success": opened, "swing_mm": 5.0, "luck": 1.0, "share": 2.0} if self.reported else {}
        return self._see(), float(opened), self.steps == 3, False, info

    def _see(self) -> Readings:
        left, right = self.bits
        lamp = np.full((2, 2, 1), 9, np.uint8)
        return {"left": np.array([left], np.float32), "right": np.array([right], np.float32), "lamp": lamp}


class Cart(gym.Env[Any, Any]):
    """A cart to be pushed to the middle of a rail within 20 steps; it knows where it is and how fast."""

    metadata = {"render_modes": ["rgb_array"], "render_fps": 10}  # noqa: RUF012 - of Gymnasium
    observation_space = spaces.Box(-2, 2, (2,), np.float32)
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self, render_mode: str | None = None) -> None:
        self.render_mode = render_mode

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        super().reset(seed=seed)
        self.state, self.steps = self.np_random.uniform([-1, -0.5], [1, 0.5]), 0
        return self.state.astype(np.float32), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        place, speed = self.state
        speed = np.clip(speed + 0.3 * float(action[0]), -1.5, 1.5)
        place = place + 0.2 * speed
        self.state, self.steps = np.array([place, speed]), self.steps + 1
        off = bool(abs(place) > 1.5)
        near = bool(abs(place) < 0.2)
        return self.state.astype(np.float32), -(place**2) - 10.0 * off, off, self.steps == 20, {"is_success": near}

    def render(self) -> Any:
        return np.full((64, 64, 3), 99, np.uint8)


class Nearest(gym.Env[Any, Any]):
    """Some of five points exist; the action that is the height of the highest one is the best."""

    observation_space = spaces.Dict({"cloud": spaces.Box(-2, 2, (5, 4))})
    action_space = spaces.Box(-1, 1, (1,))

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        return self._look(), {}

    def step(self, action: Any) -> Any:
        reward = -float(abs(action[0] - self._highest))
        return self._look(), reward, bool(self.np_random.random() < 0.2), False, {}

    def _look(self) -> Readings:
        points = self.np_random.uniform(-1, 1, (5, 4)).astype(np.float32)
        points[:, 3] = np.arange(5) < self.np_random.integers(1, 6)
        self._highest = points[points[:, 3] > 0.5, 2].max()
        return {"cloud": points}


HEIGHT, WIDTH, BALLS = 7, 5, 6
"""The image of a game of catch in pixels, and its points."""


class Catch(gym.Env[NDArray[np.uint8], Any]):
    """A ball falls through a small image, the paddle below it goes left or right; a game is `BALLS` points."""

    observation_space = spaces.Box(0, 1, (HEIGHT, WIDTH, 2), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self.points, self.frame = 0, np.zeros((HEIGHT, WIDTH), np.uint8)
        self.paddle = WIDTH // 2
        self._serve()
        return self._see(), {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self.paddle = int(np.clip(self.paddle + 2 * int(action) - 1, 0, WIDTH - 1))
        self.height += 1
        reward = 0.0
        if self.height == HEIGHT - 1:
            reward = 1.0 if abs(self.column - self.paddle) <= 1 else -1.0
            self.points += 1
            self._serve()
        return self._see(), reward, self.points == BALLS, False, {}

    def _serve(self) -> None:
        self.height, self.column = 0, int(self.np_random.integers(WIDTH))

    def _see(self) -> NDArray[np.uint8]:
        previous, self.frame = self.frame, np.zeros((HEIGHT, WIDTH), np.uint8)
        self.frame[self.height, self.column] = 1
        self.frame[HEIGHT - 1, max(self.paddle - 1, 0) : self.paddle + 2] = 1
        return np.stack([previous, self.frame], axis=-1)
