"""The arm against its published kinematics and limits."""

import mujoco
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl_envs.robots import panda


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


def test_limits_and_masses(arm: mujoco.MjModel) -> None:
    np.testing.assert_allclose(arm.jnt_range, np.stack([panda.JOINT_LOW, panda.JOINT_HIGH], axis=1))
    np.testing.assert_allclose(arm.jnt_actfrcrange[:, 1], [87, 87, 87, 87, 12, 12, 12])
    # Sum of the seven identified link masses:
    # 4.970684 + 0.646926 + 3.228604 + 3.587895 + 1.225946 + 1.666555 + 0.735522.
    assert arm.body_mass.sum() == pytest.approx(16.062132)


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
