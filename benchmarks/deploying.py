"""A policy in a robot's loop: `python -m benchmarks.deploying [POLICY ...]`.

The simulator stands for the robot: each sense gives its readings one at a time, at its own rate, to a
`mmrl.deploy.Runner`. Success over the same episodes once as they come and once as a robot's come: up to 5 ms late, one
in twenty lost. Then the time of one action, on one thread. With `--acts-after S` the loop acts S seconds after the
readings were taken, so that late ones are there, and the action takes effect that much later.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import mmrl
import mmrl_envs  # noqa: F401 - registers the environments
from mmrl.arrays import Observation
from mmrl.deploy import ReadyPolicy, Runner
from mmrl.evaluation.rates import Rate
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.settings.config import TrainConfig
from mmrl_envs.controllers.delay import DELAY


@dataclass(frozen=True)
class Transport:
    """The way from a sensor to the runner."""

    late_s: float = 0.0
    """A reading takes from no time to this long."""
    lost: float = 0.0
    """Share of the readings that never arrive."""


class Delivery:
    """Readings on their way from a simulated robot.

    Args:
        runner: gets those that have arrived.
        transport: the way.
        rng: draws delays and losses.
    """

    def __init__(self, runner: Runner, transport: Transport, rng: np.random.Generator) -> None:
        self._runner, self._transport, self._rng = runner, transport, rng
        self._under_way: list[tuple[float, str, float, Any]] = []
        self._delivered: dict[str, float] = {}

    def give(self, now: float, observation: Observation, control_s: float) -> None:
        """Send the readings of the last `control_s` seconds and deliver all that have arrived by `now`."""
        for name, taken, reading in _readings(self._runner, now, observation, control_s):
            if taken <= 0.0 or self._rng.random() >= self._transport.lost:
                arrives = taken + self._rng.uniform(0.0, self._transport.late_s) * (taken > 0.0)
                self._under_way.append((arrives, name, taken, reading))
        self.deliver(now)

    def deliver(self, now: float) -> None:
        """Deliver all that have arrived by `now`."""
        # what overtakes another reading of its sense is delivered first, and the other is too late
        self._under_way.sort(key=lambda sent: (sent[2], sent[0]))
        there = [sent for sent in self._under_way if sent[0] <= now + 1e-9]
        self._under_way = [sent for sent in self._under_way if sent[0] > now + 1e-9]
        for _, name, taken, reading in there:
            if taken >= self._delivered.get(name, 0.0):
                self._runner.push(name, taken, reading)
                self._delivered[name] = taken

    def begin(self) -> None:
        """Forget what is under way."""
        self._under_way.clear()
        self._delivered.clear()


def _readings(
    runner: Runner, now: float, observation: Observation, control_s: float
) -> Iterator[tuple[str, float, Any]]:
    """Sense, instant and reading of all that was taken in the last control step, as the newest of each window are."""
    for name, sense in runner.senses.items():
        fast = sense.history is not None and sense.rate_hz > runner.hz
        new = min(sense.history or 1, round(control_s * sense.rate_hz)) if fast and control_s else 1
        rows = observation[name][-new:] if sense.history is not None else [observation[name]]
        for age, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
            yield name, now - age / sense.rate_hz, row


def success(config: TrainConfig, runner: Runner, transport: Transport, acts_after: float, episodes: int) -> Rate:
    """Success at the end of so many episodes of a loop that acts `acts_after` seconds after readings were taken."""
    late = {DELAY: acts_after} if acts_after else {}
    env = gym.make(config.env, **config.worlds.kwargs, context={**config.target_context, **late})
    delivery, won = Delivery(runner, transport, np.random.default_rng(0)), 0
    for episode in track(range(episodes), f"{config.env}, {transport}"):
        observation, info = env.reset(seed=10_000 + episode)
        runner.reset()
        delivery.begin()
        delivery.give(0.0, observation, 0.0)
        over, step = False, 0
        while not over:
            acts = step / runner.hz + acts_after
            delivery.deliver(acts)
            observation, _, terminated, truncated, info = env.step(runner.tick(acts))
            over, step = terminated or truncated, step + 1
            delivery.give(step / runner.hz, observation, 1 / runner.hz)
        won += bool(info["is_success"])
    env.close()
    return Rate(won, episodes)


def milliseconds(policy: ReadyPolicy, ticks: int = 300) -> float:
    """Median time of `tick` with every sense there."""
    runner = Runner(policy)
    for tick in range(ticks):
        now = tick / runner.hz
        for name, sense in policy.modalities.items():
            runner.push(name, now, np.zeros(sense.shape, sense.dtype))
        runner.tick(now)
    return runner.report().acting.median_ms


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("policies", nargs="*", default=["peg_insertion", "peg_insertion_all_shapes"], metavar="POLICY")
    parser.add_argument("--episodes", type=int, default=200)
    parser.add_argument(
        "--acts-after", type=float, default=0.0, metavar="S", help="seconds from readings to the action"
    )
    args = parser.parse_args()
    table = Table("policy", "as they come", "5 ms of jitter, 5 % lost", "ms an action")
    for name in args.policies:
        config = load_policy(name).config
        rates = [
            success(config, Runner(name), transport, args.acts_after, args.episodes)
            for transport in (Transport(), Transport(0.005, 0.05))
        ]
        table.add_row(name, *map(str, rates), f"{milliseconds(mmrl.load(name)):.2f}")
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
