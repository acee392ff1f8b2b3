"""From settings to axes, from difficulty or point to context and back."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.curriculum import ContextSpace, Interval, Options, linear_decay

SETTINGS: dict[str, Any] = {
    "clearance_mm": [2.0, 0.3],
    "hole_yaw_rad": [0, [-3.0, 3.0]],
    "shape": ["round", "square", "hexagonal"],
    "mode": {"options": [0, 2]},
}


def space() -> ContextSpace:
    return ContextSpace.of(SETTINGS)


def test_linear_decay_is_that_of_the_book() -> None:
    # epsilon_k = (1 - a) epsilon_0 + a epsilon_tau, a = k / tau: 0.75 * 4 + 0.25 * 2 = 3.5 after a quarter.
    assert [linear_decay(k, 4.0, 2.0, 100) for k in (0, 25, 100, 1000)] == [4.0, 3.5, 2.0, 2.0]


def test_settings_are_read_as_they_are_written() -> None:
    assert space().axes == (
        Interval("clearance_mm", (2.0, 2.0), (0.3, 0.3)),
        Interval("hole_yaw_rad", (0.0, 0.0), (-3.0, 3.0)),
        Options("shape", ("round", "square", "hexagonal")),
        Options("mode", (0, 2)),
    )


def test_the_target_is_the_hard_end() -> None:
    assert space().target == {
        "clearance_mm": 0.3,
        "hole_yaw_rad": (-3.0, 3.0),
        "shape": ("round", "square", "hexagonal"),
        "mode": (0, 2),
    }


def test_difficulty_moves_a_number_and_opens_a_range() -> None:
    generator = np.random.default_rng(0)
    easy, half, hard = ([space().draw(level, generator) for _ in range(200)] for level in (0.0, 0.5, 1.0))
    assert {tuple(context.values()) for context in easy} == {(2.0, 0.0, "round", 0)}
    # (1 - 0.5) 2.0 + 0.5 0.3 = 1.15; the yaw range opens to [-1.5, 1.5]; of 3 shapes 1 + int(0.5 * 2) are open.
    assert all(context["clearance_mm"] == pytest.approx(1.15) for context in half)
    yaw = [float(context["hole_yaw_rad"]) for context in half]
    assert -1.5 <= min(yaw) < -1.4 < 1.4 < max(yaw) <= 1.5
    assert {context["shape"] for context in half} == {"round", "square"}
    assert {context["shape"] for context in hard} == {"round", "square", "hexagonal"}
    assert {context["mode"] for context in half} == {0}
    assert {context["mode"] for context in hard} == {0, 2}


def test_difficulty_of_a_context_is_the_mean_over_its_axes() -> None:
    context = {"clearance_mm": 1.15, "hole_yaw_rad": -1.5, "shape": "round", "mode": 2}
    assert space().difficulty(context) == pytest.approx((0.5 + 0.5 + 0.0 + 1.0) / 4)


def test_an_axis_without_direction_is_no_part_of_the_difficulty() -> None:
    mixed = ContextSpace.of({"clearance_mm": [2.0, 0.3], "friction": [[0.2, 1.0], [0.2, 1.0]]})
    assert mixed.difficulty({"clearance_mm": 0.3, "friction": 0.9}) == pytest.approx(1.0)


@given(level=st.floats(0, 1), seed=st.integers(0, 2**32 - 1))
def test_what_is_drawn_is_no_harder_than_the_level_and_lies_in_the_space(level: float, seed: int) -> None:
    context = space().draw(level, np.random.default_rng(seed))
    assert space().difficulty(context) <= level + 1e-9
    assert ((space().point(context) >= 0) & (space().point(context) <= 1)).all()


@given(point=st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_point_undoes_at(point: list[float]) -> None:
    context = space().at(np.array(point))
    back = space().point(context)
    assert back[:2] == pytest.approx(point[:2], abs=1e-9)
    assert space().at(back)["shape"] == context["shape"]
    assert space().at(back)["mode"] == context["mode"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "needs something to vary.*got nothing"),
        ({"friction": 0.5}, r"'friction' takes \[easy, hard\].*got 0.5"),
        ({"friction": [0.1, 0.2, 0.3]}, r"'friction' takes .*got \[0.1, 0.2, 0.3\]"),
        ({"friction": [0.1, True]}, "'friction' takes"),
        ({"friction": ["low", 0.3]}, "'friction' takes"),
        ({"friction": [0.5, 0.5]}, "'friction' has nothing to vary: easy and hard are both 0.5"),
        ({"friction": [[0.9, 0.1], 1.0]}, r"easy range must be finite, low first, got \(0.9, 0.1\)"),
        ({"friction": [0.1, float("nan")]}, "hard range must be finite"),
        ({"shape": ["round"]}, r"'shape' needs at least 2 options, all different, got \['round'\]"),
        ({"shape": ["round", "round"]}, "'shape' needs at least 2 options, all different"),
        ({"mode": {"choices": [1, 2]}}, "'mode' takes"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ContextSpace.of(settings)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"clearance_mm": 2.5}, r"'clearance_mm' lies in \[0.3, 2.0\], got 2.5"),
        ({"shape": "star"}, "'shape' has no option 'star'; it has .'round', 'square', 'hexagonal'"),
        ({"colour": 1}, r"sets \['clearance_mm', .*got \['clearance_mm', 'colour'"),
    ],
)
def test_a_context_outside_is_named(change: dict[str, Any], message: str) -> None:
    context = {"clearance_mm": 1.0, "hole_yaw_rad": 0.0, "shape": "round", "mode": 0, **change}
    with pytest.raises(ValueError, match=message):
        space().point(context)
