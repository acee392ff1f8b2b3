"""The script of each task that has one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_envs.controllers.impedance import Impedance
from mmrl_envs.tasks.experts.click_experts import ClickFeeler
from mmrl_envs.tasks.experts.following_expert import FollowingExpert
from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.experts.wiping_expert import ByForce, WipingExpert
from mmrl_envs.vector_env import RobotVectorEnv

Script = Callable[[Mapping[str, NDArray[Any]]], NDArray[np.float32]]
"""From the observation of N worlds to their actions, (N, A)."""
MakeScript = Callable[[RobotVectorEnv], Script]
"""A script that begins in some worlds."""


def step_m(envs: RobotVectorEnv) -> float:
    """Displacement of a full action in metres, of a task that moves the tip by an impedance."""
    impedance = vars(envs.task)["impedance"]
    assert isinstance(impedance, Impedance)
    return impedance.step_m


def _by_ground_truth(gently: bool) -> MakeScript:
    def make(envs: RobotVectorEnv) -> Script:
        expert = PegExpert(envs, gently=gently)
        return lambda observation: expert.act()

    return make


EXPERTS: Mapping[str, MakeScript] = MappingProxyType(
    {
        "mmrl/PegInsertion-v0": _by_ground_truth(gently=False),
        "mmrl/PegInsertionBlurred-v0": _by_ground_truth(gently=False),
        "mmrl/PegInsertionBlind-v0": _by_ground_truth(gently=False),
        "mmrl/PegInsertionGentle-v0": _by_ground_truth(gently=True),
        "mmrl/Wipe-v0": lambda envs: WipingExpert(step_m(envs), ByForce()).act,
        "mmrl/ClickPlug-v0": lambda envs: ClickFeeler(envs.num_envs, step_m=step_m(envs)).act,
        "mmrl/ToldInsertion-v0": lambda envs: FollowingExpert(envs.num_envs, step_m=step_m(envs)).act,
    }
)
"""By the id of the task. They act by their task's usual senses; those of peg insertion know where the hole is."""


def find_expert(env_id: str) -> MakeScript:
    """The script of a task. Raises ValueError for a task without one, and lists those with one."""
    if env_id not in EXPERTS:
        raise ValueError(f"{env_id} has no script; tasks with one: {', '.join(EXPERTS)}")
    return EXPERTS[env_id]
