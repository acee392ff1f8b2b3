"""Peg insertion: success means what it says, forces and readings are right, context does what it names."""

import importlib.util
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import mmrl_envs
from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.peg import insertion as peg_insertion
from mmrl_envs.tasks.peg import yaw as peg_yaw
from mmrl_envs.tasks.peg.pegs import HOLE_DEPTH, PEG_SHAPES
from mmrl_envs.vector_env import RobotVectorEnv

BULLET = pytest.mark.skipif(importlib.util.find_spec("pybullet") is None, reason="PyBullet is not installed")
ENGINES = ["mujoco", pytest.param("pybullet", marks=BULLET)]


def make(num_envs: int = 4, sensors: tuple[str, ...] = ("proprioception",), **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=num_envs, sensors=sensors, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def push(envs: RobotVectorEnv, direction: tuple[float, ...], steps: int) -> dict[str, Any]:
    action = np.tile(np.array(direction, np.float32), (envs.num_envs, 1))
    for _ in range(steps):
        _, _, _, _, info = envs.step(action)
    return info


@pytest.mark.parametrize("shape", sorted(PEG_SHAPES))
@pytest.mark.parametrize("action", ["xyz", "xyz_yaw"])
def test_the_expert_reaches_success_for_every_shape(shape: str, action: str) -> None:
    yaw = {"hole_yaw_rad": (-0.5, 0.5)} if action == "xyz_yaw" else {}
    envs = make(6, action=action, context={"shape": shape, **yaw})
    envs.reset(seed=0)
    expert = PegExpert(envs)
    for _ in range(100):
        _, _, _, truncated, info = envs.step(expert.act())
    assert truncated.all()
    final = info["final_info"]
    assert final["is_success"].all()
    assert final["success_once"].all()
    assert (final["depth_m"] > HOLE_DEPTH - 0.003).all()
    assert (final["depth_m"] < HOLE_DEPTH + 0.001).all()


def test_the_expert_manages_a_tight_hole() -> None:
    """0.3 mm, from close by: the slow descent that this takes is what fills an episode."""
    near = {"hole_x_m": (-0.01, 0.01), "hole_y_m": (-0.01, 0.01), "start_z_m": 0.01}
    envs = make(12, context={"clearance_mm": 0.3, **near})
    envs.reset(seed=0)
    expert = PegExpert(envs)
    for _ in range(100):
        _, _, _, _, info = envs.step(expert.act())
    assert info["final_info"]["is_success"].sum() >= 11  # it manages 97 in 100 or more


@pytest.mark.parametrize("shape", sorted(PEG_SHAPES))
def test_past_half_of_the_way_a_start_is_in_the_hole(shape: str) -> None:
    envs = make(num_envs=8, action="xyz_yaw")
    context = {"shape": shape, "clearance_mm": 0.3, "start_progress": (0.7, 1.0)}
    _, info = envs.reset(seed=1, options={"context": context})
    progress = info["context"]["start_progress"]
    np.testing.assert_allclose(info["depth_m"], (2 * progress - 1) * (HOLE_DEPTH - 0.005), atol=1e-5)
    down = np.zeros((8, 4))
    *_, info = envs.step(down)
    assert (info["depth_m"] > 0.009).all()
    assert (info["peak_force_n"] < 5).all()
    down[:, 2] = -1
    succeeded = np.zeros(8, bool)
    for _ in range(20):
        *_, info = envs.step(down)
        succeeded |= info["is_success"]
    assert succeeded.all()


@pytest.mark.parametrize("progress", [0.0, 0.25, 0.5])
def test_a_start_may_be_on_the_way_to_the_hole(progress: float) -> None:
    envs = make(num_envs=5, action="xyz_yaw")
    where = {"hole_x_m": 0.03, "hole_y_m": -0.02, "hole_yaw_rad": 0.6}
    usual = {"start_x_m": -0.01, "start_y_m": 0.02, "start_z_m": 0.03}
    envs.reset(seed=0, options={"context": where | usual | {"start_progress": progress}})
    tip, share = envs.task.tip_pose(), 2 * progress
    np.testing.assert_allclose(tip[:, 0], -0.01 + share * 0.04)
    np.testing.assert_allclose(tip[:, 1], 0.02 - share * 0.04)
    np.testing.assert_allclose(tip[:, 2], 0.03 - share * 0.03, atol=1e-15)
    np.testing.assert_allclose(tip[:, 3], share * 0.6)
    push(envs, (0, 0, 0, 0), 1)
    np.testing.assert_allclose(envs.task.tip_pose(), tip, atol=1e-3)


@pytest.mark.parametrize("shape", sorted(PEG_SHAPES))
def test_a_peg_beside_the_hole_never_succeeds(shape: str) -> None:
    """Pressed down with full force 6 to 80 mm off the axis, off the block's edge included."""
    offsets = np.array([0.006, -0.008, 0.015, -0.025, 0.04, -0.04])
    starts = np.array([0.0, 0.0, 0.0, 0.0, -0.04, 0.04])
    envs = make(
        6, context={"shape": shape, "hole_x_m": offsets, "hole_y_m": 0.0, "start_x_m": starts, "start_y_m": 0.0}
    )
    envs.reset(seed=0)
    for _ in range(60):
        *_, info = envs.step(np.tile(np.array([0, 0, -1], np.float32), (6, 1)))
        assert not info["is_success"].any()
        assert not info["success_once"].any()


@pytest.mark.parametrize("shape", ["square", "triangular", "semicircular", "hexagonal"])
def test_a_turned_peg_does_not_fit(shape: str) -> None:
    half = min(PEG_SHAPES[shape].symmetry_rad / 2, 0.8)
    context = {"shape": shape, "hole_x_m": 0.0, "hole_y_m": 0.0, "start_x_m": 0.0, "start_y_m": 0.0}
    envs = make(2, action="xyz_yaw", context={**context, "hole_yaw_rad": np.array([0.0, half])})
    envs.reset(seed=0)
    expert = PegExpert(envs)
    for _ in range(60):
        action = expert.act()
        action[:, 3] = 0.0
        *_, info = envs.step(action)
    assert info["is_success"].tolist() == [True, False]


@pytest.mark.parametrize(("control_hz", "steps"), [(20, 5), (50, 12), (10, 2), (2, 1)])
def test_success_is_held_for_as_long_at_any_control_rate(control_hz: int, steps: int) -> None:
    """0.25 s in whole control steps: 5, 12.5, 2.5 and half of one, which is still one."""
    assert make(1, control_hz=control_hz).task.hold_steps == steps


@pytest.mark.parametrize("progress", [0.5, 1.0])
def test_an_episode_may_begin_in_a_hole_of_any_yaw(progress: float) -> None:
    yaw = np.linspace(-np.pi, np.pi, 25, endpoint=False)
    where = {"shape": "semicircular", "hole_yaw_rad": yaw, "hole_x_m": 0.04, "hole_y_m": -0.04}
    envs = make(25, action="xyz_yaw", context={**where, "start_progress": progress})
    envs.reset(seed=0)
    turned = 2.4 / np.pi * yaw  # as far as the last joint reaches
    axis = envs.world.current("tip_xaxis")
    np.testing.assert_allclose(np.arctan2(axis[:, 1], axis[:, 0]), turned, atol=1e-6)
    np.testing.assert_allclose(envs.world.current("tip_position"), envs.task.tip_pose()[:, :3], atol=1e-6)


def test_success_must_be_held() -> None:
    envs = make(1, context={"hole_x_m": 0.0, "hole_y_m": 0.0})
    envs.reset(seed=0)
    expert = PegExpert(envs)
    bottomed = []
    succeeded = []
    for _ in range(60):
        *_, info = envs.step(expert.act())
        bottomed.append(bool(envs.task.bottomed()[0]))
        succeeded.append(bool(info["is_success"][0]))
    # success comes on the fifth step in a row at the bottom
    first = bottomed.index(True)
    assert all(bottomed[first:])
    assert succeeded.index(True) == first + 4
    info = push(envs, (0, 0, 1), 15)
    assert not info["is_success"][0]
    assert info["success_once"][0]


def test_static_contact_force_is_bounded_by_stiffness_times_lead() -> None:
    envs = make(
        1,
        ("force_torque",),
        context={"hole_x_m": 0.04, "hole_y_m": 0.04, "start_x_m": 0, "start_y_m": 0},
    )
    envs.reset(seed=0)
    push(envs, (0, 0, -1), 30)
    observation, *_ = envs.step(np.array([[0, 0, -1]], np.float32))
    wrench = observation["force_torque"][0, -1]
    limit = envs.task.impedance.max_force_n
    # The tip is pressed on the block with stiffness x lead = 1000 N/m x 0.015 m,
    # seen as -z in the flange frame (z down).
    assert limit == pytest.approx(15.0)
    assert wrench[2] == pytest.approx(-limit, rel=0.03)


def test_wrench_in_free_air_is_the_tools_weight_or_nothing() -> None:
    raw = mmrl_envs.ForceTorque("raw", compensate_weight=False)
    envs = make(1, ("force_torque", raw))
    observation, _ = envs.reset(seed=0)
    # 0.35 kg x 9.81 m/s^2 pulls the flange down, which is +z of the flange
    np.testing.assert_allclose(observation["raw"][0, -1], [0, 0, 3.4335, 0, 0, 0], atol=1e-3)
    np.testing.assert_allclose(observation["force_torque"][0, -1], 0, atol=1e-3)


def test_torques_about_the_tip_are_those_about_the_flange_moved_there() -> None:
    envs = make(2, ("force_torque", "tip_force_torque"), context={"hole_x_m": 0.0, "hole_y_m": 0.0})
    envs.reset(seed=0)
    observation = envs.step(np.array([[1, 0, -1], [0, -1, -1]], np.float32))[0]
    for _ in range(20):
        observation = envs.step(np.array([[1, 0, -1], [0, -1, -1]], np.float32))[0]
    flange, tip = observation["force_torque"], observation["tip_force_torque"]
    np.testing.assert_array_equal(tip[..., :3], flange[..., :3])
    # M - r x F with r = (0, 0, L): r x F = (-L Fy, L Fx, 0)
    length = peg_insertion.TOOL_LENGTH
    np.testing.assert_allclose(tip[..., 3], flange[..., 3] + length * flange[..., 1], atol=1e-5)
    np.testing.assert_allclose(tip[..., 4], flange[..., 4] - length * flange[..., 0], atol=1e-5)
    np.testing.assert_array_equal(tip[..., 5], flange[..., 5])
    assert np.abs(flange[..., :2]).max() > 1.0  # forces across, without which the two are the same


@pytest.mark.parametrize("side", [-1.0, 1.0])
def test_torque_about_the_tip_says_on_which_side_of_the_hole_it_rests(side: float) -> None:
    context = {"hole_x_m": 0.0, "hole_y_m": 0.0, "start_x_m": side * 0.005, "start_y_m": 0.0, "start_z_m": 0.01}
    envs = make(1, ("tip_force_torque",), context=context)
    envs.reset(seed=0)
    push(envs, (0, 0, -1), 15)
    wrench = envs.step(np.zeros((1, 3), np.float32))[0]["tip_force_torque"][0].mean(axis=0)
    # 5 mm aside the peg rests on its outer part, at c > 0 on that side; x of the flange is x of the workspace, z is
    # down: (c, 0, 0) x (0, 0, -15 N) = (0, 15 N c, 0). A millimetre gives 0.015 N m.
    assert wrench[2] < -5.0
    assert side * wrench[4] > 0.015
    assert abs(wrench[3]) < abs(wrench[4])


def test_torques_are_about_a_site_that_there_is() -> None:
    with pytest.raises(ValueError, match=r"about \['flange', 'tip'\], got 'wrist'"):
        mmrl_envs.ForceTorque(about="wrist")


def test_proprioception_is_the_tip_in_the_workspace_frame() -> None:
    context = {
        "start_x_m": 0.01,
        "start_y_m": -0.02,
        "start_z_m": 0.04,
        "hole_x_m": -0.04,
        "hole_y_m": 0.04,
    }
    envs = make(1, context=context, action="xyz_yaw")
    observation, _ = envs.reset(seed=0)
    np.testing.assert_allclose(observation["proprioception"][0, :, :4], [[0.01, -0.02, 0.04, 0.0]] * 32, atol=1e-6)
    for _ in range(6):
        observation, *_ = envs.step(np.array([[0.2, 0.0, 0.0, 0.5]], np.float32))
    x, y, z, yaw, vx, _, _, turn = observation["proprioception"][0, -1]
    # 6 steps of 2 mm and 0.05 rad, with the lag of the impedance
    assert 0.012 < x < 0.022
    assert y == pytest.approx(-0.02, abs=4e-3)
    assert z == pytest.approx(0.04, abs=4e-3)
    assert 0.1 < yaw < 0.3
    assert vx > 0.01
    assert turn > 0.3
    # positions and velocities agree: 1 kHz readings, so dx over the window is vx times 31 ms
    window = observation["proprioception"][0]
    np.testing.assert_allclose(window[-1, 0] - window[0, 0], window[:, 4].mean() * 0.031, rtol=0.05)


def test_context_reaches_the_models() -> None:
    context = {
        "friction": np.array([0.2, 1.0]),
        "clearance_mm": np.array([0.5, 4.0]),
        "shape": np.array(["round", "hexagonal"]),
    }
    envs = make(2, context=context)
    envs.reset(seed=0)
    for world, (friction, clearance, walls) in enumerate([(0.2, 0.5e-3, 16), (1.0, 4e-3, 6)]):
        model = envs.world.model_of(world)
        assert model.geom("peg").friction[0] == friction
        first = model.geom("wall0")
        inner = np.linalg.norm(first.pos[:2]) - first.size[0]
        assert inner == pytest.approx(0.020 + clearance / 2)
        shown = [model.geom(f"wall{i}").group[0] != 5 for i in range(16)]
        assert sum(shown) == walls
    assert envs.task.clearance.tolist() == [0.5e-3, 4e-3]


def test_the_episodes_of_a_seed_are_those_of_the_published_figures() -> None:
    """Literal draws: a parameter that is added belongs into a group of its own, or every measured table is void."""
    envs = make(2)
    _, info = envs.reset(seed=10_000)
    np.testing.assert_allclose(info["context"]["hole_x_m"], [-0.00173572003617, -0.03420691748000], atol=1e-12)
    np.testing.assert_allclose(info["context"]["start_z_m"], [0.03802081247032, 0.03663624154583], atol=1e-12)


def test_context_given_at_reset_holds_for_later_episodes() -> None:
    envs = make(2, max_episode_steps=3)
    envs.reset(seed=0, options={"context": {"hole_x_m": 0.03}})
    push(envs, (0, 0, 0), 4)
    assert (envs.task.hole[:, 0] == 0.03).all()


@pytest.mark.parametrize("engine", ENGINES)
def test_every_sense_of_an_observation_is_of_one_instant(engine: str) -> None:
    """The hole stands still: where the tip is and where the hole lies from there add up to the same place."""
    envs = make(4, ("hole_estimate", "proprioception"), engine=engine)
    observation, _ = envs.reset(seed=0)
    place = envs.task.hole[:, :3]
    for action in np.random.default_rng(0).uniform(-1, 1, (20, 4, 3)).astype(np.float32):
        observation, *_ = envs.step(action)
        tip = observation["proprioception"][:, -1, :3]
        np.testing.assert_allclose(tip + observation["hole_estimate"][:, :3], place, atol=1e-6)


def test_hole_estimate_is_off_by_what_the_context_says() -> None:
    envs = make(8, ("hole_estimate",), context={"hole_estimate_error_m": 0.01})
    observation, _ = envs.reset(seed=0)
    truth = envs.task.hole - envs.task.tip_pose()
    error = observation["hole_estimate"][:, :2] - truth[:, :2]
    np.testing.assert_allclose(np.linalg.norm(error, axis=1), 0.01, rtol=1e-4)


def test_camera_is_rendered_only_when_due() -> None:
    envs = make(1, (mmrl_envs.Camera(rate_hz=10), "proprioception"))  # type: ignore[arg-type]
    before, _ = envs.reset(seed=0)
    held, *_ = envs.step(np.ones((1, 3), np.float32))
    fresh, *_ = envs.step(np.ones((1, 3), np.float32))
    np.testing.assert_array_equal(before["camera"], held["camera"])
    assert not np.array_equal(held["camera"], fresh["camera"])


@settings(max_examples=30)
@given(st.floats(-20, 20), st.sampled_from([np.pi / 3, np.pi / 2, 2 * np.pi]))
def test_wrap_keeps_the_angle_up_to_symmetry(angle: float, period: float) -> None:
    (wrapped,) = peg_yaw.wrap(np.array([angle]), np.array([period]))
    assert -period / 2 <= wrapped <= period / 2
    turns = (angle - wrapped) / period
    assert turns == pytest.approx(round(turns), abs=1e-6)
    assert peg_yaw.wrap(np.array([angle]), np.array([0.0]))[0] == 0.0


def test_keypoint_distances_by_hand() -> None:
    yaw = np.array([0.0, 0.0, 0.3])
    envs = make(3, action="xyz_yaw", context={"hole_x_m": 0.0, "hole_y_m": 0.0, "hole_yaw_rad": yaw})
    envs.reset(seed=0)
    # in place; 4 cm aside at the height of the block's face; turned by 0.3 rad, where each keypoint moves 2 r sin(0.15)
    envs.task.tip_pose()[:] = [[0, 0, -0.03, 0], [0.04, 0, 0, 0], [0, 0, -0.03, 0]]
    aside, height = envs.task.keypoint_distances()
    np.testing.assert_allclose(aside, [0.0, 0.04, 2 * 0.02 * np.sin(0.15)], atol=1e-12)
    np.testing.assert_allclose(height, [0.0, 0.03, 0.0], atol=1e-12)


def test_frames_show_the_scene() -> None:
    envs = make(2, render_mode="rgb_array", width=96, height=64)
    envs.reset(seed=0)
    frames = envs.render()
    assert len(frames) == 2
    assert frames[0].shape == (64, 96, 3)
    assert frames[0].std() > 10
    assert not np.array_equal(frames[0], frames[1])
    with pytest.raises(gym.error.Error, match="render_mode"):
        make(1).render()
