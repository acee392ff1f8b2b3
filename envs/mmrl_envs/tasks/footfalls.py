"""Decisions from footfall to footfall, as a walker's policy makes them in Tedrake, Zhang and Seung (2005).

Between two of them the action is held, so that a step of the policy is a step of the walker, and what it learns from is
the map from one footfall to the next. `mmrl train mmrl_envs.tasks.footfalls:make_toddler` trains such a policy.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym


class HeldActions(gym.Wrapper[Any, Any, Any, Any]):
    """Holds each action until a figure of the task changes; the rewards until then add up.

    Args:
        env: one whose info holds the figure.
        figure: name of the figure, a number that changes with the event, such as "landings".
        longest: most control steps for which an action is held, where nothing happens.

    Raises ValueError where the task has no such figure or `longest` is below 1.
    """

    def __init__(self, env: gym.Env[Any, Any], figure: str, longest: int) -> None:
        super().__init__(env)
        known = [declared.name for declared in env.get_wrapper_attr("figures")]
        if figure not in known:
            raise ValueError(f"actions can be held until a figure changes, one of {', '.join(known)}; got {figure!r}")
        if longest < 1:
            raise ValueError(f"longest must be at least 1 control step, got {longest!r}")
        self._figure, self._longest = figure, longest
        self._last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begins an episode."""
        observation, info = self.env.reset(seed=seed, options=options)
        self._last = info.get(self._figure, 0.0)
        return observation, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Steps with one action up to the next event, the end of the episode or the longest time for which it holds."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        total, steps = float(reward), 1
        while not (terminated or truncated or info[self._figure] != self._last or steps == self._longest):
            observation, reward, terminated, truncated, info = self.env.step(action)
            total, steps = total + float(reward), steps + 1
        self._last = info[self._figure]
        return observation, total, terminated, truncated, info


def make_toddler(longest: int = 20, **kwargs: Any) -> HeldActions:
    """`mmrl/Toddler-v0` with decisions from footfall to footfall, or after `longest` control steps without one.

    The other arguments are those of `gym.make("mmrl/Toddler-v0")`.
    """
    return HeldActions(gym.make("mmrl/Toddler-v0", **kwargs), "landings", longest)
