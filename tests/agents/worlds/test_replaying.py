"""Worlds that cannot save their state stand where they stood once their episode is played again."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_agents.config import make_envs
from mmrl_agents.records.checkpoint import numpy_tree, plain
from mmrl_agents.worlds.replaying import Replayable, restore_worlds, worlds_state
from mmrl_envs.snapshot import OtherWorlds


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
        np.testing.assert_equal(one[0], other[0])
        for a, b in zip(one[1:4], other[1:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert one[4].keys() == other[4].keys()


class Clockwork(gym.Env[Any, Any]):
    """Observes a number of its own generator, which only a reset with a seed starts, and counts all its resets."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,), np.float64)
    action_space = gym.spaces.Discrete(2)
    resets = 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        self.own = np.random.default_rng(seed)
        self.resets += 1
        return self.look(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return self.look(), 0.0, False, False, {}

    def look(self) -> Any:
        return np.array([self.own.random(), 0.0])


class Ageing(Clockwork):
    """Keeps something over a reset."""

    def look(self) -> Any:
        return np.array([0.0, float(self.resets)])


def test_every_episode_has_a_seed_of_its_own_that_follows_from_the_first() -> None:
    one, other = Replayable(Clockwork()), Replayable(Clockwork())
    beginnings = [(one.reset(seed=seed)[0][0], other.reset(seed=seed)[0][0]) for seed in (7, None, None)]
    assert all(a == b for a, b in beginnings)
    assert len({a for a, _ in beginnings}) == 3
    fresh = Replayable(Clockwork())
    one.step(0)
    fresh.set_state(one.get_state())
    np.testing.assert_array_equal(fresh.step(0)[0], one.step(0)[0])
    np.testing.assert_array_equal(fresh.reset()[0], one.reset()[0])


def test_an_episode_that_does_not_repeat_itself_is_noticed() -> None:
    world, fresh = Replayable(Ageing()), Replayable(Ageing())
    for _ in range(3):
        world.reset(seed=1)
    with pytest.raises(OtherWorlds, match="leads to another observation 'observation'"):
        fresh.set_state(world.get_state())


def test_worlds_that_remember_nothing_say_so() -> None:
    envs = SyncVectorEnv([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    assert worlds_state(envs) is None
