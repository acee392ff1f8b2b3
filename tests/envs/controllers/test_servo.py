"""Servos: targets approached evenly, in the order of the joints."""

from typing import Any

import mujoco
import numpy as np
import pytest

from mmrl_envs.controllers.servo import ServoController
from mmrl_envs.physics.mujoco_world import MujocoWorld

SERVOS = ServoController(("first", "second"), (0.2, 0.4), stiffness=60.0, damping=0.6)


def worlds() -> MujocoWorld:
    """Two worlds of two hinged rods without gravity, four physics steps in a control step."""
    spec = mujoco.MjSpec()
    spec.option.gravity = [0, 0, 0]
    for joint in SERVOS.joints:
        body = spec.worldbody.add_body()
        body.add_joint(name=joint, axis=[0, 1, 0])
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], pos=[0, 0, 0.1], mass=1.0, contype=0)
    SERVOS.install(spec)
    return MujocoWorld([spec.compile()], 2, substeps=4, num_threads=1)


def test_targets_move_evenly_to_the_scaled_action_and_stay_there() -> None:
    servos = SERVOS.start(worlds(), 25.0)
    assert SERVOS.action_space.shape == (2,)
    np.testing.assert_array_equal(servos.begin(np.array([0, 1]), None), 0.0)
    way = servos.command(np.array([[1.0, -0.5], [0.0, 3.0]]))
    # a quarter of the way at each of four steps; beyond 1 is 1
    np.testing.assert_allclose(way[0], np.outer([0.25, 0.5, 0.75, 1.0], [0.2, -0.2]))
    np.testing.assert_allclose(way[1], np.outer([0.25, 0.5, 0.75, 1.0], [0.0, 0.4]))
    again = servos.command(np.array([[1.0, -0.5], [0.0, 1.0]]))
    np.testing.assert_allclose(again, np.repeat(way[:, -1:], 4, axis=1))
    np.testing.assert_allclose(servos.arrays()["targets"], way[:, -1])


def test_an_episode_begins_where_it_is_told_or_at_nothing_in_its_world_alone() -> None:
    servos = SERVOS.start(worlds(), 25.0)
    servos.command(np.ones((2, 2)))
    np.testing.assert_allclose(servos.begin(np.array([1]), np.array([[0.1, 0.0]])), [[0.1, 0.0]])
    np.testing.assert_allclose(servos.arrays()["targets"], [[0.2, 0.4], [0.1, 0.0]])
    servos.begin(np.array([1]), None)
    np.testing.assert_allclose(servos.arrays()["targets"], [[0.2, 0.4], [0.0, 0.0]])


def test_joints_go_to_their_targets() -> None:
    world = worlds()
    servos = SERVOS.start(world, 25.0)
    world.reset(np.array([0, 1]), np.zeros((2, 2)))
    for _ in range(500):
        world.step(servos.command(np.array([[1.0, -1.0], [0.5, 0.0]])))
    np.testing.assert_allclose(world.qpos, [[0.2, -0.4], [0.1, 0.0]], atol=1e-3)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"reach": (0.2,)}, r"ServoController.reach needs 2 numbers, one a joint, got \(0.2,\)"),
        ({"reach": (0.2, 0.0)}, r"ServoController.reach must be above 0, got \(0.2, 0.0\)"),
        ({"stiffness": 0.0}, r"ServoController.stiffness must be above 0, got 0.0"),
        ({"damping": -1.0}, r"ServoController.damping must be above 0, got -1.0"),
    ],
)
def test_what_no_servo_can_be_is_named(settings: dict[str, Any], message: str) -> None:
    good: dict[str, Any] = {"joints": ("first", "second"), "reach": (0.2, 0.2), "stiffness": 1.0, "damping": 0.1}
    with pytest.raises(ValueError, match=message):
        ServoController(**{**good, **settings})
