"""How a policy walks: `python -m benchmarks.walking RUN [--checkpoint FILE ...]`.

Twenty minutes of walking, 60 episodes of 20 s by default, with the best actions: how often it falls, how fast and how
dearly it walks. A checkpoint may be "best", "last" or a file of the run, and several may be given.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import load_policy

EPISODE_S = 20.0
FIGURES = ("speed_m_s", "relative_speed", "cost_of_transport")


@dataclass(frozen=True)
class Walking:
    """The walks of a policy."""

    minutes: float
    """Of walking, falls included."""
    falls: int
    """How often it fell."""
    falls_per_minute: float
    """The one by the other."""
    speed_m_s: float
    """Mean over all the time."""
    relative_speed: float
    """That as a share of sqrt(g l)."""
    cost_of_transport: float
    """Median over episodes."""


def walking(run: str, checkpoint: str, episodes: int, context: dict[str, Any], seed: int) -> Walking:
    """An episode in each of as many worlds, each until it falls or its time is up."""
    trained = load_policy(run, checkpoint=checkpoint)
    sensors: dict[str, Any] = {"sensors": trained.config.sensors} if trained.config.sensors else {}
    envs: Any = gym.make_vec(
        trained.env_id, num_envs=episodes, autoreset=False, context=context, num_threads=1, **sensors
    )
    policy = TorchPolicy(trained.policy, envs.single_action_space)
    observation, _ = envs.reset(seed=seed)
    walks, steps, fell = np.ones(episodes, np.bool_), np.zeros(episodes), np.zeros(episodes, np.bool_)
    kept = {name: np.zeros(episodes) for name in FIGURES}
    while walks.any():
        observation, _, terminated, truncated, info = envs.step(policy.act(observation))
        steps += walks
        for name, values in kept.items():
            values[walks] = info[name][walks]
        fell |= walks & terminated
        walks &= ~(terminated | truncated)
    minutes = float(steps.sum() / envs.unwrapped.settings["control_hz"] / 60)
    speed, relative = (float((kept[name] * steps).sum() / steps.sum()) for name in FIGURES[:2])
    transport = float(np.median(kept[FIGURES[2]]))
    return Walking(minutes, int(fell.sum()), float(fell.sum() / minutes), speed, relative, transport)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", help="folder of a run, or of an exported policy")
    parser.add_argument("--checkpoint", nargs="+", default=["best"], help="best, last or files of the run")
    parser.add_argument("--episodes", type=int, default=60, help=f"of {EPISODE_S:g} s")
    parser.add_argument("--context", type=json.loads, default={}, help="such as '{\"slope_rad\": 0.03}'")
    parser.add_argument("--seed", type=int, default=1000, help="of the episodes")
    args = parser.parse_args()
    table = Table(title=f"{args.run}, {args.context or 'on the flat'}")
    for heading in ("checkpoint", *Walking.__dataclass_fields__):
        table.add_column(heading)
    for checkpoint in args.checkpoint:
        found = walking(args.run, checkpoint, args.episodes, args.context, args.seed)
        cells = [f"{value:.3g}" for value in asdict(found).values()]
        table.add_row(checkpoint.rpartition("/")[2], *cells)
    Console().print(table)


if __name__ == "__main__":
    main()
