"""The contract that every registered environment keeps with its own senses: one matrix, whatever the task."""

import pickle
import subprocess
import sys
import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from gymnasium.vector import AutoresetMode

from mmrl_envs.multimodal import MultimodalVectorEnv
from tests.comparing import assert_same
from tests.envs.matrix import EVERY, GAMES, TASKS, actions, play, rows


def test_there_are_environments() -> None:
    assert {"mmrl/PegInsertion-v0", "mmrl/SlotCar-v0", "mmrl/Toddler-v0", "mmrl/ClickPlug-v0"} <= set(TASKS)
    assert "mmrl/GraspedInsertion-v0" in TASKS


def test_the_matrix_has_every_id_of_the_suite() -> None:
    assert sorted([*TASKS, *GAMES]) == sorted(name for name in gym.registry if name.startswith("mmrl/"))


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_gymnasium_checker(env_id: str, kwargs: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        # the checker advises symmetric, finite observation bounds; senses state their physical limits instead
        warnings.simplefilter("ignore")
        env = gym.make(env_id, render_mode="rgb_array", **kwargs)
        check_env(env.unwrapped, skip_render_check=True)  # it would open windows
    env.close()


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_stable_baselines3_checker(env_id: str, kwargs: dict[str, Any]) -> None:
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        # it warns that windows (T, d) will be flattened by its own extractor: the reason mmrl has its own
        warnings.simplefilter("ignore")
        env = gym.make(env_id, **kwargs)
        sb3.check_env(env, skip_render_check=True)
    env.close()


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_spaces_are_exact(env_id: str, kwargs: dict[str, Any]) -> None:
    envs = gym.make_vec(env_id, num_envs=2, max_episode_steps=3, **kwargs)
    worlds = envs.unwrapped
    assert isinstance(worlds, MultimodalVectorEnv)
    observation, info = envs.reset(seed=0)
    for action in actions(4, 2, envs.single_action_space):
        assert list(observation) == list(worlds.modalities)
        for name, array in observation.items():
            space = envs.observation_space[name]
            assert array.dtype == space.dtype, name
            assert array.shape == space.shape, name
            assert space.contains(array), name
        for figure in worlds.figures:
            assert info[figure.name].shape == (2,), figure.name
        for sense, modality in worlds.critic_modalities.items():
            assert info[sense].shape == (2, *modality.window_shape), sense
            assert info[sense].dtype == modality.dtype, sense
        observation, reward, terminated, truncated, info = envs.step(action)
        assert reward.shape == (2,)
        assert terminated.dtype == truncated.dtype == np.bool_
    if isinstance(envs.single_action_space, gym.spaces.Box):
        assert (envs.single_action_space.low == -1).all()
        assert (envs.single_action_space.high == 1).all()
    envs.close()


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_seeded_twins_are_bit_equal(env_id: str, kwargs: dict[str, Any]) -> None:
    for one, other in zip(play(env_id, 2, 8, **kwargs), play(env_id, 2, 8, **kwargs), strict=True):
        assert_same(one[0], other[0])
        if len(one) == 5:
            np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_one_world_equals_world_zero_of_eight(env_id: str, kwargs: dict[str, Any]) -> None:
    alone, among = play(env_id, 1, 8, **kwargs), play(env_id, 8, 8, **kwargs)
    for one, many in zip(alone, among, strict=True):
        assert_same(rows(one[0], 0), rows(many[0], 0))
        if len(one) == 5:
            assert one[1][0] == many[1][0]
            assert ("privileged" in one[4]) == ("privileged" in many[4])
            if "privileged" in one[4]:
                np.testing.assert_array_equal(one[4]["privileged"][0], many[4]["privileged"][0])


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_both_doors_give_the_same_episode(env_id: str, kwargs: dict[str, Any]) -> None:
    envs, env = gym.make_vec(env_id, num_envs=1, **kwargs), gym.make(env_id, **kwargs)
    many, _ = envs.reset(seed=3)
    one, _ = env.reset(seed=3)
    assert_same(one, rows(many, 0))
    figures: Any = env.unwrapped.figures  # type: ignore[attr-defined]  # ours
    for action in actions(5, 1, env.action_space):
        one, reward, terminated, truncated, info = env.step(action[0])
        many, rewards, _, _, infos = envs.step(action)
        assert_same(one, rows(many, 0))
        assert reward == rewards[0]
        assert not terminated
        assert not truncated
        for figure in figures:
            assert isinstance(info[figure.name], float), figure.name
            assert info[figure.name] == infos[figure.name][0]
        if "is_success" in infos:
            assert isinstance(info["is_success"], bool)
            assert info["is_success"] == infos["is_success"][0]


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_same_step_autoreset_hands_over_the_final_observation(env_id: str, kwargs: dict[str, Any]) -> None:
    envs = gym.make_vec(env_id, num_envs=2, max_episode_steps=6, **kwargs)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.reset(seed=1)
    for step, action in enumerate(actions(6, 2, envs.single_action_space)):
        observation, _, terminated, truncated, info = envs.step(action)
        assert not terminated.any()
        assert truncated.tolist() == [step == 5] * 2
    assert info["_final_obs"].tolist() == [True, True]
    final, copies = (
        info["final_obs"],
        [{name: array.copy() for name, array in each.items()} for each in info["final_obs"]],
    )
    for world, each in enumerate(final):
        assert envs.single_observation_space.contains(each)
        # of the episode that ended
        assert any((each[name] != observation[name][world]).any() for name in each)
    envs.step(action)
    for kept, each in zip(copies, final, strict=True):
        assert_same(kept, each)  # copies, not views
    envs.close()


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_reset_mask_leaves_other_worlds_alone(env_id: str, kwargs: dict[str, Any]) -> None:
    envs = gym.make_vec(env_id, num_envs=2, **kwargs)
    envs.reset(seed=1)
    for action in actions(3, 2, envs.single_action_space):
        observation, *_ = envs.step(action)
    masked, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    assert_same(rows(masked, 1), rows(observation, 1))
    assert any((masked[name][0] != observation[name][0]).any() for name in masked)


@pytest.mark.parametrize(("env_id", "kwargs"), EVERY)
def test_spec_survives_pickling(env_id: str, kwargs: dict[str, Any]) -> None:
    env = gym.make(env_id, **kwargs)
    again = gym.make(pickle.loads(pickle.dumps(env.spec)))
    one, _ = env.reset(seed=2)
    other, _ = again.reset(seed=2)
    assert_same(one, other)


def test_ids_register_without_an_import_and_without_torch() -> None:
    code = (
        "import gymnasium as gym, sys\n"
        "env = gym.make('mmrl_envs:mmrl/PegInsertion-v0', sensors=('proprioception',))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
