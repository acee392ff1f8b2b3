"""Wiping: what takes a dot away, what scratches the board, what is seen of it, and what a script comes to."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.tasks.experts.wiping_expert import ByForce, Pressing, ToPlan, WipingExpert
from mmrl_envs.tasks.wipe import Wipe
from mmrl_envs.vector_env import RobotVectorEnv

WIPE = "mmrl/Wipe-v0"
STILL = np.zeros((2, 3), np.float32)
LEVEL = {"tilt_x_rad": 0.0, "tilt_y_rad": 0.0, "board_z_m": 0.0}
BELOW = {"start_x_m": 0.0, "start_y_m": 0.0, "start_z_m": 0.02, "stain_x_m": 0.0, "stain_y_m": 0.0}
ONE_DOT = {**LEVEL, **BELOW, "dots": 1.0, "stain_radius_m": 0.005}
"""A dot at most 5 mm from where the ball comes down."""


def make(num_envs: int = 2, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(WIPE, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> Wipe:
    assert isinstance(envs.task, Wipe)
    return envs.task


def lower(envs: RobotVectorEnv, metres: float, steps: int) -> dict[str, Any]:
    """The info after the setpoint has come down evenly."""
    action = np.tile(np.array([0, 0, -metres / steps / 0.004], np.float32), (envs.num_envs, 1))
    for _ in range(steps):
        *_, info = envs.step(action)
    return dict(info)


def run_expert(num_envs: int, pressing: Pressing, seed: int = 0) -> dict[str, Any]:
    envs = make(num_envs)
    expert = WipingExpert(task_of(envs).impedance.step_m, pressing)
    seen, _ = envs.reset(seed=seed)
    for _ in range(100):
        seen, *_, info = envs.step(expert.act(seen))
    return dict(info["final_info"])


def test_an_expert_with_camera_and_wrench_wipes_every_board_clean() -> None:
    final = run_expert(8, ByForce())
    assert final["is_success"].all()
    assert (final["wiped_share"] == 1).all()
    assert (final["peak_force_n"] < 25).all()


def test_without_the_wrench_it_misses_most() -> None:
    final = run_expert(8, ToPlan())
    assert final["is_success"].mean() <= 0.5
