"""Time per update of two ranks whose network is late, against a model: `python -m benchmarks.network`, as root.

Each rank has a network namespace of its own; benchmarks/wire.py is what lies between them. The model is

    time of an update = what it takes without delay + trips x delay,

where the trips of an update are those of every collective in it, and the trips of a collective are counted by itself,
once, at 10 ms: trips = (its time at 10 ms - its time without delay) / 10 ms. Then it says what wide trainings would be.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from rich.console import Console
from rich.table import Table

from benchmarks.wire import ADDRESSES, DEVICE, inside, two_namespaces
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.machine.torch_ranks import joined_ranks
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train

COLLECTIVES = ("all_gather", "broadcast", "all_reduce")
PEG, POLE = "mmrl/PegInsertion-v0", "CartPole-v1"
COUNTED_AT_MS = 10.0
ROUNDS, CALLS = 5, 10
_CHILD = "--as-rank"


def settings(env: str, updates: int, folder: Path) -> TrainConfig:
    """A training of so many updates of 2,048 samples."""
    base = recipe_for(env) if env == PEG else TrainConfig(env, recipe="none", num_worlds=64, ppo=PPOConfig())
    steps = (updates + 1) * base.num_worlds * base.ppo.num_steps  # the first rollout is for the statistics
    return replace(
        base, total_steps=steps, evaluate_episodes=0, judge_every=None, device="cpu", threads=1, run_dir=folder
    )


class Counted:
    """Counts the collectives of this rank and their bytes."""

    def __init__(self) -> None:
        """Put itself between torch and those who call it."""
        self.calls: Counter[str] = Counter()
        self.bytes: Counter[str] = Counter()
        for name in COLLECTIVES:
            setattr(dist, name, self._counting(name, getattr(dist, name)))

    def _counting(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(first: Any, *others: Any, **more: Any) -> Any:
            sent = others[0] if name == "all_gather" else first
            self.calls[name] += 1
            self.bytes[name] += sent.numel() * sent.element_size()
            return call(first, *others, **more)

        return counted


def seconds_of_calls(numbers: int) -> dict[str, float]:
    """Seconds of a call of each collective where others follow it; all ranks are there at once.

    A broadcast is timed with the all-gather that comes after it: the first rank by itself would run ahead.
    """
    rows, large = torch.ones(64), torch.ones(numbers)
    parts = [torch.empty(64) for _ in range(dist.get_world_size())]

    def gather() -> None:
        dist.all_gather(parts, rows)

    def broadcast_and_gather() -> None:
        dist.broadcast(rows, src=0)
        gather()

    gathering, both = _mean_seconds(gather), _mean_seconds(broadcast_and_gather)
    reducing = _mean_seconds(lambda: dist.all_reduce(large))
    return {"all_gather": gathering, "broadcast": both - gathering, "all_reduce": reducing}


def _mean_seconds(work: Callable[[], Any]) -> float:
    """The median of means over some calls."""
    means = []
    for _ in range(ROUNDS):
        dist.barrier()
        begun = time.perf_counter()
        for _ in range(CALLS):
            work()
        means.append((time.perf_counter() - begun) / CALLS)
    return statistics.median(means)


def be_a_rank(env: str, updates: int, folder: Path) -> None:
    """Train, and print what an update took and which collectives it called; the first rank's say counts."""
    ends: list[tuple[float, dict[str, int], dict[str, int]]] = []
    with joined_ranks(600.0) as ranks:
        config = settings(env, updates, folder)
        alone = seconds_of_calls(175_000 if env == PEG else 60_000)
        slowest = {name: max(ranks.gather([seconds])) for name, seconds in alone.items()}
        counted = Counted()

        def note(step: int, metrics: Mapping[str, float]) -> None:
            ends.append((time.perf_counter(), dict(counted.calls), dict(counted.bytes)))

        train(config, Console(quiet=True), ranks, note)
        if not ranks.is_first:
            return
        between = list(itertools.pairwise(ends))
        last, before = ends[-1], ends[-2]
        found = {
            "update_s": statistics.median(end[0] - begin[0] for begin, end in between),
            "alone_s": slowest,
            "calls": {name: count - before[1].get(name, 0) for name, count in last[1].items()},
            "bytes": {name: count - before[2].get(name, 0) for name, count in last[2].items()},
        }
        print(json.dumps(found), flush=True)


@dataclass(frozen=True)
class PairFigures:
    """The figures of two ranks with a delay between them."""

    update_s: float
    alone_s: dict[str, float]
    """Seconds of one call of each collective by itself."""
    calls: dict[str, int]
    """Calls in an update."""
    bytes: dict[str, int]
    """Bytes that a rank hands over in an update."""


def measured(env: str, delay_ms: float, updates: int) -> PairFigures:
    """Train in two namespaces."""
    with tempfile.TemporaryDirectory() as folder, two_namespaces(delay_ms / 1000) as names:
        place = {"WORLD_SIZE": "2", "MASTER_ADDR": ADDRESSES[0], "MASTER_PORT": "29400", "LOCAL_WORLD_SIZE": "1"}
        more = {
            "GLOO_SOCKET_IFNAME": DEVICE,
            "MMRL_CORES": "1",
            "OMP_NUM_THREADS": "1",
            "LOCAL_RANK": "0",
            "TORCH_CPP_LOG_LEVEL": "ERROR",
        }
        child = [sys.executable, "-m", "benchmarks.network", _CHILD, env, str(updates), str(Path(folder) / "run")]
        processes = [
            subprocess.Popen(
                inside(name, child),
                env={**os.environ, **place, **more, "RANK": str(rank)},
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,  # machines of their own: neither has a part in what the other gets
            )
            for rank, name in enumerate(names)
        ]
        outputs = [process.communicate()[0] for process in processes]
        if any(process.returncode for process in processes):
            raise RuntimeError("a rank ended with an error, as said above")
        return PairFigures(**json.loads(outputs[0].strip().splitlines()[-1]))


def trips_of_a_call(without: PairFigures, late: PairFigures) -> dict[str, float]:
    """How often the delay lies in one call of each collective."""
    return {name: (late.alone_s[name] - without.alone_s[name]) * 1000 / COUNTED_AT_MS for name in COLLECTIVES}


def compare(env: str, delays_ms: list[float], updates: int, console: Console) -> tuple[PairFigures, dict[str, float]]:
    """Print measured and predicted times; returns what was measured without delay, and the trips of a call."""
    without, counted = measured(env, 0.0, updates), measured(env, COUNTED_AT_MS, updates)
    each = trips_of_a_call(without, counted)
    trips = sum(without.calls[name] * each[name] for name in without.calls)
    console.print(
        f"{env}: {without.calls} an update, {without.bytes} bytes; trips of a call {each}: {trips:.0f} in all"
    )
    table = Table("delay, ms", "an update, ms", "model, ms", "ratio", f"load {os.getloadavg()[0]:.1f}")
    for delay in delays_ms:
        found = (
            without if delay == 0 else counted if delay == COUNTED_AT_MS else measured(env, delay, updates)
        ).update_s
        model = without.update_s + trips * delay / 1000
        table.add_row(f"{delay:g}", f"{found * 1000:,.0f}", f"{model * 1000:,.0f}", f"{model / found:.2f}", "")
    console.print(table)
    return without, each


@dataclass(frozen=True)
class Machines:
    """Ranks side by side, as the model takes them."""

    ranks: int
    cores: int
    """Of each rank."""
    delay_s: float = 60e-6
    """Of a trip between machines of one rack, with what the programs at both ends take."""
    bytes_per_s: float = 1.1e9
    """Of a 10 Gb/s network."""
    straggler: float = 0.03
    """Spread of the time that ranks take for equal work, as a share."""

    def update_s(
        self, samples_per_core: int, steps_per_core_s: float, counted: PairFigures, trips: Mapping[str, float]
    ) -> tuple[float, float, float]:
        """Seconds of computing, of waiting for the slowest, and of the network.

        Two ranks make `trips` for a call of each collective. More pass all on in a ring, as gloo does, an all-reduce in
        parts twice round; a broadcast is a tree.
        """
        computing = samples_per_core / steps_per_core_s
        waiting = computing * self.straggler * math.sqrt(2 * math.log(self.ranks))
        others = self.ranks - 1
        rounds = {"all_reduce": others, "all_gather": others, "broadcast": math.ceil(math.log2(self.ranks))}
        travelling = sum(counted.calls.get(name, 0) * trips[name] * often for name, often in rounds.items())
        # A rank of two has half of 2,048 samples, and hands each over to all others.
        gathered = counted.bytes["all_gather"] / 1024 * samples_per_core * self.cores * others
        reduced = 2 * others / self.ranks * counted.bytes["all_reduce"]
        return computing, waiting, travelling * self.delay_s + (gathered + reduced) / self.bytes_per_s


def wide(counted: PairFigures, trips: Mapping[str, float], steps_per_core_s: float, console: Console) -> None:
    """Print what the model says of wide trainings with 1,024 samples per core and update."""
    table = Table("ranks x cores", "computing, s", "waiting, s", "network, s", "efficiency", "steps/s", "batch")
    for machines in (Machines(2, 1), Machines(8, 1), Machines(32, 32), Machines(1024, 1)):
        parts = machines.update_s(1024, steps_per_core_s, counted, trips)
        cores = machines.ranks * machines.cores
        share, batch = parts[0] / sum(parts), 1024 * cores
        texts = [f"{part:.2f}" for part in parts]
        table.add_row(
            f"{machines.ranks} x {machines.cores}", *texts, f"{share:.2f}", f"{batch / sum(parts):,.0f}", f"{batch:,}"
        )
    console.print(table)


def main() -> None:
    """Print the tables."""
    if sys.argv[1:2] == [_CHILD]:
        return be_a_rank(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delays-ms", type=float, nargs="+", default=[0.0, 0.1, 1.0, 10.0])
    parser.add_argument("--updates", type=int, default=10)
    parser.add_argument("--envs", nargs="+", default=[POLE, PEG])
    parser.add_argument("--steps-per-core-s", type=float, default=508.0, help="of one process with one thread")
    asked, console = parser.parse_args(), Console(width=140)
    found = [compare(env, asked.delays_ms, asked.updates, console) for env in asked.envs]
    wide(*found[-1], asked.steps_per_core_s, console)
    return None


if __name__ == "__main__":
    main()
