"""The reward of peg insertion: it grows along the way in, its weights are options, its terms are reported."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.peg import reward as peg_reward
from mmrl_envs.tasks.peg.pegs import HOLE_DEPTH

make = partial(gym.make_vec, "mmrl/PegInsertion-v0", sensors=("proprioception",))


def test_sparse_reward_is_success() -> None:
    envs = make(num_envs=3, reward="sparse")
    envs.reset(seed=0)
    expert = PegExpert(envs)
    for _ in range(80):
        _, reward, _, _, info = envs.step(expert.act())
        assert (reward == info["is_success"]).all()
    assert reward.all()


@given(st.floats(0, 0.5), st.floats(0, 0.5))
def test_closeness_falls_with_distance(near: float, far: float) -> None:
    near, far = sorted((near, far))
    first, second = peg_reward.closeness(np.array([near, far]), 80.0)
    assert 0 <= second <= first <= 0.5


def test_slipping_off_the_block_is_worth_no_more_than_resting_on_its_face() -> None:
    envs = make(num_envs=2, context={"hole_x_m": 0.0, "hole_y_m": 0.0})
    envs.reset(seed=0)
    # 12 cm beside the hole: on the face, and below it
    envs.task.tip_pose()[:, :3] = [[0.12, 0, 0.0], [0.12, 0, -0.03]]
    _, height = envs.task.keypoint_distances()
    np.testing.assert_allclose(height, [0.03, 0.03], atol=1e-12)
    insertion = peg_reward.Insertion(*envs.task.keypoint_distances(), np.zeros(2), np.zeros(2, bool))
    on_face, beside = envs.task.dense(insertion)[0]
    assert beside == on_face


def test_dense_reward_grows_along_the_way_in() -> None:
    envs = make(num_envs=6, context={"hole_x_m": 0.0, "hole_y_m": 0.0})
    envs.reset(seed=0)
    # far, above and aside, above, on the face, half in, at the bottom
    tips = [[0.05, 0, 0.04], [0.01, 0, 0.01], [0, 0, 0.01], [0, 0, 0], [0, 0, -0.015], [0, 0, -0.03]]
    envs.task.tip_pose()[:, :3] = tips
    depth = np.maximum(-envs.task.tip_pose()[:, 2], 0.0)
    success = np.array([False] * 5 + [True])
    reward, _ = envs.task.dense(peg_reward.Insertion(*envs.task.keypoint_distances(), depth, success))
    assert (np.diff(reward) > 0).all()
    # at the bottom all four kernels are 0.5, those of height count twice; engagement, insertion and success 1, 2 and 2
    assert reward[-1] == pytest.approx(0.1 * (2 * 0.5 + 2 * 2 * 0.5 + 1 + 2 + 2))


def test_weights_of_the_reward_are_options() -> None:
    usual, alone = make(num_envs=2), make(num_envs=2, reward_weights={"success": 0, "near": 0, "low": 0, "engaged": 0})
    for envs in (usual, alone):
        envs.reset(seed=0, options={"context": {"start_progress": 0.8, "hole_x_m": 0.0, "hole_y_m": 0.0}})
    none = alone.step(np.zeros((2, 3), np.float32))
    depth = none[4]["depth_m"]
    assert (depth > 0.002).all()
    # What is left is insertion with its usual weight, 2 of a tenth.
    np.testing.assert_allclose(none[1], 0.1 * 2 * depth / HOLE_DEPTH)
    assert (usual.step(np.zeros((2, 3), np.float32))[1] > none[1]).all()


def test_the_part_of_each_term_in_the_return_is_reported() -> None:
    envs = make(num_envs=2, max_episode_steps=5)
    envs.reset(seed=0)
    total = np.zeros(2)
    for _ in range(5):
        _, reward, _, _, info = envs.step(np.full((2, 3), -0.3, np.float32))
        total += reward
    terms = info["final_info"]["reward_terms"]
    assert [name for name in terms if not name.startswith("_")] == list(peg_reward.TERMS)
    np.testing.assert_allclose(sum(terms[name] for name in peg_reward.TERMS), total)
    assert (info["reward_terms"]["near"] == 0).all()
    assert "reward_terms" not in make(num_envs=1, reward="sparse").reset(seed=0)[1]


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"reward_weights": {"sucess": 1}}, "DenseReward has no sucess; it has near, low, engaged, inserted, success"),
        ({"reward_weights": {"success": "much"}}, "reward_weights.success must be float, got 'much'"),
        ({"reward_weights": {"near": float("nan")}}, "reward_weights.near must be finite, got nan"),
        ({"reward_weights": 3}, "reward_weights are a mapping from names to weights, got 3"),
        ({"reward_weights": {"near": 1}, "reward": "sparse"}, "reward_weights are of the dense reward, and reward is"),
    ],
)
def test_weights_that_mean_nothing_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(num_envs=1, **kwargs)
