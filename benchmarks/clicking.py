"""Success of scripts that push a plug until it clicks, by feel, sound and depth: `python -m benchmarks.clicking`.

The scripts act on observations alone. `--episodes` of each, one a world.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.scripts import Act, MakeAct, play
from mmrl_envs.tasks.experts.by_task import step_m
from mmrl_envs.tasks.experts.click_experts import ClickFeeler, ClickHearer, DepthGuesser
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/ClickPlug-v0"
DEPTHS_MM = (14.8, 15.8, 16.8, 17.8, 18.8)
"""Depths of the tip at which the scripts that do not feel stop: clicks lie between 13.8 and 19.8 mm."""


HEARS = "hears the click"


def feels(envs: RobotVectorEnv) -> Act:
    """The script that feels the click."""
    return ClickFeeler(envs.num_envs, step_m=step_m(envs)).act


def hears(envs: RobotVectorEnv) -> Act:
    """The script that hears the click."""
    return ClickHearer(envs.num_envs, step_m=step_m(envs)).act


def stops_at(depth_mm: float) -> MakeAct:
    """The script that says done at a depth."""
    return lambda envs: DepthGuesser(envs.num_envs, step_m=step_m(envs), stop_m=depth_mm / 1000).act


CONTENDERS: Mapping[str, MakeAct] = {
    "feels the click": feels,
    HEARS: hears,
    **{f"says done {depth:g} mm deep": stops_at(depth) for depth in DEPTHS_MM},
}


def main(episodes: int, seed: int) -> None:
    """Prints a row for each script."""
    table = Table("script", "success")
    for name, make_act in track(CONTENDERS.items(), ENV):
        sensors = ("hole_estimate", "microphone") if name == HEARS else None
        success, _ = play(ENV, make_act, episodes, seed, sensors=sensors)
        table.add_row(name, str(success))
    Console().print(table)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=100, help="episodes of each script")
    parser.add_argument("--seed", type=int, default=0, help="of the episodes")
    given = parser.parse_args()
    main(given.episodes, given.seed)
