"""Scripts that tap a block and go where its sound says, and what hearing costs: `python -m benchmarks.tapping`.

`TapListener` acts on observations alone; in a second row it hears, once it has tapped, the block of the world next to
it. `--speed` prints instead how long the senses that hear take, against the physics of the same steps, in 64 worlds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.table import Table

import mmrl_envs  # noqa: F401  # registers the environments
from benchmarks.scripts import Act, play
from mmrl.arrays import Observation
from mmrl_envs.tasks.experts.by_task import step_m
from mmrl_envs.tasks.experts.tapping_expert import TapListener, practised, tapping
from mmrl_envs.tasks.tap_to_hear import DISTINCTIONS
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/TapToHear-v0"
PRACTICE = 400
"""Blocks that the script taps beforehand, and is shown the kinds of."""


def taught(**kwargs: Any) -> TapListener:
    """The script after its practice."""
    envs = made(PRACTICE, **kwargs)
    expert = practised(envs, step_m(envs))
    envs.close()
    return expert


def made(num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    """Worlds on one thread."""
    envs = gym.make_vec(ENV, num_envs=num_envs, num_threads=1, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def listening(expert: TapListener, misled: bool) -> Callable[[RobotVectorEnv], Act]:
    """The script, as it is or with the sound of other blocks."""

    def begin(envs: RobotVectorEnv) -> Act:
        expert.begin(envs.num_envs)
        return lambda seen: expert.act(of_next_world(seen) if misled else seen)

    return begin


def of_next_world(seen: Observation) -> Observation:
    """The same, but for the sound, which is that of the world next to each, once it has one of its own."""
    own = seen["tap_sound"]
    tapped = own.any(axis=(1, 2, 3), keepdims=True)
    return {**seen, "tap_sound": np.where(tapped, np.roll(own, 1, axis=0), own)}


def compare(episodes: int, seed: int) -> None:
    """Prints a row for each distinction and script."""
    table = Table("to be told apart", "script", "success")
    for tells in DISTINCTIONS:
        expert = taught(tells=tells)
        for misled, name in ((False, "taps, listens and goes"), (True, "hears another block")):
            success, _ = play(ENV, listening(expert, misled), episodes, seed, tells=tells)
            table.add_row(tells, name, str(success))
    Console().print(table)


def speed(sense: str, steps: int = 60, rounds: int = 5) -> tuple[float, float]:
    """Processor time of a sense and of the physics, us a world and control step, in the fastest of some rounds."""
    envs = made(
        64, sensors=(sense, "proprioception") if sense == "tap_sound" else (sense, "tap_sound", "proprioception")
    )
    spent = {"sense": 0.0, "physics": 0.0}

    def timed(name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            start = time.process_time()
            result = call(*args)
            spent[name] += time.process_time() - start
            return result

        return run

    sensor, world = envs.sensors[0], envs.world
    vars(sensor)["read"], vars(world)["step"] = timed("sense", sensor.read), timed("physics", world.step)
    best = []
    for _ in range(rounds):
        spent.update(sense=0.0, physics=0.0)
        seen, _ = envs.reset(seed=0)
        for _ in range(steps):
            # taps again and again, wherever it is
            seen, *_ = envs.step(np.clip(tapping(seen) / step_m(envs), -1.0, 1.0).astype(np.float32))
        best.append((spent["sense"], spent["physics"]))
    envs.close()
    each = np.min(best, axis=0) / steps / 64 * 1e6
    return float(each[0]), float(each[1])


def main() -> None:
    """Prints the table, or the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--speed", action="store_true", help="measure the cost of hearing")
    options = parser.parse_args()
    if not options.speed:
        compare(options.episodes, options.seed)
        return
    for sense in ("microphone", "tap_sound"):
        own, physics = speed(sense)
        Console().print(f"{sense}: {own:.0f} us, physics {physics:.0f} us: {own / physics:.1%} of it")


if __name__ == "__main__":
    main()
