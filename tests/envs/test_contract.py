"""What every registered environment keeps: one matrix, whatever the task."""

import importlib.util
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

import mmrl_envs

IDS = mmrl_envs.task_ids()
BULLET = pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="PyBullet is not installed")
WORLDS = [
    *(pytest.param(env_id, "mujoco", id=env_id) for env_id in IDS),
    pytest.param("mmrl/PegInsertion-v0", "pybullet", id="mmrl/PegInsertion-v0-pybullet", marks=BULLET),
]
"""Every task, and every scene in the other engine: the variants of a task differ in senses and contexts alone."""
TOUCH = ("force_torque", "proprioception")
ALL = ("camera", *TOUCH)

Observation = dict[str, np.ndarray]


def rows(observation: Observation, world: int) -> Observation:
    return {name: array[world] for name, array in observation.items()}


def assert_equal(one: Observation, other: Observation) -> None:
    assert one.keys() == other.keys()
    for name in one:
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


def actions(num_steps: int, num_worlds: int, size: int, seed: int = 5) -> np.ndarray:
    """World i gets the same actions whatever the number of worlds."""
    columns = [np.random.default_rng([seed, i]).uniform(-1, 1, (num_steps, size)) for i in range(num_worlds)]
    return np.stack(columns, axis=1).astype(np.float32)


def play(env_id: str, num_worlds: int, steps: int, **kwargs: Any) -> list[tuple[Any, ...]]:
    with_limit = {"max_episode_steps": 6, **kwargs}
    envs = gym.make_vec(env_id, num_envs=num_worlds, **with_limit)
    history: list[tuple[Any, ...]] = [envs.reset(seed=7)]
    for action in actions(steps, num_worlds, envs.single_action_space.shape[0]):
        history.append(envs.step(action))
    envs.close()
    return history


def test_there_are_environments() -> None:
    assert "mmrl/PegInsertion-v0" in IDS


@pytest.mark.parametrize("env_id", IDS)
def test_gymnasium_checker(env_id: str) -> None:
    with warnings.catch_warnings():
        # the checker advises symmetric, finite observation bounds; senses state their physical limits instead
        warnings.simplefilter("ignore")
        env = gym.make(env_id, sensors=TOUCH, render_mode="rgb_array", width=64, height=64)
        check_env(env.unwrapped, skip_render_check=True)  # it would open windows
    env.close()


@pytest.mark.parametrize("env_id", IDS)
def test_stable_baselines3_checker(env_id: str) -> None:
    sb3 = pytest.importorskip("stable_baselines3.common.env_checker")
    with warnings.catch_warnings():
        # it warns that windows (T, d) will be flattened by its own extractor: the reason mmrl has its own
        warnings.simplefilter("ignore")
        env = gym.make(env_id, sensors=ALL)
        sb3.check_env(env, skip_render_check=True)
    env.close()


@pytest.mark.parametrize("env_id", IDS)
@pytest.mark.parametrize("sensors", [ALL, mmrl_envs.sensor_names()])
def test_spaces_are_exact(env_id: str, sensors: tuple[str, ...]) -> None:
    envs = gym.make_vec(env_id, num_envs=2, sensors=sensors, max_episode_steps=3)
    observation, _ = envs.reset(seed=0)
    for action in actions(4, 2, envs.single_action_space.shape[0]):
        for name, array in observation.items():
            space = envs.observation_space[name]
            assert array.dtype == space.dtype, name
            assert array.shape == space.shape, name
            assert space.contains(array), name
        observation, reward, terminated, truncated, info = envs.step(action)
        assert reward.shape == (2,)
        assert terminated.dtype == truncated.dtype == np.bool_
        assert info["privileged"].shape == (2, envs.unwrapped.privileged_size)
        assert info["privileged"].dtype == np.float32
    assert (envs.single_action_space.low == -1).all()
    assert (envs.single_action_space.high == 1).all()
    envs.close()


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_seeded_twins_are_bit_equal(env_id: str, engine: str) -> None:
    for one, other in zip(
        play(env_id, 2, 8, sensors=ALL, engine=engine), play(env_id, 2, 8, sensors=ALL, engine=engine), strict=True
    ):
        assert_equal(one[0], other[0])
        if len(one) == 5:
            np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_one_world_equals_world_zero_of_eight(env_id: str, engine: str) -> None:
    alone, among = play(env_id, 1, 8, sensors=ALL, engine=engine), play(env_id, 8, 8, sensors=ALL, engine=engine)
    for one, many in zip(alone, among, strict=True):
        assert_equal(rows(one[0], 0), rows(many[0], 0))
        if len(one) == 5:
            assert one[1][0] == many[1][0]
            np.testing.assert_array_equal(one[4]["privileged"][0], many[4]["privileged"][0])


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_both_doors_give_the_same_episode(env_id: str, engine: str) -> None:
    envs = gym.make_vec(env_id, num_envs=1, sensors=TOUCH, engine=engine)
    env = gym.make(env_id, sensors=TOUCH, engine=engine)
    many, _ = envs.reset(seed=3)
    one, _ = env.reset(seed=3)
    assert_equal(one, rows(many, 0))
    for action in actions(5, 1, env.action_space.shape[0]):
        one, reward, terminated, truncated, info = env.step(action[0])
        many, rewards, _, _, infos = envs.step(action)
        assert_equal(one, rows(many, 0))
        assert reward == rewards[0]
        assert not terminated
        assert not truncated
        assert info["is_success"] == infos["is_success"][0]
        assert isinstance(info["is_success"], bool)
        assert isinstance(info["peak_force_n"], float)


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_an_added_sensor_changes_no_other_reading(env_id: str, engine: str) -> None:
    noisy = {"context": {"force_torque_noise": 0.5}}
    few = play(env_id, 2, 8, sensors=TOUCH, engine=engine, **noisy)
    more = play(env_id, 2, 8, sensors=("hole_estimate", *TOUCH, "joint_proprioception"), engine=engine, **noisy)
    for one, other in zip(few, more, strict=True):
        for name in TOUCH:
            np.testing.assert_array_equal(one[0][name], other[0][name])


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_same_step_autoreset_hands_over_the_final_observation(env_id: str, engine: str) -> None:
    envs = gym.make_vec(env_id, num_envs=2, sensors=TOUCH, engine=engine, max_episode_steps=6)
    assert envs.metadata["autoreset_mode"] is AutoresetMode.SAME_STEP
    envs.reset(seed=1, options={"elapsed_steps": np.array([0, 3])})
    previous = None
    for step, action in enumerate(actions(6, 2, envs.single_action_space.shape[0])):
        observation, _, terminated, truncated, info = envs.step(action)
        assert not terminated.any()
        # world 1 started with 3 of its 6 steps used up
        assert truncated.tolist() == [step == 5, step == 2]
        if step == 2:
            assert info["_final_obs"].tolist() == [False, True]
            assert info["final_obs"][0] is None
            final = info["final_obs"][1]
            assert envs.single_observation_space.contains(final)
            # the reset backfilled the window with the first reading;
            # the finished episode's window is not flat
            wrench = observation["force_torque"][1]
            assert (wrench == wrench[0]).all()
            assert not (final["force_torque"] == final["force_torque"][0]).all()
            assert info["final_info"]["peak_force_n"].shape == (2,)
            previous = final["force_torque"].copy()
        if step == 3:
            np.testing.assert_array_equal(previous, final["force_torque"])  # a copy, not a view
    envs.close()


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_reset_mask_leaves_other_worlds_alone(env_id: str, engine: str) -> None:
    envs = gym.make_vec(env_id, num_envs=2, sensors=TOUCH, engine=engine)
    envs.reset(seed=1)
    for action in actions(2, 2, envs.single_action_space.shape[0]):
        observation, *_ = envs.step(action)
    masked, _ = envs.reset(options={"reset_mask": np.array([True, False])})
    assert_equal(rows(masked, 1), rows(observation, 1))
    assert not np.array_equal(masked["proprioception"][0], observation["proprioception"][0])


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_spec_survives_pickling(env_id: str, engine: str) -> None:
    env = gym.make(env_id, sensors=TOUCH, engine=engine)
    again = gym.make(pickle.loads(pickle.dumps(env.spec)))
    one, _ = env.reset(seed=2)
    other, _ = again.reset(seed=2)
    assert_equal(one, other)


@pytest.mark.parametrize(("env_id", "engine"), WORLDS)
def test_a_broken_world_ends_alone(env_id: str, engine: str) -> None:
    """NaN in one world's physics is that world's failure, counted, and nobody else's."""
    histories = []
    for broken in (False, True):
        envs = gym.make_vec(env_id, num_envs=3, sensors=TOUCH, engine=engine, max_episode_steps=50)
        envs.reset(seed=4)
        history = []
        for step, action in enumerate(actions(4, 3, envs.single_action_space.shape[0])):
            if broken and step == 2:
                envs.unwrapped.world.qvel[1] = np.nan
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
            assert_equal(rows(one[0], world), rows(other[0], world))
            assert one[1][world] == other[1][world]
    after = hurt[3]
    assert not after[2].any()
    assert all(np.isfinite(array).all() for array in after[0].values())


def test_ids_register_without_an_import_and_without_torch() -> None:
    code = (
        "import gymnasium as gym, sys\n"
        "env = gym.make('mmrl_envs:mmrl/PegInsertion-v0', sensors=('proprioception',))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"sensors": ("camera", "smell")},
            "unknown sensor 'smell'; known sensors: .*camera.*force_torque",
        ),
        ({"sensors": ()}, "non-empty"),
        ({"sensors": "camera"}, "non-empty sequence"),
        ({"sensors": ("camera", "camera")}, r"\['camera'\] occur more than once"),
        ({"context": {"colour": 1}}, r"unknown context \['colour'\].*'clearance_mm'"),
        ({"context": {"shape": "star"}}, "unknown 'star'.*'round', 'square'"),
        ({"context": {"clearance_mm": 7.0}}, r"'clearance_mm' must lie in \[0.2, 5.0\], got 7.0"),
        (
            {"control_hz": 30},
            "control_hz must divide physics_hz, got control_hz=30, physics_hz=1000",
        ),
        ({"render_mode": "ascii"}, "unknown render_mode 'ascii'"),
        ({"action": "joint"}, r"unknown action 'joint'; actions are \['xyz', 'xyz_yaw'\]"),
        ({"reward": "none"}, r"unknown reward 'none'; rewards are \['dense', 'sparse'\]"),
        ({"sensors": ("proprioception:rate_hz=300",)}, "rate_hz 300 must divide physics_hz 1000"),
        ({"physics_hz": 500, "sensors": (mmrl_envs.ForceTorque(),)}, "rate_hz 1000.0 must divide physics_hz 500"),
        ({"context": {"shape": 3}}, "'shape' takes 'all' or names of .*'square'.*, got 3"),
    ],
)
def test_bad_arguments_are_named(kwargs: dict[str, Any], message: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium announces an unknown render mode before we refuse it
        with pytest.raises(ValueError, match=message):
            gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, **kwargs)


@pytest.mark.parametrize(
    ("action", "message"),
    [
        (np.zeros((2, 5)), r"shape \(2, 3\), got \(2, 5\)"),
        (np.full((2, 3), np.nan), r"finite; those of worlds \[0, 1\]"),
        (np.full((2, 3), "0.5"), "actions must be numbers, got <U3"),
        (np.full((2, 3), b"0.5"), "actions must be numbers, got |S3"),
        (np.zeros((2, 3), "datetime64[s]"), r"actions must be numbers, got datetime64\[s\]"),
        (np.zeros((2, 3), [("x", float)]), "actions must be numbers, got .*'x'"),
        (np.zeros((2, 3), complex), "actions must be numbers, got complex128"),
        (np.zeros((2, 3), bool), "actions must be numbers, got bool"),
        (np.ma.masked_array(np.zeros((2, 3)), True), "actions must be a plain array, got a masked one"),
    ],
)
def test_bad_actions_are_named(action: np.ndarray, message: str) -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=("proprioception",))
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=message):
        envs.step(action)


def test_a_masked_action_of_a_single_world_is_refused() -> None:
    env = gym.make("mmrl/PegInsertion-v0", sensors=("proprioception",)).unwrapped
    env.reset(seed=0)
    with pytest.raises(ValueError, match="actions must be a plain array, got a masked one"):
        env.step(np.ma.masked_array(np.zeros(3), True))


FIRST = np.array([True, False])
OTHER = {"context": {"friction": 0.9}}


@pytest.mark.parametrize(
    ("seed", "options", "message"),
    [
        (3, {"contxt": {}}, r"unknown reset options \['contxt'\]"),
        (3, {"reset_mask": FIRST[:1]}, r"'reset_mask' needs shape \(2,\), got \(1,\)"),
        (3, {"reset_mask": FIRST}, "a seed begins the random streams of all worlds anew: give it without a reset_mask"),
        (None, {"reset_mask": ~FIRST, "context": {"friction": 99.0}}, "'friction' must lie in"),
        *((seed, OTHER, "the seed must be an integer, not negative, got") for seed in (-1, (1, 2), 1.5, True, "3")),
        (3, 5, "reset options must be a mapping from names to values, got 5"),
        (3, {"context": [1]}, r"a context is a mapping from names to values, got \[1\]"),
        (3, {**OTHER, "elapsed_steps": np.array([2.9, 0])}, "whole numbers from 0 to 99, got 2.9 for world 0"),
        (3, {**OTHER, "elapsed_steps": np.array([0, 1e300])}, r"whole numbers from 0 to 99, got 1e\+300 for world 1"),
        (3, {**OTHER, "elapsed_steps": np.array([0, 100])}, "whole numbers from 0 to 99, got 100 for world 1"),
        (3, {**OTHER, "elapsed_steps": [-1, 0]}, "whole numbers from 0 to 99, got -1 for world 0"),
        (3, {**OTHER, "elapsed_steps": [np.nan, 0]}, "whole numbers from 0 to 99, got nan for world 0"),
        (3, {**OTHER, "elapsed_steps": ["1", "2"]}, "'elapsed_steps' must be numbers, got <U1"),
        (3, {**OTHER, "elapsed_steps": np.ma.masked_array([1, 2], [1, 0])}, "'elapsed_steps' must be a plain array"),
        (None, {**OTHER, "reset_mask": ["False", "True"]}, "'reset_mask' must be numbers, got <U5"),
        (None, {**OTHER, "reset_mask": [np.nan, 1]}, "'reset_mask' must be true or false for each world"),
        (None, {**OTHER, "reset_mask": [0.5, 1]}, "'reset_mask' must be true or false for each world"),
        (None, {**OTHER, "reset_mask": [-1, 1]}, "'reset_mask' must be true or false for each world"),
        (None, {**OTHER, "reset_mask": np.ma.masked_array([True, True], [1, 0])}, "'reset_mask' must be a plain array"),
    ],
)
def test_a_reset_that_is_refused_changes_nothing(seed: Any, options: Any, message: str) -> None:
    asked, left = (gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=TOUCH) for _ in range(2))
    for envs in (asked, left):
        envs.reset(seed=1)
    with pytest.raises(ValueError, match=message):
        asked.reset(seed=seed, options=options)
    for action in actions(3, 2, 3):
        assert_equal(asked.step(action)[0], left.step(action)[0])
    assert_equal(asked.reset()[0], left.reset()[0])


def test_whole_numbers_of_numpy_are_numbers() -> None:
    of_numpy = {
        "num_envs": np.int64(2),
        "control_hz": np.int32(10),
        "physics_hz": np.uint16(500),
        "max_episode_steps": np.int64(3),
        "width": np.int64(32),
        "num_threads": np.int8(1),
    }
    envs = gym.make_vec("mmrl/PegInsertion-v0", sensors=TOUCH, **of_numpy)
    plain = {name: int(value) for name, value in of_numpy.items()}
    twin = gym.make_vec("mmrl/PegInsertion-v0", sensors=TOUCH, **plain)
    options = {"elapsed_steps": np.array([0, 1], np.uint8), "context": {"friction": np.float32(0.5)}}
    assert_equal(envs.reset(seed=np.int64(4), options=options)[0], twin.reset(seed=4, options=options)[0])
    assert_equal(envs.step(np.ones((2, 3), np.int8))[0], twin.step(np.ones((2, 3)))[0])
    env = gym.make("mmrl/PegInsertion-v0", sensors=TOUCH)
    env.reset(seed=np.int64(4))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"num_envs": 0}, "num_envs must be a whole number from 1 to 65536, got 0"),
        ({"num_envs": 10**7}, "num_envs must be a whole number from 1 to 65536, got 10000000"),
        ({"num_envs": 2.5}, "num_envs must be a whole number from 1 to 65536, got 2.5"),
        ({"physics_hz": 250}, "got control_hz=20, physics_hz=250; of 250 10 and 25 would do"),
        ({"control_hz": 0}, "control_hz must be a whole number of at least 1, got 0"),
        ({"max_episode_steps": 0}, "max_episode_steps must be a whole number of at least 1, got 0"),
        ({"height": 10**6}, "height must be a whole number from 1 to 4096, got 1000000"),
    ],
)
def test_numbers_out_of_bounds_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make_vec("mmrl/PegInsertion-v0", sensors=TOUCH, **{"num_envs": 1, **kwargs})


def test_more_worlds_than_memory_holds_are_refused() -> None:
    with pytest.raises(ValueError, match=r"num_envs 60000 needs \d+\.\d GiB of memory, .* at most \d+ worlds fit"):
        # 2 x 48 MiB of image a world.
        gym.make_vec("mmrl/PegInsertion-v0", num_envs=60_000, sensors=("camera:height=4096,width=4096",))


def test_worlds_that_never_began_are_not_stepped() -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=TOUCH)
    with pytest.raises(gym.error.ResetNeeded, match=r"call reset\(\) before step\(\)"):
        envs.step(np.zeros((2, 3), np.float32))
    with pytest.raises(ValueError, match="the first reset is one of all worlds, but reset_mask leaves some out"):
        envs.reset(options={"reset_mask": FIRST})


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


@pytest.mark.parametrize(
    ("physics_hz", "control_hz", "rates"),
    [
        (500, 20, (20, 500, 500)),
        (250, 25, (20, 250, 250)),
        (250, 50, (20, 250, 250)),
        (1000, 25, (20, 1000, 1000)),
        (1000, 50, (20, 1000, 1000)),
        (2000, 10, (10, 1000, 1000)),
        # Of 75 physics steps a control step, every third: 1,000 does not divide 1,500.
        (1500, 20, (20, 500, 500)),
    ],
)
def test_default_senses_follow_the_rates(physics_hz: int, control_hz: int, rates: tuple[float, ...]) -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, physics_hz=physics_hz, control_hz=control_hz)
    assert tuple(modality.rate_hz for modality in envs.unwrapped.modalities.values()) == rates
    observation, _ = envs.reset(seed=0)
    for action in actions(4, 1, 3):
        observation, *_, info = envs.step(action)
        assert not info["physics_error"].any()
    window = observation["proprioception"][0]
    # Columns 0 and 4: x and its velocity; differences of readings one period apart.
    moved = np.diff(window[:, 0]) * rates[2]
    np.testing.assert_allclose(moved, window[1:, 4], atol=0.02)
    envs.close()


def test_a_camera_of_30_hz_has_new_images_when_they_are_due() -> None:
    camera = mmrl_envs.Camera(rate_hz=30, height=16, width=16)
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=(camera,), control_hz=50)
    before, _ = envs.reset(seed=0)
    fresh = []
    for _ in range(10):
        after, *_ = envs.step(np.ones((1, 3), np.float32))
        fresh.append(bool((after["camera"] != before["camera"]).any()))
        before = after
    # Due at 33.3, 66.7, 100, 133.3, 166.7, 200 ms and read at 40, 80, 100, 140, 180, 200.
    assert fresh == [False, True, False, True, True, False, True, False, True, True]
    assert envs.unwrapped.modalities["camera"].rate_hz == 30
    envs.close()


def test_a_camera_faster_than_the_policy_is_read_at_every_control_step() -> None:
    camera = mmrl_envs.Camera(rate_hz=30, height=16, width=16)
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=(camera, "camera:name=named,rate_hz=40"))
    assert {modality.rate_hz for modality in envs.unwrapped.modalities.values()} == {20}
    assert camera.modality.rate_hz == 30  # that of the user, who may want it elsewhere
    envs.close()


def test_a_slow_policy_gets_slow_images() -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=("coarse_camera", "hole_estimate"), control_hz=10)
    assert {modality.rate_hz for modality in envs.unwrapped.modalities.values()} == {10}
    assert envs.metadata["render_fps"] == 10
    envs.reset(seed=0)
    observation, *_ = envs.step(np.zeros((2, 3), np.float32))
    assert observation["coarse_camera"].shape == (2, 16, 16, 3)
