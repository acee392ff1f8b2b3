"""Errors of a user's sensor are raised with its name."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from mmrl.modality import MLP, Modality
from mmrl_envs import Sensor, View


class Thermometer(Sensor):
    """Reads what it was given, one number a world and instant."""

    modality = Modality("warmth", (1,), 20, MLP())

    def __init__(self, shape: tuple[int, ...] = (2, 1, 1), value: Any = 20.0, later: Any = None) -> None:
        self._readings = [np.full(shape, value), np.full(shape, value if later is None else later)]

    def read(self, view: View) -> NDArray[Any]:
        return self._readings.pop(0)


class OnNoBody(Thermometer):
    def install(self, spec: mujoco.MjSpec) -> None:
        spec.body("hnd").add_site(name="warmth")


class OnNoJoint(Thermometer):
    def install(self, spec: mujoco.MjSpec) -> None:
        spec.add_sensor(
            name="warmth",
            type=mujoco.mjtSensor.mjSENS_JOINTPOS,
            objtype=mujoco.mjtObj.mjOBJ_JOINT,
            objname="panda_joint9",
        )


def worlds(sensor: Sensor) -> gym.vector.VectorEnv[Any, Any, Any]:
    return gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=("proprioception", sensor))


@pytest.mark.parametrize("sensor", [OnNoBody(), OnNoJoint()])
def test_a_body_or_joint_that_is_not_there_is_said_with_what_is(sensor: Sensor) -> None:
    name = type(sensor).__name__
    listed = r"The scene has bodies .*hand.*; joints panda_joint1, .*; sites .*flange"
    with pytest.raises(ValueError, match=rf"sensor 'warmth' \({name}\): cannot be installed .*{listed}"):
        worlds(sensor)


def test_a_scene_that_fails_for_another_reason_says_so_itself() -> None:
    class Doubled(Thermometer):
        def install(self, spec: mujoco.MjSpec) -> None:
            spec.body("hand").add_site(name="doubled")

    one, other = Doubled(), Doubled()
    other.modality = Modality("cold", (1,), 20, MLP())
    with pytest.raises(ValueError, match="doubled"):
        gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=(one, other))


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        (Thermometer(shape=(2, 1)), r"read must give shape \(2, 1, 1\), worlds x instants x one reading, got \(2, 1\)"),
        (Thermometer(shape=(2, 1, 3)), r"read must give shape \(2, 1, 1\), .* got \(2, 1, 3\)"),
        (Thermometer(value="warm"), "read must give numbers, got <U4"),
        (Thermometer(value=np.nan), r"read is not finite in worlds \[0, 1\]"),
        (Thermometer(later=np.inf), r"read is not finite in worlds \[0, 1\]"),
    ],
)
def test_bad_readings_are_said_with_the_sensor(sensor: Sensor, message: str) -> None:
    envs = worlds(sensor)

    def act() -> None:
        envs.reset(seed=0)
        envs.step(np.zeros((2, 3), np.float32))

    with pytest.raises(ValueError, match=rf"sensor 'warmth' \(Thermometer\): {message}"):
        act()


def test_a_world_that_is_broken_from_the_start_reads_nothing_and_fails() -> None:
    sensors = ("force_torque", "proprioception", "joint_proprioception", "hole_estimate")
    envs, twin = (gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=sensors) for _ in range(2))
    for made in (envs, twin):
        made.reset(seed=0)  # gives each world the model of its shape
    envs.unwrapped.world.write("opt.gravity", np.array([0]), np.full((1, 3), np.nan))
    observation, _ = envs.reset(seed=0)
    twin.reset(seed=0)
    assert all(np.isfinite(array).all() for array in observation.values())
    for _ in range(2):
        observation, _, _, _, info = envs.step(np.zeros((2, 3), np.float32))
        expected, *_ = twin.step(np.zeros((2, 3), np.float32))
        assert info["final_info"]["physics_error"].tolist() == [True, False]
        for name, array in observation.items():
            assert np.isfinite(array).all(), name
            np.testing.assert_array_equal(array[1], expected[name][1])


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ("camera", r"sensor 'camera' \(Camera\): needs the mounts wrist; there are pin"),
        (
            "hole_estimate",
            r"sensor 'hole_estimate' \(HoleEstimate\): needs the fields hole_estimate; there are pictures",
        ),
        ("proprioception", r"needs the readings tip_position, tip_xaxis, .*; there are none"),
        ("joint_proprioception", r"needs the joints panda_joint1, .*; there are car_x, car_y, car_yaw"),
    ],
)
def test_a_sensor_that_robot_or_task_does_not_fit_is_refused_by_name(sensor: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make_vec("mmrl/SlotCar-v0", num_envs=1, sensors=(sensor,))
