"""The optical flow of the peg task's camera, drawn and timed: `python -m benchmarks.flowing`.

Prints the CPU time that a world takes for a control step with and without `flow`, on one thread, in microseconds; the
actions are random. `--picture PATH` draws the flow of one control step beside the pictures before and after it.
"""

from __future__ import annotations

import argparse
from contextlib import closing
from pathlib import Path
from time import process_time
from typing import Any

import gymnasium as gym
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/PegInsertion-v0"
CASES: dict[str, tuple[str, ...]] = {
    "without flow": (),
    **{f"flow {side} x {side}": (f"flow:height={side},width={side}",) for side in (16, 32, 64)},
}


def microseconds(critic_sensors: tuple[str, ...], num_worlds: int, steps: int, rounds: int) -> float:
    """CPU time of a control step of one world, the median over rounds of so many steps."""
    rng = np.random.default_rng(0)
    with closing(_worlds(num_worlds, critic_sensors=critic_sensors)) as envs:
        envs.reset(seed=0)
        taken = []
        for _ in range(rounds):
            actions = rng.uniform(-1, 1, (steps, *envs.action_space.sample().shape)).astype(np.float32)
            begun = process_time()
            for action in actions:
                envs.step(action)
            taken.append(1e6 * (process_time() - begun) / (steps * num_worlds))
        return float(np.median(taken))


def draw(path: Path) -> None:
    """The pictures before and after a control step, and the flow between, an arrow for each sixth pixel."""
    size = "height=128,width=128"
    with closing(_worlds(1, sensors=(f"camera:{size}", "proprioception"), critic_sensors=(f"flow:{size}",))) as envs:
        action = np.array([[1.0, -1.0, -1.0]], np.float32)
        envs.reset(seed=3)
        for _ in range(12):
            envs.step(action)
        before = envs.step(action)[0]["camera"][0]
        seen, *_, info = envs.step(action)
        flow = info["flow"][0]
    places = np.arange(3, 128, 6)
    x, y = np.meshgrid(places, places)
    right, down, known = np.moveaxis(flow[y, x], 2, 0)
    length = np.where(flow[..., 2] == 1, np.hypot(flow[..., 0], flow[..., 1]), np.nan)
    figure, (first, second, third) = plt.subplots(1, 3, figsize=(10.6, 3.5), dpi=100, layout="constrained")
    for axes, picture, title in ((first, before, "camera"), (second, seen["camera"][0], "camera, one step later")):
        axes.imshow(picture)
        axes.set_title(title, fontsize=9)
    shown = third.imshow(length, cmap="viridis", vmin=0)
    there = known == 1
    third.quiver(x[there], y[there], right[there], down[there], color="white", angles="xy", width=0.004)
    third.set_title("flow of that step, arrows enlarged", fontsize=9)
    figure.colorbar(shown, ax=third, label="pixels")
    for axes in (first, second, third):
        axes.set_axis_off()
    figure.savefig(path)


def _worlds(num_worlds: int, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(ENV, num_envs=num_worlds, num_threads=1, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def main() -> None:
    """Print the times, or draw."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, help="file to draw into")
    parser.add_argument("--worlds", type=int, default=16)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=10)
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
        return
    for name, critic_sensors in CASES.items():
        Console().print(f"{name}: {microseconds(critic_sensors, options.worlds, options.steps, options.rounds):.0f} us")


if __name__ == "__main__":
    main()
