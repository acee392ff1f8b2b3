"""Tracks of the slot car: smooth, wide enough, closed, and no optimum that is not theirs."""

import json

import numpy as np
import pytest

from mmrl_envs.robots.car import Motion
from mmrl_envs.tasks.slot.tracks import (
    BOARD_M,
    DATA,
    HELD_OUT,
    MARGIN_M,
    NAMED,
    RANDOM,
    TIGHTEST_M,
    known_tracks,
    own_track,
    profile_lap_s,
    random_corners,
    smoothed,
)


def circle(radius: float, corners: int = 16) -> list[tuple[float, float]]:
    turns = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    return [(1.2 + radius * np.cos(turn), 0.78 + radius * np.sin(turn)) for turn in turns]


@pytest.mark.parametrize("name", known_tracks())
def test_a_track_is_closed_smooth_and_wide_enough(name: str) -> None:
    track = known_tracks()[name]
    slot = track.slot
    assert np.abs(slot.curvature).max() <= 1 / TIGHTEST_M
    # once round: the curvature adds up to a whole turn
    np.testing.assert_allclose((slot.curvature * slot.length / len(slot.points)).sum(), 2 * np.pi, rtol=1e-3)
    assert (slot.points >= MARGIN_M - 1e-6).all()
    assert (slot.points <= np.array(BOARD_M) - MARGIN_M + 1e-6).all()
    # nobody who decides ten times a second is as fast as the profile, nor more than 15 % slower at best
    profile = slot.length / profile_lap_s(slot, Motion())
    assert 0.85 * profile < track.best_speed < profile


def test_the_corners_that_were_searched_are_those_of_the_tracks() -> None:
    entries = json.loads(DATA.read_text())
    names = list(entries)
    assert names[:5] == list(NAMED) == ["oval", "bean", "snake", "tee", "loopy"]
    assert names[5:] == [f"{RANDOM}{number:02d}" for number in range(1, len(names) - 4)]
    assert HELD_OUT in NAMED
    for name, corners in NAMED.items():
        assert entries[name]["corners"] == [list(corner) for corner in corners]


def test_a_random_track_is_the_same_for_the_same_number() -> None:
    corners = random_corners(18)
    assert corners == random_corners(18) != random_corners(28)
    assert smoothed("random_18", corners).curvature.min() < -2  # a bend to the right


def test_a_circle_is_what_it_is() -> None:
    track = own_track("circle", circle(0.5), Motion())
    np.testing.assert_allclose(track.slot.curvature, 2.0, rtol=2e-2)
    assert track.slot.length == pytest.approx(np.pi, rel=1e-3)
    # the tyres hold v^2 = 0.8 N x 0.085 m x 0.5 m / (0.05 m x 0.1 kg)
    assert track.best_speed == pytest.approx(np.sqrt(6.8), rel=1e-2)


def test_what_cannot_be_driven_is_named_with_bound_and_value() -> None:
    with pytest.raises(ValueError, match=r"track 'ring' bends to a radius of 0.1\d+ m, 0.2 m is the tightest"):
        own_track("ring", circle(0.15), Motion())
    with pytest.raises(ValueError, match=r"track 'ring' must lie 0.2 m inside a picture of 2.4 x 1.56 m, it goes from"):
        own_track("ring", circle(0.7), Motion())
    eight = [(1.2 + 0.9 * np.sin(t), 0.78 + 0.3 * np.sin(2 * t)) for t in np.arange(24) * np.pi / 12 + 0.05]
    with pytest.raises(ValueError, match=r"track 'eight' crosses itself at \(1.\d\d, 0.\d\d\) m"):
        own_track("eight", eight, Motion())
    with pytest.raises(ValueError, match="track 'line' needs three points"):
        own_track("line", [(0.5, 0.5), (1.0, 1.0)], Motion())
    # every second corner near the middle
    star = [((1, 0.2)[i % 2] * np.cos(i * np.pi / 10), (1, 0.2)[i % 2] * np.sin(i * np.pi / 10)) for i in range(20)]
    with pytest.raises(ValueError, match=r"track 'star' bends to 0.\d+ m after all smoothing, 0.2 m is the tightest"):
        smoothed("star", star)
