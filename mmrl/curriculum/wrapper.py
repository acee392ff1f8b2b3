"""The context of each episode for any Gymnasium environment that takes one, in single or synchronous worlds."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym

from mmrl.curriculum.space import Context


class CurriculumWrapper(gym.Wrapper[Any, Any, Any, Any]):
    """Asks for a context whenever an episode begins, and reports the present one in `info["context"]`.

    In a `SyncVectorEnv` with same-step autoreset, `final_info["context"]` is that of the finished episode, and the
    vector form of `info["context"]` has an array (N,) for each name.

    Args:
        env: any environment.
        next_context: gives the context of the next episode, name -> value.
        apply: hands it to an environment that does not read `options["context"]` in `reset`, by setting an
            attribute, say; by default it travels in the options.
    """

    def __init__(
        self,
        env: gym.Env[Any, Any],
        next_context: Callable[[], Context],
        apply: Callable[[gym.Env[Any, Any], Context], None] | None = None,
    ) -> None:
        super().__init__(env)
        self._next_context, self._apply = next_context, apply
        self._context: Context = {}

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode in a new context, which overrides one in the options name by name."""
        self._context = dict(self._next_context())
        options = dict(options or {})
        if self._apply is None:
            options["context"] = {**(options.get("context") or {}), **self._context}
        else:
            self._apply(self.env.unwrapped, self._context)
        observation, info = self.env.reset(seed=seed, options=options or None)
        return observation, {**info, "context": dict(self._context)}

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step; `info["context"]` is that of the present episode."""
        observation, reward, terminated, truncated, info = self.env.step(action)
        return observation, reward, terminated, truncated, {**info, "context": dict(self._context)}
