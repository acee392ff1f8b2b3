"""Actions that take effect late: what the actuators get, and what stays as it is."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.controllers.delay import DELAY, DelayLine
from mmrl_envs.snapshot import joined, part_of
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same

STEPS = 7
WORLDS = np.arange(3)


def make(env_id: str, num_envs: int = 3, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(env_id, num_envs=num_envs, sensors=("proprioception",), max_episode_steps=3, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def script(envs: RobotVectorEnv) -> np.ndarray:
    """The same actions in every world, small enough to end no episode, (STEPS, N, A)."""
    one = np.random.default_rng(1).uniform(-0.3, 0.3, (STEPS, 1, *envs.single_action_space.shape))
    return np.repeat(one, envs.num_envs, axis=1).astype(np.float32)


def test_controls_come_some_physics_steps_after_they_are_due() -> None:
    line = DelayLine(3, 4, 1000)
    line.begin(WORLDS, {DELAY: np.array([0.0, 0.003, 0.004])}, np.full((3, 1), 9.0))
    due = np.arange(12.0).reshape(3, 4)  # of three control steps, the same in all worlds
    given = [line.pass_on(np.repeat(step[None, :, None], 3, axis=0))[..., 0].tolist() for step in due]
    assert given == [
        [[0, 1, 2, 3], [9, 9, 9, 0], [9, 9, 9, 9]],
        [[4, 5, 6, 7], [1, 2, 3, 4], [0, 1, 2, 3]],
        [[8, 9, 10, 11], [5, 6, 7, 8], [4, 5, 6, 7]],
    ]


def test_a_delay_is_rounded_to_whole_physics_steps() -> None:
    line = DelayLine(3, 4, 1000)
    line.begin(WORLDS, {DELAY: np.array([0.0004, 0.0006, 0.0014])}, np.full((3, 1), 9.0))
    assert line.pass_on(np.zeros((3, 4, 1)))[..., 0].tolist() == [[0, 0, 0, 0], [9, 0, 0, 0], [9, 0, 0, 0]]


def test_where_none_is_late_the_controls_are_handed_on_as_they_are() -> None:
    line, controls = DelayLine(3, 4, 1000), np.zeros((3, 4, 2))
    line.begin(WORLDS, {DELAY: np.zeros(3)}, np.zeros((3, 2)))
    assert line.pass_on(controls) is controls


def test_the_physics_of_a_robot_gets_the_shifted_controls(monkeypatch: pytest.MonkeyPatch) -> None:
    """The servos of the toddler, whose targets follow from the actions alone; episodes of three steps."""
    got: list[list[np.ndarray]] = []
    for delay in (np.zeros(3), np.array([0.0, 0.005, 0.04])):
        envs, seen = make("mmrl/Toddler-v0", context={DELAY: delay}), []
        stepping = envs.world.step
        monkeypatch.setattr(envs.world, "step", lambda c, s=stepping, seen=seen: (seen.append(c.copy()), s(c))[1])
        envs.reset(seed=0)
        for action in script(envs):
            assert not envs.step(action)[2].any()
        got.append(seen)
        substeps = envs.world.substeps
        envs.close()
    assert substeps == 40  # 25 Hz of 1 kHz: 5 ms are 5 physics steps, 40 ms all of them
    due, given = (np.concatenate(steps, axis=1) for steps in got)  # (N, 7 S, U)
    for world, late in enumerate((0, 5, 40)):
        for first in range(0, STEPS * substeps, 3 * substeps):  # each episode begins with targets of 0
            episode = due[world, first : first + 3 * substeps]
            shifted = np.concatenate([np.zeros((late, due.shape[2])), episode])[: len(episode)]
            np.testing.assert_array_equal(given[world, first : first + 3 * substeps], shifted)


def test_a_delay_changes_no_other_world_and_no_other_draw() -> None:
    senses, draws = [], []
    for delay in (0.0, np.array([0.0, 0.01, 0.05]), (0.0, 0.05)):
        envs = make(
            "mmrl/PegInsertion-v0", context={DELAY: delay, "friction": (0.2, 1.0), "camera_shift_m": (0.0, 0.02)}
        )
        _, info = envs.reset(seed=2)
        draws.append({name: values for name, values in info["context"].items() if DELAY not in name})
        senses.append(np.stack([envs.step(action)[0]["proprioception"] for action in script(envs)], axis=1))
        envs.close()
    assert (info["context"][DELAY] > 0).all()
    assert_same(draws[1], draws[0])
    assert_same(draws[2], draws[0])
    np.testing.assert_array_equal(senses[1][0], senses[0][0])
    assert all(not np.array_equal(senses[1][world], senses[0][world]) for world in (1, 2))


@pytest.mark.parametrize("env_id", ["mmrl/PegInsertion-v0", "mmrl/SlotCar-v0", "mmrl/Toddler-v0"])
def test_what_is_under_way_is_saved(env_id: str) -> None:
    senses = {"mmrl/SlotCar-v0": ("track_camera",)}.get(env_id, ("proprioception",))
    envs, fresh = (
        gym.make_vec(env_id, num_envs=3, sensors=senses, max_episode_steps=5, context={DELAY: (0.0, 0.04)})
        for _ in range(2)
    )
    envs.reset(seed=3)
    actions = script(envs.unwrapped)
    for action in actions[:3]:
        envs.step(action)
    state = envs.unwrapped.get_state()
    fresh.unwrapped.set_state(state)
    assert_same(fresh.unwrapped.get_state(), state)
    for action in actions[3:]:
        assert_same(envs.step(action), fresh.step(action))


def test_some_worlds_are_saved_as_a_part_of_all() -> None:
    line = DelayLine(3, 4, 1000)
    line.begin(WORLDS, {DELAY: np.array([0.0, 0.003, 0.004])}, np.full((3, 2), 9.0))
    line.pass_on(np.random.default_rng(0).normal(size=(3, 4, 2)))
    state = line.state_dict()
    parts = [part_of(state, range(1), 3), part_of(state, range(1, 3), 3)]
    assert [len(part["under_way"]) for part in parts] == [1, 2]
    assert_same(joined(parts, [1, 2]), state)


def test_a_state_from_before_there_were_delays_goes_on() -> None:
    envs, fresh = (make("mmrl/PegInsertion-v0") for _ in range(2))
    envs.reset(seed=3)
    actions = script(envs)
    for action in actions[:2]:
        envs.step(action)
    state = envs.get_state()
    for part in ("delay_line", "context_streams/acting"):
        del state["parts"][part]
    for part, entry in (("context", "ranges"), ("episodes", "context")):
        del state["parts"][part][entry][DELAY]
    fresh.set_state(state)
    for action in actions[2:]:
        one, other = envs.step(action), fresh.step(action)
        assert_same(one[:4], other[:4])
    assert_same(one[4]["context"], other[4]["context"])


def test_more_than_a_control_period_is_refused() -> None:
    with pytest.raises(ValueError, match=r"context 'action_delay_s' must lie in \[0.0, 0.05\], got 0.051"):
        make("mmrl/PegInsertion-v0", context={DELAY: 0.051})
    with pytest.raises(ValueError, match=r"context 'action_delay_s' must lie in \[0.0, 0.01\], got 0.02"):
        make("mmrl/PegInsertion-v0", context={DELAY: 0.02}, control_hz=100)
