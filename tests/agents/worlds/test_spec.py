"""Worlds described before they are made."""

from contextlib import closing

import numpy as np
import pytest

from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_envs.multimodal import describing

TOUCH = ("force_torque", "proprioception")


def test_worlds_of_a_training_are_made_as_it_says() -> None:
    config = TrainConfig("mmrl/PegInsertion-v0", sensors=TOUCH, env_kwargs={"max_episode_steps": 7})
    with closing(config.worlds.make(2)) as envs:
        assert tuple(describing(envs).modalities) == TOUCH
        assert (envs.num_envs, describing(envs).max_episode_steps) == (2, 7)
    with closing(config.worlds.make(1, max_episode_steps=9)) as envs:
        assert describing(envs).max_episode_steps == 9


def test_workers_are_for_a_training_and_left_out_elsewhere() -> None:
    spec = TrainConfig("CartPole-v1", workers=2, worker_timeout_s=5.0).worlds
    assert (spec.workers, spec.worker_timeout_s) == (2, 5.0)
    assert spec.in_this_process() == WorldSpec("CartPole-v1", worker_timeout_s=5.0)
    with pytest.raises(ValueError, match="workers are for environments of other packages"):
        WorldSpec("mmrl/PegInsertion-v0", {"sensors": TOUCH}, workers=1).make(1)


def test_one_world_alone_has_the_senses_that_were_declared() -> None:
    spec = WorldSpec("CartPole-v1", modalities={"observation.features": 8})
    with closing(spec.make_single(render_mode="rgb_array")) as env:
        assert env.render_mode == "rgb_array"
        observation, _ = env.reset(seed=0)
        assert {name: np.shape(reading) for name, reading in observation.items()} == {"observation": (4,)}


def test_a_game_is_known_by_the_id_that_makes_it() -> None:
    assert WorldSpec("ALE/MsPacman-v5").known_as == "mmrl/Atari-v0"
    assert WorldSpec("mmrl/Pong-v0").known_as == "mmrl/Pong-v0"
