"""Sensors with options, as texts and as arguments."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest

import mmrl_envs
from mmrl.modality import MLP, ImageConv
from mmrl_envs import make_sensor
from mmrl_envs.sensors.sensing.spec import SensorSpec, parse_sensor


def test_a_text_is_read_as_a_name_with_options() -> None:
    assert parse_sensor("camera") == SensorSpec("camera")
    spec = parse_sensor("camera:height=96, position=[0.1,-0.2,3e-1],view=fixed,encoder.features=32")
    assert spec == SensorSpec("camera", {"height": 96, "position": (0.1, -0.2, 0.3), "view": "fixed"}, {"features": 32})


def test_options_reach_the_sensor() -> None:
    modality = make_sensor("camera:name=wide,height=96,width=48,rate_hz=10").modality
    assert (modality.name, modality.shape, modality.rate_hz) == ("wide", (96, 48, 3), 10)
    assert make_sensor("fixed_camera:height=32").modality.name == "fixed_camera"
    assert make_sensor("tip_force_torque:history=8").modality.window_shape == (8, 6)


def test_options_change_what_is_seen() -> None:
    narrow, wide = "camera:name=narrow,fovy=20", "camera:name=wide,fovy=90"
    aside = "fixed_camera:name=aside,position=[0.5,0.6,0.3]"
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=("camera", narrow, wide, aside, "fixed_camera"))
    observation, _ = envs.reset(seed=0)
    model: mujoco.MjModel = envs.unwrapped.world.model_of(0)
    fovy = {model.camera(i).name: float(model.cam_fovy[i]) for i in range(model.ncam)}
    envs.close()
    assert fovy["narrow/camera"] == 20
    assert fovy["wide/camera"] == 90
    assert fovy["wrist_camera"] == 50
    images = [observation[name] for name in ("camera", "narrow", "wide", "fixed_camera", "aside")]
    for i, one in enumerate(images):
        assert all((one != other).mean() > 0.1 for other in images[:i])


def test_a_given_pose_that_is_the_usual_one_shows_the_same() -> None:
    same = mmrl_envs.Camera("same", position=(0.125, 0, 0.02), target=(0.01, 0, 0.125), fovy=50)
    # The same camera held by another name: a body that carries it exists once more.
    other = mmrl_envs.Camera("other", fovy=50.001)
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=("camera", same, other))
    observation, _ = envs.reset(seed=0)
    envs.close()
    np.testing.assert_array_equal(observation["same"], observation["camera"])
    assert (observation["other"] != observation["camera"]).mean() < 0.05


def test_encoders_of_our_own_senses_can_be_chosen() -> None:
    assert make_sensor("camera:encoder.features=32").modality.encoder == ImageConv(features=32)
    assert make_sensor("proprioception:encoder.window=flatten").modality.encoder.window == "flatten"  # type: ignore[attr-defined]
    for sensor in (mmrl_envs.Proprioception, mmrl_envs.JointProprioception, mmrl_envs.HoleEstimate):
        assert sensor(encoder=MLP((8,), 4)).modality.encoder == MLP((8,), 4)
    assert mmrl_envs.Depth(encoder=ImageConv(features=8)).modality.encoder == ImageConv(features=8)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("camera:heigth=3", "sensor 'camera' has no option heigth; it has name, view, height"),
        ("camera:encoder.size=3", "the encoder of sensor 'camera', ImageConv, has no field size; it has channels"),
        ("camera:", "must read name:key=value"),
        ("camera:height", "must read name:key=value"),
        ("camera:height=32,height=64", "gives .'height'. more than once"),
        ("thermometer:height=32", "unknown sensor 'thermometer'"),
        ("camera:height=abc", "height must be a whole number from 1 to 4096, got 'abc'"),
        ("camera:width=0", "width must be a whole number from 1 to 4096, got 0"),
        ("camera:fovy=180", r"fovy must be a number, in \[1, 170\], got 180"),
        ("camera:position=[1,2]", "position must be 3 numbers"),
        ("camera:position=[1,.nan,0]", r"position\[1\] must be a number, finite, got nan"),
        ("camera:target=[0.125,0,0.02]", "needs a target away from its position"),
        ("fixed_camera:up=[1,0,0],position=[1,0,0],target=[2,0,0]", "up must not point along the line of sight"),
        ("force_torque:history=0", "history must be a whole number of at least 1, got 0"),
    ],
)
def test_what_is_wrong_is_named(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_sensor(text)


def test_whole_numbers_of_numpy_are_numbers() -> None:
    size: Any = np.int32(48)
    assert mmrl_envs.Camera(height=size).modality.shape == (48, 64, 3)
    assert type(mmrl_envs.ForceTorque(history=size).modality.history) is int
