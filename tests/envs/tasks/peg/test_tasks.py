"""The variants of peg insertion: the same task with other senses, contexts and limits, each within reach."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.robot_env import RobotEnv
from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.experts.spiral_search import SENSES, SpiralSearch
from mmrl_envs.vector_env import RobotVectorEnv

BLURRED, BLIND = "mmrl/PegInsertionBlurred-v0", "mmrl/PegInsertionBlind-v0"


def make(env_id: str, num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(env_id, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


@pytest.mark.parametrize(
    ("env_id", "senses", "steps"),
    [
        (BLURRED, {"coarse_camera", "tip_force_torque", "proprioception"}, 150),
        (BLIND, {"hole_estimate", "force_torque", "proprioception"}, 200),
    ],
)
def test_a_variant_has_its_senses_and_its_time_through_both_doors(env_id: str, senses: set[str], steps: int) -> None:
    envs, env = make(env_id, 2), gym.make(env_id)
    assert envs.max_episode_steps == env.spec.max_episode_steps == steps  # type: ignore[union-attr]
    many, _ = envs.reset(seed=0)
    one, info = env.reset(seed=0)
    assert set(many) == set(one) == senses
    for name in senses:
        np.testing.assert_array_equal(one[name], many[name][0])
    assert isinstance(env.unwrapped, RobotEnv)
    assert info["context"]["clearance_mm"] == {BLURRED: 0.5, BLIND: None}[env_id]


def test_what_a_user_sets_overrides_a_variant_name_by_name() -> None:
    envs = make(BLURRED, 2, context={"clearance_mm": 1.5})
    _, info = envs.reset(seed=0, options={"context": {"occluder_size": 0.0}})
    assert info["context"]["clearance_mm"].tolist() == [1.5, 1.5]
    assert info["context"]["occluder_size"].tolist() == [0.0, 0.0]
    assert (info["context"]["camera_shift_m"] > 0).all()


def test_the_expert_reaches_success_under_blurred() -> None:
    envs = make(BLURRED, 4, sensors=("proprioception",))
    envs.reset(seed=0)
    expert = PegExpert(envs)
    for _ in range(100):
        *_, info = envs.step(expert.act())
    assert info["is_success"].all()


def test_the_expert_reaches_success_under_blind() -> None:
    envs = make(BLIND, 4, sensors=("proprioception",))
    envs.reset(seed=0)
    expert = PegExpert(envs)
    for _ in range(75):
        *_, info = envs.step(expert.act())
    assert info["is_success"].all()


def test_a_spiral_finds_the_hole_by_feel() -> None:
    """From observations alone. Of 48 worlds of this seed it found the hole in 47."""
    envs = make(BLIND, 5)
    assert set(envs.modalities) == set(SENSES)
    observation, _ = envs.reset(seed=0)
    search = SpiralSearch(5, step_m=envs.task.impedance.step_m)
    for _ in range(200):
        observation, *_, info = envs.step(search.act(observation))
    assert info["final_info"]["is_success"].sum() >= 4


@pytest.mark.parametrize(("error_m", "found"), [(0.01, False), (0.0, True)])
def test_pushing_down_on_the_estimate_finds_nothing_unless_it_is_exact(error_m: float, found: bool) -> None:
    envs = make(BLIND, 4, context={"hole_estimate_error_m": error_m})
    observation, _ = envs.reset(seed=0)
    for _ in range(150):
        move = observation["hole_estimate"][:, :3] / envs.task.impedance.step_m
        move[:, 2] = -0.3
        observation, *_, info = envs.step(np.clip(move, -1, 1).astype(np.float32))
    assert (info["success_once"] == found).all()


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"defaults": {"colour": 1}}, r"unknown context \['colour'\] among the defaults; .*'clearance_mm'"),
        ({"defaults": {"clearance_mm": 9.0}}, r"'clearance_mm' must lie in \[0.2, 5.0\], got 9.0"),
        ({"impedance": {"stiffnes": 1.0}}, r"Impedance has no stiffnes; it has stiffness, .*high"),
        ({"impedance": {"lead_m": -1.0}}, r"Impedance.lead_m must be positive, got -1.0"),
    ],
)
def test_bad_settings_of_a_variant_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("mmrl/PegInsertion-v0", 2, **kwargs)
