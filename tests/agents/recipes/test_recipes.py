"""Which settings a training starts from."""

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

import gymnasium as gym
import pytest
from gymnasium.envs import registration

from mmrl_agents.cli import main
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.recipes import all_recipes
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for, started_from
from mmrl_envs.tasks import registry


def test_without_a_recipe_the_environment_stays_as_named() -> None:
    assert recipe_for("Acrobot-v1").env == "Acrobot-v1"


def test_an_agent_without_a_recipe_gets_the_worlds_of_the_first() -> None:
    first, general = recipe_for("pong"), recipe_for("pong", agent="sb3-ppo")
    assert (general.env, general.env_kwargs) == (first.env, first.env_kwargs)
    assert general.recipe == ""
    assert general.ppo != first.ppo


def test_the_agent_chooses_among_recipes() -> None:
    assert recipe_for("pong").agent == "ppo"
    assert recipe_for("pong", agent="reinforce").recipe == "reinforce"


def test_recipes_that_do_not_exist_or_are_of_another_agent_are_refused() -> None:
    with pytest.raises(ValueError, match="pong has no recipe 'slow'; it has fast, standard, reinforce,"):
        recipe_for("pong", name="slow")
    with pytest.raises(ValueError, match="recipe 'fast' of pong is one for --agent ppo, got --agent reinforce"):
        recipe_for("pong", agent="reinforce", name="fast")


@pytest.fixture
def mine(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Registers a task with recipes, for one test."""
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    known = dict(gym.registry)
    for owner in (gym, registration):
        monkeypatch.setattr(owner, "registry", known)
    return partial(registry.register_task, "mine/Reach-v0", "mine.reach:Reach", max_episode_steps=10)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ({"num_wolds": 3}, "TrainConfig has no num_wolds"),
        ({"num_worlds": "many"}, "num_worlds"),
        ({"ppo": {"epoch": 2}}, "PPOConfig has no epoch"),
        ({"agent": "pp"}, "there is no agent 'pp'; there are ppo"),
        ({"policy": 3}, "policy"),
    ],
)
def test_an_error_in_a_recipe_names_the_recipe_and_its_environment(
    recipe: dict[str, Any], message: str, mine: Callable[..., None], capsys: pytest.CaptureFixture[str]
) -> None:
    mine(recipes={"hard": recipe})
    assert main(["train", "mine/Reach-v0"]) == 2
    said = " ".join(capsys.readouterr().err.split())
    assert re.search(f"the recipe 'hard' of mine/Reach-v0: .*{message}", said), said


def test_a_task_of_another_package_brings_its_recipes(mine: Callable[..., None]) -> None:
    recipes = {"hard": {"total_steps": 5000}, "": {"num_worlds": 3, "ppo": {"epochs": 2}}}
    mine(recipes=recipes)
    default, hard = recipe_for("mine/Reach-v0"), recipe_for("mine:mine/Reach-v0", name="hard")
    assert (default.env, default.recipe, default.num_worlds, default.ppo) == (
        "mine/Reach-v0",
        "default",
        3,
        PPOConfig(epochs=2),
    )
    assert (hard.env, hard.recipe, hard.total_steps) == ("mine:mine/Reach-v0", "hard", 5000)
    assert started_from(hard) == hard
    assert TrainConfig("mine/Reach-v0", seed=4) == replace(default, seed=4)
    assert list(all_recipes()["mine/Reach-v0"]) == ["default", "hard"]
