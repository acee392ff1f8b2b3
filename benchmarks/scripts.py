"""Scripts that act on observations alone: how often they succeed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.arrays import FloatArray, Observation
from mmrl.evaluation.rates import Rate
from mmrl_envs.vector_env import RobotVectorEnv

Act = Callable[[Observation], NDArray[np.float32]]
"""From the observation of N worlds to their actions, (N, A)."""
MakeAct = Callable[[RobotVectorEnv], Act]
"""A script that begins in some worlds."""


def play(env_id: str, make_act: MakeAct, episodes: int, seed: int, **kwargs: Any) -> tuple[Rate, dict[str, FloatArray]]:
    """The success of a script in episodes, one a world, and the figures of the task at their ends, (N,) by name."""
    envs = gym.make_vec(env_id, num_envs=episodes, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    names = ["is_success", *(figure.name for figure in envs.figures)]
    final, plays = {name: np.zeros(episodes) for name in names}, np.ones(episodes, np.bool_)
    seen, _ = envs.reset(seed=seed)
    act = make_act(envs)
    while plays.any():
        seen, _, terminated, truncated, info = envs.step(act(seen))
        ends = (terminated | truncated) & plays
        for name in names if ends.any() else ():
            final[name][ends] = info["final_info"][name][ends]
        plays &= ~ends
    envs.close()
    return Rate(int(final.pop("is_success").sum()), episodes), final
