"""The settings of a training that nobody gave: those of the recipe, or of the run that goes on.

In Python as on the command line. `cls` is the dataclass of a training, which this module makes but does not know.
"""

import dataclasses
import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

from mmrl.representation import with_weights
from mmrl.settings.documents import Misfit
from mmrl.settings.named import joined, nested
from mmrl_agents.algorithms import find_algorithm
from mmrl_agents.recipes import NO_RECIPE, Recipe, recipes_for
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.recorded import described
from mmrl_agents.worlds.trust import require_trusted

Config = TypeVar("Config")

USUAL_AGENT = "ppo"
_READINGS: Mapping[str, Callable[[Mapping[str, Any]], dict[str, Any]]] = {
    "env_kwargs": nested,
    "objectives": with_weights,
}
"""How settings by name are read in whose names dots lead to parts."""
JOINED_BY_NAME = ("env_kwargs", "context", "modalities", "objectives")
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
        complete = given.keys() == every or given.get("recipe") == NO_RECIPE
        make(self, **(given if complete else _over_what_it_starts_from(cls, given)))

    cls.__init__ = init  # type: ignore[method-assign]  # the signature is the same
    return cls


def _over_what_it_starts_from(cls: type[Any], given: Mapping[str, Any]) -> dict[str, Any]:
    if given.get("resume") is not None:
        return settings_over(of_run(cls, Path(given["resume"]), given.get("trust", ())), given)
    recipe = chosen(cls, given["env"], given.get("agent"), given.get("recipe", ""))
    # "pong" names recipes, not an environment
    return {**settings_over(recipe, given), "env": recipe.env, "recipe": recipe.recipe}


def general(cls: type[Any]) -> Any:
    """The start of every recipe: the defaults of the fields."""
    return dataclasses.replace(cls(env="", recipe=NO_RECIPE), recipe="")


def of_recipe(cls: type[Any], env: str, recipe: Recipe, name: str) -> Any:
    """A training of a recipe; `env` is the environment where the recipe names none.

    Raises ValueError, naming both, for a recipe that does not fit the settings of a training.
    """
    try:
        return over(general(cls), {"env": env, **recipe, "recipe": name})
    except Exception as error:  # of anybody's package
        reason = str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"
        raise ValueError(f"the recipe {name!r} of {env}: {reason}") from error


def chosen(cls: type[Any], env: str, agent: str | None, name: str) -> Any:
    """The settings to start from: the named recipe, else the first of that agent, else general ones.

    General ones, which the name "none" asks for, take the worlds of the first recipe. Raises ValueError for a name that
    the environment has no recipe of, or one of another agent.
    """
    known = recipes_for(env)
    if name not in ("", NO_RECIPE, *known):
        raise ValueError(f"{env} has no recipe {name!r}; it has {', '.join(known) or 'none'}")
    if name in known and agent not in (None, agent_of(known[name])):
        raise ValueError(f"recipe {name!r} of {env} is one for --agent {agent_of(known[name])}, got --agent {agent}")
    fitting = [key for key in known if name in ("", key) and agent in (None, agent_of(known[key]))]
    return of_recipe(cls, env, known[fitting[0]], fitting[0]) if fitting else _without_a_recipe(cls, env, agent, name)


def agent_of(recipe: Recipe) -> str:
    """The algorithm that a recipe is for."""
    return str(recipe.get("agent", USUAL_AGENT))


def _without_a_recipe(cls: type[Any], env: str, agent: str | None, name: str) -> Any:
    first = next(iter(recipes_for(env).values()), {})
    algorithm = find_algorithm(agent or USUAL_AGENT)
    worlds = {key: first[key] for key in algorithm.of_a_recipe if key in first}  # "pong" is no id of an environment
    return over(general(cls), {**algorithm.defaults, "env": env, **worlds, "recipe": name, "agent": algorithm.name})


def of_run(cls: type[Any], folder: Path, trust: Sequence[str] = ()) -> Any:
    """The settings of the run in a folder, to go on with.

    Raises FileNotFoundError where there is none, and Untrusted where its record names code that nobody allowed.
    """
    document = RunFolder.open(folder).read_config()
    require_trusted(document, "config.json", trust)
    return dataclasses.replace(described(cls, document), resume=folder, run_dir=None)


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
        return joined(before, _READINGS.get(name, dict)(value))
    if dataclasses.is_dataclass(before) and not isinstance(before, type):
        return over(before, value)
    return value
