"""Sensors: what the robot can sense, chosen by name or passed as objects."""

from functools import partial

from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.sensors.camera import Camera, Depth
from mmrl_envs.sensors.feet import FootForces
from mmrl_envs.sensors.flow import Flow
from mmrl_envs.sensors.force_limit import ForceLimit
from mmrl_envs.sensors.force_torque import ForceTorque
from mmrl_envs.sensors.hearing.microphone import Microphone
from mmrl_envs.sensors.hearing.tap_sound import TapSound
from mmrl_envs.sensors.hole_estimate import HoleEstimate
from mmrl_envs.sensors.holes import Holes
from mmrl_envs.sensors.imu import Imu
from mmrl_envs.sensors.instruction import Instruction
from mmrl_envs.sensors.point_cloud import PointCloud
from mmrl_envs.sensors.proprioception import JointProprioception, Proprioception
from mmrl_envs.sensors.registry import (
    SensorFactory,
    make_critic_sensors,
    make_sensor,
    make_sensors,
    register_sensor,
    sensor_names,
)
from mmrl_envs.sensors.tactile.pad import TactilePad
from mmrl_envs.sensors.tactile.slip import Slip

__all__ = [
    "SENSORS",
    "Sensor",
    "View",
    "make_critic_sensors",
    "make_sensor",
    "make_sensors",
    "register_sensor",
    "sensor_names",
]

SENSORS: dict[str, SensorFactory] = {
    "camera": Camera,
    "fixed_camera": partial(Camera, name="fixed_camera", view="fixed"),
    "coarse_camera": partial(Camera, name="coarse_camera", height=16, width=16),
    "depth": Depth,
    "fixed_depth": partial(Depth, name="fixed_depth", view="fixed"),
    "force_torque": ForceTorque,
    "tip_force_torque": partial(ForceTorque, name="tip_force_torque", about="tip"),
    "proprioception": Proprioception,
    "joint_proprioception": JointProprioception,
    "hole_estimate": HoleEstimate,
    "force_limit": ForceLimit,
    "imu": Imu,
    "feet": FootForces,
    "tactile": TactilePad,
    "slip": Slip,
    "holes": Holes,
    "instruction": Instruction,
    "point_cloud": PointCloud,
    "microphone": Microphone,
    "tap_sound": TapSound,
    "flow": Flow,
}
"""The sensors of the suite by name."""

for _name, _factory in SENSORS.items():
    register_sensor(_name, _factory)
