"""Decisions from footfall to footfall."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.tasks.footfalls import HeldActions, make_toddler

AT_REST = np.zeros(4, np.float32)
PASSIVE = {"slope_rad": 0.03, "start_lean_rad": 0.12}


def test_a_passive_walk_is_cut_into_its_footfalls() -> None:
    """With the motors off nothing is decided: steps of the wrapper are sums of those of the walker, cut at landings."""
    plain, held = gym.make("mmrl/Toddler-v0", context=PASSIVE), make_toddler(context=PASSIVE)
    plain.reset(seed=0)
    held.reset(seed=0)
    rewards, landings = [], [0.0]
    for _ in range(8):
        _, reward, *_, info = held.step(AT_REST)
        rewards.append(reward)
        landings.append(info["landings"])
    assert (np.diff(landings) > 0).all()
    total, count = 0.0, 0.0
    while count < landings[-1]:
        _, reward, *_, info = plain.step(AT_REST)
        total, count = total + float(reward), info["landings"]
    assert sum(rewards) == pytest.approx(total)


def test_an_action_reaches_the_servos_in_every_control_step_until_the_landing() -> None:
    seen: list[Any] = []

    class Noting(gym.Wrapper[Any, Any, Any, Any]):
        def step(self, action: Any) -> Any:
            seen.append(action)
            return super().step(action)

    env = HeldActions(Noting(gym.make("mmrl/Toddler-v0", context=PASSIVE)), "landings", 20)
    env.reset(seed=0)
    first, second = np.full(4, 0.1, np.float32), np.full(4, -0.1, np.float32)
    env.step(first)
    held = len(seen)
    env.step(second)
    assert 1 < held < 20
    assert all((action == first).all() for action in seen[:held])
    assert all((action == second).all() for action in seen[held:])


def test_where_nothing_lands_it_decides_after_the_longest_time_and_where_it_falls_at_once() -> None:
    env = make_toddler(longest=3, context={"slope_rad": 0.0, "start_lean_rad": 0.0})
    env.reset(seed=0)
    *_, truncated, _ = env.step(AT_REST)
    assert not truncated
    assert env.get_wrapper_attr("_elapsed_steps") == 3
    falling = make_toddler(longest=500, context={"slope_rad": 0.0, "start_lean_rad": 0.15})
    falling.reset(seed=0)
    terminated = False
    for _ in range(60):
        *_, terminated, truncated, _ = falling.step(np.array([1, 1, -1, 1], np.float32))
        if terminated or truncated:
            break
    assert terminated
    assert falling.get_wrapper_attr("_elapsed_steps") < 500


def test_what_cannot_be_held_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"one of speed_m_s.*landings; got 'laps'"):
        HeldActions(gym.make("mmrl/Toddler-v0"), "laps", 20)
    with pytest.raises(ValueError, match="at least 1 control step, got 0"):
        make_toddler(longest=0)
