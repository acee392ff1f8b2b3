"""A walker: it walks down a ramp by itself, falls by its rules, and feels the ground."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.robots.toddler import ANKLES, Build
from mmrl_envs.scenes.ground import WAVELENGTHS, Ground, upright_on
from mmrl_envs.tasks.toddler import ToddlerWalk, steepest_slope

ENV_ID = "mmrl/Toddler-v0"
BUILD = Build()
LEANS = np.array([0.1, -0.1, 0.12])


def make(num_envs: int = 2, **kwargs: Any) -> Any:
    return gym.make_vec(ENV_ID, num_envs=num_envs, **{"num_threads": 1, **kwargs})


def at_rest(envs: Any) -> np.ndarray:
    """The action that holds the targets of the servos at 0."""
    return np.zeros((envs.num_envs, len(ANKLES)), np.float32)


def work_of_servos(envs: Any) -> np.ndarray:
    """Net work of all servos in the last control step in joules, (N,)."""
    world = envs.unwrapped.world
    power = sum(world.recorded(f"{s}_torque") * world.recorded(f"{s}_rate") for s in ANKLES)
    return power[..., 0].sum(axis=1) / world.physics_hz


@pytest.mark.slow
def test_with_its_motors_off_it_walks_down_a_ramp_for_a_minute() -> None:
    """Servos whose targets stand still are springs and dampers, which give no energy: gravity alone walks."""
    envs = make(3, context={"slope_rad": 0.03, "start_lean_rad": LEANS}, max_episode_steps=None)
    envs.reset(seed=0)
    work, touched = np.zeros(3), np.zeros((60 * 25, 3, 2))
    for step in range(60 * 25):
        *_, terminated, _, info = envs.step(at_rest(envs))
        assert not terminated.any(), f"fell after {step / 25} s"
        work += work_of_servos(envs)
        touched[step] = info["privileged"][:, 21:23]
    assert (info["speed_m_s"] > 0.08).all()
    assert (np.abs(info["aside_m"]) < 2.0).all()
    assert (work < 0).all()
    # it steps: each foot takes off and lands about once a second until the end
    landings = (np.diff(touched[-250:], axis=0) > 0).sum(axis=0)
    assert (landings >= 8).all()


def test_for_some_seconds_it_walks_by_itself_and_mirrored() -> None:
    envs = make(3, context={"slope_rad": 0.03, "start_lean_rad": LEANS})
    envs.reset(seed=0)
    for _ in range(100):
        *_, terminated, _, info = envs.step(at_rest(envs))
        assert not terminated.any()
    assert (info["speed_m_s"] > 0.04).all()
    np.testing.assert_allclose(info["aside_m"][0], -info["aside_m"][1], atol=1e-6)
    np.testing.assert_allclose(info["relative_speed"], info["speed_m_s"] / np.sqrt(9.81 * BUILD.hip))


def test_on_the_flat_it_stops_rocking() -> None:
    envs = make(1, context={"start_lean_rad": 0.1})
    envs.reset(seed=0)
    for _ in range(250):
        *_, terminated, _, info = envs.step(at_rest(envs))
        assert not terminated.any()
    assert abs(info["speed_m_s"][0]) < 0.02
    assert not info["is_success"][0]
    assert abs(envs.unwrapped.world.qvel[0, 3]) < 0.01  # from side to side, rad/s; the trunk swings on for a while


def test_a_contact_that_leaves_the_real_sole_is_a_fall_and_ends_the_episode() -> None:
    envs = make(2, context={"start_lean_rad": np.array([0.0, 0.1])})
    envs.reset(seed=0)
    action = at_rest(envs)
    action[1] = 1.0, 1.0, -1.0, 1.0  # the ankles roll the soles onto their edges
    for _ in range(50):
        _, _, terminated, truncated, info = envs.step(action)
        if terminated.any():
            break
    assert terminated.tolist() == [False, True]
    final = info["final_info"]
    assert final["reward_terms"]["fall"][1] == -0.5
    assert final["falls_per_minute"][1] > 0
    assert not final["physics_error"][1]
    assert not final["is_success"][1]
    assert not truncated.any()


def test_feet_feel_the_weight_and_the_unit_knows_up() -> None:
    envs = make(2, context={"start_lean_rad": np.array([0.1, -0.1])})
    observation, _ = envs.reset(seed=0)
    for _ in range(2):  # on one foot still
        observation, *_ = envs.step(at_rest(envs))
    feet, imu = observation["feet"][:, -1], observation["imu"][:, -1]
    # the right foot bears all but its own weight, the left one hangs from its ankle; in a mirror the other way round
    weight = 9.81 * BUILD.mass
    assert feet[0, 5] == pytest.approx(weight, rel=0.25)
    assert feet[0, 2] == pytest.approx(-9.81 * BUILD.foot_mass, abs=0.8)
    np.testing.assert_allclose(feet[1, [2, 5]], feet[0, [5, 2]], atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(imu[:, :3], axis=1), 1.0, atol=1e-5)
    assert imu[0, 1] > 0.05  # up leans to the left of a trunk that leans to the right
    np.testing.assert_allclose(imu[1, :3], imu[0, :3] * [1, -1, 1], atol=1e-5)
    assert imu[0, 8] == pytest.approx(9.81, abs=3.0)


def test_up_is_that_of_gravity_on_a_ramp_too() -> None:
    envs = make(1, context={"slope_rad": 0.1, "start_lean_rad": 0.0})
    observation, _ = envs.reset(seed=0)
    # the stance stands upright on the ramp, which goes down ahead: up is behind the trunk's own axis
    np.testing.assert_allclose(observation["imu"][0, -1, :3], [-np.sin(0.1), 0, np.cos(0.1)], atol=1e-6)


def test_every_world_stands_on_its_ground_when_it_begins() -> None:
    envs = make(4, context={"slope_rad": (-0.1, 0.1), "roughness_mm": (0.0, 5.0)})
    envs.reset(seed=3)
    envs.step(at_rest(envs))
    world = envs.unwrapped.world
    contacts = world.recorded("left_contacts") + world.recorded("right_contacts")
    assert (contacts[:, -1] >= 1).all()
    assert np.abs(world.qvel).max() < 3.0


def test_bumps_are_felt_and_belong_to_the_world() -> None:
    histories = []
    for rough in (0.0, 3.0):
        envs = make(2, context={"slope_rad": 0.03, "roughness_mm": np.array([0.0, rough]), "start_lean_rad": 0.1})
        envs.reset(seed=1)
        histories.append([envs.step(at_rest(envs))[0]["imu"] for _ in range(20)])
    flat, bumpy = (np.stack(history) for history in histories)
    np.testing.assert_array_equal(flat[:, 0], bumpy[:, 0])
    assert not np.allclose(flat[:, 1], bumpy[:, 1])


def test_the_ground_is_as_steep_and_as_rough_as_asked_for() -> None:
    envs = make(2)
    envs.reset(seed=0)
    ground, worlds = Ground(envs.unwrapped.world), np.array([0, 1])
    drawn = np.random.default_rng(0).uniform(size=(2, len(WAVELENGTHS), 2))
    ground.shape(worlds, np.array([0.05, 0.0]), np.array([0.0, 0.004]), drawn)
    places = np.random.default_rng(1).uniform(-20, 20, (2, 20_000, 2))
    height, normal = ground.at(worlds, places)
    np.testing.assert_allclose(height[0], -np.tan(0.05) * places[0, :, 0])
    np.testing.assert_allclose(normal[0], np.tile([np.sin(0.05), 0, np.cos(0.05)], (20_000, 1)), atol=1e-12)
    assert height[1].std() == pytest.approx(0.004, rel=0.05)
    # the normal is that of the height, by finite differences
    step = 1e-6
    ahead, _ = ground.at(worlds, places + np.array([step, 0]))
    np.testing.assert_allclose(-normal[1, :, 0] / normal[1, :, 2], (ahead - height)[1] / step, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(upright_on(normal), axis=-1), 1.0)


def test_a_slope_that_the_stance_does_not_hold_is_refused_with_the_bound() -> None:
    bound = next(p for p in ToddlerWalk.parameters if p.name == "slope_rad").high
    assert bound == pytest.approx(steepest_slope(BUILD), abs=0.005)
    with pytest.raises(ValueError, match=rf"context 'slope_rad' must lie in \[-{bound}, {bound}\], got 0.3"):
        make(context={"slope_rad": 0.3})


def test_another_engine_is_refused() -> None:
    with pytest.raises(ValueError, match="soles roll as ellipsoids, which pybullet has not: leave engine at 'mujoco'"):
        make(engine="pybullet")


def test_a_state_continues_bit_for_bit_on_bumps() -> None:
    one, other = (make(2, context={"roughness_mm": 2.0, "slope_rad": 0.03}, max_episode_steps=30) for _ in range(2))
    action = np.random.default_rng(0).uniform(-0.3, 0.3, (40, 2, 4)).astype(np.float32)
    one.reset(seed=5)
    other.reset(seed=9)
    for step in range(15):
        one.step(action[step])
    other.unwrapped.set_state(one.unwrapped.get_state())
    for step in range(15, 40):
        there, here = one.step(action[step]), other.step(action[step])
        np.testing.assert_array_equal(there[0]["imu"], here[0]["imu"])
        np.testing.assert_array_equal(there[1], here[1])
        np.testing.assert_array_equal(there[4]["cost_of_transport"], here[4]["cost_of_transport"])


def test_the_head_has_a_camera_for_those_who_ask() -> None:
    envs = make(1, sensors=("proprioception", "camera:view=head,height=32,width=32"))
    observation, _ = envs.reset(seed=0)
    assert observation["camera"].shape == (1, 32, 32, 3)
    assert observation["camera"].std() > 1  # tiles


def test_a_walker_is_filmed() -> None:
    envs = make(1, render_mode="rgb_array", width=96, height=96)
    envs.reset(seed=0)
    (frame,) = envs.render()
    assert frame.shape == (96, 96, 3)
    assert frame.std() > 10


def test_the_weights_of_the_reward_are_options() -> None:
    envs = gym.make_vec(ENV_ID, num_envs=2, num_threads=1, reward_weights={"upright": 7.0, "speed": 0.0})
    envs.reset(seed=0)
    _, _, _, _, info = envs.step(np.zeros((2, 4), np.float32))
    assert info["reward_terms"]["upright"].tolist() == [7.0, 7.0]
    assert info["reward_terms"]["speed"].tolist() == [0.0, 0.0]
    envs.close()
    with pytest.raises(ValueError, match=r"reward_weights\.speed must be finite"):
        gym.make_vec(ENV_ID, num_envs=1, reward_weights={"speed": float("inf")})
