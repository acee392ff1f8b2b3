"""The declarations of every environment of the suite, kept by each that is registered."""

from typing import Any

import gymnasium as gym
import pytest

from mmrl.evaluation.figures import figures_of
from mmrl_envs.multimodal import MultimodalVectorEnv, SingleWorld
from tests.envs.matrix import EVERY


def worlds_of(env_id: str, **kwargs: Any) -> MultimodalVectorEnv:
    worlds = gym.make_vec(env_id, num_envs=2, max_episode_steps=2, **kwargs).unwrapped
    assert isinstance(worlds, MultimodalVectorEnv)
    return worlds


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_infos_hold_every_declared_figure_of_the_episode_so_far(env_id: str, kwargs: dict[str, Any]) -> None:
    worlds = worlds_of(env_id, **kwargs)
    _, info = worlds.reset(seed=0)
    worlds.action_space.seed(0)
    first, last = (worlds.step(worlds.action_space.sample())[4] for _ in range(2))
    for figure in figures_of(worlds):
        held = [info, first, last["final_info"]]
        assert [each[figure.name].shape for each in held] == [(2,)] * 3, figure.name
    worlds.close()


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_a_single_world_declares_the_figures_of_many(env_id: str, kwargs: dict[str, Any]) -> None:
    many = worlds_of(env_id, **kwargs)
    single = gym.make(env_id, **kwargs).unwrapped
    assert isinstance(single, SingleWorld)
    assert single.figures == many.figures
    many.close()
    single.close()
