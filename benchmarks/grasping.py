"""How often a script inserts a peg that sits in the grasp nobody knows how: `python -m benchmarks.grasping`.

`GraspExpert` acts on observations alone. The second row takes the peg to sit straight, the third the hole to lie under
the hand. Instead, `--cost` prints what a reading of the tactile pad costs beside the physics, in 64 worlds on one core,
and `--picture PATH` draws how a peg sits, is felt, and is inserted.
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
from mmrl_agents.watching.force_maps import draw_forces
from mmrl_envs.seeing.cameras import SceneCameras
from mmrl_envs.sensors.sensing.world_view import WorldView
from mmrl_envs.sensors.tactile.pad import TactilePad
from mmrl_envs.tasks.experts.grasp_expert import GraspExpert, OutlineFit
from mmrl_envs.tasks.peg.grasp import HELD, SUCTION_N
from mmrl_envs.tasks.peg.grasped import GraspedInsertion
from mmrl_envs.vector_env import RobotVectorEnv

ENV, RESOLUTION = "mmrl/GraspedInsertion-v0", 16


def by_touch_and_estimate(envs: RobotVectorEnv) -> Act:
    """The script with all its senses."""
    assert isinstance(envs.task, GraspedInsertion)
    return GraspExpert(envs.task.impedance.step_m, envs.task.impedance.step_rad).act


def without_touch(envs: RobotVectorEnv) -> Act:
    """The same where every peg seems to sit straight."""
    act = by_touch_and_estimate(envs)
    straight = OutlineFit(RESOLUTION).maps(np.zeros((1, 3)))[0]
    maps = np.tile(straight[None, :, :, None] * (1.0, 0.0, 0.0), (envs.num_envs, 1, 1, 1))
    return lambda seen: act({**seen, "tactile": maps})


def without_the_estimate(envs: RobotVectorEnv) -> Act:
    """The same where the hole seems to lie under the hand."""
    act = by_touch_and_estimate(envs)
    return lambda seen: act({**seen, "hole_estimate": seen["hole_estimate"] * (0, 0, 1, 1)})


CONTENDERS: Mapping[str, MakeAct] = {
    "touch and estimate": by_touch_and_estimate,
    "without touch": without_touch,
    "without the estimate": without_the_estimate,
}


def compare(episodes: int, seed: int) -> None:
    """Run each contender on the same episodes and print the table."""
    headings = (figure.heading for figure in GraspedInsertion.figures)
    table = Table("script", "success, 95 % Wilson interval", *(f"mean {heading}" for heading in headings))
    for name, make_act in track(CONTENDERS.items(), ENV):
        success, figures = play(ENV, make_act, episodes, seed)
        table.add_row(name, str(success), *(f"{values.mean():.2f}" for values in figures.values()))
    Console().print(table)


def cost(resolution: int, steps: int = 60, rounds: int = 5) -> tuple[float, float]:
    """Processor time a world and control step in 64 worlds, of a reading and of the physics, in microseconds.

    The least of some rounds, in which pegs come down on the block: others use the machine too.
    """
    pad = TactilePad(body=HELD, suction_n=SUCTION_N, resolution=resolution)
    envs = gym.make_vec(ENV, num_envs=64, num_threads=1, sensors=(pad,))
    assert isinstance(envs, RobotVectorEnv)
    (sensor,), every = envs.sensors, np.arange(envs.num_envs)
    look = WorldView(envs.world, envs.task, SceneCameras(envs.world, 1), every, np.array([envs.world.substeps - 1]))
    down = np.tile(np.array([0.0, 0.0, -0.5, 0.1], np.float32), (envs.num_envs, 1))
    spent = np.zeros((rounds, 2))
    for row in spent:
        envs.reset(seed=0)
        for _ in range(steps):
            control, start = envs.controller.command(down), time.process_time()
            envs.world.step(control)
            stepped = time.process_time()
            sensor.read(look)
            row += time.process_time() - stepped, stepped - start
    envs.close()
    reading, physics = spent.min(axis=0) / steps / envs.num_envs * 1e6
    return float(reading), float(physics)


def weigh() -> None:
    """Print what readings cost beside the physics."""
    table = Table("taxels", "a reading, us a world and control step", "physics, us", "ratio", "wanted")
    for resolution in (16, 32):
        reading, physics = cost(resolution)
        row = (f"{reading:.1f}", f"{physics:.0f}", f"{reading / physics:.1%}", "10 us")
        table.add_row(f"{resolution} x {resolution}", *row)
    Console().print(table)


def draw(path: Path) -> None:
    """Three instants of an insertion as a film has them, the palm's map below each."""
    context = {"grasp_turn_rad": 0.5, "grasp_shift_m": 0.008, "hole_x_m": 0.01, "hole_y_m": -0.01}
    envs = gym.make_vec(ENV, num_envs=1, context=context, render_mode="rgb_array", width=1280, height=1280)
    assert isinstance(envs, RobotVectorEnv)
    seen, _ = envs.reset(seed=8)
    act = by_touch_and_estimate(envs)
    figure, grid = plt.subplots(2, 3, figsize=(9, 6), dpi=100, layout="constrained")
    for step in range(31):
        if step in (0, 15, 30):
            frames = envs.render()
            assert frames is not None
            above, below = grid[:, step // 15]
            above.imshow(frames[0][560:1060, 400:900])
            above.set_title(f"after {step / 20:.2f} s", fontsize=9)
            below.imshow(draw_forces(seen["tactile"][0])[0])
            for axes in (above, below):
                axes.set_axis_off()
        seen, *_ = envs.step(act(seen))
    figure.savefig(path)
    envs.close()


def main() -> None:
    """Run each contender on the same episodes and print the table, or do what the options ask for instead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--cost", action="store_true", help="weigh the readings of the pad")
    parser.add_argument("--picture", type=Path, help="file to draw into")
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
    elif options.cost:
        weigh()
    else:
        compare(options.episodes, options.seed)


if __name__ == "__main__":
    main()
