"""A slot car's motion by hand."""

import numpy as np

from mmrl_envs.robots.car import Motion


def test_motion_on_a_straight_by_hand() -> None:
    motion = Motion()
    state = np.zeros((4, 3))
    state[1] = (0.0, 0.5, 3.0)
    along, about = motion.accelerations(np.array([0.2, 1.0, 0.0]), state, np.zeros(3), np.ones(3))
    # newtons: 1.5 x 0.2 - 0.06 of rolling; 1.5 (1 - 0.5 / 6) held to 0.9 x 0.8, less rolling; the brake, -1.5 x 3 / 6,
    # held to -0.72, less rolling; over 0.1 kg
    np.testing.assert_allclose(along, [2.4, 6.6, -7.8])
    np.testing.assert_allclose(about, 0.0)


def test_a_bend_swings_the_tail_out_until_the_tyres_hold_it() -> None:
    motion = Motion()
    state = np.array([[0.0], [1.5], [0.0], [1.5 / 0.3]])  # on a bend of 0.3 m, turning with it
    _, about = motion.accelerations(np.full(1, 0.3), state, np.full(1, 1 / 0.3), np.ones(1))
    # moments about the pin in N m: 0.05 x 0.1 x 1.5^2 / 0.3 outward, against the slip of a rear axle that is dragged
    # sideways with 5 rad/s x 0.085 m at 1.5 m/s; none of it is enough to hold at once
    push = 1.5 * (0.3 - 1.5 / 6)
    side = -np.sqrt(0.8**2 - push**2) * np.tanh(-5 * 0.085 / 1.8 / 0.15)
    inertia = 0.1 * (0.14**2 + 0.06**2) / 12 + 0.1 * 0.05**2
    np.testing.assert_allclose(about, (0.05 * 0.1 * 1.5**2 / 0.3 - 0.085 * side) / inertia)


def test_a_step_moves_speeds_first_and_never_backwards() -> None:
    state = np.array([[1.0, 1.0], [0.5, 0.0], [0.0, 0.0], [0.0, 0.0]])
    Motion().advance(state, np.array([0.2, 0.0]), np.zeros(2), np.ones(2), 0.002)
    # 1.5 (0.2 - 0.5 / 6) - 0.06 N over 0.1 kg are 1.15 m/s^2; rolling resistance moves no car that stands
    np.testing.assert_allclose(state[1], [0.5 + 0.002 * 1.15, 0.0])
    np.testing.assert_allclose(state[0], [1 + 0.002 * state[1, 0], 1.0])


def test_motion_solves_the_equations_as_they_are_written() -> None:
    rng = np.random.default_rng(0)
    v, b, r, kappa, u = rng.uniform([0.2, -0.8, -6, -5, 0], [4, 0.8, 6, 5, 1], (50, 5)).T
    along, about = Motion().accelerations(u, np.stack([0 * v, v, b, r]), kappa, np.full(50, 0.9))
    m, a, to_axle, held = 0.1, 0.05, 0.085, 0.8 * 0.9
    f_x = np.clip(1.5 * (u - v / 6.0), -0.9 * held, 0.9 * held)
    slip = (-v * np.sin(b) - r * to_axle) / (np.abs(v * np.cos(b)) + 0.3)
    f_y = -np.sqrt(held**2 - f_x**2) * np.tanh(slip / 0.15)
    drag = 0.06 + 0.12 * np.abs(m * v**2 * kappa - f_y)
    about_pin = m * (0.14**2 + 0.06**2) / 12 + m * a**2
    for i in range(50):
        inertia = np.array([[m, m * a * np.sin(b[i])], [m * a * np.sin(b[i]), about_pin]])
        forces = [
            f_x[i] * np.cos(b[i]) - f_y[i] * np.sin(b[i]) - drag[i] - m * a * r[i] ** 2 * np.cos(b[i]),
            a * m * v[i] ** 2 * kappa[i] * np.cos(b[i]) - to_axle * f_y[i],
        ]
        np.testing.assert_allclose([along[i], about[i]], np.linalg.solve(inertia, forces), rtol=1e-9)
