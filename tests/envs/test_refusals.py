"""Arguments, resets and actions that environments refuse, and the errors that say so."""

import warnings
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs
from tests.comparing import assert_same

TOUCH = ("force_torque", "proprioception")


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
    for action in np.random.default_rng(5).uniform(-1, 1, (3, 2, 3)).astype(np.float32):
        assert_same(asked.step(action)[0], left.step(action)[0])
    assert_same(asked.reset()[0], left.reset()[0])


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
    assert_same(envs.reset(seed=np.int64(4), options=options)[0], twin.reset(seed=4, options=options)[0])
    assert_same(envs.step(np.ones((2, 3), np.int8))[0], twin.step(np.ones((2, 3)))[0])
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
