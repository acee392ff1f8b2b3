"""Steps per second of one training in two processes with a thread each, and in one with two threads and with one.

`python -m benchmarks.ranks [--rounds 3] [--steps 24576]` takes them in turns, on a machine that should do nothing else;
the load that it had is printed beside the figures. `--seeds 1 2 3 4 5` trains each of these seeds until the last 200
episodes have 95 % success instead, by two processes and by one with two threads.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

TWO, THREADS, CORE = "2 processes, 1 thread each", "1 process, 2 threads", "1 process, 1 thread"
CONTENDERS = {
    TWO: ("--processes", "2", "--threads", "1"),
    THREADS: ("--threads", "2"),
    CORE: ("--threads", "1", "--set", "num_threads=1"),
}
BASE = ("mmrl/PegInsertion-v0", "--evaluate-episodes", "0", "--device", "cpu")
LEVEL = 0.95


def curves(words: tuple[str, ...]) -> list[dict[str, Any]]:
    """The line of each update of a training."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "mmrl_agents", "train", *BASE, *words, "--run-dir", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


def steps_per_second(words: tuple[str, ...], steps: int) -> float:
    """The median over the updates of a training, the first one left out."""
    lines = curves((*words, "--total-steps", str(steps)))
    return statistics.median(float(line["steps_per_second"]) for line in lines[1:] or lines)


def to_level(words: tuple[str, ...], seed: int) -> tuple[float, int]:
    """Seconds and environment steps until the level; of the whole training where it never came."""
    last = curves((*words, "--seed", str(seed), "--stop-at-success", str(LEVEL)))[-1]
    if last["success_rate"] < LEVEL:
        print(f"seed {seed} ended at {last['success_rate']:.1%}", flush=True)
    return float(last["wall_time_s"]), int(last["step"])


def compare_speed(rounds: int, steps: int) -> None:
    """Print the speed of each contender, in turns."""
    measured: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    loads = []
    for _ in range(rounds):
        for name, words in CONTENDERS.items():
            loads.append(os.getloadavg()[0])
            measured[name].append(steps_per_second(words, steps))
            print(f"{name}: {measured[name][-1]:,.0f} steps/s at a load of {loads[-1]:.1f}", flush=True)
    middle = {name: statistics.median(rates) for name, rates in measured.items()}
    print(f"medians: {', '.join(f'{name} {rate:,.0f}' for name, rate in middle.items())}")
    print(
        f"two processes: {middle[TWO] / middle[THREADS]:.2f} x two threads, "
        f"{middle[TWO] / middle[CORE]:.2f} x one core; load {max(loads):.1f} at most"
    )


def compare_learning(seeds: list[int]) -> None:
    """Print how long each seed takes to the level, by two processes and by one."""
    seconds: dict[str, list[float]] = {TWO: [], THREADS: []}
    for seed in seeds:
        for name, taken in seconds.items():
            load = os.getloadavg()[0]
            time_s, steps = to_level(CONTENDERS[name], seed)
            taken.append(time_s)
            print(f"seed {seed}, {name}: {time_s:.0f} s, {steps:,} steps, at a load of {load:.1f}", flush=True)
    two, threads = (statistics.median(taken) for taken in seconds.values())
    print(f"medians to {LEVEL:.0%}: two processes {two:.0f} s, two threads {threads:.0f} s: {two / threads:.2f} x")


def main() -> None:
    """Print a line per contender."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=24_576)
    parser.add_argument("--seeds", type=int, nargs="+", help="to be trained until 95 %%, in place of speed alone")
    asked = parser.parse_args()
    if asked.seeds:
        compare_learning(asked.seeds)
    else:
        compare_speed(asked.rounds, asked.steps)


if __name__ == "__main__":
    main()
