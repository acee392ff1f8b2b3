"""The scripted expert in every physics engine: `python -m benchmarks.engines [--worlds 8] [--rounds 2]`.

Success at the default clearances, the figures of the task, and control steps per second of CPU time: of the whole
process, senses without images included, resets left out.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.evaluation.figures import Figure, decimals_for
from mmrl_envs.physics.engines import ENGINES
from mmrl_envs.tasks.experts.peg_expert import PegExpert
from mmrl_envs.tasks.peg.pegs import PEG_SHAPES
from mmrl_envs.vector_env import RobotVectorEnv

STEPS = 100


class Measured(NamedTuple):
    """The expert's episodes in one engine, with one shape."""

    successes: int
    medians: dict[Figure, str]
    """Of the declared figures."""
    steps_per_second: float


def measure(engine: str, shape: str, num_worlds: int, rounds: int) -> Measured:
    """Let the expert play `rounds` episodes in each world."""
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
    expert, successes, seconds = PegExpert(worlds), 0, 0.0
    values: dict[Figure, list[float]] = {figure: [] for figure in worlds.figures}
    info: dict[str, Any] = {}
    for seed in range(rounds):
        envs.reset(seed=seed)
        expert.reset()
        begin = time.process_time()
        for _ in range(STEPS):
            *_, info = envs.step(expert.act())
        seconds += time.process_time() - begin
        successes += int(info["is_success"].sum())
        for figure, column in values.items():
            column.extend(info[figure.name])
    envs.close()
    medians = {figure: float(np.median(column)) for figure, column in values.items()}
    texts = {figure: f"{median:.{decimals_for([median])}f}" for figure, median in medians.items()}
    return Measured(successes, texts, STEPS * num_worlds * rounds / seconds)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--worlds", type=int, default=8, help="worlds side by side")
    parser.add_argument("--rounds", type=int, default=2, help="episodes in each of them")
    arguments = parser.parse_args()
    rows = {
        (engine, shape): measure(engine, shape, arguments.worlds, arguments.rounds)
        for engine in ENGINES
        for shape in PEG_SHAPES
    }
    declared = [f"median {figure.heading}" for figure in next(iter(rows.values())).medians]
    table = Table("engine", "shape", "success", *declared, "control steps/s")
    for (engine, shape), row in rows.items():
        success = f"{row.successes}/{arguments.worlds * arguments.rounds}"
        table.add_row(engine, shape, success, *row.medians.values(), f"{row.steps_per_second:.0f}")
    Console().print(table)
