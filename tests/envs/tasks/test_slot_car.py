"""A slot car: its motion by hand, its track, its pictures, its rules."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.robots.car import SLOT, Motion
from mmrl_envs.tasks.slot_car import TIGHTEST_M, TRACKS, profile_speed, slot_through

ENV_ID = "mmrl/SlotCar-v0"


def make(num_envs: int = 2, **kwargs: Any) -> Any:
    return gym.make_vec(ENV_ID, num_envs=num_envs, **kwargs)


def drive(envs: Any, share: float, steps: int) -> Iterator[Any]:
    """Steps at a constant share of the full voltage."""
    action = np.full((envs.num_envs, 1), 2 * share - 1, np.float32)
    return (envs.step(action) for _ in range(steps))


def test_motion_on_a_straight_by_hand() -> None:
    motion = Motion()
    state = np.zeros((4, 3))
    state[1] = (0.0, 0.5, 3.0)
    along, about = motion.accelerations(np.array([0.2, 1.0, 0.0]), state, np.zeros(3), np.ones(3))
    # newtons: 1.5 x 0.2 - 0.06 of rolling; 1.5 (1 - 0.5 / 6) held to 0.9 x 0.8, less rolling; the brake, -1.5 x 3 / 6,
    # held to -0.72, less rolling; over 0.1 kg
    np.testing.assert_allclose(along, [2.4, 6.6, -7.8])
    np.testing.assert_allclose(about, 0.0)


def test_a_bend_swings_the_tail_out_until_the_tyres_hold_it() -> None:
    motion = Motion()
    state = np.array([[0.0], [1.5], [0.0], [1.5 / 0.3]])  # on a bend of 0.3 m, turning with it
    _, about = motion.accelerations(np.full(1, 0.3), state, np.full(1, 1 / 0.3), np.ones(1))
    # moments about the pin in N m: 0.05 x 0.1 x 1.5^2 / 0.3 outward, against the slip of a rear axle that is dragged
    # sideways with 5 rad/s x 0.085 m at 1.5 m/s; none of it is enough to hold at once
    push = 1.5 * (0.3 - 1.5 / 6)
    side = -np.sqrt(0.8**2 - push**2) * np.tanh(-5 * 0.085 / 1.8 / 0.15)
    inertia = 0.1 * (0.14**2 + 0.06**2) / 12 + 0.1 * 0.05**2
    np.testing.assert_allclose(about, (0.05 * 0.1 * 1.5**2 / 0.3 - 0.085 * side) / inertia)


@pytest.mark.parametrize("track", TRACKS)
def test_a_track_is_closed_smooth_and_wide_enough(track: str) -> None:
    slot = slot_through(TRACKS[track])
    assert np.abs(slot.curvature).max() <= 1 / TIGHTEST_M
    # once round: the curvature adds up to a whole turn
    np.testing.assert_allclose((slot.curvature * slot.length / len(slot.points)).sum(), 2 * np.pi, rtol=1e-3)
    assert (slot.points > 0.19).all()
    assert (slot.points < (2.4 - 0.19, 1.56 - 0.19)).all()
    assert 1.5 < profile_speed(slot, Motion()) < 4.0


def test_a_slow_car_stays_on_a_fast_one_leaves_and_that_ends_the_episode() -> None:
    envs = make(context={"start_share": 0.0, "grip": 1.0})
    envs.reset(seed=0)
    slow = list(drive(envs, 0.3, 60))
    assert not any(step[2].any() for step in slow)
    info = slow[-1][4]
    assert (info["laps"] >= 1).all()
    assert (info["share_of_profile"] > 0.4).all()
    assert (info["share_of_profile"] < 0.7).all()
    envs.reset(seed=0)
    ended = next(step for step in drive(envs, 1.0, 60) if step[2].any())
    final = ended[4]["final_info"]
    assert ended[2].all()
    assert not ended[3].any()
    assert not final["physics_error"].any()
    assert not final["is_success"].any()
    assert (final["off_track"] == 1).all()
    assert (final["reward_terms"]["crash"] == -0.5).all()
    assert (envs.unwrapped.world.current(SLOT)[:, 1] == 0).all()  # anew, at rest


def test_pictures_show_the_car_where_it_was_and_the_frame_before() -> None:
    envs = make(1, context={"picture_gain": 1.0, "start_share": 0.25})
    first, _ = envs.reset(seed=0)
    assert first["track_camera"].shape == (1, 52, 80, 2)
    assert first["track_camera"].dtype == np.uint8
    pictures = [envs.unwrapped.task.field("pictures")[0].copy()]
    for _ in range(6):
        next(drive(envs, 0.4, 1))
        pictures.append(envs.unwrapped.task.field("pictures")[0].copy())
    np.testing.assert_array_equal(pictures[-1][..., 0], pictures[-2][..., 1])
    x, y = envs.unwrapped.world.qpos[0, :2] / 0.03  # pixels, from below
    rows, columns = np.nonzero(pictures[-1][..., 1] < 90)  # the dark body
    speed = envs.unwrapped.world.current(SLOT)[0, 1]
    # its middle is half a car behind the pin, and the picture is 40 ms old
    away = np.hypot(columns.mean() + 0.5 - x, 52 - rows.mean() - 0.5 - y) * 0.03
    assert away == pytest.approx(0.07 + 0.04 * speed, abs=0.03)


def test_voltages_may_be_a_few_to_choose_from() -> None:
    discrete, box = make(levels=(0.0, 0.3)), make()
    assert discrete.single_action_space == gym.spaces.Discrete(2)
    for envs in (discrete, box):
        envs.reset(seed=0)
    one = discrete.step(np.array([1, 0]))
    other = box.step(np.array([[-0.4], [-1.0]]))
    np.testing.assert_allclose(one[1], other[1], atol=1e-6)
    with pytest.raises(ValueError, match=r"actions must be whole numbers from 0 to 1; those of worlds \[1\] are not"):
        discrete.step(np.array([0, 2]))


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"track": "ring"}, r"unknown track 'ring'; tracks are \['bean', 'oval', 'pear'\]"),
        ({"levels": (0.5,)}, "two or more numbers from 0 to 1"),
        ({"engine": "pybullet"}, "a slot car moves by its own equations: leave engine at 'mujoco', got 'pybullet'"),
    ],
)
def test_what_a_slot_car_cannot_be_is_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**kwargs)


def test_the_camera_of_the_track_is_asked_for_by_its_name() -> None:
    assert make(sensors=("track_camera",)).unwrapped.modalities == make().unwrapped.modalities


def test_a_slot_car_is_filmed() -> None:
    envs = make(1, render_mode="rgb_array", width=96, height=96)
    envs.reset(seed=0)
    (frame,) = envs.render()
    assert frame.shape == (96, 96, 3)
    assert frame.std() > 10
