"""Where a peg can stand: hand-made poses of every shape, and what an episode makes of a pose that cannot be."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.tasks.peg.geometry import (
    BROKEN_DEPTH_IN_BLOCK,
    MAX_DEPTH_IN_BLOCK,
    MAX_TILT,
    OVER_BLOCK_M,
    REACH_M,
    depth_in_block,
    into_hole_frame,
    tilt,
)
from mmrl_envs.tasks.peg.pegs import HOLE_DEPTH, PEG_SHAPES, WALL_THICKNESS
from mmrl_envs.vector_env import RobotVectorEnv

SHAPES = sorted(PEG_SHAPES)
angles = st.floats(-np.pi, np.pi)
clearances = st.floats(0.2e-3, 5e-3)
depths = st.floats(1e-3, HOLE_DEPTH)


def tool(yaw: float = 0.0, lean: float = 0.0, towards: float = 0.0) -> np.ndarray:
    """Axes of a tool that hangs down, turned by a yaw, then leaning towards a direction in the plane, (1, 3, 3)."""
    hanging = np.array([[np.cos(yaw), np.sin(yaw), 0], [np.sin(yaw), -np.cos(yaw), 0], [0, 0, -1]])
    axis = np.array([-np.sin(towards), np.cos(towards), 0.0])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    turn = np.eye(3) + np.sin(lean) * cross + (1 - np.cos(lean)) * cross @ cross
    return (turn @ hanging)[None]


def depth(shape: str, clearance: float, position: Any, rotation: np.ndarray) -> float:
    return float(depth_in_block(PEG_SHAPES[shape], np.array([clearance]), np.array([position]), rotation)[0])


@pytest.mark.parametrize("shape", SHAPES)
@given(clearance=clearances, share=st.floats(0, 0.99), direction=angles, down=depths)
def test_a_peg_moved_within_its_play_is_in_no_wall(
    shape: str, clearance: float, share: float, direction: float, down: float
) -> None:
    aside = share * clearance / 2 * np.array([np.cos(direction), np.sin(direction)])
    assert depth(shape, clearance, [*aside, -down], tool()) <= 0.0


@pytest.mark.parametrize("shape", SHAPES)
@given(clearance=clearances, by=st.floats(0.1e-3, 20e-3), down=depths, wall=st.integers(0, 15))
def test_a_peg_moved_on_is_as_deep_in_the_wall_as_it_was_moved(
    shape: str, clearance: float, by: float, down: float, wall: int
) -> None:
    """Along the normal of an edge: as deep as it was moved beyond the play, or as the tip is below the face."""
    _, normal, _ = PEG_SHAPES[shape].edges()
    aside = (clearance / 2 + by) * normal[wall % len(normal)]
    # the round peg's flats are 0.024 mm within its circle
    assert depth(shape, clearance, [*aside, -down], tool()) == pytest.approx(min(by, down), abs=5e-5)


@pytest.mark.parametrize("shape", SHAPES)
@given(clearance=clearances, turns=st.integers(-8, 8), down=depths)
def test_a_peg_turned_by_its_symmetry_fits_as_before(shape: str, clearance: float, turns: int, down: float) -> None:
    turn = turns * (PEG_SHAPES[shape].symmetry_rad or 0.37)  # a round one fits at any angle
    assert depth(shape, clearance, [0, 0, -down], tool(turn)) <= 0.0


@pytest.mark.parametrize("shape", ["square", "triangular", "semicircular", "hexagonal"])
@given(turn=st.floats(0.02, 0.2), down=depths)
def test_a_turned_peg_stands_in_the_walls_with_its_corners(shape: str, turn: float, down: float) -> None:
    """A corner at (along, inset) from the foot of an edge's normal comes to inset cos t + along sin t."""
    middle, normal, length = PEG_SHAPES[shape].edges()
    inset = (middle * normal).sum(axis=1)
    along = (middle[:, 0] * -normal[:, 1] + middle[:, 1] * normal[:, 0]) + length / 2
    expected = (inset * np.cos(turn) + along * np.sin(turn) - inset).max() - 0.1e-3
    assert depth(shape, 0.2e-3, [0, 0, -down], tool(-turn)) >= min(expected, down) - 1e-9
    assert depth(shape, 0.2e-3, [0, 0, -down], tool(-turn)) <= min(turn * 0.03, down)


@given(yaw=angles, direction=angles, lean=st.floats(0, 0.5))
def test_tilt_is_the_angle_to_the_hole(yaw: float, direction: float, lean: float) -> None:
    assert tilt(tool(yaw, lean, direction))[0] == pytest.approx(lean, abs=1e-7)


@pytest.mark.parametrize("shape", SHAPES)
@given(lean=st.floats(0.01, 0.3), direction=angles, clearance=clearances)
def test_a_peg_that_leans_more_than_the_play_lets_it_is_in_the_walls(
    shape: str, lean: float, direction: float, clearance: float
) -> None:
    """At the bottom of the hole, tip in the middle: D tan(lean) aside at the mouth, where its section is stretched by
    1 / cos(lean) in that direction."""
    _, normal, _ = PEG_SHAPES[shape].edges()
    deep = depth(shape, clearance, [0, 0, -HOLE_DEPTH], tool(0.0, lean, direction))
    aside = HOLE_DEPTH * np.tan(lean)
    straight = (normal @ [np.cos(direction), np.sin(direction)]).max()
    assert deep >= aside * straight - clearance / 2 - 5e-5
    assert deep <= max(0.0, aside + 0.0283 * (1 / np.cos(lean) - 1) - clearance / 2) + 1e-9


@pytest.mark.parametrize("shape", SHAPES)
def test_a_peg_on_the_block_above_it_or_beside_it_is_not_in_it(shape: str) -> None:
    for place in ([0.03, 0.0, -1e-4], [0.0, 0.0, 0.01], [0.3, 0.0, -0.03], [0.0, -0.15, -0.02], [0.11, 0.11, -0.03]):
        for lean in (0.0, 0.003):
            assert depth(shape, 1e-3, place, tool(0.3, lean)) < 3e-4, (place, lean)


def test_a_tip_under_the_floor_is_in_the_block() -> None:
    assert depth("square", 2e-3, [0, 0, -HOLE_DEPTH - 0.002], tool()) == pytest.approx(0.002)


def test_no_corner_reaches_the_block_from_above_the_reach() -> None:
    for shape in PEG_SHAPES.values():
        assert np.linalg.norm(shape.peg_corners, axis=1).max() < REACH_M


def test_there_is_block_around_all_corners_of_a_peg_over_it() -> None:
    for shape in PEG_SHAPES.values():
        middle, normal, _ = shape.edges()
        nearest = (middle * normal).sum(axis=1).min() + WALL_THICKNESS
        assert OVER_BLOCK_M + np.linalg.norm(shape.peg_corners, axis=1).max() < nearest


def test_turned_with_the_hole_nothing_changes() -> None:
    """A peg that stands in a hole turned by 0.7 stands in it like one beside it in a hole that is not turned."""
    yaw = np.array([0.7])
    position, rotation = np.array([[0.001, 0.002, -0.02]]), tool(0.1, 0.02, 0.3)
    cos, sin = np.cos(0.7), np.sin(0.7)
    turn = np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    np.testing.assert_allclose(into_hole_frame(position @ turn.T, yaw), position, atol=1e-15)
    columns = [into_hole_frame((turn @ rotation[0])[None, :, i], yaw)[0] for i in range(3)]
    np.testing.assert_allclose(np.stack(columns, axis=1), rotation[0], atol=1e-15)


def inserted(**context: Any) -> RobotVectorEnv:
    where = {"hole_x_m": 0.0, "hole_y_m": 0.0, "start_progress": 1.0, "shape": "square", "clearance_mm": 2.0}
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=("proprioception",), context={**where, **context})
    assert isinstance(envs, RobotVectorEnv)
    envs.reset(seed=0)
    for _ in range(4):
        envs.step(np.tile(np.array([0.0, 0.0, -0.5], np.float32), (2, 1)))
    return envs


def test_a_peg_that_goes_through_the_wall_is_a_broken_episode() -> None:
    """In world 1 nothing touches any more, so that the peg follows a push aside out of the hole below the face."""
    envs = inserted()
    model = envs.world.model_of(1)
    model.geom_contype[:], model.geom_conaffinity[:] = 0, 0
    for _ in range(6):
        _, reward, terminated, _, info = envs.step(np.tile(np.array([1.0, 0.0, 0.0], np.float32), (2, 1)))
        if terminated.any():
            break
    assert terminated.tolist() == [False, True]
    assert reward[1] == 0.0
    assert info["final_info"]["physics_error"].tolist() == [False, True]
    assert not info["final_info"]["is_success"][1]


def test_success_is_for_pegs_that_stand_in_the_hole() -> None:
    """In and upright counts; a millimetre and a half in the wall does not, nor does one that leans."""
    envs = inserted()
    task = envs.task
    assert task.bottomed().all()
    state = task.arrays()
    assert state["tilt"].max() < 0.02
    assert state["in_block"].max() < 0.3e-3
    assert (state["held"] > 0).all()
    for name, bad in (("in_block", MAX_DEPTH_IN_BLOCK), ("tilt", MAX_TILT)):
        state[name][1] = bad + 1e-6
        assert task.bottomed().tolist() == [True, False]
        state[name][1] = bad
        assert task.bottomed().all()


def test_bounds_are_in_order() -> None:
    assert MAX_DEPTH_IN_BLOCK < BROKEN_DEPTH_IN_BLOCK < WALL_THICKNESS
