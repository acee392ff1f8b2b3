"""Bullet's idea of a model against MuJoCo's: kinematics, inertia, gravity, and what it refuses to simulate."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pybullet", reason="PyBullet has wheels for Python 3.11 on Linux x86-64 only")

from mmrl_envs.physics.bullet.expressible import NotExpressible, require_expressible
from mmrl_envs.physics.bullet.library import load_pybullet
from mmrl_envs.physics.bullet.simulation import Simulation
from mmrl_envs.tasks.peg.insertion import PegInsertion

GEOM, JOINT = mujoco.mjtGeom, mujoco.mjtJoint


def tree() -> mujoco.MjSpec:
    """Two branches of hinges and a slide, with offset anchors, a reference angle, welded bodies and odd frames."""
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    stand = spec.worldbody.add_body(name="stand", pos=[0.1, 0.2, 0.3], quat=[0.8, 0.6, 0, 0])
    trunk = stand.add_body(name="trunk", pos=[0, 0.1, 0.2], quat=[0.6, 0, 0.8, 0])
    trunk.add_joint(name="turn", axis=[0, 0.6, 0.8], pos=[0.05, -0.02, 0.01], ref=0.3, armature=0.05)
    trunk.add_geom(type=GEOM.mjGEOM_BOX, size=[0.05, 0.08, 0.1], pos=[0.01, 0.02, 0.03], contype=0, conaffinity=0)
    load = trunk.add_body(name="load", pos=[0.1, 0, 0.05], quat=[0.6, 0.8, 0, 0])
    load.add_geom(type=GEOM.mjGEOM_CAPSULE, size=[0.03, 0.06, 0], contype=0, conaffinity=0)
    left = load.add_body(name="left", pos=[0, 0.1, 0.1])
    left.add_joint(name="extend", type=JOINT.mjJNT_SLIDE, axis=[1, 0, 0], armature=0.2)
    left.add_geom(type=GEOM.mjGEOM_CYLINDER, size=[0.02, 0.1, 0], pos=[0.1, 0, 0], contype=0, conaffinity=0)
    right = trunk.add_body(name="right", pos=[0, -0.1, 0.1], quat=[0.8, 0, 0, 0.6])
    right.add_joint(name="bend", axis=[0, 1, 0])
    right.add_geom(type=GEOM.mjGEOM_SPHERE, size=[0.05, 0, 0], pos=[0, 0, 0.2], contype=0, conaffinity=0)
    return spec


def peg_scene() -> mujoco.MjModel:
    return PegInsertion().scenes(1000)[2].compile()  # triangular: its peg is a mesh


@pytest.fixture(scope="module", params=["arm", "tree"])
def pair(request: pytest.FixtureRequest) -> tuple[mujoco.MjModel, Simulation]:
    model = peg_scene() if request.param == "arm" else tree().compile()
    simulation = Simulation()
    simulation.build(model)
    return model, simulation


def random_state(model: mujoco.MjModel, seed: int) -> tuple[mujoco.MjData, np.ndarray]:
    generator = np.random.default_rng(seed)
    data = mujoco.MjData(model)
    data.qpos[:] = generator.uniform(-2.5, 2.5, model.nq)
    data.qvel[:] = generator.uniform(-2.0, 2.0, model.nv)
    mujoco.mj_forward(model, data)
    return data, generator.uniform(-5.0, 5.0, model.nv)


@given(seed=st.integers(0, 2**32 - 1))
def test_forward_kinematics(pair: tuple[mujoco.MjModel, Simulation], seed: int) -> None:
    model, simulation = pair
    data, _ = random_state(model, seed)
    simulation.set_state(data.qpos, data.qvel)
    np.testing.assert_allclose(simulation.state(), (data.qpos, data.qvel), rtol=0, atol=1e-15)
    places, axes = simulation.centres_of_mass()
    for link, place, turn in zip(simulation.tree.links, places, axes, strict=True):
        bodies = np.flatnonzero(simulation.tree.link_of == simulation.tree.link_of[link.body])
        mass = model.body_mass[bodies]
        centre = mass @ data.xipos[bodies] / mass.sum()
        np.testing.assert_allclose(place, centre, rtol=0, atol=1e-9)
        # Turned back by the principal axes of the link, Bullet's frame is that of the jointed body.
        frame = turn @ link.inertia.frame.rotation.T
        np.testing.assert_allclose(frame, data.xmat[link.body].reshape(3, 3), rtol=0, atol=1e-9)


@given(seed=st.integers(0, 2**32 - 1))
def test_mass_matrix_but_for_the_drives(pair: tuple[mujoco.MjModel, Simulation], seed: int) -> None:
    model, simulation = pair
    data, _ = random_state(model, seed)
    full = np.zeros((model.nv, model.nv))
    mujoco.mj_fullM(model, data, full)
    # Bullet has no armature: it is added to the forces, not to the matrix
    expected = full - np.diag(model.dof_armature)
    np.testing.assert_allclose(simulation.mass_matrix(data.qpos), expected, rtol=0, atol=1e-6)


@given(seed=st.integers(0, 2**32 - 1))
def test_gravity_and_inverse_dynamics(pair: tuple[mujoco.MjModel, Simulation], seed: int) -> None:
    model, simulation = pair
    data, acceleration = random_state(model, seed)
    moving = simulation.inverse_dynamics(data.qpos, data.qvel, np.zeros(model.nv))
    np.testing.assert_allclose(moving, data.qfrc_bias, rtol=0, atol=1e-9)
    accelerated = simulation.inverse_dynamics(data.qpos, data.qvel, acceleration)
    expected = simulation.mass_matrix(data.qpos) @ acceleration + data.qfrc_bias
    np.testing.assert_allclose(accelerated, expected, rtol=0, atol=1e-9)
    data.qvel[:] = 0.0
    mujoco.mj_forward(model, data)
    still = simulation.inverse_dynamics(data.qpos, data.qvel, np.zeros(model.nv))
    np.testing.assert_allclose(still, data.qfrc_bias, rtol=0, atol=1e-9)


Edit = Callable[[mujoco.MjSpec], Any]


def touching_pair(spec: mujoco.MjSpec, **of_ball: Any) -> None:
    """A floor, and a ball on the end of the right branch that may touch it."""
    spec.worldbody.add_geom(name="floor", type=GEOM.mjGEOM_PLANE, size=[1, 1, 1])
    arguments = {"type": GEOM.mjGEOM_SPHERE, "size": [0.05, 0.05, 0.05], **of_ball}
    spec.body("right").add_geom(name="ball", **arguments)


def add_tendon(spec: mujoco.MjSpec) -> None:
    spec.add_tendon(name="string").wrap_joint("bend", 1.0)


def weld(spec: mujoco.MjSpec) -> None:
    spec.add_equality(type=mujoco.mjtEq.mjEQ_JOINT, name1="turn", name2="bend", objtype=mujoco.mjtObj.mjOBJ_JOINT)


def touch_sensor(spec: mujoco.MjSpec) -> None:
    spec.body("right").add_site(name="skin")
    kinds = mujoco.mjtSensor.mjSENS_TOUCH, mujoco.mjtObj.mjOBJ_SITE
    spec.add_sensor(name="touch", type=kinds[0], objtype=kinds[1], objname="skin")


def two_that_move(spec: mujoco.MjSpec) -> None:
    spec.body("left").add_geom(name="hand", type=GEOM.mjGEOM_SPHERE, size=[0.05, 0, 0])
    spec.body("right").add_geom(name="ball", type=GEOM.mjGEOM_SPHERE, size=[0.05, 0, 0])


def other_friction(spec: mujoco.MjSpec) -> None:
    touching_pair(spec, friction=[0.5, 0, 0])
    spec.geom("floor").friction = [0.1, 0, 0]
    spec.body("left").add_geom(
        name="hand", type=GEOM.mjGEOM_SPHERE, size=[0.05, 0, 0], friction=[0.9, 0, 0], contype=2, conaffinity=2
    )
    spec.geom("floor").contype = 3


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (
            lambda s: s.body("right").add_body(name="b").add_joint(name="b", type=JOINT.mjJNT_BALL),
            "'b' is .*mjJNT_BALL",
        ),
        (lambda s: s.worldbody.add_body().add_freejoint(name="f"), "'f' is of type mjJNT_FREE"),
        (lambda s: s.body("right").add_joint(name="more", axis=[1, 0, 0]), "body 'right' has 2 joints"),
        (lambda s: setattr(s.joint("bend"), "frictionloss", 0.5), "joint 'bend' has frictionloss 0.5"),
        (add_tendon, r"tendons \(1\)"),
        (weld, r"equality constraints \(1\)"),
        (lambda s: s.add_exclude(bodyname1="left", bodyname2="right"), r"contact exclusions \(1\)"),
        (touch_sensor, "sensor 'touch' is of type mjSENS_TOUCH"),
        (lambda s: setattr(s.option, "disableflags", 1 << 4), "physics options are switched"),
        (lambda s: touching_pair(s, type=GEOM.mjGEOM_ELLIPSOID), "geom 'ball' is of type mjGEOM_ELLIPSOID"),
        (lambda s: touching_pair(s, condim=4), "geom 'ball' has condim 4"),
        (lambda s: touching_pair(s, margin=0.01), "geom 'ball' has a margin or gap"),
        (lambda s: touching_pair(s, solref=[-100, -1]), r"geom 'ball' has a solref \[-100.0, -1.0\]"),
        (lambda s: touching_pair(s, solref=[0.05, 1]), "geoms 'ball' and 'floor' differ in solref"),
        (two_that_move, "geoms 'hand' and 'ball' may touch and both move"),
        (other_friction, r"friction with geom 'floor' depends on what touches it \(\[0.9, 0.5\]\)"),
    ],
)
def test_what_bullet_cannot_express_is_refused_by_name(edit: Edit, message: str) -> None:
    spec = tree()
    edit(spec)
    for body in spec.bodies[1:]:
        if not body.geoms and body.name != "stand":
            body.add_geom(type=GEOM.mjGEOM_SPHERE, size=[0.05, 0, 0], contype=0, conaffinity=0)
    with pytest.raises(NotExpressible, match=f"PyBullet cannot express this scene: .*{message}"):
        require_expressible(spec.compile())


def test_contacts_of_a_single_joint_are_refused() -> None:
    """Bullet finds such contacts but nothing resists them: a ball on one slide falls through the floor."""
    spec = mujoco.MjSpec()
    spec.worldbody.add_geom(type=GEOM.mjGEOM_PLANE, size=[1, 1, 1])
    ball = spec.worldbody.add_body(name="ball", pos=[0, 0, 1])
    ball.add_joint(name="height", type=JOINT.mjJNT_SLIDE, axis=[0, 0, 1])
    ball.add_geom(type=GEOM.mjGEOM_SPHERE, size=[0.05, 0, 0])
    with pytest.raises(NotExpressible, match="joint 'height' is the only one"):
        require_expressible(spec.compile())


def test_all_that_is_wrong_is_reported_at_once() -> None:
    spec = tree()
    spec.joint("bend").frictionloss = 0.5
    add_tendon(spec)
    with pytest.raises(NotExpressible, match=r"tendons \(1\); joint 'bend' has frictionloss"):
        require_expressible(spec.compile())


def test_the_scenes_of_the_suite_are_expressible() -> None:
    for spec in PegInsertion().scenes(1000):
        require_expressible(spec.compile())
    spec = tree()
    touching_pair(spec)
    require_expressible(spec.compile())


def test_pybullet_is_silent_and_loaded_only_when_asked_for() -> None:
    code = (
        "import gymnasium as gym, sys, mmrl_envs\n"
        "make = lambda engine: gym.make('mmrl/PegInsertion-v0', sensors=('proprioception',), engine=engine)\n"
        "make('mujoco'); assert 'pybullet' not in sys.modules\n"
        "make('pybullet'); assert 'pybullet' in sys.modules\n"
        "print('still here')\n"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert (result.stdout, result.stderr) == ("still here\n", "")


def test_a_missing_pybullet_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "pybullet")
    real = importlib.import_module

    def missing(name: str, package: str | None = None) -> Any:
        if name == "pybullet":
            raise ModuleNotFoundError("No module named 'pybullet'")
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(gym.error.DependencyNotInstalled, match=r'not installed: pip install "mmrl\[pybullet\]"'):
        load_pybullet()
