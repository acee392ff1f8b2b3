"""Many robots behind Gymnasium's vector interface: time, restarts, and what is handed out."""

from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same


@contextmanager
def robots(num_envs: int = 2, **kwargs: Any) -> Iterator[RobotVectorEnv]:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=num_envs, sensors=("proprioception",), **kwargs).unwrapped
    assert isinstance(envs, RobotVectorEnv)
    yield envs
    envs.close()


def still(envs: RobotVectorEnv) -> np.ndarray:
    return np.zeros(envs.action_space.shape, np.float32)


def test_without_a_time_limit_no_episode_is_truncated() -> None:
    with robots(max_episode_steps=None) as envs:
        envs.reset(seed=0)
        for _ in range(120):  # the usual limit is 100
            _, _, terminated, truncated, info = envs.step(still(envs))
            assert not (terminated | truncated).any()
    assert "final_obs" not in info


def test_worlds_that_do_not_restart_stay_where_they_are() -> None:
    with robots(max_episode_steps=2, autoreset=False) as envs:
        assert envs.metadata["autoreset_mode"] is AutoresetMode.DISABLED
        _, first = envs.reset(seed=0)
        for step in range(1, 4):
            _, _, terminated, truncated, info = envs.step(still(envs))
            assert truncated.tolist() == [step >= 2] * 2
            assert not terminated.any()
            assert not {"final_obs", "final_info"} & info.keys()
        # still the first episode, of which a masked reset ends one
        np.testing.assert_array_equal(info["context"]["hole_x_m"], first["context"]["hole_x_m"])
        _, begun = envs.reset(options={"reset_mask": np.array([True, False])})
        other = begun["context"]["hole_x_m"] != first["context"]["hole_x_m"]
        assert other.tolist() == [True, False]
        assert envs.step(still(envs))[3].tolist() == [False, True]


def test_what_was_handed_out_does_not_change_later() -> None:
    """A learner may keep the arrays of a step without copying them."""
    with robots(max_episode_steps=3) as envs:
        handed: list[Any] = [envs.reset(seed=0)]
        for _ in range(2):
            handed.append(envs.step(still(envs) + 0.5))
        kept = deepcopy(handed)
        for _ in range(4):  # over the end of the episode
            envs.step(still(envs) - 0.5)
    assert_same(handed, kept)


def test_a_finished_world_shows_its_new_episode_beside_the_end_of_the_old_one() -> None:
    with robots(max_episode_steps=4) as envs:
        _, begun = envs.reset(seed=0, options={"elapsed_steps": np.array([2, 0])})
        for _ in range(2):
            _, _, _, truncated, info = envs.step(still(envs))
        assert truncated.tolist() == [True, False]
        ended = info["final_info"]
        assert ended["_is_success"].tolist() == [True, False]
        # in the last info the old context, in the present one the new; world 1 has one episode all along
        assert ended["context"]["hole_x_m"][0] == begun["context"]["hole_x_m"][0] != info["context"]["hole_x_m"][0]
        assert info["context"]["hole_x_m"][1] == begun["context"]["hole_x_m"][1]
        for figure in envs.figures:
            assert ended[f"_{figure.name}"].tolist() == [True, False]


def test_settings_say_what_was_resolved() -> None:
    with robots(context={"friction": 0.5}, control_hz=10, physics_hz=500) as envs:
        settings = envs.settings
    assert (settings["control_hz"], settings["physics_hz"], settings["engine"]) == (10, 500, "mujoco")
    assert settings["max_episode_steps"] == 100
    assert settings["context"]["friction"] == 0.5
    assert "clearance_mm" in settings["context"]  # a default
    assert "mujoco" in settings["engine_versions"]


def test_frames_need_a_mode_at_construction() -> None:
    with robots() as envs:
        envs.reset(seed=0)
        with pytest.raises(gym.error.Error, match='needs render_mode="rgb_array" or "human" at construction'):
            envs.render()


def test_a_source_is_asked_for_the_worlds_that_begin_and_no_others() -> None:
    asked: list[list[int]] = []

    def source(worlds: np.ndarray) -> list[dict[str, Any]]:
        asked.append(worlds.tolist())
        return [{"friction": 0.2 + 0.1 * world} for world in worlds]

    with robots(num_envs=3, max_episode_steps=2) as envs:
        envs.context_source = source
        _, info = envs.reset(seed=0, options={"elapsed_steps": np.array([0, 1, 0])})
        assert info["context"]["friction"] == pytest.approx([0.2, 0.3, 0.4])
        envs.step(still(envs))
        envs.step(still(envs))
    assert asked == [[0, 1, 2], [1], [0, 2]]
