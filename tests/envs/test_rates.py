"""Rates: of the physics, of the policy, of the senses."""

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs


@pytest.mark.parametrize(
    ("physics_hz", "control_hz", "rates"),
    [
        (500, 20, (20, 500, 500)),
        (250, 25, (20, 250, 250)),
        (250, 50, (20, 250, 250)),
        (1000, 25, (20, 1000, 1000)),
        (1000, 50, (20, 1000, 1000)),
        (2000, 10, (10, 1000, 1000)),
        # Of 75 physics steps a control step, every third: 1,000 does not divide 1,500.
        (1500, 20, (20, 500, 500)),
    ],
)
def test_default_senses_follow_the_rates(physics_hz: int, control_hz: int, rates: tuple[float, ...]) -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, physics_hz=physics_hz, control_hz=control_hz)
    assert tuple(modality.rate_hz for modality in envs.unwrapped.modalities.values()) == rates
    observation, _ = envs.reset(seed=0)
    for action in np.random.default_rng(5).uniform(-1, 1, (4, 1, 3)).astype(np.float32):
        observation, *_, info = envs.step(action)
        assert not info["physics_error"].any()
    window = observation["proprioception"][0]
    # Columns 0 and 4: x and its velocity; differences of readings one period apart.
    moved = np.diff(window[:, 0]) * rates[2]
    np.testing.assert_allclose(moved, window[1:, 4], atol=0.02)
    envs.close()


def test_a_camera_of_30_hz_has_new_images_when_they_are_due() -> None:
    camera = mmrl_envs.Camera(rate_hz=30, height=16, width=16)
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=(camera,), control_hz=50)
    before, _ = envs.reset(seed=0)
    fresh = []
    for _ in range(10):
        after, *_ = envs.step(np.ones((1, 3), np.float32))
        fresh.append(bool((after["camera"] != before["camera"]).any()))
        before = after
    # Due at 33.3, 66.7, 100, 133.3, 166.7, 200 ms and read at 40, 80, 100, 140, 180, 200.
    assert fresh == [False, True, False, True, True, False, True, False, True, True]
    assert envs.unwrapped.modalities["camera"].rate_hz == 30
    envs.close()


def test_a_camera_faster_than_the_policy_is_read_at_every_control_step() -> None:
    camera = mmrl_envs.Camera(rate_hz=30, height=16, width=16)
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=(camera, "camera:name=named,rate_hz=40"))
    assert {modality.rate_hz for modality in envs.unwrapped.modalities.values()} == {20}
    assert camera.modality.rate_hz == 30  # that of the user, who may want it elsewhere
    envs.close()


def test_a_slow_policy_gets_slow_images() -> None:
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=("coarse_camera", "hole_estimate"), control_hz=10)
    assert {modality.rate_hz for modality in envs.unwrapped.modalities.values()} == {10}
    assert envs.metadata["render_fps"] == 10
    envs.reset(seed=0)
    observation, *_ = envs.step(np.zeros((2, 3), np.float32))
    assert observation["coarse_camera"].shape == (2, 16, 16, 3)
