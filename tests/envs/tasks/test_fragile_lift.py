"""Lifting what slips or breaks: what holds, what breaks, what the fingers feel, and what scripts come to."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.robots.gripper import Gripping
from mmrl_envs.tasks.experts.lifting_experts import FixedGrip, SlipServo
from mmrl_envs.tasks.fragile_lift import FragileLift
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same

LIFT = "mmrl/FragileLift-v0"
KNOWN = {"log_mass": float(np.log(0.2)), "friction": 0.5}
"""0.2 kg at a friction of 0.5 need 0.2 x 9.81 / (2 x 0.5) = 1.962 N a finger; they break at twice that and 0.3 N."""
NEEDED_N = 1.962


def make(num_envs: int = 1, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(LIFT, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> FragileLift:
    assert isinstance(envs.task, FragileLift)
    return envs.task


def run(make_script: Callable[[Gripping], Any], num_envs: int = 1, **kwargs: Any) -> tuple[dict[str, Any], Any]:
    """The final info of a script, and what it sensed in the middle of the lift."""
    envs = make(num_envs, **kwargs)
    script = make_script(task_of(envs).robot.controller)
    seen, _ = envs.reset(seed=0)
    history = []
    for _ in range(60):
        seen, *_, info = envs.step(script.act(seen))
        history.append(seen)
    return dict(info["final_info"]), history[40]


def test_a_servo_by_slip_lifts_nearly_all_and_breaks_next_to_none() -> None:
    final, _ = run(SlipServo, 24)
    assert final["is_success"].mean() > 0.85
    assert final["broken"].mean() < 0.1


def test_no_force_fits_all() -> None:
    final, _ = run(lambda gripping: FixedGrip(gripping, 1.4), 24)
    assert final["is_success"].mean() < 0.6


@pytest.mark.parametrize(
    ("share", "up", "broken"), [(0.8, False, False), (1.3, True, False), (1.9, True, False), (2.4, True, True)]
)
def test_what_is_gripped_too_softly_stays_and_too_hard_breaks(share: float, up: bool, broken: bool) -> None:
    final, _ = run(lambda gripping: FixedGrip(gripping, share * NEEDED_N), context=KNOWN)
    assert bool(final["height_m"][0] > 0.03) == up
    assert bool(final["broken"][0]) == broken
    assert bool(final["is_success"][0]) == (up and not broken)


def test_the_pads_feel_the_grip_and_half_of_the_weight_each() -> None:
    _, seen = run(lambda gripping: FixedGrip(gripping, 1.5 * NEEDED_N), context=KNOWN)
    left, right = np.split(seen["tactile"][0].sum(axis=(0, 1)), 2)
    # pressure, drag along x, and along y, which points up
    np.testing.assert_allclose(left, [1.5 * NEEDED_N, 0.0, -0.981], atol=0.03)
    np.testing.assert_allclose(right, [1.5 * NEEDED_N, 0.0, -0.981], atol=0.03)
    assert np.abs(seen["slip"][:, -1]).max() < 1e-3


def test_what_slides_is_felt_to_slide_down_and_what_is_not_touched_is_not() -> None:
    envs = make(context=KNOWN)
    envs.reset(seed=0)
    gripping = task_of(envs).robot.controller
    soft = FixedGrip(gripping, 0.5 * NEEDED_N)
    for _ in range(20):
        seen, *_ = envs.step(soft.act({"slip": np.zeros((1, 4))}))
    # the lift rises by 1.5 mm in 50 ms, and the object stays: 30 mm/s
    np.testing.assert_allclose(seen["slip"][0, -1, [1, 3]], -0.030, atol=0.003)
    np.testing.assert_allclose(seen["slip"][0, -1, [0, 2]], 0.0, atol=0.003)


def test_the_window_of_slip_begins_with_the_episode() -> None:
    envs = make(context=KNOWN)
    seen, _ = envs.reset(seed=0)
    soft = FixedGrip(task_of(envs).robot.controller, 0.5 * NEEDED_N)
    newest = []
    for _ in range(20):
        seen, *_ = envs.step(soft.act(seen))
        newest.append(seen["slip"][0, -1])
    np.testing.assert_array_equal(seen["slip"][0, -20:], newest)
    assert not seen["slip"][0, :-20].any()


def test_what_hardly_breaks_stands_a_harder_grip() -> None:
    final, _ = run(lambda gripping: FixedGrip(gripping, 5.0 * NEEDED_N), context={**KNOWN, "most_share": 6.0})
    assert final["is_success"].all()


def test_a_mass_is_that_of_the_object_in_physics() -> None:
    masses = np.log(np.array([0.06, 0.5]))
    envs = make(2, context={"log_mass": masses, "friction": 1.0})
    envs.reset(seed=0)
    firm = FixedGrip(task_of(envs).robot.controller, 6.0)
    for _ in range(40):
        seen, *_ = envs.step(firm.act({"slip": np.zeros((2, 4))}))
    weight = -seen["tactile"].sum(axis=(1, 2))[:, [2, 5]].sum(axis=1)
    np.testing.assert_allclose(weight, 9.81 * np.array([0.06, 0.5]), rtol=0.05)


def test_forces_and_shares_of_the_gripper_are_inverse() -> None:
    gripping, shares = Gripping(), np.linspace(-1, 1, 9)
    np.testing.assert_allclose(gripping.share(gripping.force(shares)), shares, atol=1e-12)
    assert gripping.force(np.array([-1.0, 1.0, 9.0])).tolist() == pytest.approx([0.2, 20.0, 20.0])
    with pytest.raises(ValueError, match=r"got 3\.0 and 2\.0"):
        Gripping(least_n=3.0, most_n=2.0)


def test_a_saved_state_goes_on_bit_for_bit() -> None:
    envs, twin = make(2), make(2)
    envs.reset(seed=0)
    twin.reset(seed=5)
    up = np.tile(np.array([0.2, 1.0], np.float32), (2, 1))
    for _ in range(8):
        envs.step(up)
    twin.set_state(envs.get_state())
    for _ in range(2):
        assert_same(envs.step(up), twin.step(up))
