"""The search for optimal laps: which states it follows, and that it finds what is known."""

import numpy as np
import pytest

from benchmarks import slot_optimum
from benchmarks.slot_optimum import constant_lap_s, flying_lap_s, kept, laps_of, places
from mmrl_envs.robots.car import Motion
from mmrl_envs.robots.slot_world import Slot
from mmrl_envs.tasks.slot.tracks import own_track

TURNS = np.linspace(0, 2 * np.pi, 16, endpoint=False)


@pytest.fixture(scope="module")
def circle() -> Slot:
    corners = [(1.2 + 0.5 * np.cos(turn), 0.78 + 0.5 * np.sin(turn)) for turn in TURNS]
    return own_track("circle", corners, Motion()).slot


def test_of_a_cell_the_farthest_state_is_followed_and_none_far_behind() -> None:
    # two states of one cell, one of another speed, one 0.7 m behind the leader
    state = np.array([[1.001, 1.009, 1.005, 0.3], [2.01, 2.02, 2.51, 2.0], [0.0] * 4, [0.0] * 4])
    assert kept(state).tolist() == [1, 2]


def test_laps_after_the_first_count_by_hand(circle: Slot) -> None:
    # 0.1 s apart; a lap of a second, then two of half a second
    length = circle.length
    place = np.concatenate([np.arange(10) * length / 10, length + np.arange(11) * length / 5])
    assert flying_lap_s(circle, place) == pytest.approx(0.5)
    assert flying_lap_s(circle, place[:-1]) == np.inf


def test_a_car_that_leaves_gets_no_further(circle: Slot) -> None:
    slow, fast = places(circle, Motion(), np.tile([0.3, 1.0], (40, 1))).T
    assert slow[-1] > slow[-2]
    assert fast[-1] == fast[-2]


def test_the_search_finds_a_lap_between_the_profile_and_the_constant_voltage(
    circle: Slot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slot_optimum, "KEPT", 300)
    laps = laps_of(circle, Motion())
    assert laps.constant_lap_s == pytest.approx(constant_lap_s(circle, Motion()), abs=1e-4)
    assert laps.profile_lap_s < laps.optimal_lap_s < 1.01 * laps.constant_lap_s
