"""Games of catch, and REINFORCE on them with the published network, smaller."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from mmrl.modality import DifferenceMLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from mmrl_agents.learning.reinforce import Reinforce
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from tests.toys.lessons import HEIGHT, WIDTH, Catch

MakeAgent = Callable[..., Reinforce]


@pytest.fixture
def agent_on() -> MakeAgent:
    """Makes one, its worlds reset."""
    return _agent_on


def _agent_on(
    config: ReinforceConfig, worlds: int = 2, features: int = 20, seed: int = 0, separate_critic: bool = False
) -> Reinforce:
    envs: VectorEnv[Any, Any, Any] = SyncVectorEnv([Catch] * worlds, autoreset_mode=AutoresetMode.SAME_STEP)
    sense = Modality("observation", (HEIGHT, WIDTH, 2), 15, DifferenceMLP(features), low=0, high=1, dtype="uint8")
    torch.manual_seed(seed)
    network = PolicyConfig(
        fused_features=0, actor_hidden=(), critic_hidden=(16,), head="bernoulli", separate_critic=separate_critic
    )
    policy = ActorCritic({"observation": sense}, spaces.Discrete(2), network)
    agent = Reinforce(Games(envs, policy, EpisodeStatistics(), torch.Generator().manual_seed(seed)), config)
    agent.start(seed=seed)
    return agent
