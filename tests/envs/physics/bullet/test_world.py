"""Bullet's motion, contacts and sensors against MuJoCo's, through the doors that tasks use."""

from collections.abc import Sequence
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

pytest.importorskip("pybullet", reason="PyBullet has wheels for Python 3.11 on Linux x86-64 only")

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.physics.bullet.world import BulletWorld
from mmrl_envs.physics.engines import make_world
from mmrl_envs.physics.mujoco_world import MujocoWorld
from mmrl_envs.physics.world import World
from mmrl_envs.tasks.experts.peg_expert import PegExpert

ENGINES = ("mujoco", "pybullet")
GEOM, SENSOR, OBJECT = mujoco.mjtGeom, mujoco.mjtSensor, mujoco.mjtObj
SUBSTEPS = 50


def add_sensor(spec: mujoco.MjSpec, name: str, kind: mujoco.mjtSensor, where: mujoco.mjtObj, what: str) -> None:
    spec.add_sensor(name=name, type=kind, objtype=where, objname=what)


def double_pendulum() -> mujoco.MjModel:
    """Two links of half a kilogram and a third one that slides, with damping, armature and a spring."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.option.timestep = 0.001
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    parent = spec.worldbody
    for name, armature in (("upper", 0.02), ("lower", 0.0)):
        parent = parent.add_body(name=name, pos=[0, 0, -0.3 if name == "lower" else 1.0])
        parent.add_joint(name=name, axis=[0, 1, 0], damping=0.02, armature=armature)
        parent.add_geom(
            type=GEOM.mjGEOM_CAPSULE,
            fromto=[0, 0, 0, 0.02, 0, -0.3],
            size=[0.02, 0, 0],
            mass=0.5,
            contype=0,
            conaffinity=0,
        )
    parent = parent.add_body(name="rod", pos=[0, 0, -0.3])
    parent.add_joint(name="rod", type=mujoco.mjtJoint.mjJNT_SLIDE, axis=[0, 0, 1], stiffness=50, damping=0.5)
    parent.add_geom(type=GEOM.mjGEOM_SPHERE, size=[0.03, 0, 0], mass=0.2, contype=0, conaffinity=0)
    parent.add_site(name="end")
    add_sensor(spec, "place", SENSOR.mjSENS_FRAMEPOS, OBJECT.mjOBJ_SITE, "end")
    add_sensor(spec, "acceleration", SENSOR.mjSENS_ACCELEROMETER, OBJECT.mjOBJ_SITE, "end")
    add_sensor(spec, "force", SENSOR.mjSENS_FORCE, OBJECT.mjOBJ_SITE, "end")
    spec.add_actuator(name="motor", target="upper", trntype=mujoco.mjtTrn.mjTRN_JOINT)
    return spec.compile()


def both(model: mujoco.MjModel, num_worlds: int = 1) -> list[World]:
    return [make_world(name, [model], num_worlds, substeps=SUBSTEPS, num_threads=1) for name in ENGINES]


def test_free_motion_with_drives_springs_and_sensors() -> None:
    """Half a second of swinging under a torque. The engines integrate damping differently, which at 1 ms makes a
    millimetre on a path of a metre; the accelerations follow within a hundredth of the fastest."""
    model, control = double_pendulum(), np.full((1, SUBSTEPS, 1), 0.3)
    readings: list[dict[str, np.ndarray]] = []
    for world in both(model):
        world.reset(np.array([0]), np.array([[0.8, -0.5, 0.02]]))
        seen: dict[str, list[np.ndarray]] = {"place": [], "acceleration": [], "force": []}
        for _ in range(10):
            assert not world.step(control).any()
            for name, chunks in seen.items():
                chunks.append(world.recorded(name)[0].copy())
        readings.append({name: np.concatenate(chunks) for name, chunks in seen.items()})
    one, other = readings
    assert np.ptp(one["place"], axis=0).max() > 0.4  # it did swing
    np.testing.assert_allclose(other["place"], one["place"], rtol=0, atol=1e-3)
    for name in ("acceleration", "force"):
        np.testing.assert_allclose(other[name], one[name], rtol=0, atol=0.02 * np.abs(one[name]).max())


def test_rotor_inertia_slows_a_drive_as_in_mujoco() -> None:
    """A wheel of inertia 2/5 m r^2 = 0.4 * 1 * 0.01 = 0.004 with armature 0.036 under 0.04 N m: 1 rad/s^2, not 10."""
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.001
    body = spec.worldbody.add_body(name="wheel")
    body.add_joint(name="wheel", axis=[0, 0, 1], armature=0.036)
    body.add_geom(type=GEOM.mjGEOM_SPHERE, size=[0.1, 0, 0], mass=1.0, contype=0, conaffinity=0)
    spec.add_actuator(name="motor", target="wheel", trntype=mujoco.mjtTrn.mjTRN_JOINT)
    world = BulletWorld([spec.compile()], 1, substeps=SUBSTEPS)
    world.reset(np.array([0]), np.zeros((1, 1)))
    world.step(np.full((1, SUBSTEPS, 1), 0.04))
    assert world.qvel[0, 0] == pytest.approx(0.05, abs=1e-9)


def test_joint_limits_hold() -> None:
    model = double_pendulum()
    model.jnt_limited[:] = [1, 0, 0]
    model.jnt_range[0] = [-0.2, 0.2]
    world = BulletWorld([model], 1, substeps=SUBSTEPS)
    world.reset(np.array([0]), np.zeros((1, 3)))
    for _ in range(20):
        world.step(np.full((1, SUBSTEPS, 1), 5.0))
        assert world.qpos[0, 0] < 0.21
    assert world.qpos[0, 0] > 0.19


def make(engine: str, num_worlds: int = 1, **context: Any) -> Any:
    where = {"hole_x_m": 0.04, "hole_y_m": 0.0, "start_x_m": -0.02, "start_y_m": 0.0, "start_z_m": 0.01}
    sensors = ("force_torque", "proprioception")
    return gym.make_vec(
        "mmrl/PegInsertion-v0", num_envs=num_worlds, sensors=sensors, engine=engine, context={**where, **context}
    )


def press(engine: str, moves: Sequence[tuple[Sequence[float], int]], **context: Any) -> tuple[Any, Any]:
    """The environment and its last observation after moves, each an action for some steps."""
    envs = make(engine, **context)
    observation, _ = envs.reset(seed=0)
    for action, steps in moves:
        for _ in range(steps):
            observation, *_ = envs.step(np.array([action], np.float32))
    return envs.unwrapped, observation


DOWN, STILL, ASIDE = (0.0, 0.0, -0.3), (0.0, 0.0, 0.0), (0.4, 0.0, -0.3)


@pytest.mark.parametrize("shape", ["square", "round", "triangular"])
def test_static_contact_wrench(shape: str) -> None:
    """The peg pressed on the block: 2000 N/m times a lead of 7.5 mm is 15 N, on the peg as on the flange, whose
    readings are without the tool's weight."""
    figures = [press(engine, [(DOWN, 15)], shape=shape) for engine in ENGINES]
    forces = [envs.world.recorded("contact_force")[0, -1] for envs, _ in figures]
    wrenches = [observation["force_torque"][0, -1] for _, observation in figures]
    for force, wrench in zip(forces, wrenches, strict=True):
        assert force[2] == pytest.approx(-15.0, abs=0.05)
        assert wrench[2] == pytest.approx(-15.0, abs=0.05)
    # across, Bullet's rigid friction keeps of the landing what MuJoCo's creep lets go; 6 N is what it could hold
    np.testing.assert_allclose(wrenches[1][:3], wrenches[0][:3], atol=1.2)
    np.testing.assert_allclose(wrenches[1][3:], wrenches[0][3:], atol=0.15)
    depth = [envs.task.tip_pose()[0, 2] for envs, _ in figures]
    assert abs(depth[1] - depth[0]) < 1e-4


@pytest.mark.parametrize("friction", [0.2, 0.8])
def test_sliding_friction(friction: float) -> None:
    """Dragged along the block the peg pulls the flange back by friction times the pressing force, in both engines."""
    for engine in ENGINES:
        envs = make(engine, friction=friction, hole_y_m=0.04)
        envs.reset(seed=0)
        forces = []
        for step in range(24):
            envs.step(np.array([DOWN if step < 10 else ASIDE], np.float32))
            if step >= 16:
                forces.append(envs.unwrapped.world.recorded("contact_force")[0].mean(axis=0))
        mean = np.mean(forces, axis=0)
        assert mean[2] < -5
        assert mean[0] / -mean[2] == pytest.approx(friction, rel=0.05), engine


def test_free_air_reads_nothing() -> None:
    envs, observation = press("pybullet", [((0.0, 0.0, 0.2), 12), (STILL, 15)])
    assert not envs.world.recorded("contact_force").any()
    np.testing.assert_allclose(observation["force_torque"][0, -1, :3], 0.0, atol=0.05)


def test_the_hole_moves_with_its_mocap_body() -> None:
    """Taken away from under the peg, the block holds it no longer; the table 4 cm lower does."""
    envs, _ = press("pybullet", [(DOWN, 12)])
    envs.world.mocap_pos[0, 0, 2] -= 0.02
    envs.task.hole[0, 2] -= 0.02  # else the task would find the peg in the block
    for _ in range(6):
        envs.step(np.array([DOWN], np.float32))
    assert -0.02 < envs.task.tip_pose()[0, 2] < -0.005


def test_edited_models_take_effect_at_the_reset() -> None:
    """1.5 mm off the centre a peg lands beside a hole of 0.2 mm clearance and drops into one of 5 mm."""
    envs = make("pybullet", 2, shape="hexagonal", start_x_m=0.0, hole_x_m=0.0015, clearance_mm=5.0)
    for clearances in ([0.2, 5.0], [5.0, 0.2]):
        envs.reset(seed=0, options={"context": {"clearance_mm": np.array(clearances), "hole_x_m": 0.0015}})
        for _ in range(14):
            envs.step(np.tile(np.array([DOWN], np.float32), (2, 1)))
        height = envs.unwrapped.task.tip_pose()[:, 2]
        assert (height < -0.002).tolist() == [clearance == 5.0 for clearance in clearances]


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e12])
def test_a_diverging_world_is_reported_and_others_go_on(poison: float) -> None:
    worlds = [BulletWorld([double_pendulum()], 2, substeps=SUBSTEPS) for _ in range(2)]
    control = np.zeros((2, SUBSTEPS, 1))
    for world in worlds:
        world.reset(np.arange(2), np.full((2, 3), 0.01))
    worlds[0].qvel[0] = poison
    assert worlds[0].step(control).tolist() == [True, False]
    assert not worlds[0].recorded("place")[0].any()
    assert worlds[1].step(control).tolist() == [False, False]
    np.testing.assert_array_equal(worlds[0].qpos[1], worlds[1].qpos[1])
    worlds[0].reset(np.array([0]), np.full((1, 3), 0.01))
    assert not worlds[0].step(control).any()


def test_a_velocity_written_from_outside_counts() -> None:
    for world in both(double_pendulum()):
        world.reset(np.array([0]), np.zeros((1, 3)))
        world.qvel[0, 0] = 2.0
        world.step(np.zeros((1, SUBSTEPS, 1)))
        assert world.qpos[0, 0] > 0.05


def test_states_of_the_engines_do_not_mix() -> None:
    states = {}
    for engine in ENGINES:
        envs = make(engine)
        envs.reset(seed=0)
        states[engine] = envs.unwrapped.get_state()
    with pytest.raises(ValueError, match="pybullet None became '3"):
        make("pybullet").unwrapped.set_state(states["mujoco"])
    with pytest.raises(ValueError, match=r"pybullet '3.* became None"):
        make("mujoco").unwrapped.set_state(states["pybullet"])


def test_engines_are_chosen_by_name() -> None:
    assert isinstance(make("pybullet").unwrapped.world, BulletWorld)
    assert isinstance(gym.make_vec("mmrl/PegInsertion-v0", sensors=("proprioception",)).unwrapped.world, MujocoWorld)
    with pytest.raises(ValueError, match=r"unknown engine 'ode'; engines are \['mujoco', 'pybullet', 'warp'\]"):
        make("ode")


def test_cameras_see_what_bullet_moved() -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=("fixed_camera",), engine="pybullet")
    before, _ = envs.reset(seed=0)
    for _ in range(4):
        after, *_ = envs.step(np.array([[1.0, 0.0, 1.0]], np.float32))
    assert (before["fixed_camera"] != after["fixed_camera"]).any()


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["round", "square", "triangular", "semicircular", "hexagonal"])
def test_the_expert_inserts_every_shape(shape: str) -> None:
    envs = gym.make_vec(
        "mmrl/PegInsertion-v0", num_envs=8, sensors=("proprioception",), engine="pybullet", context={"shape": shape}
    )
    envs.reset(seed=0)
    expert = PegExpert(envs.unwrapped)
    for _ in range(100):
        *_, info = envs.step(expert.act())
    assert info["final_info"]["is_success"].all()
