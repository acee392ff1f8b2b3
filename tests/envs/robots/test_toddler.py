"""The walker: its masses, its soles and its stance."""

import mujoco
import numpy as np

from mmrl_envs.robots.toddler import ANKLES, HIPS, Build, Toddler

BUILD = Build()


def model() -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    Toddler().install(spec)
    return spec.compile()


def test_masses_and_inertias_are_those_of_the_build() -> None:
    body = model()
    data = mujoco.MjData(body)
    mujoco.mj_forward(body, data)
    np.testing.assert_allclose(body.body_subtreemass[1], BUILD.mass)
    np.testing.assert_allclose(data.subtree_com[1][2], BUILD.height_of_mass)
    # of a leg with its foot about its own centre of mass, by the parallel axes of its two parts
    parts = [body.body("left_leg").id, body.body("left_foot").id]
    masses, places = body.body_mass[parts], data.xipos[parts]
    centre = masses @ places / masses.sum()
    np.testing.assert_allclose(centre, [BUILD.leg_x, BUILD.sole_y, BUILD.leg_height], atol=1e-12)
    about_x = 0.0
    for part, mass, place in zip(parts, masses, places, strict=True):
        own = np.diag(body.body_inertia[part])
        frame = data.ximat[part].reshape(3, 3)
        about_x += (frame @ own @ frame.T)[0, 0] + mass * ((place - centre)[1:] ** 2).sum()
    np.testing.assert_allclose(about_x, BUILD.leg_inertia)


def test_four_servos_drive_six_joints_beside_the_free_one() -> None:
    body = model()
    assert body.njnt == 1 + 6
    assert [body.actuator(i).name for i in range(body.nu)] == list(ANKLES)
    assert Toddler().joints == (*HIPS, *ANKLES)


def test_the_bottom_of_a_sole_has_the_radii_of_the_build() -> None:
    robot = Toddler()
    # turned by a small angle a about the side axis the lowest point moves back by R a, about the long axis aside by r a
    small = 1e-4
    toe_up = robot.lowest(np.array([np.sin(small), 0.0, np.cos(small)]))
    rolled = robot.lowest(np.array([0.0, np.sin(small), np.cos(small)]))
    np.testing.assert_allclose(toe_up, [-BUILD.pitch_radius * small, 0, 0], atol=1e-7)
    np.testing.assert_allclose(rolled, [0, -BUILD.roll_radius * small, 0], atol=1e-7)


def test_a_lean_puts_one_foot_on_the_ground_and_lifts_the_other() -> None:
    robot, lean = Toddler(), np.array([0.0, 0.1, -0.1])
    qpos = robot.leaning(lean)
    under = robot.under_the_feet(lean)
    assert qpos.shape == (3, 13)
    np.testing.assert_allclose(qpos[0, 2], BUILD.hip)
    np.testing.assert_allclose(under[0], [[BUILD.sole_x, BUILD.sole_y], [BUILD.sole_x, -BUILD.sole_y]])
    # leaning to the right is leaning to the left in a mirror
    np.testing.assert_allclose(under[1, :, 1], -under[2, ::-1, 1])
    # by MuJoCo: the right foot touches where it says
    spec = mujoco.MjSpec()
    spec.compiler.degree = False
    spec.worldbody.add_geom(type=mujoco.mjtGeom.mjGEOM_PLANE, size=[1, 1, 1], contype=0, conaffinity=3, margin=1e-4)
    robot.install(spec)
    body = spec.compile()
    data = mujoco.MjData(body)
    data.qpos[:] = qpos[1]
    mujoco.mj_forward(body, data)
    (contact,) = data.contact
    assert body.geom(contact.geom2).name == "right_sole"
    np.testing.assert_allclose(contact.pos, [*under[1, 1], 0.0], atol=1e-4)
    np.testing.assert_allclose(contact.dist, 0.0, atol=1e-9)
