"""How soon a walk forgets a disturbance, from step to step: `python -m benchmarks.return_map [RUN ...]`.

The section is the instant in which the trunk of the walker rolls through upright towards its right foot: the roll is 0
and rises. The state there is eight numbers: the pitch of the trunk, its rates of roll, pitch and yaw, and angles and
rates of both hips. Walks begin with many leans; each crossing of the section but the first twenty, in which a walk is
still on its way to its rhythm, is paired with the next.
A linear map is fitted to all pairs by least squares, about the mean crossing, each number in units of its deviation.
Its eigenvalues say how a disturbance goes on: the walk is stable where the largest is below 1 in absolute value, and
forgets the sooner the smaller it is. R2 is the share of the variance of the next crossing that the map explains.

First comes the passive walker down a ramp, its servos' targets at 0. For each run, before learning is an ankle held on
the flat, which stops rocking and has no map; after is the policy with its best actions.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from mmrl.arrays import FloatArray
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import load_policy
from mmrl_envs.robots.toddler import HIPS

Steering = Callable[[dict[str, Any]], NDArray[Any]]
ENV = "mmrl/Toddler-v0"
STATE = ("pitch", "roll rate", "pitch rate", "yaw rate", *HIPS, *(f"{hip} rate" for hip in HIPS))
SETTLING = 20
"""Crossings of a walk that are left out."""
LEANS = np.concatenate([np.linspace(-0.13, -0.10, 7), np.linspace(0.10, 0.13, 7)])


@dataclass(frozen=True)
class ReturnMap:
    """A fitted map from crossing to crossing."""

    eigenvalues: FloatArray
    """Absolute values, largest first."""
    explained: float
    """R2."""
    pairs: int
    """Crossings with a next one."""
    mean: FloatArray
    """The mean crossing, one number for each of `STATE`."""


def readings(envs: Any) -> tuple[FloatArray, FloatArray]:
    """Roll (N, S) in radians and the state (N, S, 8) at each physics step of the last control step."""
    world = envs.unwrapped.world
    up, turning = world.recorded("trunk_up"), world.recorded("trunk_turning")
    hips = np.concatenate([world.recorded(f"{hip}_angle") for hip in HIPS], axis=2)
    rates = np.gradient(hips, 1.0 / world.physics_hz, axis=1)
    pitch = -np.arcsin(np.clip(up[..., :1], -1.0, 1.0))
    return np.arctan2(up[..., 1], up[..., 2]), np.concatenate([pitch, turning, hips, rates], axis=2)


def crossings(envs: Any, act: Steering, seconds: float) -> list[FloatArray]:
    """The states (K, 8) in which each world crossed the section until it fell or time was up."""
    observation, _ = envs.reset(seed=0)
    found: list[list[FloatArray]] = [[] for _ in range(envs.num_envs)]
    upright, last = np.ones(envs.num_envs, np.bool_), np.zeros(envs.num_envs)
    for _ in range(round(seconds * envs.unwrapped.settings["control_hz"])):
        observation, _, terminated, _, _ = envs.step(act(observation))
        upright &= ~terminated
        roll, state = readings(envs)
        before = np.concatenate([last[:, None], roll[:, :-1]], axis=1)
        for world, step in zip(*np.nonzero((before < 0) & (roll >= 0) & upright[:, None]), strict=True):
            found[world].append(state[world, step].copy())
        last = roll[:, -1].copy()
    return [np.array(states).reshape(-1, len(STATE)) for states in found]


def fit(series: list[FloatArray]) -> ReturnMap | None:
    """The map of each crossing but the first ones onto the next, or None where there are too few."""
    now = np.concatenate([states[SETTLING:-1] for states in series])
    then = np.concatenate([states[SETTLING + 1 :] for states in series])
    if len(now) < 4 * len(STATE):
        return None
    mean, deviation = now.mean(axis=0), now.std(axis=0) + 1e-12
    here, there = (now - mean) / deviation, (then - mean) / deviation
    matrix, *_ = np.linalg.lstsq(here, there, rcond=1e-3)
    left = ((there - here @ matrix) ** 2).sum() / ((there - there.mean(axis=0)) ** 2).sum()
    return ReturnMap(np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1], 1.0 - float(left), len(now), mean)


def passive(slope: float, seconds: float) -> ReturnMap | None:
    """The map of the walker whose servos hold still, down a ramp."""
    envs = _worlds(slope)
    return fit(crossings(envs, lambda observation: np.zeros(envs.action_space.shape, np.float32), seconds))


def learned(run: str, slope: float, seconds: float, checkpoint: str) -> ReturnMap | None:
    """The map of a run's policy with its best actions."""
    envs = _worlds(slope)
    policy = TorchPolicy(load_policy(run, checkpoint=checkpoint).policy, envs.single_action_space)
    return fit(crossings(envs, policy.act, seconds))


def _worlds(slope: float) -> Any:
    context = {"slope_rad": slope, "start_lean_rad": LEANS}
    return gym.make_vec(
        f"mmrl_envs:{ENV}",
        num_envs=len(LEANS),
        max_episode_steps=None,
        autoreset=False,
        num_threads=1,
        context=context,
    )


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="*", help="folders of runs, or of exported policies")
    parser.add_argument("--seconds", type=float, default=40.0, help="of each walk")
    parser.add_argument("--slope", type=float, default=0.03, help="of the passive walker's ramp in radians")
    parser.add_argument("--checkpoint", default="best", help="best, last or a file of the runs")
    args = parser.parse_args()
    maps = {f"passive, slope {args.slope:g}": passive(args.slope, args.seconds)}
    maps |= {run: learned(run, 0.0, args.seconds, args.checkpoint) for run in args.runs}
    table = Table(title=f"Return map at roll = 0, rising; {len(LEANS)} walks of {args.seconds:g} s")
    for heading in ("walker", "pairs", "R2", "largest eigenvalue", "all, in absolute value"):
        table.add_column(heading)
    for name, each in maps.items():
        if each is None:
            table.add_row(name, "too few crossings: it does not rock on", "", "", "")
        else:
            all_ = " ".join(f"{value:.2f}" for value in each.eigenvalues)
            table.add_row(name, str(each.pairs), f"{each.explained:.2f}", f"{each.eigenvalues[0]:.2f}", all_)
    Console().print(table)


if __name__ == "__main__":
    main()
