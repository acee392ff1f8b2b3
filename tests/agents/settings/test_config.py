"""Settings of a training: what is taken, and what is refused where it is given."""

import json
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mmrl.modality import MLP
from mmrl.policy.config import PolicyConfig
from mmrl.worth import BrokenWays
from mmrl_agents.evaluation.evaluate import EvaluateConfig
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.learning.sb3_algorithms import SB3Config
from mmrl_agents.settings.config import TrainConfig, config_from_dict
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.watching.viewing.config import WatchConfig


def test_whole_numbers_are_taken_however_they_are_written() -> None:
    """1e6 steps, as one writes in Python, and numbers of NumPy: what is recorded can be read again."""
    config = TrainConfig(
        "CartPole-v1",
        seed=np.int64(3),  # type: ignore[arg-type]
        total_steps=1e6,  # type: ignore[arg-type]
        judge_every=np.float64(1e3),  # type: ignore[arg-type]
        ppo=PPOConfig(num_steps=np.int32(16), gamma=np.float32(0.5)),  # type: ignore[arg-type]
        policy=PolicyConfig(actor_hidden=[np.int64(8), 1e1]),  # type: ignore[arg-type]
        env_kwargs={"max_episode_steps": np.int64(20), "sutton_barto_reward": np.False_},
    )
    assert config == config_from_dict(json.loads(json.dumps(config_to_dict(config))))
    assert (config.seed, config.total_steps, config.judge_every, config.ppo.num_steps) == (3, 1_000_000, 1000, 16)
    assert type(config.total_steps) is type(config.ppo.num_steps) is int
    assert config.policy.actor_hidden == (8, 10)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TrainConfig("CartPole-v1", total_steps=1.5), r"total_steps must be int, got 1\.5"),
        (lambda: TrainConfig("CartPole-v1", num_worlds=np.float32(2.5)), r"num_worlds must be int, got 2\.5"),
        (lambda: TrainConfig("CartPole-v1", judge_every=True), r"judge_every must be int \| None, got True"),
        (
            lambda: TrainConfig("CartPole-v1", env_kwargs={"a": object()}),
            r"env_kwargs\.a must be made of numbers, words",
        ),
        (lambda: PPOConfig(epochs=2.5), r"ppo\.epochs must be int, got 2\.5"),
        (lambda: ReinforceConfig(games_per_batch=2.5), r"reinforce\.games_per_batch must be int, got 2\.5"),
        (lambda: PolicyConfig(critic_hidden=(8.5,)), r"policy\.critic_hidden must be int, got 8\.5"),
        (lambda: SB3Config({"buffer_size": math.inf}), r"sb3\.options\.buffer_size must be finite, got inf"),
        (lambda: EvaluateConfig(episodes=2.5), r"episodes must be int, got 2\.5"),
        (lambda: WatchConfig(episodes=2.5), r"episodes must be int \| None, got 2\.5"),
        (lambda: BrokenWays(delay=(2.5,)), r"faults\.delay must be int, got 2\.5"),
        (lambda: MLP(hidden=(2.5,)), r"MLP\.hidden must be int, got 2\.5"),
    ],
)
def test_what_is_no_whole_number_is_refused_where_it_is_given(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()
