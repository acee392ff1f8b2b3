"""Environments that fail, that give what is no number, or that interrupt the program they run in."""

from __future__ import annotations

import os
import signal
from typing import Any, ClassVar

import numpy as np
from gymnasium import spaces

from tests.toys.coins import Readings
from tests.toys.lessons import Aim, Guess
from tests.toys.plain import Plain


class Fine(Plain):
    """Two senses, episodes of three steps; nothing breaks."""

    observation_space = spaces.Dict({name: spaces.Box(-1, 1, (2,), np.float32) for name in ("joints", "tip")})

    def __init__(self) -> None:
        super().__init__(length=3)

    def look(self) -> Readings:
        return {name: np.zeros(2, np.float32) for name in ("joints", "tip")}


class OldStep(Fine):
    """A step of the old gym, with four results."""

    def step(self, action: Any) -> Any:
        observation, reward, over, _, info = super().step(action)
        return observation, reward, over, info


class OldReset(Fine):
    """A reset of the old gym, without options."""

    def reset(self, *, seed: int | None = None) -> Any:  # type: ignore[override]  # as many are
        return super().reset(seed=seed)


class Forgetful(Fine):
    """Forgets a sense in the second step."""

    def look(self) -> Readings:
        return super().look() if self.taken < 2 else {"joints": np.zeros(2, np.float32)}


class Growing(Fine):
    """Readings that grow longer with every step."""

    def look(self) -> Readings:
        return {name: np.zeros(2 + self.taken, np.float32) for name in ("joints", "tip")}


class Clumsy(Fine):
    """Raises in the third step."""

    def step(self, action: Any) -> Any:
        if self.taken == 2:
            raise KeyError("gripper")
        return super().step(action)


class Stubborn(Fine):
    """Cannot be closed."""

    def close(self) -> None:
        raise RuntimeError("the window is gone")


class NotANumber(Plain):
    """Four steps that succeed; those of seed 0 give a reading, those of seed 1 a reward of NaN in the second."""

    observation_space = spaces.Dict({"tip": spaces.Box(-9, 9, (1,)), "eye": spaces.Box(0, 255, (2, 2, 1), np.uint8)})
    action_space = spaces.Box(-1, 1, (1,), np.float32)

    def __init__(self) -> None:
        super().__init__(4, {"is_success": True})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.wrong = {0: "reading", 1: "reward"}.get(-1 if seed is None else seed)
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        assert np.isfinite(action).all()
        return super().step(action)

    def look(self) -> Readings:
        reading = np.nan if self.taken == 2 and self.wrong == "reading" else 0.0
        return {"tip": np.array([reading], np.float32), "eye": np.full((2, 2, 1), 7, np.uint8)}

    def reward(self) -> float:
        return np.nan if self.taken == 2 and self.wrong == "reward" else 1.0


class Overflowing(Plain):
    """Rewards beyond what 32 bits hold, from a step on and for so many steps; episodes of five."""

    def __init__(self, start: int = 0, steps: int = 10**9) -> None:
        super().__init__(length=5)
        self.count, self.bad = 0, range(start, start + steps)

    def reward(self) -> float:
        self.count += 1
        return 1e39 if self.count in self.bad else 1.0


class Deaf(Guess):
    """A world whose reward is no number in the 80th step of all such worlds."""

    steps: ClassVar[int] = 0

    def step(self, action: Any) -> Any:
        observation, reward, *rest = super().step(action)
        Deaf.steps += 1
        return observation, reward if Deaf.steps != 80 else np.nan, *rest


class Endless(Aim):
    """Never ends. In its hundredth step, which only a judged episode gets to, somebody asks the training to end."""

    def step(self, action: Any) -> Any:
        self.taken += 1
        if self.taken == 100 and signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)
        mark, reward, _, _, info = super().step(action)
        return mark, reward, False, False, info

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.taken = 0
        return super().reset(seed=seed)
