"""The scripted expert in every physics engine: `python -m benchmarks.engines [--worlds 8] [--rounds 2]`.

Success at the default clearances, contact forces, and control steps per second of CPU time: of the whole process,
senses without images included, resets left out.
"""

from __future__ import annotations

import argparse
import time
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.experts.peg_expert import PegExpert
from mmrl_envs.physics.engines import ENGINES
from mmrl_envs.tasks.pegs import PEG_SHAPES
from mmrl_envs.vector_env import RobotVectorEnv

STEPS = 100


def measure(engine: str, shape: str, num_worlds: int, rounds: int) -> tuple[int, float, float]:
    """Successes, median peak force in newtons and control steps per second."""
    envs = gym.make_vec(
        "mmrl/PegInsertion-v0",
        num_envs=num_worlds,
        sensors=("force_torque", "proprioception"),
        engine=engine,
        context={"shape": shape},
        max_episode_steps=None,
        num_threads=1,
    )
    worlds = envs.unwrapped
    assert isinstance(worlds, RobotVectorEnv)
    expert, successes, peaks, seconds = PegExpert(worlds), 0, list[float](), 0.0
    info: dict[str, Any] = {}
    for seed in range(rounds):
        envs.reset(seed=seed)
        expert.reset()
        begin = time.process_time()
        for _ in range(STEPS):
            *_, info = envs.step(expert.act())
        seconds += time.process_time() - begin
        successes += int(info["is_success"].sum())
        peaks.extend(info["peak_force_n"])
    envs.close()
    return successes, float(np.median(peaks)), STEPS * num_worlds * rounds / seconds


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=8, help="worlds side by side")
    parser.add_argument("--rounds", type=int, default=2, help="episodes in each of them")
    arguments = parser.parse_args()
    table = Table("engine", "shape", "success", "median peak force", "control steps/s")
    for engine in ENGINES:
        for shape in PEG_SHAPES:
            successes, peak, rate = measure(engine, shape, arguments.worlds, arguments.rounds)
            table.add_row(
                engine, shape, f"{successes}/{arguments.worlds * arguments.rounds}", f"{peak:.0f} N", f"{rate:.0f}"
            )
    Console().print(table)
