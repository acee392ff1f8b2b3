"""Games of catch, and REINFORCE on them with the published network, smaller."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray

from mmrl.modality import DifferenceMLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from mmrl_agents.learning.reinforce import Reinforce
from mmrl_agents.learning.reinforce_config import ReinforceConfig

HEIGHT, WIDTH, BALLS = 7, 5, 6
MakeAgent = Callable[..., Reinforce]


class Catch(gym.Env[NDArray[np.uint8], Any]):
    """A ball falls through a small image, the paddle below it goes left or right; a game is `BALLS` points."""

    observation_space = spaces.Box(0, 1, (HEIGHT, WIDTH, 2), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self.points, self.frame = 0, np.zeros((HEIGHT, WIDTH), np.uint8)
        self.paddle = WIDTH // 2
        self._serve()
        return self._see(), {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self.paddle = int(np.clip(self.paddle + 2 * int(action) - 1, 0, WIDTH - 1))
        self.height += 1
        reward = 0.0
        if self.height == HEIGHT - 1:
            reward = 1.0 if abs(self.column - self.paddle) <= 1 else -1.0
            self.points += 1
            self._serve()
        return self._see(), reward, self.points == BALLS, False, {}

    def _serve(self) -> None:
        self.height, self.column = 0, int(self.np_random.integers(WIDTH))

    def _see(self) -> NDArray[np.uint8]:
        previous, self.frame = self.frame, np.zeros((HEIGHT, WIDTH), np.uint8)
        self.frame[self.height, self.column] = 1
        self.frame[HEIGHT - 1, max(self.paddle - 1, 0) : self.paddle + 2] = 1
        return np.stack([previous, self.frame], axis=-1)


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
