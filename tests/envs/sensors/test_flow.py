"""The optical flow of a robot's camera: true of its pictures, and no policy's."""

from copy import deepcopy
from itertools import pairwise
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from scipy.ndimage import map_coordinates

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.vector_env import RobotVectorEnv

PEG = "mmrl/PegInsertion-v0"
STEPS = 6


def make(env_id: str = PEG, critic_sensors: Any = ("flow",), num_envs: int = 2, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(env_id, num_envs=num_envs, critic_sensors=critic_sensors, num_threads=1, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def actions(envs: RobotVectorEnv, steps: int = STEPS) -> np.ndarray:
    shape = (steps, envs.num_envs, *envs.single_action_space.shape)  # type: ignore[misc]
    return np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)


def warped(picture: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """The later of two grey pictures (H, W), brought back to where its points were in the one before."""
    rows, columns = np.meshgrid(*(np.arange(side, dtype=float) for side in picture.shape), indexing="ij")
    return map_coordinates(picture, [rows + flow[..., 1], columns + flow[..., 0]], order=1, mode="nearest")


@pytest.mark.parametrize("view", ["wrist", "fixed"])
def test_pictures_lie_on_each_other_where_the_flow_has_been_undone(view: str) -> None:
    options = f"view={view},height=192,width=192"  # fine ones: edges are not antialiased
    envs = make(critic_sensors=(f"flow:{options}",), sensors=(f"camera:{options}", "proprioception"))
    seen, _ = envs.reset(seed=3)
    off: dict[float, list[float]] = {1.0: [], 0.0: [], -1.0: []}
    for action in actions(envs):
        before = seen["camera"].mean(axis=3)
        seen, *_, info = envs.step(action)
        after, flow = seen["camera"].mean(axis=3), info["flow"]
        known = flow[..., 2] == 1
        assert known.mean() > 0.8  # the rest is sky
        for share, errors in off.items():
            undone = np.stack([warped(*of_world) for of_world in zip(after, share * flow, strict=True)])
            errors.append(np.abs(undone - before)[known].mean())
    right, none, wrong = (np.mean(errors) for errors in off.values())
    assert right < 0.65 * none
    assert none < 0.75 * wrong


def test_it_is_of_the_last_control_step_and_of_the_episode() -> None:
    envs = make(max_episode_steps=3)
    _, info = envs.reset(seed=0)
    assert not info["flow"].any()
    assert info["_flow"].all()
    moved = []
    for action in actions(envs, 4):
        *_, info = envs.step(action)
        moved.append(np.abs(info["flow"][..., :2]).max())
        if "final_info" in info:
            assert np.abs(info["final_info"]["flow"][..., :2]).max() > 0.05
            assert not info["flow"].any()  # a new episode has no picture before
    assert [size > 0.05 for size in moved] == [True, True, False, True]


def test_it_is_read_whenever_the_policy_acts() -> None:
    envs = make(control_hz=50)
    assert envs.modalities["camera"].rate_hz == 20
    assert envs.critic_modalities["flow"].rate_hz == 50
    envs.reset(seed=0)
    flows = [envs.step(action)[-1]["flow"] for action in actions(envs, 4)]
    assert all(not np.array_equal(one, other) for one, other in pairwise(flows))


def test_it_goes_on_bit_for_bit_where_the_state_is_put_back() -> None:
    envs, other = make(), make()
    envs.reset(seed=0)
    for action in actions(envs, 2):
        envs.step(action)
    state = deepcopy(envs.get_state())
    other.reset(seed=9)
    other.set_state(state)
    for action in actions(envs):
        np.testing.assert_array_equal(envs.step(action)[-1]["flow"], other.step(action)[-1]["flow"])
    with pytest.raises(ValueError, match="critic_senses"):
        make(critic_sensors=()).set_state(state)


def test_nothing_else_changes_by_it() -> None:
    plain, envs = make(critic_sensors=()), make()
    assert envs.single_observation_space == plain.single_observation_space
    assert list(envs.context_parameters) == list(plain.context_parameters)
    first, second = plain.reset(seed=4)[0], envs.reset(seed=4)[0]
    for action in actions(envs, 3):
        assert first.keys() == second.keys()
        assert all(np.array_equal(first[name], second[name]) for name in first)
        (first, *_), (second, *_) = plain.step(action), envs.step(action)


def test_a_critic_may_have_a_camera_of_its_own() -> None:
    envs = make(critic_sensors=("fixed_depth",), sensors=("proprioception",))
    observation, info = envs.reset(seed=0)
    assert list(observation) == ["proprioception"]
    assert info["fixed_depth"].shape == (2, 64, 64, 1)
    assert list(envs.critic_modalities) == ["privileged", "fixed_depth"]


def test_one_world_alone_has_it_too() -> None:
    env: Any = gym.make(PEG, critic_sensors=("flow",))
    _, info = env.reset(seed=0)
    assert info["flow"].shape == env.unwrapped.critic_modalities["flow"].shape


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        (
            {"sensors": ("camera", "flow")},
            r"sensors \['flow'\] read what no robot can, so that no policy may have them",
        ),
        ({"env_id": "mmrl/SlotCar-v0"}, r"sensor 'flow' \(Flow\): needs the mounts wrist; there are pin"),
        ({"critic_sensors": ("camera",)}, r"critic_sensors need names of their own, got \['camera'\]"),
        ({"critic_sensors": ("flow:name=privileged",)}, r"names of their own, got \['privileged'\]"),
        ({"critic_sensors": "flow"}, "critic_sensors must be a sequence of names or Sensor objects, got 'flow'"),
        ({"critic_sensors": ("flow", "flow")}, r"\['flow'\] occur more than once"),
        ({"critic_sensors": ("flow:height=0",)}, "height must be a whole number from 1 to 4096, got 0"),
    ],
)
def test_what_cannot_be_is_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**kwargs)
