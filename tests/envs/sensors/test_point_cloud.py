"""Clouds of points: they lie on surfaces, along the same rays in every reading."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

from mmrl_envs import make_sensor
from mmrl_envs.scenes.groups import POLICY_GROUPS
from mmrl_envs.sensors.camera import MOUNTS
from mmrl_envs.sensors.point_cloud import PointCloud
from mmrl_envs.vector_env import RobotVectorEnv

PEG = "mmrl/PegInsertion-v0"
TABLE_M, FACE_M, FLOOR_M = 0.0, 0.04, 0.01
"""Heights of what can be seen from above, in the world, metres."""


def make(*sensors: Any, env_id: str = PEG, num_envs: int = 3, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(env_id, num_envs=num_envs, sensors=sensors, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def reset(envs: RobotVectorEnv) -> np.ndarray:
    observation, _ = envs.reset(seed=0)
    cloud = observation["point_cloud"]
    assert envs.single_observation_space["point_cloud"].contains(cloud[0])
    return cloud


def data_of(envs: RobotVectorEnv, world: int) -> mujoco.MjData:
    model = envs.world.model_of(world)
    data = mujoco.MjData(model)
    data.qpos[:], data.mocap_pos[:] = envs.world.qpos[world], envs.world.mocap_pos[world]
    data.mocap_quat[:] = envs.world.mocap_quat[world]
    mujoco.mj_forward(model, data)
    return data


def ray_length(data: mujoco.MjData, start: np.ndarray, way: np.ndarray) -> float:
    seen = np.isin(np.arange(6), POLICY_GROUPS).astype(np.uint8)
    hit = np.zeros(1, np.int32)
    return float(mujoco.mj_ray(data.model, data, start, way / np.linalg.norm(way), seen, 1, -1, hit, None))


def test_points_lie_where_rays_through_the_camera_meet_a_surface() -> None:
    """Against the engine's own rays, from the camera of the hand through each point."""
    envs = make("point_cloud", context={"camera_shift_m": 0.0, "camera_turn_rad": 0.0})
    cloud = reset(envs)
    data = data_of(envs, 1)
    hand = data.body("hand")
    camera = data.cam("wrist_camera").xpos
    exists = cloud[1, :, 3] == 1.0
    assert 60 < exists.sum() < 128
    points = hand.xpos + (cloud[1, exists, :3] + MOUNTS["wrist"].target) @ hand.xmat.reshape(3, 3).T
    ways = points - camera
    lengths = np.array([ray_length(data, camera, way) for way in ways])
    off = np.abs(lengths - np.linalg.norm(ways, axis=1))
    # at an edge the rasteriser and a ray may differ by a pixel's breadth of a hair
    assert np.median(off) < 2e-4
    assert np.mean(off < 1e-3) > 0.97


def test_a_fixed_cloud_is_in_the_axes_of_the_world() -> None:
    envs = make("point_cloud:view=fixed,points=400", context={"start_z_m": 0.08})
    cloud = reset(envs)
    points = cloud[0][cloud[0, :, 3] == 1.0, :3] + MOUNTS["fixed"].target
    level = np.abs(points[:, 2:] - np.array([TABLE_M, FACE_M, FLOOR_M])).min(axis=1) < 1e-3
    assert level.mean() > 0.6  # the rest is peg, tool and walls of block and hole
    assert points[:, 2].min() > -1e-3


def test_points_out_of_reach_do_not_exist() -> None:
    near, far = (reset(make(f"point_cloud:reach_m={reach}")) for reach in (0.18, 2.0))
    assert (far[..., 3] == 1.0).all()
    assert (near[near[..., 3] == 0.0] == 0.0).all()
    gone = near[..., 3] == 0.0
    assert 0.05 < gone.mean() < 0.95
    np.testing.assert_array_equal(near[~gone], far[~gone])


def test_the_rays_are_the_same_in_every_reading() -> None:
    envs = make("point_cloud:reach_m=2.0")
    first = reset(envs)
    for _ in range(3):
        observation, *_ = envs.step(np.full((3, 3), [0.5, -0.5, -1.0], np.float32))
    later = observation["point_cloud"]
    assert not np.allclose(first, later)
    from_camera = np.subtract(MOUNTS["wrist"].target, MOUNTS["wrist"].position)
    ways = [cloud[0, :, :3] + from_camera for cloud in (first, later)]
    along = [way / np.linalg.norm(way, axis=1, keepdims=True) for way in ways]
    np.testing.assert_allclose(along[0], along[1], atol=1e-5)


def test_noise_moves_points_and_makes_none() -> None:
    exact = reset(make("point_cloud"))
    noisy = reset(make("point_cloud", context={"point_cloud_noise": 5.0}))  # 5 mm
    np.testing.assert_array_equal(noisy[..., 3], exact[..., 3])
    off = (noisy - exact)[exact[..., 3] == 1.0][:, :3]
    assert np.std(off) == pytest.approx(5e-3, rel=0.1)


def test_a_walker_sees_the_ground_as_points() -> None:
    envs = make("point_cloud:view=head,reach_m=2.0", env_id="mmrl/Toddler-v0", num_envs=1)
    cloud = reset(envs)[0]
    head = data_of(envs, 0).site("head")
    trunk = data_of(envs, 0).body(envs.world.template.site_bodyid[head.id])
    exists = cloud[:, 3] == 1.0
    assert exists.sum() > 20
    points = trunk.xpos + (cloud[exists, :3] + MOUNTS["head"].target) @ trunk.xmat.reshape(3, 3).T
    np.testing.assert_allclose(points[:, 2], 0.0, atol=2e-3)


@pytest.mark.parametrize("points", [0, -3, 4097, 2.5])
def test_a_cloud_of_no_points_or_too_many_is_refused(points: Any) -> None:
    with pytest.raises(ValueError, match=f"points must be a whole number from 1 to 4096, got {points}"):
        PointCloud(points=points)
    with pytest.raises(ValueError, match=r"reach_m must be a number, in \[0.001, .*\], got 0"):
        PointCloud(reach_m=0.0)


def test_any_number_of_points_will_do() -> None:
    for points in (1, 2, 5, 143, 144, 145):
        assert make_sensor(f"point_cloud:points={points}").modality.shape == (points, 4)
    cloud = reset(make("point_cloud:points=1", num_envs=1))
    assert cloud.shape == (1, 1, 4)
