"""How often scripts lift what may slip or break: `python -m benchmarks.lifting`.

`SlipServo` acts on the sense `slip` alone, `FixedGrip` on nothing: the best of its forces is what can be done without
the skin of the fingers. Instead, `--picture PATH` draws an object that is held, and what the pads feel.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmrl_envs  # noqa: F401  # registers the environments
from benchmarks.scripts import Act, MakeAct, play
from mmrl_agents.watching.force_maps import draw_forces
from mmrl_envs.tasks.experts.lifting_experts import FixedGrip, SlipServo
from mmrl_envs.tasks.fragile_lift import FragileLift
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/FragileLift-v0"
FORCES_N = (1.0, 1.4, 2.0, 2.8)


def by_slip(envs: RobotVectorEnv) -> Act:
    """Grips harder while it feels slip."""
    assert isinstance(envs.task, FragileLift)
    return SlipServo(envs.task.robot.controller).act


def by_one_force(envs: RobotVectorEnv, *, force_n: float) -> Act:
    """Grips everything alike."""
    assert isinstance(envs.task, FragileLift)
    return FixedGrip(envs.task.robot.controller, force_n).act


CONTENDERS: Mapping[str, MakeAct] = {
    "slip servo": by_slip,
    **{f"{force_n:g} N": partial(by_one_force, force_n=force_n) for force_n in FORCES_N},
}


def compare(episodes: int, seed: int) -> None:
    """Run each contender on the same episodes and print the table."""
    headings = (f"mean {figure.heading}" for figure in FragileLift.figures)
    table = Table("script", "success, 95 % Wilson interval", *headings)
    for name, make_act in track(CONTENDERS.items(), ENV):
        success, figures = play(ENV, make_act, episodes, seed)
        table.add_row(name, str(success), *(f"{values.mean():.2f}" for values in figures.values()))
    Console().print(table)


def draw(path: Path) -> None:
    """An object that is gripped, slips, and is held up, with what both pads feel."""
    context = {"log_mass": float(np.log(0.3)), "friction": 0.5}
    envs = gym.make_vec(ENV, num_envs=1, context=context, render_mode="rgb_array", width=480, height=480)
    assert isinstance(envs, RobotVectorEnv)
    seen, _ = envs.reset(seed=0)
    act = by_slip(envs)
    figure, grid = plt.subplots(2, 3, figsize=(9, 5), dpi=100, layout="constrained", height_ratios=(2, 1))
    shown = {8: "gripped", 21: "it slips", 45: "held up"}
    for step in range(max(shown) + 1):
        if step in shown:
            frames = envs.render()
            assert frames is not None
            column = grid[:, list(shown).index(step)]
            pads, brightest = draw_forces(seen["tactile"][0])
            column[0].imshow(frames[0])
            column[0].set_title(f"{shown[step]}, {step / 20:.2f} s", fontsize=9)
            column[1].imshow(pads)
            column[1].set_title(f"left and right pad, bright is {brightest:.2g} N", fontsize=8)
            for axes in column:
                axes.set_axis_off()
        seen, *_ = envs.step(act(seen))
    figure.savefig(path)
    envs.close()


def main() -> None:
    """Run each contender on the same episodes and print the table, or draw instead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--picture", type=Path, help="file to draw into")
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
    else:
        compare(options.episodes, options.seed)


if __name__ == "__main__":
    main()
