"""The contract of every task in its worlds, in both engines."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from tests.comparing import assert_same
from tests.envs.matrix import TASKS, WORLDS, actions, play, rows, senses_of

TOUCH = ("force_torque", "proprioception")
FIRST = np.array([True, False])
ARMS = [env_id for env_id in TASKS if env_id.startswith("mmrl/PegInsertion")]


@pytest.mark.parametrize("env_id", ARMS)
def test_every_sensor_there_is_reads_within_its_space(env_id: str) -> None:
    for observation, *_ in play(env_id, 2, 3, sensors=senses_of(env_id)):
        for name, array in observation.items():
            assert array.dtype in (np.float32, np.uint8), name
            assert np.isfinite(array).all(), name


@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_an_added_sensor_changes_no_other_reading(engine: str) -> None:
    if engine == "pybullet":
        pytest.importorskip("pybullet")
    noisy: dict[str, Any] = {"context": {"force_torque_noise": 0.5}, "engine": engine}
    few = play(ARMS[0], 2, 8, sensors=TOUCH, **noisy)
    more = play(ARMS[0], 2, 8, sensors=("hole_estimate", *TOUCH, "joint_proprioception"), **noisy)
    for one, other in zip(few, more, strict=True):
        for name in TOUCH:
            np.testing.assert_array_equal(one[0][name], other[0][name])


@pytest.mark.parametrize(("env_id", "kwargs"), WORLDS)
def test_worlds_may_begin_with_part_of_their_time_used_up(env_id: str, kwargs: dict[str, Any]) -> None:
    envs = gym.make_vec(env_id, num_envs=2, max_episode_steps=6, **kwargs)
    envs.reset(seed=1, options={"elapsed_steps": np.array([0, 3])})
    for step, action in enumerate(actions(6, 2, envs.single_action_space)):
        *_, truncated, info = envs.step(action)
        assert truncated.tolist() == [step == 5, step == 2]
        if step == 2:
            assert info["_final_obs"].tolist() == [False, True]
            assert info["final_obs"][0] is None
            for figure in envs.unwrapped.figures:  # type: ignore[attr-defined]  # ours
                assert info["final_info"][figure.name].shape == (2,)
    envs.close()


def test_a_window_begins_flat_and_the_finished_one_is_kept() -> None:
    envs = gym.make_vec(ARMS[0], num_envs=1, sensors=TOUCH, max_episode_steps=3)
    envs.reset(seed=1)
    for action in actions(3, 1, envs.single_action_space):
        observation, *_, info = envs.step(action)
    # the reset backfilled the window with the first reading; that of the finished episode is not flat
    wrench, final = observation["force_torque"][0], info["final_obs"][0]["force_torque"]
    assert (wrench == wrench[0]).all()
    assert not (final == final[0]).all()


@pytest.mark.parametrize(("env_id", "kwargs"), WORLDS)
def test_a_broken_world_ends_alone(env_id: str, kwargs: dict[str, Any]) -> None:
    """NaN in one world's physics is that world's failure, counted, and nobody else's."""
    histories = []
    for broken in (False, True):
        envs = gym.make_vec(env_id, num_envs=3, max_episode_steps=50, **kwargs)
        envs.reset(seed=4)
        history = []
        for step, action in enumerate(actions(4, 3, envs.single_action_space)):
            if broken and step == 2:
                world = envs.unwrapped.world  # type: ignore[attr-defined]  # ours
                world.write("qvel", np.array([1]), np.full((1, world.qvel.shape[1]), np.nan))
            history.append(envs.step(action))
        histories.append(history)
    sound, hurt = histories
    _, reward, terminated, truncated, info = hurt[2]
    assert terminated.tolist() == [False, True, False]
    assert not truncated.any()
    assert info["final_info"]["physics_error"].tolist() == [False, True, False]
    assert reward[1] == 0.0
    assert not info["final_info"]["is_success"][1]
    assert all(np.isfinite(array).all() for array in info["final_obs"][1].values())
    assert np.isfinite(info["final_info"]["privileged"]).all()
    for one, other in zip(sound, hurt, strict=True):
        for world in (0, 2):
            assert_same(rows(one[0], world), rows(other[0], world))
            assert one[1][world] == other[1][world]
    after = hurt[3]
    assert not after[2].any()
    assert all(np.isfinite(array).all() for array in after[0].values())


def test_masks_of_infos_tell_which_worlds_they_are_about() -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=TOUCH, max_episode_steps=2)
    envs.reset(seed=0)
    envs.step(np.zeros((2, 3), np.float32))
    _, info = envs.reset(options={"reset_mask": FIRST})
    assert info["_is_success"].tolist() == [True, False]
    *_, info = envs.step(np.zeros((2, 3), np.float32))  # the first of world 0, the second and last of world 1
    assert info["_is_success"].tolist() == [True, True]
    last = info["final_info"]
    assert last["_is_success"].tolist() == last["_privileged"].tolist() == [False, True]
    assert last["context"]["_friction"].tolist() == [False, True]
    assert info["context"]["_friction"].tolist() == [True, True]
