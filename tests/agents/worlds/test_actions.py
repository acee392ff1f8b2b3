"""Actions of policies, 1 and -1 at the most, as environments with awkward spaces get them."""

from typing import Any

import numpy as np
import pytest
from gymnasium import spaces

from mmrl_agents.worlds.actions import unit_actions
from tests.toys.readings import Receiver

BIG = float(np.finfo(np.float32).max)
LARGEST = float(np.finfo(np.float64).max)


def given(space: spaces.Space[Any], action: Any) -> Any:
    receiver = Receiver(space)
    unit_actions(receiver).step(action)
    assert space.contains(receiver.given), (space, receiver.given)
    return receiver.given


def box(low: list[float], high: list[float], dtype: Any = np.float32) -> spaces.Box:
    return spaces.Box(np.array(low, dtype), np.array(high, dtype), dtype=dtype)


@pytest.mark.parametrize(
    ("space", "action", "expected"),
    [
        (box([-2, 0], [2, 1]), [1, -1], [2, 0]),
        (box([-2, 0], [2, 1]), [0.5, 0], [1, 0.5]),
        (box([-1, 0.5], [1, 0.5]), [1, 1], [1, 0.5]),  # a joint that cannot move
        (box([-BIG, -1], [BIG, 4]), [1, 1], [1, 4]),  # no bound that means anything
        (box([-LARGEST], [LARGEST], np.float64), [-1], [-1]),
        (box([-np.inf, 0], [np.inf, np.inf]), [3, -3], [3, 0]),
        (box([0, 0], [3, 2], np.float16), [9, -9], [3, 0]),  # beyond the ends are the ends
    ],
)
def test_every_place_gets_something_finite_inside_of_its_bounds(space: Any, action: Any, expected: Any) -> None:
    np.testing.assert_array_equal(given(space, np.array(action, np.float32)), np.array(expected, space.dtype))


def test_rounding_leads_out_of_no_space() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        ends = np.sort(np.round(rng.normal(0, 3, (2, 4)), 2), axis=0)
        space = box(ends[0].tolist(), ends[1].tolist(), np.float64)
        for action in (np.ones(4, np.float32), -np.ones(4, np.float32)):
            there = given(space, action)
            np.testing.assert_allclose(there, space.high if action[0] > 0 else space.low, rtol=0, atol=1e-12)


def test_policies_see_bounded_places_from_minus_one_to_one() -> None:
    space = box([-1, 0.5, -BIG], [1, 0.5, BIG])
    seen = unit_actions(Receiver(space)).action_space
    assert seen == box([-1, -1, -BIG], [1, 1, BIG])


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_what_is_no_number_never_gets_there(number: float) -> None:
    with pytest.raises(ValueError, match="an action must be finite"):
        given(box([-1, -np.inf], [1, np.inf]), np.array([0, number], np.float32))


def test_choices_count_from_zero() -> None:
    space = spaces.Discrete(3, start=1)
    assert unit_actions(Receiver(space)).action_space == spaces.Discrete(3)
    assert [int(given(space, np.int64(choice))) for choice in range(3)] == [1, 2, 3]


def test_one_number_alone_is_an_array_as_its_space_wants_it() -> None:
    assert given(spaces.Box(-2, 2, (), np.float32), np.array(0.5, np.float32)) == 1
