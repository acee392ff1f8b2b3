"""How often a scripted search by feel finds the hole of `Blind`: `python -m benchmarks.spiral_search`.

`SpiralSearch` acts on observations alone. The second row takes its touch away (the wrench reads zero), so that it
never knows that it has landed; the third takes the estimate as if it were exact and pushes down on it.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.scripts import Act, MakeAct, play
from mmrl.arrays import Observation
from mmrl_envs.tasks.experts.by_task import step_m
from mmrl_envs.tasks.experts.spiral_search import SENSES, SpiralSearch
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/PegInsertionBlind-v0"
DOWNWARD = -0.3
"""Share of a full action with which the third row pushes."""


def by_feel(envs: RobotVectorEnv) -> Act:
    """The search with all its senses."""
    return SpiralSearch(envs.num_envs, step_m=step_m(envs)).act


def without_touch(envs: RobotVectorEnv) -> Act:
    """The same search with a wrench that reads zero."""
    act = by_feel(envs)
    return lambda seen: act({**seen, "force_torque": np.zeros_like(seen["force_torque"])})


def straight_down(envs: RobotVectorEnv) -> Act:
    """A push on the estimate."""

    def act(seen: Observation) -> NDArray[np.float32]:
        move = seen["hole_estimate"][:, :3] / step_m(envs)
        move[:, 2] = DOWNWARD
        action: NDArray[np.float32] = np.clip(move, -1, 1).astype(np.float32)
        return action

    return act


CONTENDERS: Mapping[str, MakeAct] = {
    "spiral, all senses": by_feel,
    "spiral, without touch": without_touch,
    "straight down on the estimate": straight_down,
}


def main() -> None:
    """Run each contender on the same episodes and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=10_000)
    options = parser.parse_args()
    table = Table("contender", "success, 95 % Wilson interval")
    for name, make_act in track(CONTENDERS.items(), ENV):
        success, _ = play(ENV, make_act, options.episodes, options.seed, sensors=SENSES)
        table.add_row(name, str(success))
    Console().print(table)


if __name__ == "__main__":
    main()
