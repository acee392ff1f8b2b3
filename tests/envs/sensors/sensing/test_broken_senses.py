"""Robot worlds with broken senses: the physics goes on as if nothing was."""

from typing import Any

import gymnasium as gym
import numpy as np

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.faults import BrokenSenses, BrokenVectorSenses, Delayed, Frozen, Noisy, Swapped

ENV_ID = "mmrl/PegInsertion-v0"
OPTIONS: dict[str, Any] = {"sensors": ("force_torque", "proprioception"), "max_episode_steps": 4}
STEPS = 9  # two episodes end, the third is under way


def actions(worlds: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (STEPS, worlds, 4)).astype(np.float32)


def test_worlds_are_paired_bit_for_bit_with_undisturbed_ones() -> None:
    faults = {"force_torque": Delayed(2), "proprioception": Noisy(0.1)}
    plain = gym.make_vec(ENV_ID, num_envs=3, **OPTIONS)
    envs = BrokenVectorSenses(gym.make_vec(ENV_ID, num_envs=3, **OPTIONS), faults)
    size = plain.single_action_space.shape[0]  # type: ignore[index]  # a Box
    history = [plain.reset(seed=1)[0]["force_torque"].copy()]
    envs.reset(seed=1)
    for step, action in enumerate(actions(3)[..., :size], start=1):
        true, reward, _, truncated, info = plain.step(action)
        seen, same_reward, _, same_truncated, same_info = envs.step(action)
        assert np.array_equal(reward, same_reward)
        assert np.array_equal(truncated, same_truncated)
        for figure in ("privileged", "peak_force_n"):
            assert np.array_equal(info[figure], same_info[figure])
        assert not np.array_equal(true["proprioception"], seen["proprioception"])
        if step % 4 == 0:
            history.append(np.array([last["force_torque"] for last in info["final_obs"]]))
            ended = np.array([last["force_torque"] for last in same_info["final_obs"]])
            assert np.array_equal(ended, history[-3])  # two steps late
            history = [true["force_torque"].copy()]
        else:
            history.append(true["force_torque"].copy())
        assert np.array_equal(seen["force_torque"], history[max(len(history) - 3, 0)])
    plain.close()
    envs.close()


def test_a_single_world_has_its_senses_broken_too() -> None:
    env = BrokenSenses(gym.make(ENV_ID, **OPTIONS), {"force_torque": Frozen(1)})
    env.reset(seed=1)
    (size,) = env.action_space.shape or ()
    readings = [env.step(action[0, :size])[0]["force_torque"] for action in actions(1)[:4]]
    assert all(np.array_equal(reading, readings[0]) for reading in readings)
    assert env.observation_space.contains(env.reset()[0])
    env.close()


def test_swapped_senses_tell_of_another_hole() -> None:
    plain = gym.make_vec(ENV_ID, num_envs=2, **OPTIONS)
    envs = BrokenVectorSenses(gym.make_vec(ENV_ID, num_envs=2, **OPTIONS), {"proprioception": Swapped()})
    true, seen = plain.reset(seed=1)[0], envs.reset(seed=1)[0]
    assert np.array_equal(seen["proprioception"], true["proprioception"][::-1])
    assert np.array_equal(seen["force_torque"], true["force_torque"])
    plain.close()
    envs.close()
