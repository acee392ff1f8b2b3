"""Contexts of other packages' environments: what may differ from episode to episode, handed over at their resets.

An environment says what may differ by an attribute `context_parameters`, name -> (low, high) or names to choose from,
and reads the values from `options["context"]` in `reset`. One that declares nothing gets them as options of their own
too, and is refused if it reads none.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium as gym
import numpy as np

from mmrl_envs.context import Choice, Parameter
from mmrl_envs.multimodal import SingleWorld

DECLARED_BY = "context_parameters"

ContextSetting = Mapping[str, Any]
Values = dict[str, Any]
"""Name -> number or word."""


class EpisodeContexts:
    """The contexts of one world's episodes: a setting that lasts, and over it what a source chooses for each."""

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        """Raises ValueError for parameters that are neither ranges nor names."""
        self._name = name
        self._parameters = _declared(env, name)
        self.setting: dict[str, Any] = {}
        self.source: Callable[[], ContextSetting] | None = None
        self.present: Values = {}

    def require(self, setting: ContextSetting) -> None:
        """Raises ValueError for what the environment does not declare, if it declares anything."""
        if self._parameters is None:
            return
        for name, value in setting.items():
            if name not in self._parameters:
                known = ", ".join(self._parameters) or "none"
                raise ValueError(f"{self._name} has no context {name!r} to set; it declares {known}")
            self._parameters[name].check(value, 1)

    def choose(self, options: Mapping[str, Any], seed: int) -> None:
        """Settle the coming episode: what the options set lasts, and ranges are drawn from as the seed says."""
        given = options.get("context") or {}
        self.require(given)
        self.setting |= given
        chosen = {} if self.source is None else dict(self.source())
        self.require(chosen)
        generator = np.random.default_rng([seed, 2])
        self.present = {name: _drawn(value, generator) for name, value in {**self.setting, **chosen}.items()}

    def reset(self, env: gym.Env[Any, Any], seed: int, options: Mapping[str, Any] | None) -> tuple[Any, dict[str, Any]]:
        """Reset an environment in the present context.

        Raises ValueError where there is one and the environment reads nothing of it.
        """
        if not self.present:
            return env.reset(seed=seed, options=None if options is None else dict(options))
        context = _Noted(self.present)
        others = {name: value for name, value in (options or {}).items() if name != "context"}
        handed = _Noted({**others, **({} if self._parameters is not None else self.present), "context": context})
        observation, info = env.reset(seed=seed, options=handed)
        self._require_read(context.read | handed.read)
        return observation, info

    def _require_read(self, read: set[str]) -> None:
        unread = [] if self._parameters is not None else sorted(set(self.present) - read)
        if unread:
            raise ValueError(
                f"{self._name} has no context to set, got {', '.join(unread)}: it declares no {DECLARED_BY}, and its "
                "reset reads no such option"
            )


class _Noted(dict[str, Any]):
    """Options that note which of them are looked at."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        super().__init__(options)
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> Any:
        self.read.add(name)
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self.read.add(str(name))
        return super().__contains__(name)

    def get(self, name: str, default: Any = None) -> Any:
        self.read.add(name)
        return super().get(name, default)

    def pop(self, name: str, *default: Any) -> Any:
        self.read.add(name)
        return super().pop(name, *default)

    def __iter__(self) -> Iterator[str]:
        self.read.update(super().keys())
        return super().__iter__()

    def items(self) -> Any:
        self.read.update(super().keys())
        return super().items()


def _declared(env: gym.Env[Any, Any], name: str) -> dict[str, Parameter | Choice] | None:
    """The parameters that an environment declares, None without any; a wrapped one of ours declares its own."""
    if isinstance(env.unwrapped, SingleWorld):
        return dict(env.unwrapped.vector.context_parameters)
    if not env.has_wrapper_attr(DECLARED_BY):
        return None
    declared = env.get_wrapper_attr(DECLARED_BY)
    if not isinstance(declared, Mapping):
        raise ValueError(f"{DECLARED_BY} of {name} must be a dict, name -> (low, high) or names, got {declared!r}")
    return {key: _parameter(name, key, bounds) for key, bounds in declared.items()}


def _parameter(name: str, key: str, bounds: Any) -> Parameter | Choice:
    if isinstance(bounds, Parameter | Choice):
        return bounds
    if isinstance(bounds, list | tuple):
        if bounds and all(isinstance(word, str) for word in bounds):
            return Choice(key, bounds[0], tuple(bounds), "")
        if _is_range(bounds):
            return Parameter(key, None, float(bounds[0]), float(bounds[1]), "")
    raise ValueError(f"{DECLARED_BY} of {name}: {key!r} takes (low, high) or names to choose from, got {bounds!r}")


def _is_range(value: Any) -> bool:
    numbers = int | float | np.integer | np.floating
    return (
        isinstance(value, list | tuple)
        and len(value) == 2
        and all(isinstance(end, numbers) and not isinstance(end, bool) for end in value)
    )


def _drawn(value: Any, generator: np.random.Generator) -> Any:
    """A value of a setting: drawn from a range or from names, otherwise as it is. Each takes one draw."""
    share = generator.random()
    if _is_range(value):
        low, high = map(float, value)
        return low + (high - low) * share
    if isinstance(value, list | tuple) and value and all(isinstance(word, str) for word in value):
        return value[int(share * len(value))]
    return value
