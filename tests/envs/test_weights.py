"""Weights of a reward, whichever task has them."""

import gymnasium as gym
import pytest

TERMS = [("mmrl/PegInsertion-v0", "near"), ("mmrl/Wipe-v0", "wiped"), ("mmrl/ClickPlug-v0", "click")]


@pytest.mark.parametrize(("env_id", "term"), TERMS)
def test_a_name_of_no_term_is_answered_with_those_there_are(env_id: str, term: str) -> None:
    with pytest.raises(ValueError, match=rf"has no no_such_term; it has .*\b{term}\b"):
        gym.make_vec(env_id, num_envs=1, reward_weights={"no_such_term": 1.0})


@pytest.mark.parametrize("env_id", [env_id for env_id, _ in TERMS])
def test_what_is_no_mapping_is_refused(env_id: str) -> None:
    with pytest.raises(ValueError, match=r"reward_weights are a mapping from names to weights, got \[2\.0\]"):
        gym.make_vec(env_id, num_envs=1, reward_weights=[2.0])


@pytest.mark.parametrize(("env_id", "term"), TERMS)
@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_a_weight_that_is_not_finite_is_refused(env_id: str, term: str, weight: float) -> None:
    with pytest.raises(ValueError, match=rf"reward_weights\.{term} must be finite, got {weight}"):
        gym.make_vec(env_id, num_envs=1, reward_weights={term: weight})
