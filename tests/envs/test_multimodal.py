"""What every environment of the suite declares, kept by each that is registered."""

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs
from mmrl.evaluation.figures import require_distinct
from mmrl_envs.multimodal import MultimodalVectorEnv, SingleWorld

TOUCH = ("force_torque", "proprioception")


def worlds_of(env_id: str) -> MultimodalVectorEnv:
    worlds = gym.make_vec(env_id, num_envs=2, sensors=TOUCH, max_episode_steps=2).unwrapped
    assert isinstance(worlds, MultimodalVectorEnv)
    return worlds


@pytest.mark.parametrize("env_id", mmrl_envs.task_ids())
def test_infos_hold_every_declared_figure_of_the_episode_so_far(env_id: str) -> None:
    worlds = worlds_of(env_id)
    require_distinct(worlds.figures)
    _, info = worlds.reset(seed=0)
    still = np.zeros(worlds.action_space.shape, np.float32)
    steps = [info, worlds.step(still)[4], worlds.step(still)[4]["final_info"]]
    for figure in worlds.figures:
        assert [step[figure.name].shape for step in steps] == [(2,)] * 3, figure.name
    worlds.close()


@pytest.mark.parametrize("env_id", mmrl_envs.task_ids())
def test_a_single_world_declares_the_figures_of_many(env_id: str) -> None:
    many = worlds_of(env_id)
    single = gym.make(env_id, sensors=TOUCH).unwrapped
    assert isinstance(single, SingleWorld)
    assert single.figures == many.figures
    many.close()
    single.close()
