"""Worlds of MuJoCo Warp, on its CPU device, against MuJoCo's."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

pytest.importorskip("mujoco_warp", reason="MuJoCo Warp is not installed")

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.physics.mujoco_world import MujocoWorld
from mmrl_envs.physics.warp.world import WarpWorld

pytestmark = pytest.mark.slow  # kernels take a minute to compile where no cache has them
SUBSTEPS = 10
TOUCH = ("force_torque", "proprioception")


def pendulum(length: float = 0.5) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.001
    spec.worldbody.add_geom(name="floor", type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1], pos=[0, 0, -length - 0.01])
    body = spec.worldbody.add_body(name="bob")
    body.add_joint(name="hinge", axis=[0, 1, 0])
    body.add_geom(name="ball", type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], pos=[0, 0, -length])
    joint, kind = mujoco.mjtObj.mjOBJ_JOINT, mujoco.mjtSensor.mjSENS_JOINTPOS
    spec.add_sensor(name="angle", type=kind, objtype=joint, objname="hinge")
    spec.add_actuator(name="torque", target="hinge", trntype=mujoco.mjtTrn.mjTRN_JOINT, gainprm=[1.0] + [0.0] * 9)
    return spec.compile()


def swinging(*lengths: float, num_worlds: int = 2) -> WarpWorld:
    world = WarpWorld([pendulum(length) for length in lengths or (0.5,)], num_worlds, substeps=SUBSTEPS)
    world.reset(np.arange(num_worlds), np.full((num_worlds, 1), 0.6))
    return world


def still(world: WarpWorld) -> np.ndarray:
    return np.zeros((world.num_worlds, SUBSTEPS, 1))


def test_motion_and_readings_are_those_of_mujoco() -> None:
    worlds = [kind([pendulum()], 3, substeps=SUBSTEPS) for kind in (MujocoWorld, WarpWorld)]
    start, control = np.array([[0.1], [0.5], [-1.0]]), np.random.default_rng(0).normal(size=(3, SUBSTEPS, 1))
    for world in worlds:
        world.reset(np.arange(3), start, 2 * start)
        np.testing.assert_allclose(world.current("angle"), start, atol=1e-6)
        for _ in range(20):  # the ball of the first two rolls through the floor's push
            assert not world.step(control).any()
    one, other = worlds
    np.testing.assert_allclose(other.recorded("angle"), one.recorded("angle"), atol=1e-4)
    np.testing.assert_allclose(other.qpos, one.qpos, atol=1e-4)
    assert np.ptp(one.qpos - start) > 0.1  # they did move


def test_worlds_may_differ_in_variant_and_in_fields() -> None:
    world = swinging(0.5, 0.8, num_worlds=3)
    world.choose(np.array([1]), np.array([1]))
    world.write("body_mass", np.array([2]), np.array([[20.0]]), np.array([1]))
    world.reset(np.arange(3), np.full((3, 1), 0.6))
    world.step(np.ones((3, SUBSTEPS, 1)))
    alone = swinging(num_worlds=1)
    alone.step(np.ones((1, SUBSTEPS, 1)))
    assert world.qpos[0, 0] == alone.qpos[0, 0]
    assert len(np.unique(world.qpos)) == 3


def test_a_reset_leaves_other_worlds_alone() -> None:
    together, undisturbed = swinging(), swinging()
    for world in (together, undisturbed):
        world.step(still(world))
    together.reset(np.array([0]), np.array([[0.7]]))
    assert together.current("angle")[:, 0].tolist() == [np.float32(0.7), undisturbed.current("angle")[1, 0]]
    for world in (together, undisturbed):
        world.step(still(world))
    assert together.qpos[1] == undisturbed.qpos[1]


def test_a_saved_state_goes_on_bit_for_bit() -> None:
    world, other = swinging(0.5, 0.8), swinging(0.5, 0.8)
    world.choose(np.array([1]), np.array([1]))
    world.write("geom_pos", np.array([0]), np.array([[[0, 0, -0.4]]]), np.array([1]))
    world.reset(np.arange(2), np.full((2, 1), 0.6))
    world.step(still(world))
    other.load_state_dict(world.state_dict())
    np.testing.assert_array_equal(other.current("angle"), world.current("angle"))
    for each in (world, other):
        each.step(still(each))
    np.testing.assert_array_equal(other.qpos, world.qpos)
    np.testing.assert_array_equal(other.recorded("angle"), world.recorded("angle"))


def test_numbers_that_are_not_finite_end_that_world_alone() -> None:
    world, alone = swinging(), swinging(num_worlds=1)
    control = still(world)
    control[0, 3] = np.nan
    assert world.step(control).tolist() == [True, False]
    assert not world.recorded("angle")[0].any()
    alone.step(still(alone))
    assert world.qpos[1] == alone.qpos[0]
    world.reset(np.array([0]), np.array([[0.6]]))
    assert not world.step(still(world)).any()
    assert world.qpos[0] == alone.qpos[0]


def test_what_the_worlds_share_is_not_written_for_some() -> None:
    world = swinging()
    world.write("geom_rgba", np.array([0]), np.full((1, 1, 4), 0.5), np.array([0]))  # only drawn
    with pytest.raises(ValueError, match="'geom_type' is one for all worlds of engine warp"):
        world.write("geom_type", np.array([0]), np.zeros((1, 1), int), np.array([0]))


def test_a_scene_beyond_warp_is_refused_by_what_it_has() -> None:
    model = pendulum()
    model.opt.solver = mujoco.mjtSolver.mjSOL_PGS
    with pytest.raises(ValueError, match=r"MuJoCo Warp cannot simulate this scene: .*PGS"):
        WarpWorld([model], 1, substeps=SUBSTEPS)


@pytest.mark.parametrize("shape", ["square", "triangular"])
def test_a_peg_goes_down_and_presses_as_in_mujoco(shape: str) -> None:
    seen: dict[str, Any] = {}
    for engine in ("mujoco", "warp"):
        envs = gym.make_vec(
            *("mmrl/PegInsertion-v0", 2), sensors=TOUCH, engine=engine, context={"shape": shape, "start_x_m": -0.03}
        )
        envs.reset(seed=3)
        for _ in range(20):
            observation, *_, info = envs.step(np.tile(np.float32([0, 0, -0.6]), (2, 1)))
        assert not info["physics_error"].any()
        seen[engine] = observation, envs.unwrapped.world.qpos.copy(), info  # type: ignore[attr-defined]  # ours
        envs.close()
    (one, qpos, _), (other, qpos_there, _) = seen["mujoco"], seen["warp"]
    np.testing.assert_allclose(qpos_there, qpos, atol=2e-3)
    pressed, pressed_there = one["force_torque"][:, -1, 2], other["force_torque"][:, -1, 2]
    assert np.abs(pressed).min() > 3.0  # newtons: it stands on the block
    np.testing.assert_allclose(pressed_there, pressed, rtol=0.1)
