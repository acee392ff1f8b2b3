"""The policies that come with the package."""

import re

import gymnasium as gym
import numpy as np
import pytest

import mmrl
import mmrl_envs
from mmrl_agents.policies.shipped import pretrained_folder, pretrained_names
from mmrl_agents.policies.trained import load_policy

assert mmrl_envs


@pytest.mark.parametrize("name", [name for name in pretrained_names() if not name.startswith("pong")])
def test_a_shipped_policy_acts_in_its_task_and_its_card_says_how_well(name: str) -> None:
    trained = load_policy(f"pretrained:{name}")
    envs = gym.make_vec(trained.env_id, num_envs=2, num_threads=1)
    observation, _ = envs.reset(seed=0)
    actions = mmrl.load(name).act(observation)
    assert actions.shape == envs.action_space.shape
    assert np.isfinite(actions).all()
    card = (pretrained_folder(name) / "README.md").read_text()
    assert f"| environment | `{trained.env_id}`" in card
    assert re.search(r"\d+ episodes a row", card)
    assert "| all senses | " in card
