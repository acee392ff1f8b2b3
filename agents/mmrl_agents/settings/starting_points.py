"""The settings of a training that nobody gave: those of the recipe, or of the run that goes on.

In Python as on the command line.
"""

import dataclasses
import inspect
from collections.abc import Mapping
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from mmrl.documents import Misfit
from mmrl.settings import joined, nested

Config = TypeVar("Config")

NO_RECIPE = "none"
"""The name of no recipe: what it stands for are the defaults of the fields."""
JOINED_BY_NAME = ("env_kwargs", "context", "modalities")
"""Settings of which those given leave the others as they are."""


def starting_from_a_recipe(cls: type[Config]) -> type[Config]:
    """Make a dataclass take the fields that it is not given from the recipe of its `env`, `agent` and `recipe`.

    Where it is given `resume`, the folder of a run, it takes them from the record of that run.
    """
    make = cls.__init__
    signature = inspect.signature(make)
    every = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]  # the caller's promise

    @wraps(make)
    def init(self: Any, *args: Any, **kwargs: Any) -> None:
        given = signature.bind(self, *args, **kwargs).arguments
        del given["self"]
        make(self, **(given if given.keys() == every or given.get("recipe") == NO_RECIPE else _over_a_recipe(given)))

    cls.__init__ = init  # type: ignore[method-assign]  # the signature is the same
    return cls


def _over_a_recipe(given: Mapping[str, Any]) -> dict[str, Any]:
    from mmrl_agents.recipes import recipe_for, resumed

    if given.get("resume") is not None:
        return settings_over(resumed(Path(given["resume"]), given.get("trust", ())), given)
    recipe = recipe_for(given["env"], given.get("agent"), given.get("recipe", ""))
    # "pong" names recipes, not an environment
    return {**settings_over(recipe, given), "env": recipe.env, "recipe": recipe.recipe}


def settings_over(base: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """All settings of a config: those given over those of the config `base`.

    `JOINED_BY_NAME` are joined, and so are the settings of a part, such as `ppo`, where they are given as a mapping; a
    `PPOConfig` is taken as it is. Raises ValueError for names that are no settings.
    """
    known = vars(base)
    if unknown := sorted(set(given) - set(known)):
        raise Misfit(f"{type(base).__name__} has no {', '.join(unknown)}; it has {', '.join(known)}")
    return {**known, **{name: _over(name, known[name], value) for name, value in given.items()}}


def over(base: Config, given: Mapping[str, Any]) -> Config:
    """The config `base` with the settings given, as by `settings_over`."""
    return type(base)(**settings_over(base, given))


def _over(name: str, before: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    if name in JOINED_BY_NAME:
        return joined(before, nested(value) if name == "env_kwargs" else value)
    if dataclasses.is_dataclass(before) and not isinstance(before, type):
        return over(before, value)
    return value
