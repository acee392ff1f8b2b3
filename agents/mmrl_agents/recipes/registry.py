"""All recipes: those of this package, and those that the tasks of other packages bring."""

from collections.abc import Mapping
from typing import Any

from mmrl_agents.recipes import (
    classic,
    click_plug,
    foreign,
    fragile_lift,
    grasped_insertion,
    peg_insertion,
    pong,
    slot_car,
    tap_to_hear,
    toddler,
    told_insertion,
    wipe,
)
from mmrl_envs.tasks.registry import registrations

Recipe = Mapping[str, Any]
"""Fields of a training run as plain data, as `mmrl train --config` reads them: those of a part such as `ppo` are a
mapping of their own, and what is left out is as the general defaults have it."""

NO_RECIPE = "none"
"""The name of no recipe: what it stands for are the general defaults."""

_OURS: Mapping[str, Mapping[str, Recipe]] = {
    **peg_insertion.RECIPES,
    **classic.RECIPES,
    **click_plug.RECIPES,
    **foreign.RECIPES,
    **fragile_lift.RECIPES,
    **grasped_insertion.RECIPES,
    **pong.RECIPES,
    **slot_car.RECIPES,
    **tap_to_hear.RECIPES,
    **toddler.RECIPES,
    **told_insertion.RECIPES,
    **wipe.RECIPES,
}


def all_recipes() -> dict[str, Mapping[str, Recipe]]:
    """By the word that `mmrl train` takes, then by the name that `--recipe` takes; the first is the default."""
    brought = {name: _of_a_task(task.recipes) for name, task in registrations().items() if task.recipes}
    return {**brought, **_OURS}


def recipes_for(env: str) -> Mapping[str, Recipe]:
    """The recipes of an environment by name, the default first; empty where there is none."""
    if env.startswith("ALE/"):
        return pong.recipes_of_a_game(env)
    if env in _OURS:
        return _OURS[env]
    task = registrations().get(env.rpartition(":")[2])  # "package:Id-v0" names the module that registers it
    return {} if task is None else _of_a_task(task.recipes)


def _of_a_task(recipes: Mapping[str, Recipe]) -> dict[str, Recipe]:
    """The recipes that a task brings; that without a name is the default."""
    unnamed = {"default": recipes[""]} if "" in recipes else {}
    return unnamed | {name: recipe for name, recipe in recipes.items() if name}
