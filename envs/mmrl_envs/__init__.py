"""The environment suite: worlds, robots, sensors and tasks. Importing it registers the ids with Gymnasium.

import gymnasium as gym
import mmrl_envs

env = gym.make("mmrl/PegInsertion-v0")
envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=64)
"""

from functools import partial

import gymnasium as gym

from mmrl_envs.physics import gl

# Chooses an OpenGL library before anything imports mujoco,
# whose import fails if MUJOCO_GL names a missing one.
gl.configure()

from mmrl_envs.atari import games  # noqa: E402, F401
from mmrl_envs.sensors import Sensor, View, make_sensor, register_sensor, sensor_names  # noqa: E402
from mmrl_envs.sensors.camera import Camera, Depth  # noqa: E402
from mmrl_envs.sensors.force_torque import ForceTorque  # noqa: E402
from mmrl_envs.sensors.hole_estimate import HoleEstimate  # noqa: E402
from mmrl_envs.sensors.proprioception import JointProprioception, Proprioception  # noqa: E402
from mmrl_envs.sensors.registry import SensorFactory  # noqa: E402
from mmrl_envs.tasks import peg_variants  # noqa: E402, F401

_FACTORIES: dict[str, SensorFactory] = {
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
}
for _name, _factory in _FACTORIES.items():
    register_sensor(_name, _factory)


def task_ids() -> list[str]:
    """Ids of the robot tasks, those with senses to choose and a context to set."""
    return sorted(name for name, spec in gym.registry.items() if "mmrl_envs.tasks." in str(spec.vector_entry_point))


__all__ = [
    "Camera",
    "Depth",
    "ForceTorque",
    "HoleEstimate",
    "JointProprioception",
    "Proprioception",
    "Sensor",
    "View",
    "make_sensor",
    "register_sensor",
    "sensor_names",
    "task_ids",
]
