"""Gentle insertion: what breaks the block, what a broken block costs, and what the policy is state."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.peg.gentle import PegInsertionGentle
from mmrl_envs.vector_env import RobotVectorEnv

GENTLE = "mmrl/PegInsertionGentle-v0"
LOWERED = np.array([[0.0, 0.0, -1.0]] * 2, np.float32)
BESIDE = {"hole_x_m": 0.04, "hole_y_m": 0.04, "start_x_m": -0.02, "start_y_m": -0.02, "start_z_m": 0.02}


def make(num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(GENTLE, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> PegInsertionGentle:
    assert isinstance(envs.task, PegInsertionGentle)
    return envs.task


def run_expert(limit_n: float, *, gently: bool) -> dict[str, Any]:
    envs = make(8, sensors=("proprioception",), context={"force_limit_n": limit_n})
    envs.reset(seed=0)
    expert = PegExpert(envs, gently=gently)
    for _ in range(120):
        *_, info = envs.step(expert.act())
    return dict(info["final_info"])


def test_an_expert_that_is_slow_near_the_face_leaves_every_block_whole() -> None:
    final = run_expert(30.0, gently=True)
    assert final["is_success"].all()
    assert not final["broken"].any()
    assert (final["force_share"] < 0.5).all()


def test_a_hurried_expert_breaks_the_blocks_and_fails_though_the_peg_is_in() -> None:
    final = run_expert(15.0, gently=False)
    assert (final["depth_m"] > 0.027).all()
    assert final["broken"].all()
    assert not final["is_success"].any()
    assert (final["force_share"] > 1.0).all()


def test_a_block_breaks_at_its_limit_and_stays_broken() -> None:
    """Of two blocks that are pressed beside the hole the weaker one breaks, until a new episode brings another."""
    envs = make(2, context={**BESIDE, "force_limit_n": np.array([10.0, 500.0])})
    envs.reset(seed=0)
    for _ in range(20):
        _, _, _, _, info = envs.step(LOWERED)
    assert info["broken"].tolist() == [1.0, 0.0]
    assert info["reward_terms"]["force"][0] < 0.0 == info["reward_terms"]["force"][1]
    for _ in range(15):
        *_, info = envs.step(-LOWERED)
    assert info["broken"].tolist() == [1.0, 0.0]
    envs.reset(options={"context": {"force_limit_n": 60.0}})
    *_, info = envs.step(-LOWERED)
    assert info["broken"].tolist() == [0.0, 0.0]


@pytest.mark.parametrize("height", [-0.008, 0.0, 0.008])
def test_contact_comes_at_the_height_of_the_face(height: float) -> None:
    envs = make(2, context={**BESIDE, "block_z_m": height, "force_limit_n": 500.0})
    envs.reset(seed=0)
    for _ in range(20):
        *_, info = envs.step(LOWERED)
    np.testing.assert_allclose(task_of(envs).height(), 0.0, atol=1.5e-3)
    np.testing.assert_allclose(task_of(envs).tip_pose()[:, 2], height, atol=1.5e-3)
    assert (info["peak_force_n"] > 10.0).all()


def test_the_limit_is_sensed_and_the_height_is_not() -> None:
    """Two worlds that differ in the height of the face alone look the same before contact, to the policy."""
    context = {"force_limit_n": np.array([30.0, 55.0]), "hole_x_m": 0.0, "hole_y_m": 0.0}
    fixed = {"start_x_m": 0.0, "start_y_m": 0.0, "start_z_m": 0.04, "hole_estimate_error_m": 0.0}
    noise = {"proprioception_noise": 0.0, "block_z_m": np.array([-0.008, 0.008])}
    envs = make(2, context={**context, **fixed, **noise})
    seen, _ = envs.reset(seed=0)
    np.testing.assert_allclose(seen["force_limit"], [[30.0], [55.0]])
    for name in ("hole_estimate", "force_torque", "proprioception"):
        np.testing.assert_allclose(seen[name][0], seen[name][1], atol=1e-9)


@pytest.mark.parametrize("left", ["hole_estimate", "force_limit", "force_torque", "proprioception"])
def test_it_can_be_had_without_each_of_its_senses(left: str) -> None:
    """The noise that proprioception has by default is no context where proprioception is not there."""
    senses = [sense for sense in PegInsertionGentle.senses if sense != left]
    envs = make(2, sensors=senses)
    seen, _ = envs.reset(seed=0)
    assert set(seen) == set(senses)
    assert f"{left}_noise" not in envs.context_parameters
    with pytest.raises(ValueError, match="proprioception_nois'] among the defaults"):
        make(1, sensors=senses, defaults={"proprioception_nois": 1.0})


def test_the_critic_knows_limit_height_and_whether_the_block_is_whole() -> None:
    envs = make(2, context={"force_limit_n": np.array([30.0, 50.0]), "block_z_m": 0.005})
    envs.reset(seed=0)
    state = task_of(envs).privileged()
    assert state.shape == (2, PegInsertionGentle.privileged_size)
    np.testing.assert_allclose(state[:, -4:], [[0.6, 0.0, 0.0, 0.5], [1.0, 0.0, 0.0, 0.5]])


def test_an_episode_goes_on_bit_by_bit_from_a_saved_state() -> None:
    envs = make(2, context={**BESIDE, "force_limit_n": 10.0})
    envs.reset(seed=0)
    for _ in range(14):
        envs.step(LOWERED)
    state = envs.get_state()
    first = [envs.step(LOWERED) for _ in range(6)]
    envs.set_state(state)
    again = [envs.step(LOWERED) for _ in range(6)]
    for (_, reward, *_, info), (_, same, *_, same_info) in zip(first, again, strict=True):
        np.testing.assert_array_equal(reward, same)
        np.testing.assert_array_equal(info["broken"], same_info["broken"])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"context": {"force_limit_n": 2.0}}, r"'force_limit_n' must lie in \[3.5, 500.0\], got 2.0"),
        ({"context": {"block_z_m": 0.02}}, r"'block_z_m' must lie in \[-0.01, 0.01\], got 0.02"),
        ({"safe_share": 1.5}, r"safe_share must be between 0 and 1, a share of the force limit, got 1.5"),
        ({"force_penalty": -1.0}, r"force_penalty must be a finite number from 0 on, got -1.0"),
    ],
)
def test_bad_settings_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(2, **kwargs)
