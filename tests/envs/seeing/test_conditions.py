"""Conditions of seeing: they do what they name, in metres, radians and shares, to what is seen and to nothing else."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch

import mmrl_envs
from mmrl.policy.actor_critic import ActorCritic
from mmrl_envs.physics.rendering import make_renderer
from mmrl_envs.scenes.groups import POLICY_GROUPS
from mmrl_envs.vector_env import RobotVectorEnv

ENV_ID = "mmrl/PegInsertion-v0"
EVERYTHING = {
    "camera_shift_m": (0.0, 0.02),
    "camera_turn_rad": (0.0, 0.2),
    "light_azimuth_rad": (-3.0, 3.0),
    "light_intensity": (0.3, 1.5),
    "occluder_size": (0.0, 0.5),
    "occluder_x": (-1.0, 1.0),
    "occluder_y": (-1.0, 1.0),
}


def make(num_envs: int, sensors: Any = ("camera",), **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(ENV_ID, num_envs=num_envs, sensors=sensors, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def test_cameras_stand_and_turn_as_far_as_the_context_says() -> None:
    shift, turn = np.array([0.0, 0.01, 0.05]), np.array([0.3, 0.0, 0.1])
    envs = make(3, ("camera", "fixed_camera"), context={"camera_shift_m": shift, "camera_turn_rad": turn})
    envs.reset(seed=0)
    template = envs.world.template
    for world, model in enumerate(map(envs.world.model_of, range(envs.num_envs))):
        for name in ("wrist_camera", "fixed_camera"):
            camera = template.camera(name).id
            assert np.linalg.norm(model.cam_pos[camera] - template.cam_pos[camera]) == pytest.approx(shift[world])
            # quaternions of two orientations an angle t apart have the product cos(t / 2)
            cosine = abs(model.cam_quat[camera] @ template.cam_quat[camera])
            assert 2 * np.arccos(min(cosine, 1.0)) == pytest.approx(turn[world], abs=1e-7)
        spectator = template.camera("scene_camera").id
        np.testing.assert_array_equal(model.cam_pos[spectator], template.cam_pos[spectator])


def test_the_lamp_turns_about_the_vertical_and_brightens() -> None:
    envs = make(2, context={"light_azimuth_rad": np.array([0.0, np.pi / 2]), "light_intensity": np.array([1.0, 0.5])})
    images, _ = envs.reset(seed=0)
    usual, changed = (envs.world.model_of(world) for world in range(2))
    np.testing.assert_array_equal(usual.light_dir, envs.world.template.light_dir)
    x, y, z = usual.light_dir[0]
    np.testing.assert_allclose(changed.light_dir[0], [-y, x, z], atol=1e-12)  # a quarter turn
    np.testing.assert_allclose(changed.light_diffuse, usual.light_diffuse / 2)
    assert images["camera"][1].mean() < images["camera"][0].mean() - 10


@pytest.mark.parametrize("backend", [None, "raycast"])
def test_the_occluder_covers_its_share_of_the_image(backend: str | None) -> None:
    context = {"occluder_size": np.array([0.0, 0.5, 0.25]), "occluder_x": 0.5, "occluder_y": np.array([0.0, 0.0, 0.5])}
    envs = make(3, ("depth", "fixed_depth"), context=context)
    envs.reset(seed=0)
    world = envs.world
    renderer = make_renderer(world.template, geom_groups=POLICY_GROUPS, backend=backend)
    for camera in ("wrist_camera", "fixed_camera"):
        state = (world.qpos, world.mocap_pos, world.mocap_quat)
        near = (
            renderer.render([world.model_of(w) for w in range(world.num_worlds)], *state, camera, 64, 64, depth=True)[
                ..., 0
            ]
            < 0.0203
        )
        # A side of half (a quarter) of 64 pixels about the middle of the right half, and for the quarter
        # of the upper half: its centre is at column 32 + 0.5 * 32 = 48 and row 32 (16).
        expected = np.zeros((3, 64, 64), bool)
        expected[1, 16:48, 32:64] = True
        expected[2, 8:24, 40:56] = True
        np.testing.assert_array_equal(near, expected)
    renderer.close()


def test_what_is_not_seen_does_not_change() -> None:
    histories = []
    for context in ({}, EVERYTHING):
        envs = make(2, ("camera", "force_torque", "proprioception"), context=context, max_episode_steps=6)
        history = [envs.reset(seed=4)[0]]
        for _ in range(8):
            observation, reward, *_, info = envs.step(np.tile(np.array([0.2, 0.1, -1.0], np.float32), (2, 1)))
            history.append({**observation, "reward": reward, "privileged": info["privileged"]})
        histories.append(history)
    for plain, varied in zip(*histories, strict=True):
        assert not np.array_equal(plain["camera"], varied["camera"])
        for name in set(plain) - {"camera"}:
            np.testing.assert_array_equal(plain[name], varied[name], err_msg=name)


def test_conditions_hold_for_an_episode_and_are_drawn_anew_for_the_next() -> None:
    envs = make(1, context=EVERYTHING, max_episode_steps=3)
    _, info = envs.reset(seed=0)
    first = {name: info["context"][name][0] for name in EVERYTHING}
    place = envs.world.model_of(0).cam_pos.copy()
    for step in range(3):
        np.testing.assert_array_equal(envs.world.model_of(0).cam_pos, place)
        *_, info = envs.step(np.zeros((1, 3), np.float32))
        drawn = {name: info["context"][name][0] for name in EVERYTHING}
        assert (drawn == first) == (step < 2)
    assert not np.array_equal(envs.world.model_of(0).cam_pos, place)
    assert all(drawn[name] != first[name] for name in EVERYTHING)


def test_conditions_may_be_set_where_nothing_sees() -> None:
    """So that a policy without a camera can be trained and judged in the very episodes of one that has it."""
    envs = make(2, ("proprioception",), context=EVERYTHING)
    _, info = envs.reset(seed=0)
    assert (info["context"]["occluder_size"] > 0).all()


@pytest.mark.parametrize(("height", "width"), [(64, 64), (36, 48), (35, 36), (16, 16), (9, 12)])
def test_a_camera_of_any_size_has_an_encoder_that_reads_it(height: int, width: int) -> None:
    envs = make(1, (mmrl_envs.Camera(height=height, width=width),))
    observation, _ = envs.reset(seed=0)
    assert observation["camera"].shape == (1, height, width, 3)
    policy = ActorCritic(envs.modalities, gym.spaces.Discrete(2))
    action, _ = policy.act({"camera": torch.from_numpy(observation["camera"])})
    assert action.shape == (1,)
