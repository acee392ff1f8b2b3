"""How Bullet's contacts give way: as far as MuJoCo's at rest, and never far enough to let a peg through a wall."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

pytest.importorskip("pybullet", reason="PyBullet has wheels for Python 3.11 on Linux x86-64 only")

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.physics.engines import make_world
from mmrl_envs.tasks.peg_geometry import MAX_DEPTH_IN_BLOCK
from mmrl_envs.tasks.pegs import PEG_SHAPES
from mmrl_envs.tasks.workcell import CONTACT
from mmrl_envs.vector_env import RobotVectorEnv

SUBSTEPS = 50
SHAPES = np.array(list(PEG_SHAPES))


def ball_on_a_floor(**contact: Any) -> mujoco.MjModel:
    """A ball of 5 kg on a swivel and a vertical slide that touches the floor, and a motor that presses it down."""
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.001
    spec.option.gravity = [0, 0, 0]
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1], **contact)
    swivel = spec.worldbody.add_body(name="swivel", pos=[0, 0, 0.05])
    swivel.add_joint(name="swivel", axis=[0, 0, 1])
    swivel.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], mass=1.0, contype=0, conaffinity=0)
    ball = swivel.add_body(name="ball")
    ball.add_joint(name="height", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 0, 1])
    ball.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], mass=5.0, **contact)
    spec.add_actuator(name="press", target="height", trntype=mujoco.mjtTrn.mjTRN_JOINT, gear=[-1, 0, 0, 0, 0, 0])
    return spec.compile()


CUBIC = {"solref": (0.02, 0.5), "solimp": (0.6, 0.9, 0.0005, 0.3, 3.0)}


@pytest.mark.parametrize("contact", [CONTACT, CUBIC], ids=["the bench's", "cubic"])
@pytest.mark.parametrize("force", [10.0, 60.0, 300.0])
def test_a_contact_gives_way_as_far_as_in_mujoco(contact: dict[str, Any], force: float) -> None:
    depths = []
    for engine in ("mujoco", "pybullet"):
        world = make_world(engine, [ball_on_a_floor(**contact)], 1, substeps=SUBSTEPS, num_threads=1)
        world.reset(np.array([0]), np.zeros((1, 2)))
        for _ in range(10):
            world.step(np.full((1, SUBSTEPS, 1), force))
        depths.append(-world.qpos[0, 1])
    assert depths[0] > 1e-5
    assert depths[1] == pytest.approx(depths[0], rel=0.05)


def pegs_in_their_holes(num_envs: int = len(SHAPES), **kwargs: Any) -> RobotVectorEnv:
    """Every shape bottomed in a narrow hole of low friction, where the whole force of the arm meets the walls."""
    context = {"shape": SHAPES[np.arange(num_envs) % len(SHAPES)], "clearance_mm": 0.5, "friction": 0.05}
    envs = gym.make_vec(
        "mmrl/PegInsertion-v0",
        num_envs=num_envs,
        sensors=("force_torque", "proprioception"),
        action="xyz_yaw",
        engine="pybullet",
        context={**context, "start_progress": 1.0, "hole_yaw_rad": 0.0},
        **kwargs,
    )
    assert isinstance(envs, RobotVectorEnv)
    return envs


@pytest.mark.parametrize("action", [(0, 0, 0, 1), (1, -1, -1, -1)], ids=str)
def test_no_push_or_turn_gets_through_a_wall(action: tuple[float, ...]) -> None:
    """A turn that is held has 9 N m: 450 N at a corner 2 cm out."""
    envs = pegs_in_their_holes()
    envs.reset(seed=0)
    deepest = np.zeros(len(SHAPES))
    for _ in range(8):
        *_, info = envs.step(np.tile(np.array(action, np.float32), (len(SHAPES), 1)))
        deepest = np.maximum(deepest, envs.task.arrays()["in_block"])
    assert deepest.max() < MAX_DEPTH_IN_BLOCK
    assert deepest.max() > 1e-4  # they did press
    assert info["peak_force_n"].max() < 500.0
    assert not info["physics_error"].any()


def test_a_deep_contact_continues_exactly_where_it_was_saved() -> None:
    """To the last bit, though the peg met walls and floor in another order than one that starts from the state."""
    turn = np.tile(np.array([0.0, 0.0, -0.5, 1.0], np.float32), (len(SHAPES), 1))
    one, other = pegs_in_their_holes(), pegs_in_their_holes()
    one.reset(seed=0)
    for _ in range(6):
        one.step(turn)
    other.set_state(one.get_state())
    for _ in range(2):
        seen, expected = other.step(turn)[0], one.step(turn)[0]
        for name in expected:
            np.testing.assert_array_equal(seen[name], expected[name])
        np.testing.assert_array_equal(other.world.qpos, one.world.qpos)
