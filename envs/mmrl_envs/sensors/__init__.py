"""Sensors: what the robot can sense, chosen by name or passed as objects."""

from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.sensors.registry import make_sensor, make_sensors, register_sensor, sensor_names

__all__ = ["Sensor", "View", "make_sensor", "make_sensors", "register_sensor", "sensor_names"]
