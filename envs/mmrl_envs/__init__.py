"""The environment suite: worlds, robots, sensors and tasks. Importing it registers the ids with Gymnasium.

import gymnasium as gym
import mmrl_envs

env = gym.make("mmrl/PegInsertion-v0")
envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=64)

Registering loads no physics engine: tasks and sensors are imported when they are made or named.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from mmrl_envs.physics import gl

# Chooses an OpenGL library before anything imports mujoco,
# whose import fails if MUJOCO_GL names a missing one.
gl.configure()

from mmrl_envs import atari  # noqa: E402, F401  # registers the games
from mmrl_envs.tasks.registry import register_task, registrations  # noqa: E402

if TYPE_CHECKING:
    from mmrl_envs.sensors import Sensor, View, make_sensor, register_sensor, sensor_names
    from mmrl_envs.sensors.camera import Camera, Depth
    from mmrl_envs.sensors.force_torque import ForceTorque
    from mmrl_envs.sensors.hearing.microphone import Microphone
    from mmrl_envs.sensors.hearing.tap_sound import TapSound
    from mmrl_envs.sensors.hole_estimate import HoleEstimate
    from mmrl_envs.sensors.proprioception import JointProprioception, Proprioception
    from mmrl_envs.sensors.tactile.pad import TactilePad

_LOADED_WHEN_NAMED = {
    "Camera": "mmrl_envs.sensors.camera",
    "Depth": "mmrl_envs.sensors.camera",
    "ForceTorque": "mmrl_envs.sensors.force_torque",
    "HoleEstimate": "mmrl_envs.sensors.hole_estimate",
    "JointProprioception": "mmrl_envs.sensors.proprioception",
    "Microphone": "mmrl_envs.sensors.hearing.microphone",
    "Proprioception": "mmrl_envs.sensors.proprioception",
    "Sensor": "mmrl_envs.sensors",
    "TactilePad": "mmrl_envs.sensors.tactile.pad",
    "TapSound": "mmrl_envs.sensors.hearing.tap_sound",
    "View": "mmrl_envs.sensors",
    "make_sensor": "mmrl_envs.sensors",
    "register_sensor": "mmrl_envs.sensors",
    "sensor_names": "mmrl_envs.sensors",
}


def __getattr__(name: str) -> Any:
    """Import a sensor, or what deals with sensors, when it is first named."""
    if name not in _LOADED_WHEN_NAMED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_LOADED_WHEN_NAMED[name]), name)


def task_ids() -> list[str]:
    """Ids of the tasks, of installed packages too: those with senses to choose and a context to set."""
    return list(registrations())


__all__ = [
    "Camera",
    "Depth",
    "ForceTorque",
    "HoleEstimate",
    "JointProprioception",
    "Microphone",
    "Proprioception",
    "Sensor",
    "TactilePad",
    "TapSound",
    "View",
    "make_sensor",
    "register_sensor",
    "register_task",
    "sensor_names",
    "task_ids",
]
