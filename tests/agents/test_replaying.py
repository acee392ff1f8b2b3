"""Worlds that cannot save their state stand where they stood once their episode is played again."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_agents.checkpoint import numpy_tree, plain
from mmrl_agents.config import make_envs
from mmrl_agents.replaying import restore_worlds, worlds_state


def play(envs: Any, steps: int, seed: int) -> list[Any]:
    envs.action_space.seed(seed)
    return [envs.step(envs.action_space.sample()) for _ in range(steps)]


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1", "Acrobot-v1", "MountainCarContinuous-v0"])
@settings(max_examples=6)
@given(before=st.integers(0, 60), seed=st.integers(0, 1000))
def test_they_go_on_bit_for_bit(env_id: str, before: int, seed: int) -> None:
    envs, fresh = make_envs(env_id, 2, {"max_episode_steps": 25}), make_envs(env_id, 2, {"max_episode_steps": 25})
    envs.reset(seed=seed)
    play(envs, before, seed)
    state = numpy_tree(plain(worlds_state(envs)))  # as a checkpoint gives it back
    restore_worlds(fresh, state)
    for one, other in zip(play(envs, 60, seed + 1), play(fresh, 60, seed + 1), strict=True):
        for a, b in zip(one[:4], other[:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert one[4].keys() == other[4].keys()


def test_worlds_that_remember_nothing_say_so() -> None:
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    assert worlds_state(envs) is None
