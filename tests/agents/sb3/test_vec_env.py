"""Our worlds against SB3's own DummyVecEnv over single environments: same seeds, same trajectories."""

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from stable_baselines3 import PPO
from stable_baselines3.common.monitor import Monitor
from stable_baselines3.common.vec_env import DummyVecEnv, VecEnv, VecFrameStack, VecMonitor, VecNormalize

from mmrl_agents.sb3 import MultimodalExtractor, WorldsVecEnv, make_vec_env, multimodal_policy
from mmrl_agents.worlds.foreign_worlds import make_single_world
from mmrl_agents.worlds.making import make_envs

PEG = "mmrl/PegInsertion-v0"
TOUCH = {"sensors": ("force_torque", "proprioception"), "max_episode_steps": 5}


@pytest.fixture
def peg() -> Iterator[WorldsVecEnv]:
    with closing(make_vec_env(PEG, 3, **TOUCH)) as worlds:
        yield worlds


def single(env_id: str, **kwargs: Any) -> gym.Env[Any, Any]:
    return Monitor(make_single_world(env_id, kwargs, {}))


def actions(worlds: VecEnv, steps: int) -> list[np.ndarray]:
    worlds.action_space.seed(7)
    return [np.stack([worlds.action_space.sample() for _ in range(worlds.num_envs)]) for _ in range(steps)]


def assert_alike(ours: Any, theirs: Any, where: str) -> None:
    """Equal in structure and to the last bit, but for the float32 in which SB3 keeps observations and rewards."""
    if isinstance(theirs, dict):
        assert set(ours) == set(theirs), where
        for key in theirs:
            assert_alike(ours[key], theirs[key], f"{where}.{key}")
    elif isinstance(theirs, np.ndarray):
        assert ours.shape == theirs.shape, where
        np.testing.assert_array_equal(ours.astype(theirs.dtype), theirs, where)
    else:
        assert ours == theirs, where


def without_clock(info: dict[str, Any]) -> dict[str, Any]:
    return {
        key: {**value, "t": 0, "r": round(value["r"], 4)} if key == "episode" else value for key, value in info.items()
    }


@pytest.mark.parametrize(
    ("env_id", "count", "kwargs", "steps"),
    [
        (PEG, 1, TOUCH, 12),  # two episodes of 5 steps and a part
        ("CartPole-v1", 3, {}, 60),  # random actions drop the pole after about 20: terminated, at different times
        ("Pendulum-v1", 2, {"max_episode_steps": 8}, 20),  # truncated; actions rescaled from [-2, 2]
    ],
)
def test_trajectories_are_those_of_sb3s_own_worlds(env_id: str, count: int, kwargs: dict[str, Any], steps: int) -> None:
    theirs = DummyVecEnv([lambda: single(env_id, **kwargs)] * count)
    with closing(make_vec_env(env_id, count, **kwargs)) as ours, closing(theirs):
        assert ours.observation_space == theirs.observation_space
        assert ours.action_space == theirs.action_space
        ours.seed(3)
        theirs.seed(3)
        assert_alike(ours.reset(), theirs.reset(), "reset")
        assert_alike(dict(enumerate(ours.reset_infos)), dict(enumerate(theirs.reset_infos)), "reset_infos")
        ended = 0
        for step, action in enumerate(actions(ours, steps)):
            observation, reward, done, infos = ours.step(action)
            expected = theirs.step(action)
            assert_alike(observation, expected[0], f"observation {step}")
            np.testing.assert_array_equal(reward, expected[1])
            np.testing.assert_array_equal(done, expected[2])
            for world in range(count):
                assert_alike(without_clock(infos[world]), without_clock(expected[3][world]), f"info {step} {world}")
                assert_alike(ours.reset_infos[world], theirs.reset_infos[world], f"reset_info {step} {world}")
            ended += int(done.sum())
        assert ended >= 2


def test_many_worlds_are_those_of_the_vector_environment(peg: WorldsVecEnv) -> None:
    with closing(make_envs(PEG, 3, TOUCH)) as worlds:
        peg.seed(5)
        expected, _ = worlds.reset(seed=5)
        assert_alike(peg.reset(), expected, "reset")
        for action in actions(peg, 6):
            observation, reward, done, _ = peg.step(action)
            expected, rewards, terminated, truncated, _ = worlds.step(action)
            assert_alike(observation, expected, "observation")
            np.testing.assert_array_equal(reward, rewards.astype(np.float32))
            np.testing.assert_array_equal(done, terminated | truncated)


def test_the_end_of_an_episode_says_all_that_sb3_reads(peg: WorldsVecEnv) -> None:
    peg.seed(0)
    peg.reset()
    returns = np.zeros(3)
    with closing(make_envs(PEG, 3, TOUCH)) as worlds:
        worlds.reset(seed=0)
        for action in actions(peg, 5):
            observation, _, done, infos = peg.step(action)
            _, rewards, _, _, info = worlds.step(action)
            returns += rewards
        last, final = info["final_obs"], info["final_info"]
    assert done.all()
    for world, info in enumerate(infos):
        assert info["TimeLimit.truncated"] is True
        assert info["episode"]["l"] == 5
        assert info["episode"]["r"] == pytest.approx(returns[world], abs=1e-12)
        assert info["is_success"] is bool(final["is_success"][world])
        assert_alike(info["terminal_observation"], last[world], "terminal_observation")
        for name, reading in info["terminal_observation"].items():
            assert not np.array_equal(reading, observation[name][world]), "the new episode starts elsewhere"


def test_vec_monitor_counts_the_same(peg: WorldsVecEnv) -> None:
    monitored = VecMonitor(peg)
    heard: list[tuple[int, Any]] = []
    peg._listener = lambda world, episode, info: heard.append((world, episode))
    monitored.reset()
    counted = []
    for action in actions(peg, 10):
        _, _, done, infos = monitored.step(action)
        counted += [(world, infos[world]["episode"]) for world in np.flatnonzero(done)]
    assert len(heard) == len(counted) == 6
    for (world, ours), (other, theirs) in zip(heard, counted, strict=True):
        assert (world, ours["l"]) == (other, theirs["l"])
        assert ours["r"] == pytest.approx(float(theirs["r"]), rel=1e-5)  # SB3 adds up in float32


def test_vec_normalize_of_rewards_and_chosen_senses_trains(peg: WorldsVecEnv) -> None:
    """Terminal observations go through it too, and the extractor takes what it leaves."""
    worlds = VecNormalize(peg, norm_obs_keys=["force_torque"])
    model = PPO(
        "MultiInputPolicy", worlds, n_steps=8, batch_size=12, n_epochs=1, policy_kwargs=multimodal_policy(worlds)
    )
    model.learn(48)
    # 48 steps of 3 worlds are 16 of each, 3 episodes of 5
    assert len(model.ep_info_buffer) == 9


def test_vec_frame_stack_stacks_vectors_and_is_refused_for_windows(peg: WorldsVecEnv) -> None:
    with closing(make_vec_env("CartPole-v1", 2)) as pole:
        assert VecFrameStack(pole, 4).reset()["observation"].shape == (2, 16)
    with pytest.raises(ValueError, match=r"'force_torque' is declared as .* VecFrameStack .* longer history"):
        MultimodalExtractor(VecFrameStack(peg, 2).observation_space, peg.modalities)


def test_two_lines_train_an_algorithm_on_all_senses_with_a_camera() -> None:
    """SB3 transposes the image and divides it by 255, unless asked not to; both learn."""
    with closing(make_vec_env(PEG, 2, max_episode_steps=4)) as envs:
        kwargs = {"features_extractor_class": MultimodalExtractor}
        kwargs["features_extractor_kwargs"] = {"modalities": envs.modalities}
        for policy_kwargs in (kwargs, multimodal_policy(envs, fusion="gated", net_arch=[16])):
            model = PPO("MultiInputPolicy", envs, n_steps=4, batch_size=4, n_epochs=1, policy_kwargs=policy_kwargs)
            before = {name: weight.clone() for name, weight in model.policy.named_parameters() if "camera" in name}
            model.learn(8)
            moved = [not before[name].equal(w) for name, w in model.policy.named_parameters() if name in before]
            assert moved
            assert all(moved)


def test_options_of_reset_hold_for_one_reset(peg: WorldsVecEnv) -> None:
    peg.set_options({"context": {"start_z_m": 0.01}, "elapsed_steps": np.array([0, 2, 4])})
    peg.reset()
    ends = []
    for step, action in enumerate(actions(peg, 5), start=1):
        _, _, done, infos = peg.step(action)
        ends += [(step, world, "episode" in infos[world]) for world in np.flatnonzero(done).tolist()]
    # limits of 5, 3 and 1 steps; what began in its middle was no whole episode, the one begun after step 1 goes on
    assert ends == [(1, 2, False), (3, 1, False), (5, 0, True)]
    peg.reset()
    assert not peg.step(actions(peg, 1)[0])[2].any()


def test_options_differing_by_world_are_refused(peg: WorldsVecEnv) -> None:
    peg.set_options([{"context": {}}] * 3)
    with pytest.raises(ValueError, match="one dict of options"):
        peg.set_options([{"context": {"start_z_m": 0.01}}, {}, {}])


def test_attributes_and_methods_of_worlds_that_are_one_object(peg: WorldsVecEnv) -> None:
    assert peg.get_attr("max_episode_steps") == [5, 5, 5]
    assert peg.get_attr("max_episode_steps", 1) == [5]
    assert not peg.has_attr("nothing_of_this_name")
    peg.set_attr("max_episode_steps", 3)
    assert peg.get_attr("max_episode_steps") == [3, 3, 3]
    assert len(peg.env_method("get_state")) == 3
    assert peg.env_is_wrapped(Monitor) == [False] * 3
    for call in (
        lambda: peg.set_attr("max_episode_steps", 3, [0]),
        lambda: peg.env_method("get_state", indices=[0, 1]),
    ):
        with pytest.raises(ValueError, match="all 3 are one object"):
            call()


def test_attributes_and_methods_of_worlds_of_their_own() -> None:
    with closing(make_vec_env("CartPole-v1", 3)) as worlds:
        worlds.set_attr("gravity", 1.5, [1])
        assert worlds.get_attr("gravity") == [9.8, 1.5, 9.8]
        assert worlds.env_method("has_wrapper_attr", "gravity", indices=[2]) == [True]


def test_other_kinds_of_autoreset_are_refused() -> None:
    worlds = SyncVectorEnv([lambda: gym.make("CartPole-v1")], autoreset_mode=AutoresetMode.NEXT_STEP)
    with closing(worlds), pytest.raises(ValueError, match="same step, these have autoreset_mode"):
        WorldsVecEnv(worlds)


def test_worlds_that_declare_no_senses_have_no_policy_of_ours() -> None:
    worlds = DummyVecEnv([lambda: gym.make("CartPole-v1")])
    with closing(worlds), pytest.raises(ValueError, match="make_vec_env declare their senses, got DummyVecEnv"):
        multimodal_policy(worlds)


def test_worlds_of_any_vector_environment_step_and_only_declared_senses_are_encoded() -> None:
    """SB3's own policies take what Gymnasium itself gives, an array without a name."""
    worlds = SyncVectorEnv([lambda: gym.make("CartPole-v1")] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    with closing(WorldsVecEnv(worlds)) as envs:
        PPO("MlpPolicy", envs, n_steps=32, batch_size=16, n_epochs=1).learn(64)
        with pytest.raises(ValueError, match="declare no senses: make them with make_envs or make_vec_env"):
            multimodal_policy(envs)


def test_frames_are_those_of_the_worlds() -> None:
    with closing(make_vec_env(PEG, 2, **TOUCH, render_mode="rgb_array", width=32, height=24)) as worlds:
        worlds.reset()
        assert [np.shape(frame) for frame in worlds.get_images()] == [(24, 32, 3)] * 2
        assert np.shape(worlds.render()) == (24 * 2, 32, 3)  # SB3 tiles two frames on top of each other
