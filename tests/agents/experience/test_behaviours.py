"""Ways to act that know nothing: evenly drawn, and pulled towards contact."""

from contextlib import closing

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.inputs import Memory
from mmrl.modality import MLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.behaviours import BEHAVIOURS, RandomBehaviour, Watching
from tests.toys.groups import Line


def share_of_contact(data: str) -> float:
    """The share of the windows of a peg's wrist that feel more than 3 N, in 50 steps of 4 worlds."""
    with closing(gym.make_vec("mmrl/PegInsertion-v0", num_envs=4, sensors=("force_torque",))) as envs:
        behaviour, generator = BEHAVIOURS[data](envs), torch.Generator().manual_seed(0)
        envs.reset(seed=0)
        felt = []
        for _ in range(50):
            observation, *_ = envs.step(behaviour.act(4, generator).numpy())
            felt.append(np.linalg.norm(observation["force_torque"][..., :3], axis=2).max(axis=1) > 3)
    return float(np.mean(felt))


def test_contact_is_found_where_it_is_sought() -> None:
    assert share_of_contact("random") < 0.2
    assert share_of_contact("contact") > 0.4


def test_choices_are_drawn_evenly() -> None:
    with closing(gym.make_vec("CartPole-v1", num_envs=2, vectorization_mode="sync")) as envs:
        drawn = RandomBehaviour(envs).act(1000, torch.Generator().manual_seed(0))
    assert drawn.dtype == torch.int64
    assert set(drawn.tolist()) == {0, 1}
    assert float(drawn.float().mean()) == pytest.approx(0.5, abs=0.05)


def test_whoever_watches_keeps_the_memory_of_what_it_saw() -> None:
    torch.manual_seed(0)
    pose = {"pose": Modality("pose", (3,), 20, MLP((4,), features=5))}
    policy = ActorCritic(pose, spaces.Discrete(2), PolicyConfig("lstm", fused_features=8))
    with closing(Line()) as envs:
        watching = Watching(policy, RandomBehaviour(envs), torch.Generator().manual_seed(0))
    seen = {"pose": torch.randn(4, 3)}
    memory = Memory(torch.zeros(4, policy.state_size), torch.ones(1, 4, dtype=torch.bool))
    state = watching.step(seen, memory).state
    assert state is not None
    torch.testing.assert_close(state, policy.perception(seen, None, memory).memory)
    assert torch.equal(watching.value(seen), torch.zeros(4))
