"""How Bullet's contacts give way: as far as MuJoCo's at rest, and never far enough to let a peg through a wall."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

pytest.importorskip("pybullet", reason="PyBullet has wheels for Python 3.11 on Linux x86-64 only")

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.physics.engines import make_world
from mmrl_envs.scenes.workcell import CONTACT
from mmrl_envs.tasks.peg.geometry import MAX_DEPTH_IN_BLOCK
from mmrl_envs.tasks.peg.pegs import PEG_SHAPES
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
    depths = []
    for _ in range(8):
        *_, info = envs.step(np.tile(np.array(action, np.float32), (len(SHAPES), 1)))
        depths.append(envs.task.arrays()["in_block"].copy())
    assert np.max(depths) < 1.5e-3
    assert 1e-4 < depths[-1].max() < MAX_DEPTH_IN_BLOCK  # once the walls have become as stiff as they get
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


def deepest_corner(envs: RobotVectorEnv, world: int) -> float:
    """How far a corner of the peg's tip stands behind the inner and the upper face of a wall that it is in, by the
    model's poses."""
    model = envs.world.model_of(world)
    data = mujoco.MjData(model)
    data.qpos[:] = envs.world.qpos[world]
    data.mocap_pos[:], data.mocap_quat[:] = envs.world.mocap_pos[world], envs.world.mocap_quat[world]
    mujoco.mj_kinematics(model, data)
    peg, mesh = model.geom("peg").id, model.geom_dataid[model.geom("peg").id]
    if mesh < 0:
        vertices = model.geom_size[peg] * np.array([[x, y, 1] for x in (-1, 1) for y in (-1, 1)])
    else:
        vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
    corners = data.geom_xpos[peg] + vertices @ data.geom_xmat[peg].reshape(3, 3).T
    deepest = 0.0
    for i in range(16):
        wall = model.geom(f"wall{i}").id
        local = (corners - data.geom_xpos[wall]) @ data.geom_xmat[wall].reshape(
            3, 3
        )  # its x axis is its outward normal
        inside = (np.abs(local) < model.geom_size[wall]).all(axis=1) & (model.geom_contype[wall] == 1)
        depth = np.minimum(model.geom_size[wall, 0] + local[:, 0], model.geom_size[wall, 2] - local[:, 2])
        deepest = max(deepest, depth[inside].max(initial=0.0))
    return deepest


@pytest.mark.slow
@pytest.mark.parametrize("action", ["xyz", "xyz_yaw"])
@pytest.mark.parametrize("engine", ["mujoco", "pybullet"])
def test_no_success_counts_that_geometry_forbids(engine: str, action: str) -> None:
    """Full actions in random directions, each held for a quarter of a second, from the bottom of the hole."""
    n = 20
    which = np.arange(n)
    context = {
        "shape": SHAPES[which % 5],
        "clearance_mm": np.where(which // 5 % 2, 2.0, 0.5),
        "friction": np.where(which // 10, 0.4, 0.05),
        "start_progress": 1.0,
    }
    envs = gym.make_vec(
        "mmrl/PegInsertion-v0", num_envs=n, sensors=("proprioception",), action=action, engine=engine, context=context
    ).unwrapped
    successes, directions = 0, np.random.default_rng(0)
    for seed in range(2):
        envs.reset(seed=seed)
        for step in range(60):
            if step % 5 == 0:
                push = directions.choice([-1.0, 1.0], (n, envs.single_action_space.shape[0])).astype(np.float32)
            *_, info = envs.step(push)
            assert not info["physics_error"].any()
            assert info["peak_force_n"].max() < 500.0
            depths = np.array([deepest_corner(envs, world) for world in which])
            aside = np.linalg.norm(envs.task.tip_pose()[:, :2] - envs.task.hole[:, :2], axis=1)
            assert depths[aside < 0.015].max() < 2e-3  # further out the peg may touch the block from outside
            assert depths[info["is_success"]].max(initial=0.0) < MAX_DEPTH_IN_BLOCK + 1e-4
            successes += info["is_success"].sum()
    assert successes > 100
