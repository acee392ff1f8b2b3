"""A word beside the motion: it is heard at every physics step, moves nothing, and stops the motion."""

import mujoco
import numpy as np
import pytest

from mmrl_envs.controllers.saying_done import DONE, SayingDone
from mmrl_envs.controllers.servo import ServoController
from mmrl_envs.physics.mujoco_world import MujocoWorld

SERVO = ServoController(("hinge",), (0.2,), stiffness=60.0, damping=0.6)
SAYING = SayingDone(SERVO, threshold=0.5)


def worlds() -> MujocoWorld:
    """Two worlds of a hinged rod without gravity, four physics steps in a control step."""
    spec = mujoco.MjSpec()
    spec.option.gravity = [0, 0, 0]
    body = spec.worldbody.add_body()
    body.add_joint(name="hinge", axis=[0, 1, 0])
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], pos=[0, 0, 0.1], mass=1.0, contype=0)
    SAYING.install(spec)
    return MujocoWorld([spec.compile()], 2, substeps=4, num_threads=1)


def test_the_last_number_above_the_threshold_is_heard_at_every_physics_step() -> None:
    world = worlds()
    process = SAYING.start(world, 25.0)
    assert SAYING.action_space.shape == (2,)
    world.reset(np.array([0, 1]), np.zeros((2, 1)))
    world.set_control(np.array([0, 1]), process.begin(np.array([0, 1]), None))
    np.testing.assert_array_equal(world.current(DONE), 0.0)
    world.step(process.command(np.array([[0.0, 0.5], [0.0, 0.6]])))
    np.testing.assert_array_equal(world.recorded(DONE)[..., 0], [[0.0] * 4, [1.0] * 4])
    world.step(process.command(np.array([[0.0, 1.0], [0.0, -1.0]])))
    np.testing.assert_array_equal(world.recorded(DONE)[..., 0], [[1.0] * 4, [0.0] * 4])


def test_the_word_moves_nothing_and_the_rest_of_its_action_is_not_heeded() -> None:
    world = worlds()
    process = SAYING.start(world, 25.0)
    world.reset(np.array([0, 1]), np.zeros((2, 1)))
    for _ in range(50):
        world.step(process.command(np.array([[0.0, 1.0], [0.0, 0.0]])))
    np.testing.assert_array_equal(world.qpos, 0.0)
    controls = process.command(np.array([[1.0, 1.0], [1.0, 0.0]]))
    np.testing.assert_allclose(controls[:, -1], [[0.0, 1.0], [0.2, 0.0]])
    np.testing.assert_allclose(process.arrays()["targets"], [[0.0], [0.2]])


@pytest.mark.parametrize("threshold", [1.0, -1.0])
def test_a_threshold_that_is_never_or_always_passed_is_refused(threshold: float) -> None:
    with pytest.raises(ValueError, match=r"SayingDone.threshold must lie between -1 and 1, got"):
        SayingDone(SERVO, threshold)
