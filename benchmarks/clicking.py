"""Success of scripts that push a plug until it clicks, by feel and by depth: `python -m benchmarks.clicking`.

The scripts act on observations alone. `--episodes` of each, one a world.
"""

from __future__ import annotations

import argparse

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmrl_envs  # noqa: F401  # registers the environments
from benchmarks.spiral_search import Act
from mmrl.evaluation.rates import Rate
from mmrl_envs.tasks.click_plug import ClickPlug
from mmrl_envs.tasks.experts.click_experts import ClickFeeler, DepthGuesser
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/ClickPlug-v0"
DEPTHS_MM = (14.8, 15.8, 16.8, 17.8, 18.8)
"""Depths of the tip at which the scripts that do not feel stop: clicks lie between 13.8 and 19.8 mm."""


def step_m(envs: RobotVectorEnv) -> float:
    """Displacement of a full action in metres."""
    assert isinstance(envs.task, ClickPlug)
    return envs.task.impedance.step_m


def success(envs: RobotVectorEnv, act: Act, seed: int) -> Rate:
    """Success in one episode of each world, by a script that begins."""
    seen, _ = envs.reset(seed=seed)
    good, going = 0, np.ones(envs.num_envs, np.bool_)
    while going.any():
        seen, _, terminated, truncated, info = envs.step(act(seen))
        ends = (terminated | truncated) & going
        if ends.any():
            good += int(info["final_info"]["is_success"][ends].sum())
        going &= ~ends
    return Rate(good, envs.num_envs)


def main(episodes: int, seed: int) -> None:
    """Prints a row for each script."""
    envs = gym.make_vec(ENV, num_envs=episodes)
    assert isinstance(envs, RobotVectorEnv)
    table = Table("script", "success")
    table.add_row("feels the click", str(success(envs, ClickFeeler(episodes, step_m=step_m(envs)).act, seed)))
    for depth in track(DEPTHS_MM, transient=True):
        guesser = DepthGuesser(episodes, step_m=step_m(envs), stop_m=depth / 1000)
        table.add_row(f"says done {depth:g} mm deep", str(success(envs, guesser.act, seed)))
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100, help="episodes of each script")
    parser.add_argument("--seed", type=int, default=0, help="of the episodes")
    given = parser.parse_args()
    main(given.episodes, given.seed)
