"""Worlds that cannot save their state stand where they stood once their episode is played again."""

import random
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode
from hypothesis import given, settings
from hypothesis import strategies as st

from mmrl_agents.records.checkpoint import numpy_tree, plain
from mmrl_agents.worlds.global_random import seed_globally, spared
from mmrl_agents.worlds.making import make_envs
from mmrl_agents.worlds.replaying import Actions, Replayable
from mmrl_agents.worlds.side_by_side import SideBySide
from mmrl_envs.multimodal import describing
from mmrl_envs.snapshot import OtherWorlds
from tests.toys.plain import Ageing, Clockwork

DICE = "tests.toys.plain:Dice"


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
    state = numpy_tree(plain(describing(envs).get_state()))  # as a checkpoint gives it back
    describing(fresh).set_state(state)
    for one, other in zip(play(envs, 60, seed + 1), play(fresh, 60, seed + 1), strict=True):
        np.testing.assert_equal(one[0], other[0])
        for a, b in zip(one[1:4], other[1:4], strict=True):
            np.testing.assert_array_equal(a, b)
        assert one[4].keys() == other[4].keys()


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
    envs = SideBySide([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    assert describing(envs).get_state() is None


def test_a_long_episode_is_one_array_of_actions() -> None:
    space = gym.spaces.Box(-1, 1, (2,), np.float32)
    actions = Actions(space)
    played = np.random.default_rng(0).uniform(-1, 1, (100, 2))
    given = [actions.append(action) for action in played]
    kept = actions.array()
    assert (len(actions), kept.shape, kept.dtype) == (100, (100, 2), np.float32)
    np.testing.assert_array_equal(kept, np.array(given))  # played again is what was played, rounding included


def games(envs: Any, steps: int) -> list[Any]:
    return [envs.step(np.zeros(envs.num_envs, np.int64))[:2] for _ in range(steps)]


@pytest.mark.parametrize("workers", [0, 1])
def test_who_draws_from_the_generators_of_the_process_repeats_itself(workers: int) -> None:
    envs = make_envs(DICE, 2, {}, workers=workers)
    played = []
    for seed in (3, 3, 4):
        begun, _ = envs.reset(seed=seed)
        played.append((begun, games(envs, 12)))
    envs.close()
    np.testing.assert_equal(played[0], played[1])
    assert not np.array_equal(played[0][0]["observation"], played[2][0]["observation"])


def test_a_resumed_world_draws_on_where_it_was() -> None:
    one, other = make_envs(DICE, 1, {}), make_envs(DICE, 1, {})
    one.reset(seed=5)
    games(one, 7)
    state = numpy_tree(plain(describing(one).get_state()))
    expected = games(one, 9)
    random.seed(99)
    describing(other).set_state(state)
    np.testing.assert_equal(games(other, 9), expected)


def test_what_is_spared_goes_on_as_if_nothing_had_been_drawn() -> None:
    seed_globally(1)
    with spared():
        seed_globally(2)
        random.random()
        np.random.random()  # noqa: NPY002 - as above
    drawn = random.random(), np.random.random()  # noqa: NPY002 - as above
    seed_globally(1)
    assert drawn == (random.random(), np.random.random())  # noqa: NPY002 - as above
