"""Worlds on a GPU: `python -m benchmarks.gpu [--train]`; under ten minutes, and without a GPU a check of the script.

Three tables: whether the GPU agrees with Warp's CPU device and with itself, environment steps per second by the number
of worlds against MuJoCo on all cores, and with `--train` the seconds of a short training with worlds on either side.
Images are drawn by MuJoCo on the host with both engines.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import gymnasium as gym
import numpy as np
import warp
from rich.console import Console
from rich.table import Table

import mmrl_envs  # noqa: F401  # registers the environments

ENV_ID = "mmrl/PegInsertion-v0"
WINDOWS = ("force_torque", "proprioception")
SENSES = {"no camera": WINDOWS, "64 x 64 camera": ("camera", *WINDOWS)}
CPU = "cpu"


def down(worlds: int) -> np.ndarray:
    """An action that lets the peg down onto the block, (N, 3)."""
    return np.tile(np.array([0.1, 0.0, -0.6], np.float32), (worlds, 1))


def joints(device: str, worlds: int, steps: int) -> np.ndarray:
    """Joints after each step of a descent with a landing, (steps, N, nq)."""
    with warp.ScopedDevice(device):
        envs = gym.make_vec(ENV_ID, num_envs=worlds, sensors=WINDOWS, engine="warp")
        envs.reset(seed=0)
        kept = []
        for _ in range(steps):
            envs.step(down(worlds))
            kept.append(envs.unwrapped.world.qpos.copy())  # type: ignore[attr-defined]  # a RobotVectorEnv
        envs.close()
    return np.stack(kept)


def agreement(device: str, worlds: int, steps: int) -> Table:
    """Differences between devices, and between two runs on one."""
    table = Table("two runs of a descent", "largest difference of a joint, rad")
    first = joints(device, worlds, steps)
    table.add_row(f"{device} and {device}", f"{np.abs(first - joints(device, worlds, steps)).max():.2e}")
    table.add_row(f"{device} and {CPU}", f"{np.abs(first - joints(CPU, worlds, steps)).max():.2e}")
    return table


def rate(engine: str, senses: tuple[str, ...], worlds: int, steps: int) -> float:
    """Environment steps per second; the first step, in which kernels are compiled, does not count."""
    envs = gym.make_vec(ENV_ID, num_envs=worlds, sensors=senses, engine=engine)
    envs.reset(seed=0)
    for _ in range(2):  # the second one captures the graph
        envs.step(down(worlds))
    begun = time.perf_counter()
    for _ in range(steps):
        envs.step(down(worlds))
    envs.close()
    return steps * worlds / (time.perf_counter() - begun)


def throughput(device: str, numbers: list[int], steps: int) -> Table:
    """Rates by senses and number of worlds."""
    table = Table("senses", "worlds", f"warp on {device}, steps/s", "mujoco on all cores, steps/s", "ratio")
    for title, senses in SENSES.items():
        for worlds in numbers:
            with warp.ScopedDevice(device):
                there = rate("warp", senses, worlds, steps)
            here = rate("mujoco", senses, worlds, steps)
            table.add_row(title, str(worlds), f"{there:,.0f}", f"{here:,.0f}", f"{there / here:.2f}")
    return table


def training(device: str, total_steps: int) -> Table:
    """Seconds of a training whose network is on the device, by where its worlds are."""
    table = Table("worlds", f"seconds of {total_steps:,} steps with the network on {device}")
    for engine, worlds in (("mujoco", 64), ("warp", 1024)):
        with tempfile.TemporaryDirectory() as folder:
            words = ["train", ENV_ID, "--device", device.partition(":")[0], "--total-steps", str(total_steps)]
            words += ["--num-worlds", str(worlds), "--set", f"engine={engine}", "--evaluate-episodes", "0"]
            begun = time.perf_counter()
            run = [sys.executable, "-m", "mmrl_agents", *words, "--run-dir", str(Path(folder) / "run")]
            subprocess.run(run, check=True, capture_output=True)
            table.add_row(f"{worlds} on {engine}", f"{time.perf_counter() - begun:.0f}")
    return table


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--worlds", type=int, nargs="+", default=[256, 1024, 4096])
    parser.add_argument("--steps", type=int, default=20, help="control steps of each figure")
    parser.add_argument("--train", action="store_true", help="also two trainings")
    parser.add_argument("--total-steps", type=int, default=100_000, help="of each training")
    args = parser.parse_args()
    device, console = str(warp.get_device()), Console()
    console.print(f"warp {warp.__version__} on {warp.get_device().name}")
    console.print(agreement(device, 4, args.steps))
    console.print(throughput(device, args.worlds, args.steps))
    if args.train:
        console.print(training(device, args.total_steps))


if __name__ == "__main__":
    main()
