"""The tasks made of peg insertion, registered with Gymnasium: as published, blurred and blind.

The engine and the task are imported when worlds are made, so that registering is quick.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np

if TYPE_CHECKING:
    from mmrl_envs.controllers.impedance import Impedance
    from mmrl_envs.robot_env import RobotEnv
    from mmrl_envs.vector_env import RobotVectorEnv


def make_vector(
    num_envs: int = 1,
    *,
    action: str = "xyz",
    reward: str = "dense",
    reward_weights: Mapping[str, float] | None = None,
    impedance: Impedance | Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> RobotVectorEnv:
    """`gym.make_vec("mmrl/PegInsertion-v0", num_envs=...)`.

    Keyword arguments as of `PegInsertion` and `RobotVectorEnv`.
    """
    from mmrl_envs.tasks.peg_insertion import PegInsertion
    from mmrl_envs.vector_env import RobotVectorEnv

    task = PegInsertion(action=action, reward=reward, reward_weights=reward_weights, impedance=impedance)
    return RobotVectorEnv(task, num_envs, **kwargs)


def make_single(
    *,
    action: str = "xyz",
    reward: str = "dense",
    reward_weights: Mapping[str, float] | None = None,
    impedance: Impedance | Mapping[str, Any] | None = None,
    **kwargs: Any,
) -> RobotEnv:
    """`gym.make("mmrl/PegInsertion-v0")`; keyword arguments as of `PegInsertion` and `RobotEnv`."""
    from mmrl_envs.robot_env import RobotEnv
    from mmrl_envs.tasks.peg_insertion import PegInsertion

    task = PegInsertion(action=action, reward=reward, reward_weights=reward_weights, impedance=impedance)
    return RobotEnv(task, **kwargs)


_BLURRED = {
    "sensors": ("coarse_camera", "tip_force_torque", "proprioception"),
    "defaults": {
        "clearance_mm": 0.5,
        "camera_shift_m": (0.0, 0.006),
        "camera_turn_rad": (0.0, 0.01),
        "light_azimuth_rad": (-np.pi, np.pi),
        "light_intensity": (0.4, 1.4),
        "occluder_size": (0.1, 0.25),
        "occluder_x": (-0.8, 0.8),
        "occluder_y": (-0.8, 0.8),
    },
}
"""A tight hole under a camera that shows where it is to some millimetres only: 16 x 16 pixels, each about 9 mm wide
where the hole is, seen from a place and by a light unknown, past something in the way. Vision finds, touch finishes:
torques about the tip tell which side of the peg rests on the rim."""

_BLIND = {
    "sensors": ("hole_estimate", "force_torque", "proprioception"),
    "defaults": {"hole_estimate_error_m": 0.01},
    # Half the usual force, so that friction lets the pressed peg slide where it is led; half the stride.
    "impedance": {"step_m": 0.003, "lead_m": 0.004},
}
"""No camera, and an estimate of the hole that is 1 cm off: search by feel."""

# id -> (keyword arguments, control steps of an episode)
_VARIANTS: dict[str, tuple[dict[str, Any], int]] = {
    "mmrl/PegInsertion-v0": ({}, 100),
    "mmrl/PegInsertionBlurred-v0": (_BLURRED, 150),
    "mmrl/PegInsertionBlind-v0": (_BLIND, 200),
}

for _id, (_kwargs, _steps) in _VARIANTS.items():
    gym.register(
        id=_id,
        entry_point="mmrl_envs.tasks.peg_variants:make_single",
        vector_entry_point="mmrl_envs.tasks.peg_variants:make_vector",
        max_episode_steps=_steps,
        kwargs=_kwargs,
    )
