"""Wiping: what takes a dot away, what scratches the board, what is seen of it, and what a script comes to."""

import importlib.util
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.physics.rendering import make_renderer
from mmrl_envs.scenes.groups import POLICY_GROUPS, VIDEO_GROUPS
from mmrl_envs.tasks.experts.wiping_expert import ByForce, Pressing, ToPlan, WipingExpert
from mmrl_envs.tasks.wipe import Wipe
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same

WIPE = "mmrl/Wipe-v0"
LOWERED = np.array([[0.0, 0.0, -1.0]] * 2, np.float32)
LEVEL = {"tilt_x_rad": 0.0, "tilt_y_rad": 0.0, "board_z_m": 0.0, "light_azimuth_rad": 0.0, "light_intensity": 1.0}
ABOVE = {"start_x_m": 0.0, "start_y_m": 0.0, "start_z_m": 0.02}
ASIDE = {"stain_x_m": 0.03, "stain_y_m": 0.0, "stain_radius_m": 0.005, "dots": 1.0}
ONE_DOT_ASIDE = {**LEVEL, **ABOVE, **ASIDE}
"""A dot 2.5 to 3.5 cm from where the ball comes down."""
with_bullet = pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="pybullet is not installed")


def make(num_envs: int = 2, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(WIPE, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> Wipe:
    assert isinstance(envs.task, Wipe)
    return envs.task


def run_expert(num_envs: int, pressing: Pressing, steps: int = 100, **kwargs: Any) -> dict[str, Any]:
    envs = make(num_envs, max_episode_steps=steps, **kwargs)
    expert = WipingExpert(task_of(envs).impedance.step_m, pressing)
    seen, _ = envs.reset(seed=0)
    for _ in range(steps):
        seen, *_, info = envs.step(expert.act(seen))
    return dict(info["final_info"])


def red_pixels(pictures: np.ndarray) -> np.ndarray:
    r, g, b = np.moveaxis(pictures.astype(int), 3, 0)
    return np.asarray(((r > 2 * g) & (r > 2 * b)).sum(axis=(1, 2)))


def test_an_expert_that_sees_and_feels_wipes_every_board_clean() -> None:
    final = run_expert(8, ByForce())
    assert final["is_success"].all()
    assert (final["wiped_share"] == 1).all()
    assert not final["scratched"].any()
    assert (final["peak_force_n"] < 20).all()
    assert (final["pressed_share"] > 0.7).all()


def test_one_that_does_not_feel_misses_or_scratches_most() -> None:
    final = run_expert(16, ToPlan())
    assert final["is_success"].mean() < 0.6
    assert final["wiped_share"].mean() < 0.8


@with_bullet
def test_the_expert_succeeds_in_the_other_engine() -> None:
    assert run_expert(2, ByForce(), engine="pybullet")["is_success"].all()


@pytest.mark.parametrize(("press_n", "wiped"), [(2.0, 0.0), (8.0, 1.0), (18.0, 0.0)])
def test_a_dot_goes_where_the_force_is_neither_too_small_nor_too_large(press_n: float, wiped: float) -> None:
    far = {"start_x_m": -0.04, "friction": 0.05, "scratch_n": 60.0}  # the landing is over when the ball gets there
    final = run_expert(2, ByForce(press_n), steps=60, context={**ONE_DOT_ASIDE, **far})
    assert (final["wiped_share"] == wiped).all()
    assert (final["is_success"] == bool(wiped)).all()
    np.testing.assert_allclose(final["reward_terms"]["wiped"], 0.3 * wiped, atol=1e-9)


def test_a_board_is_scratched_at_its_limit_and_stays_so() -> None:
    """Of two boards that are pressed with all force one is scratched, until a new episode brings another."""
    envs = make(context={**ONE_DOT_ASIDE, "scratch_n": np.array([25.0, 500.0])})
    envs.reset(seed=0)
    for _ in range(15):
        *_, info = envs.step(LOWERED)
    assert info["scratched"].tolist() == [1.0, 0.0]
    assert info["reward_terms"]["scratch"].tolist() == [-1.0, 0.0]
    assert (info["reward_terms"]["force"] < 0).all()
    for _ in range(15):
        *_, info = envs.step(-LOWERED)
    assert info["scratched"].tolist() == [1.0, 0.0]
    assert info["reward_terms"]["scratch"].tolist() == [-1.0, 0.0]  # once
    envs.reset()
    *_, info = envs.step(-LOWERED)
    assert not info["scratched"].any()


def test_a_clean_board_that_is_scratched_is_no_success() -> None:
    envs = make(context=ONE_DOT_ASIDE)
    expert = WipingExpert(task_of(envs).impedance.step_m, ByForce())
    seen, _ = envs.reset(seed=0)
    for _ in range(40):
        seen, *_, info = envs.step(expert.act(seen))
    assert info["is_success"].all()
    clean = info["reward_terms"]["clean"]
    assert (clean > 0).all()
    for _ in range(10):
        *_, info = envs.step(LOWERED)
    assert (info["wiped_share"] == 1).all()
    assert info["scratched"].all()
    assert not info["is_success"].any()
    assert (info["reward_terms"]["clean"] < clean + 10 * 0.05).all()  # no longer paid


def test_the_ball_meets_the_board_where_it_leans() -> None:
    """2 cm to the left a lean of 0.07 rad about x is worth 1.4 mm: up where it is positive; so for y, and x ahead."""
    there = {"start_x_m": np.array([0.0, 0.0, 0.02, 0.02]), "start_y_m": np.array([0.02, 0.02, 0.0, 0.0])}
    lean = {"tilt_x_rad": np.array([0.07, -0.07, 0.0, 0.0]), "tilt_y_rad": np.array([0.0, 0.0, 0.07, -0.07])}
    envs = make(4, context={**ONE_DOT_ASIDE, **there, **lean, "board_z_m": 0.004})
    envs.reset(seed=0)
    for _ in range(20):
        *_, info = envs.step(np.tile(LOWERED[:1] / 4, (4, 1)))
    assert (info["peak_force_n"] > 1).all()
    height = envs.world.current("tip_position")[:, 2]
    # what is pressed gives way by up to 2 mm, more where the board is higher
    np.testing.assert_allclose(height.mean(), 0.003, atol=1e-3)
    np.testing.assert_allclose(height[::2] - height[1::2], [0.0028, -0.0028], atol=6e-4)


def test_dots_are_seen_until_they_are_wiped_by_every_renderer() -> None:
    envs = make(context={**ONE_DOT_ASIDE, "stain_x_m": 0.02}, render_mode="rgb_array")
    expert = WipingExpert(task_of(envs).impedance.step_m, ByForce())
    seen, _ = envs.reset(seed=0)
    camera = next(c.name for c in map(envs.world.template.camera, range(envs.world.template.ncam)) if "/" in c.name)
    rays = make_renderer(envs.world.template, num_threads=1, geom_groups=POLICY_GROUPS, backend="raycast")
    film = make_renderer(envs.world.template, num_threads=1, quality="video", geom_groups=VIDEO_GROUPS)

    def red_seen() -> list[np.ndarray]:
        world = envs.world
        models = [world.model_of(w) for w in range(2)]
        state = (models, world.qpos, world.mocap_pos, world.mocap_quat)
        drawn = rays.render(*state, camera, 48, 48), film.render(*state, "scene_camera", 480, 480)
        return [red_pixels(pictures) for pictures in (seen["camera"], *drawn)]

    assert all((red >= 3).all() for red in red_seen())
    for _ in range(40):
        seen, *_, info = envs.step(expert.act(seen))
    assert (info["wiped_share"] == 1).all()
    assert all((red == 0).all() for red in red_seen())
    rays.close()
    film.close()


def test_the_camera_of_the_hand_sees_no_edge_of_the_board_and_the_wrench_feels_nothing_before_contact() -> None:
    envs = make(16)
    seen, _ = envs.reset(seed=0)
    r, g, b = np.moveaxis(seen["camera"].astype(int), 3, 0)
    table = (b > g) & (g > r) & (b < 1.5 * r)  # bluish grey; the ball is all blue
    assert table.sum() == 0
    np.testing.assert_allclose(seen["force_torque"][:, :, :3], 0.0, atol=0.05)


def test_the_critic_knows_the_nearest_dots_what_is_left_and_how_the_board_leans() -> None:
    context = {**ONE_DOT_ASIDE, "tilt_x_rad": 0.07, "tilt_y_rad": -0.035, "board_z_m": 0.003}
    envs = make(context=context)
    envs.reset(seed=0)
    state = task_of(envs).privileged()
    assert state.shape == (2, Wipe.privileged_size)
    assert (state[:, 0] > np.tanh(15 * 0.02)).all()  # ahead along x
    assert (state[:, 2:6] == 0).all()  # there is no second and no third dot
    np.testing.assert_allclose(state[:, 12], 1 / 12)
    np.testing.assert_allclose(state[:, -7:], [[1.0, -0.5, 0.5, 1.0, 1.0, 1.0, 0.0]] * 2, atol=1e-6)


def test_an_episode_goes_on_bit_by_bit_from_a_saved_state() -> None:
    envs, fresh = make(), make()
    expert = WipingExpert(task_of(envs).impedance.step_m, ByForce())
    seen, _ = envs.reset(seed=0)
    for _ in range(25):
        seen, *_, info = envs.step(expert.act(seen))
    assert (info["wiped_share"] > 0).all()  # so that there are dots which have been moved
    fresh.set_state(envs.get_state())
    action = expert.act(seen)
    for _ in range(5):
        one, other = envs.step(action), fresh.step(action)
        assert_same(one[0], other[0])
        np.testing.assert_array_equal(one[1], other[1])


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"context": {"tilt_x_rad": 0.2}}, r"'tilt_x_rad' must lie in \[-0.1, 0.1\], got 0.2"),
        ({"context": {"dots": 13.0}}, r"'dots' must lie in \[1.0, 12.0\], got 13.0"),
        ({"context": {"scratch_n": 11.0}}, r"'scratch_n' must lie in \[25.0, 500.0\], got 11.0"),
        ({"context": {"least_press_n": 11.0}}, r"'least_press_n' must lie in \[0.5, 10.0\], got 11.0"),
        ({"impedance": {"lead_m": 0.003}}, r"stiffness times lead_m of the impedance must be at least 10 N, .* got 6"),
        ({"reward_weights": {"wipe": 1.0}}, r"WipeReward has no wipe; it has wiped, approach"),
        ({"reward_weights": {"wiped": np.inf}}, r"reward_weights.wiped must be finite, got inf"),
        ({"reward_weights": 3.0}, r"reward_weights are a mapping from names to weights, got 3.0"),
    ],
)
def test_bad_settings_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**kwargs)
