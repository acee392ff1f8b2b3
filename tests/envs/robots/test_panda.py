"""The arm against its published kinematics, dynamics and limits."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl_envs.robots import panda

# Franka Control Interface documentation, "Robot and interface specifications" and "Denavit-Hartenberg parameters":
# a [m], d [m], alpha [degrees] (Craig's convention), lowest and highest angle [rad], torque [N m].
JOINTS = np.array(
    [
        [0.0, 0.333, 0, -2.8973, 2.8973, 87],
        [0.0, 0.0, -90, -1.7628, 1.7628, 87],
        [0.0, 0.316, 90, -2.8973, 2.8973, 87],
        [0.0825, 0.0, 90, -3.0718, -0.0698, 87],
        [-0.0825, 0.384, -90, -2.8973, 2.8973, 12],
        [0.0, 0.0, 90, -0.0175, 3.7525, 12],
        [0.088, 0.0, 90, -2.8973, 2.8973, 12],
    ]
)
# Gaz et al. 2019, as the manufacturer passes them on (franka_ros, franka_description/robots/common/inertial.yaml):
# mass [kg], centre of mass x, y, z [m], inertia about it xx, yy, zz, xy, xz, yz [kg m^2], in the joint's frame.
LINKS = np.array(
    [
        [4.970684, 0.003875, 0.002081, -0.04762, 0.70337, 0.70661, 0.009117, -0.000139, 0.006772, 0.019169],
        [0.646926, -0.003141, -0.02872, 0.003495, 0.007962, 0.02811, 0.025995, -0.003925, 0.010254, 0.000704],
        [3.228604, 0.027518, 0.039252, -0.066502, 0.037242, 0.036155, 0.01083, -0.004761, -0.011396, -0.012805],
        [3.587895, -0.05317, 0.104419, 0.027454, 0.025853, 0.019552, 0.028323, 0.007796, -0.001332, 0.008641],
        [1.225946, -0.011953, 0.041065, -0.038437, 0.035549, 0.029474, 0.008627, -0.002117, -0.004037, 0.000229],
        [1.666555, 0.060149, -0.014117, -0.010517, 0.001964, 0.004354, 0.005433, 0.000109, -0.001158, 0.000341],
        [0.735522, 0.010517, -0.004252, 0.061597, 0.012516, 0.010027, 0.004815, -0.000428, -0.001196, -0.000741],
    ]
)
Z = np.array([0.0, 0.0, 1.0])


def joint_frames(q: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Rotation and place of each joint's frame in the one before: Craig, Introduction to Robotics, eq. 3.6."""
    frames = []
    for (a, d, degrees, *_), theta in zip(JOINTS, q, strict=True):
        ca, sa = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
        ct, st = np.cos(theta), np.sin(theta)
        rotation = np.array([[ct, -st, 0], [st * ca, ct * ca, -sa], [st * sa, ct * sa, ca]])
        frames.append((rotation, np.array([a, -sa * d, ca * d])))
    return frames


def newton_euler(q: np.ndarray, speed: np.ndarray, acceleration: np.ndarray) -> np.ndarray:
    """Joint torques (7,) of a motion under gravity: Craig, Introduction to Robotics, eq. 6.45 to 6.53."""
    frames = joint_frames(q)
    spin, turn, push = np.zeros(3), np.zeros(3), np.array([0.0, 0.0, 9.81])
    forces, moments = [], []
    for (rotation, place), link, qd, qdd in zip(frames, LINKS, speed, acceleration, strict=True):
        push = rotation.T @ (np.cross(turn, place) + np.cross(spin, np.cross(spin, place)) + push)
        turn = rotation.T @ turn + np.cross(rotation.T @ spin, qd * Z) + qdd * Z
        spin = rotation.T @ spin + qd * Z
        mass, centre, (xx, yy, zz, xy, xz, yz) = link[0], link[1:4], link[4:]
        inertia = np.array([[xx, xy, xz], [xy, yy, yz], [xz, yz, zz]])
        forces.append(mass * (np.cross(turn, centre) + np.cross(spin, np.cross(spin, centre)) + push))
        moments.append(inertia @ turn + np.cross(spin, inertia @ spin))
    torques = np.zeros(7)
    force, moment, rotation, place = np.zeros(3), np.zeros(3), np.eye(3), np.zeros(3)
    for i in reversed(range(7)):
        passed_on = rotation @ force
        moment = moments[i] + rotation @ moment + np.cross(LINKS[i, 1:4], forces[i]) + np.cross(place, passed_on)
        force = passed_on + forces[i]
        torques[i] = moment @ Z
        rotation, place = frames[i]
    return torques


@pytest.fixture(scope="module")
def arm() -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    panda.add_panda(spec, geom_group=2).add_site(name="flange")
    return spec.compile()


def flange_pose(model: mujoco.MjModel, q: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    data = mujoco.MjData(model)
    data.qpos[:] = q
    mujoco.mj_kinematics(model, data)
    return data.site("flange").xpos, data.site("flange").xmat.reshape(3, 3)


def test_ready_pose_by_hand(arm: mujoco.MjModel) -> None:
    # With q = (0, -45, 0, -135, 0, 90, 45) degrees the chain lies in the x-z plane.
    # From the shoulder at z = 0.333:
    # upper arm 0.316 at 45 degrees back: x = -0.2234, z = 0.5564;
    # elbow offset 0.0825 at right angles, forward and up: x = -0.1651, z = 0.6148;
    # the forearm is horizontal (-45 + 135 = 90 degrees from the vertical): its offset -0.0825 points up,
    # z = 0.6973, and its length 0.384 forward, x = 0.2189;
    # wrist offset 0.088 forward: x = 0.3069; flange 0.107 down: z = 0.5903.
    position, rotation = flange_pose(arm, panda.READY)
    np.testing.assert_allclose(position, [0.3069, 0.0, 0.5903], atol=1e-4)
    np.testing.assert_allclose(rotation[:, 2], [0, 0, -1], atol=1e-12)


@given(st.integers(0, 2**32 - 1))
def test_model_follows_the_published_chain(arm: mujoco.MjModel, seed: int) -> None:
    q = np.random.default_rng(seed).uniform(panda.JOINT_LOW, panda.JOINT_HIGH)
    position, rotation = flange_pose(arm, q)
    expected = panda.forward_kinematics(q)[0, -1]
    np.testing.assert_allclose(position, expected[:3, 3], atol=1e-12)
    np.testing.assert_allclose(rotation, expected[:3, :3], atol=1e-12)


def test_limits_are_the_published_ones(arm: mujoco.MjModel) -> None:
    np.testing.assert_array_equal(arm.jnt_range, JOINTS[:, 3:5])
    np.testing.assert_array_equal(arm.jnt_actfrcrange, JOINTS[:, 5:] * [-1, 1])


@given(st.integers(0, 2**32 - 1))
def test_dynamics_are_those_of_the_published_links(arm: mujoco.MjModel, seed: int) -> None:
    """Torques of any motion need every mass, centre of mass, inertia and frame to be right."""
    rng = np.random.default_rng(seed)
    q, speed, acceleration = rng.uniform(JOINTS[:, 3], JOINTS[:, 4]), rng.normal(0, 2, 7), rng.normal(0, 10, 7)
    data = mujoco.MjData(arm)
    data.qpos[:], data.qvel[:] = q, speed
    mujoco.mj_forward(arm, data)
    torques = np.zeros(7)
    mujoco.mj_mulM(arm, data, torques, acceleration)
    torques += data.qfrc_bias - arm.dof_armature * acceleration  # of the drives, not of the links
    np.testing.assert_allclose(torques, newton_euler(q, speed, acceleration), rtol=1e-6, atol=1e-6)


def test_gravity_is_compensated_at_every_joint(arm: mujoco.MjModel) -> None:
    data = mujoco.MjData(arm)
    data.qpos[:] = panda.READY
    mujoco.mj_forward(arm, data)
    np.testing.assert_allclose(data.qfrc_gravcomp, data.qfrc_bias, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
def test_inverse_kinematics_reaches_the_workspace(seed: int) -> None:
    rng = np.random.default_rng(seed)
    position = np.array([0.5, 0.0, 0.07]) + rng.uniform(-0.06, 0.06, (4, 3))
    yaw = rng.uniform(-1, 1, 4)
    q = panda.inverse_kinematics(position, yaw, tool_length=0.12, guess=panda.READY)
    flange = panda.forward_kinematics(q)[:, -1]
    tip = flange[:, :3, 3] + 0.12 * flange[:, :3, 2]
    np.testing.assert_allclose(tip, position, atol=1e-6)
    np.testing.assert_allclose(np.arctan2(flange[:, 1, 0], flange[:, 0, 0]), yaw, atol=1e-6)
    assert (q > panda.JOINT_LOW).all()
    assert (q < panda.JOINT_HIGH).all()
