"""The keyword arguments that an environment takes and those it has by itself, read off what makes it."""

import inspect
import typing
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import gymnasium as gym
from gymnasium.envs.registration import load_env_creator

from mmrl_envs.tasks.registry import task_arguments

_OURS = frozenset({"task", "num_envs", "autoreset", "num_threads"})
"""Arguments that an id or a run sets, or that a run has an option of its own for."""


def accepted_arguments(env_id: str) -> list[str]:
    """Names of the keyword arguments of a registered environment; empty where they are unknown.

    Those that a function hands on, as `**kwargs`, are looked for in the class that it says it returns, those of a
    constructor in the classes that its own is derived from.
    """
    found, all_found = _arguments(env_id.rpartition(":")[2])
    return [name for name in found if name not in _OURS] if all_found else []


def usual_arguments(env_id: str) -> dict[str, Any]:
    """The arguments of a registered environment where none are given: its defaults, and what it is registered with."""
    env_id = env_id.rpartition(":")[2]
    found, _ = _arguments(env_id)
    defaults = {name: argument.default for name, argument in found.items() if argument.default is not argument.empty}
    return {**defaults, **(gym.registry[env_id].kwargs if env_id in gym.registry else {})}


def _arguments(env_id: str) -> tuple[dict[str, inspect.Parameter], bool]:
    """The keyword arguments of an environment, as far as they are known, and whether that is all of them."""
    if arguments := task_arguments(env_id):
        return arguments, True
    spec = gym.registry.get(env_id)
    maker = spec and (spec.vector_entry_point or spec.entry_point)
    found: dict[str, inspect.Parameter] = {}
    for part in _chain(load_env_creator(maker) if isinstance(maker, str) else maker) if maker else ():
        parameters = inspect.signature(part).parameters.values()
        found |= {one.name: one for one in parameters if _is_an_option(one) and one.name not in found}
        if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            return found, True
    return found, False


def refused_arguments(env_id: str, env_kwargs: Mapping[str, Any], error: Exception, name: str = "") -> ValueError:
    """The error to raise where an environment was not made: those arguments that it does not take, or what it says.

    `name` is under which it is registered, if not `env_id`.
    """
    known = accepted_arguments(name or env_id)
    unknown = [key for key in env_kwargs if key not in known] if known else []
    listed = f"there is no {', '.join(map(repr, unknown))}; there are {', '.join(known)}"
    why = listed if unknown else str(error) or type(error).__name__
    return ValueError(f"{env_id} does not accept {dict(env_kwargs)}: {why}")


def _is_an_option(parameter: inspect.Parameter) -> bool:
    by_name = parameter.kind in (parameter.KEYWORD_ONLY, parameter.POSITIONAL_OR_KEYWORD)
    return by_name and (parameter.kind is parameter.KEYWORD_ONLY or parameter.default is not parameter.empty)


def _chain(maker: Callable[..., Any]) -> Iterator[Callable[..., Any]]:
    """A function and the constructor of what it returns, or the constructors of a class and of its bases."""
    made = maker
    if not isinstance(maker, type):
        yield maker
        made = typing.get_type_hints(maker).get("return", object)
    if isinstance(made, type):
        yield from (base.__init__ for base in made.__mro__ if "__init__" in vars(base) and base is not object)  # type: ignore[misc]  # of a class as it is
