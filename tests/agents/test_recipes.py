"""Which settings a training starts from."""

import pytest

from mmrl_agents.recipes import recipe_for


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
