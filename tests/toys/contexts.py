"""Environments with a context: declared, read from the options of a reset, or declared wrongly."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from tests.toys.plain import Plain


class Corridor(Plain):
    """Ends after `length` steps, as the context says, and observes the length; `seen` are the options of the reset."""

    observation_space = spaces.Box(0, 100, (1,), np.float64)

    def __init__(self) -> None:
        super().__init__(3, {"is_success": True})

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.seen = dict(options or {})
        self.length = self.seen.get("context", {}).get("length", self.length)
        observation, _ = super().reset(seed=seed)
        return observation, {}

    def look(self) -> NDArray[np.float64]:
        return np.array([self.length], np.float64)


class Hill(Plain):
    """Shows its slope; an episode has two steps and succeeds unless the ground is ice."""

    context_parameters: Any = {"slope": (0, 1), "ground": ("sand", "ice")}  # noqa: RUF012 - as users write it

    def __init__(self) -> None:
        super().__init__(length=2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        self.given = {"slope": 0.5, "ground": "sand", **(options or {}).get("context", {})}
        return super().reset(seed=seed)

    def step(self, action: Any) -> Any:
        *rest, _ = super().step(action)
        return *rest, {"is_success": self.given["ground"] != "ice"}

    def look(self) -> NDArray[np.float32]:
        return np.array([self.given["slope"]], np.float32)

    def reward(self) -> float:
        return self.given["slope"]


class Quiet(Hill):
    """Declares nothing and reads one option."""

    context_parameters = property()  # there is none

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed, options={"context": {"slope": (options or {}).get("slope", 0.0)}})


class Copying(Quiet):
    """Reads its option from a copy."""

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        return super().reset(seed=seed, options=dict(options or {}))


class Odd(Hill):
    """Declares what is neither a range nor a choice."""

    context_parameters = {"slope": "steep"}  # noqa: RUF012 - as above
