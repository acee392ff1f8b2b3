"""Actions straight onto actuators."""

import mujoco
import numpy as np
import pytest

from mmrl_envs.controllers.direct import Direct, position_control, torque_control
from mmrl_envs.physics.mujoco_world import MujocoWorld

SUBSTEPS = 100
NAMES = ("one", "two")


def arms(controller: Direct) -> MujocoWorld:
    spec = mujoco.MjSpec()
    spec.option.timestep, spec.option.gravity = 0.001, [0, 0, 0]
    spec.compiler.degree = False
    for side, name in enumerate(NAMES):
        body = spec.worldbody.add_body(pos=[0, side, 0])
        body.add_joint(name=name, axis=[0, 0, 1])
        body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], pos=[0.5, 0, 0], mass=1.0)
    controller.install(spec)
    world = MujocoWorld([spec.compile()], 2, substeps=SUBSTEPS)
    world.reset(np.arange(2), np.zeros((2, 2)))
    return world


def test_a_torque_is_a_share_of_its_limit() -> None:
    controller = torque_control(NAMES, (2.0, 4.0))
    world = arms(controller)
    process = controller.start(world, 10)
    assert controller.action_space.shape == (2,)
    np.testing.assert_array_equal(process.begin(np.array([1]), None), [[0.0, 0.0]])
    command = process.command(np.array([[0.5, -0.5], [0.0, 9.0]], np.float32))
    assert command.shape == (2, SUBSTEPS, 2)
    np.testing.assert_array_equal(command[:, 0], [[1.0, -2.0], [0.0, 4.0]])
    world.step(command)
    # constant acceleration t / I with I = 1 kg (0.5 m)^2 + 0.4 m r^2 of the sphere, for 0.1 s
    np.testing.assert_allclose(world.qvel[0], np.array([1.0, -2.0]) / (0.25 + 0.4 * 0.05**2) * 0.1, rtol=1e-6)
    assert process.arrays() == {}


def test_a_position_lies_between_its_bounds() -> None:
    controller = position_control(NAMES, (-1.0, 0.0), (1.0, 2.0), stiffness=400.0, damping=40.0)
    world = arms(controller)
    process = controller.start(world, 10)
    np.testing.assert_array_equal(process.begin(np.array([0]), None), [[0.0, 1.0]])
    for _ in range(20):
        world.step(process.command(np.array([[0.5, -0.5]] * 2)))
    np.testing.assert_allclose(world.qpos[0], [0.5, 0.5], atol=1e-3)


def test_every_joint_has_its_scale() -> None:
    with pytest.raises(ValueError, match=r"Direct.scale needs 2 numbers, one for each joint, got \(1.0,\)"):
        torque_control(NAMES, (1.0,))
