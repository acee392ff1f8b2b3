"""A slot car: its pictures, its rules, its figures."""

from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.robots.slot_world import SLOT

ENV_ID = "mmrl/SlotCar-v0"
CIRCLE = [
    (1.2 + 0.5 * np.cos(turn), 0.78 + 0.5 * np.sin(turn)) for turn in np.linspace(0, 2 * np.pi, 16, endpoint=False)
]
"""Corners of a track of one bend, 3.14 m long."""

CROSSED = [(1.2 + 0.9 * np.sin(t), 0.78 + 0.3 * np.sin(2 * t)) for t in np.arange(24) * np.pi / 12 + 0.05]
PINCHED = [(0.5, 0.4), (1.2, 0.9), (1.9, 0.4), (1.9, 0.95), (0.5, 0.95)]


def make(num_envs: int = 2, **kwargs: Any) -> Any:
    return gym.make_vec(ENV_ID, num_envs=num_envs, **kwargs)


def drive(envs: Any, share: float, steps: int) -> Iterator[Any]:
    """Steps at a constant share of the full voltage."""
    action = np.full((envs.num_envs, 1), 2 * share - 1, np.float32)
    return (envs.step(action) for _ in range(steps))


def test_a_slow_car_stays_on_a_fast_one_leaves_and_that_ends_the_episode() -> None:
    envs = make(context={"start_share": 0.0, "grip": 1.0})
    envs.reset(seed=0)
    slow = list(drive(envs, 0.3, 60))
    assert not any(step[2].any() for step in slow)
    info = slow[-1][4]
    assert (info["laps"] >= 1).all()
    assert (info["share_of_optimum"] > 0.4).all()
    assert (info["share_of_optimum"] < 0.8).all()
    assert (info["times_off"] == 0).all()
    envs.reset(seed=0)
    ended = next(step for step in drive(envs, 1.0, 60) if step[2].any())
    final = ended[4]["final_info"]
    assert ended[2].all()
    assert not ended[3].any()
    assert not final["physics_error"].any()
    assert not final["is_success"].any()
    assert (final["times_off"] == 1).all()
    assert (final["share_of_optimum"] == 0).all()
    assert (final["reward_terms"]["crash"] == -0.5).all()
    assert (envs.unwrapped.world.current(SLOT)[:, 1] == 0).all()  # anew, at rest


def test_what_leaving_the_slot_costs_may_be_chosen() -> None:
    envs = make(context={"start_share": 0.0, "grip": 1.0}, reward_weights={"crash": -3.0})
    envs.reset(seed=0)
    ended = next(step for step in drive(envs, 1.0, 60) if step[2].any())
    assert (ended[4]["final_info"]["reward_terms"]["crash"] == -3.0).all()
    with pytest.raises(ValueError, match=r"LapReward has no crach; it has progress, crash"):
        make(reward_weights={"crach": -3.0})


@pytest.mark.parametrize("latency_s", [0.0, 0.04, 0.1])
def test_pictures_show_the_car_where_it_was_and_the_frame_before(latency_s: float) -> None:
    envs = make(1, context={"picture_gain": 1.0, "start_share": 0.25, "latency_s": latency_s})
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
    # its middle is half a car behind the pin, and the picture is of some milliseconds ago
    away = np.hypot(columns.mean() + 0.5 - x, 52 - rows.mean() - 0.5 - y) * 0.03
    assert away == pytest.approx(0.07 + latency_s * speed, abs=0.03)


@pytest.mark.parametrize(("how", "across", "up"), [("sideways", -1, 1), ("upside_down", 1, -1), ("both", -1, -1)])
def test_mirrored_pictures_are_those_of_the_mirrored_track(how: str, across: int, up: int) -> None:
    turn = np.linspace(0, 2 * np.pi, 16, endpoint=False)
    bent = np.column_stack([1.2 + 0.6 * np.cos(turn), 0.78 + 0.5 * np.sin(turn) + 0.04 * np.cos(2 * turn + 0.5)])
    tracks = {"bent": bent.tolist(), "mirror": ((bent - (1.2, 0.78)) * (across, up) + (1.2, 0.78)).tolist()}
    same = {"start_share": 0.1, "picture_gain": 1.0, "grip": 1.0}
    context = {**same, "track": np.array(["bent", "mirror"]), "mirrored": np.array([how, "no"])}
    envs = make(2, tracks=tracks, context=context)
    envs.reset(seed=0)
    for _ in drive(envs, 0.5, 12):
        seen = envs.unwrapped.task.field("pictures").astype(np.int64)
        assert np.abs(seen[0] - seen[1]).max() <= 1
        known = envs.unwrapped.task.privileged()
        np.testing.assert_allclose(known[0], known[1], atol=2e-3)
    plain = make(1, tracks=tracks, context={**same, "track": "bent"})
    plain.reset(seed=0)
    assert np.abs(plain.unwrapped.task.field("pictures")[0] - seen[0]).max() > 50


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
        ({"context": {"track": "ring"}}, r"context 'track': unknown 'ring'; it takes 'all' or names of \('oval', "),
        ({"context": {"latency_s": 0.2}}, r"context 'latency_s' must lie in \[0.0, 0.1\], got 0.2"),
        ({"tracks": {"oval": CIRCLE}}, "track 'oval' exists, give yours another name"),
        ({"tracks": {"eight": CROSSED}}, r"track 'eight' crosses itself at \(1\.\d\d, 0\.\d\d\) m"),
        ({"tracks": {"pin": PINCHED}}, r"track 'pin' bends to a radius of 0\.\d+ m, 0.2 m is the tightest"),
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


def test_figures_of_a_car_on_a_circle_by_hand() -> None:
    envs = make(1, tracks={"circle": CIRCLE}, context={"track": "circle", "start_share": 0.3, "grip": 1.0})
    _, info = envs.reset(seed=0)
    assert np.isinf(info["lap_time"]).all()
    places = [envs.unwrapped.world.current(SLOT)[0, 0]]
    for step in drive(envs, 0.3, 100):
        places.append(envs.unwrapped.world.current(SLOT)[0, 0])
        info = step[4]
    length = 2 * np.pi * 0.5
    # at a constant speed a lap takes its length over the speed
    speed = (places[-1] - places[-11]) / 1.0
    assert info["lap_time"][0] == pytest.approx(length / speed, rel=2e-3)
    assert info["laps"][0] == (places[-1] - places[0]) // length
    # the optimum of a track of one's own is the speed at which the tyres hold the bend: sqrt(0.8 x 0.085 x 0.5 / 0.005)
    flying = (places[100] - places[50]) / 5.0
    assert info["share_of_optimum"][0] == pytest.approx(flying / np.sqrt(6.8), rel=1e-2)


def test_worlds_drive_on_tracks_of_their_own() -> None:
    context = {"track": np.array(["oval", "tee", "loopy"]), "start_share": 0.0, "picture_gain": 1.0}
    envs = make(3, context=context)
    observation, info = envs.reset(seed=0)
    assert info["context"]["track"].tolist() == ["oval", "tee", "loopy"]
    assert len({reading.tobytes() for reading in observation["track_camera"]}) == 3
    tracks = {track.name: track for track in envs.unwrapped.task.tracks}
    for name, place in zip(("oval", "tee", "loopy"), envs.unwrapped.world.qpos, strict=True):
        np.testing.assert_allclose(place[:2], tracks[name].slot.points[0])
    pictures = envs.unwrapped.task.field("pictures").copy()
    envs.reset(options={"context": {"track": "tee"}})
    again = envs.unwrapped.task.field("pictures")
    np.testing.assert_array_equal(again[1], pictures[1])
    np.testing.assert_array_equal(again[0], again[1])


def test_less_grip_throws_the_car_off_where_it_would_have_held() -> None:
    envs = make(2, tracks={"circle": CIRCLE}, context={"track": "circle", "grip": np.array([1.0, 0.6])})
    envs.reset(seed=0)
    off = np.zeros(2)
    for _, _, ended, _, _ in drive(envs, 0.5, 60):
        off += ended
    assert off[0] == 0
    assert off[1] > 0


def test_a_drive_goes_on_from_a_snapshot_bit_for_bit() -> None:
    envs = make(2, context={"track": ("oval", "snake", "loopy")}, max_episode_steps=13)
    envs.reset(seed=4)
    list(drive(envs, 0.4, 15))
    state, other = (
        envs.unwrapped.get_state(),
        make(2, context={"track": ("oval", "snake", "loopy")}, max_episode_steps=13),
    )
    other.reset(seed=9)
    other.unwrapped.set_state(state)
    for one, same in zip(drive(envs, 0.45, 20), drive(other, 0.45, 20), strict=True):
        np.testing.assert_array_equal(one[0]["track_camera"], same[0]["track_camera"])
        np.testing.assert_array_equal(one[1], same[1])
        np.testing.assert_array_equal(one[4]["lap_time"], same[4]["lap_time"])


def test_nobody_sees_the_privileged_state_but_the_critic() -> None:
    envs = make()
    assert list(envs.single_observation_space) == ["track_camera"]
    assert set(envs.unwrapped.critic_modalities) == {"privileged"}
