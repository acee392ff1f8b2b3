"""How often a script wipes the board clean, with and without its senses: `python -m benchmarks.wiping`.

`WipingExpert` acts on observations alone. The second row presses to where the board would be in a plan; the third sees
a black picture. Instead, `--picture PATH` draws an instant of an episode, as a film and by the camera of the hand, and
`--speed` prints environment steps per second of processor time, in 64 worlds with the usual senses.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
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
from mmrl_envs.tasks.experts.by_task import step_m
from mmrl_envs.tasks.experts.wiping_expert import ByForce, ToPlan, WipingExpert
from mmrl_envs.tasks.wipe import Wipe
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/Wipe-v0"


def seeing_and_feeling(envs: RobotVectorEnv) -> Act:
    """The script with all its senses."""
    return WipingExpert(step_m(envs), ByForce()).act


def without_the_wrench(envs: RobotVectorEnv) -> Act:
    """The same, pressed to a depth below the board of the plan."""
    return WipingExpert(step_m(envs), ToPlan()).act


def without_the_camera(envs: RobotVectorEnv) -> Act:
    """The same where every picture is black."""
    act = seeing_and_feeling(envs)
    return lambda seen: act({**seen, "camera": np.zeros_like(seen["camera"])})


CONTENDERS: Mapping[str, MakeAct] = {
    "camera and wrench": seeing_and_feeling,
    "without the wrench, to a plan": without_the_wrench,
    "without the camera": without_the_camera,
}


def draw(path: Path) -> None:
    """A board half wiped: a part of a frame of a film, and what the policy sees at the start and then."""
    lamp = {"light_azimuth_rad": 0.0, "light_intensity": 1.0}
    envs = gym.make_vec(ENV, num_envs=1, context=lamp, render_mode="rgb_array", width=1280, height=1280)
    assert isinstance(envs, RobotVectorEnv)
    seen, _ = envs.reset(seed=5)
    act, first = seeing_and_feeling(envs), seen["camera"][0]
    for _ in range(22):
        seen, *_ = envs.step(act(seen))
    frames = envs.render()
    assert frames is not None
    pictures = (frames[0][640:1100, 460:980], first, seen["camera"][0])
    titles = ("a film", "camera of the hand, at the start", "camera of the hand, after 1.1 s")
    figure, grid = plt.subplots(1, 3, figsize=(10, 3.7), dpi=100)
    for axes, picture, title in zip(grid, pictures, titles, strict=True):
        axes.imshow(picture, interpolation="nearest")
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    figure.tight_layout()
    figure.savefig(path)
    envs.close()


def speed(rounds: int = 5) -> float:
    """Environment steps per second of processor time in the fastest of some rounds, the ball wandering on the board."""
    envs = gym.make_vec(ENV, num_envs=64, num_threads=1)
    envs.reset(seed=0)
    actions = np.random.default_rng(0).uniform(-1, 1, (100, 64, 3)).astype(np.float32)
    actions[:, :, 2] -= 0.3
    spent = []
    for _ in range(rounds):
        start = time.process_time()
        for action in actions:
            envs.step(action.clip(-1, 1))
        spent.append(time.process_time() - start)
    envs.close()
    return float(actions.shape[0] * actions.shape[1] / min(spent))


def compare(episodes: int, seed: int) -> None:
    """Run each contender on the same episodes and print the table."""
    table = Table("script", "success, 95 % Wilson interval", *(f"mean {f.heading}" for f in Wipe.figures))
    for name, make_act in track(CONTENDERS.items(), ENV):
        success, figures = play(ENV, make_act, episodes, seed)
        table.add_row(name, str(success), *(f"{values.mean():.2f}" for values in figures.values()))
    Console().print(table)


def main() -> None:
    """Run each contender on the same episodes and print the table, or do what the options ask for instead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--speed", action="store_true", help="measure the speed of the worlds")
    parser.add_argument("--picture", type=Path, help="file to draw into")
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
    elif options.speed:
        Console().print(f"{speed():,.0f} environment steps per second of processor time")
    else:
        compare(options.episodes, options.seed)


if __name__ == "__main__":
    main()
