"""Steps per second of one training in two processes with a thread each, and in one with two threads and with one.

`python -m benchmarks.ranks [--rounds 3] [--steps 24576]` takes them in turns, on a machine that should do nothing else;
the load that it had is printed beside the figures.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

CONTENDERS = {
    "2 processes, 1 thread each": ("--processes", "2", "--threads", "1"),
    "1 process, 2 threads": ("--threads", "2"),
    "1 process, 1 thread": ("--threads", "1", "--set", "num_threads=1"),
}
BASE = ("mmrl/PegInsertion-v0", "--evaluate-episodes", "0", "--device", "cpu")


def steps_per_second(words: tuple[str, ...], steps: int) -> float:
    """The median over the updates of a training, the first one left out."""
    with tempfile.TemporaryDirectory() as folder:
        run = Path(folder) / "run"
        command = [sys.executable, "-m", "mmrl_agents", "train", *BASE, *words]
        command += ["--total-steps", str(steps), "--run-dir", str(run)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        lines = (run / "metrics.jsonl").read_text().splitlines()
        rates: list[float] = [json.loads(line)["steps_per_second"] for line in lines[1:] or lines]
        return statistics.median(rates)


def main() -> None:
    """Print a line per contender."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=24_576)
    asked = parser.parse_args()
    measured: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    loads = []
    for _ in range(asked.rounds):
        for name, words in CONTENDERS.items():
            loads.append(os.getloadavg()[0])
            measured[name].append(steps_per_second(words, asked.steps))
            print(f"{name}: {measured[name][-1]:,.0f} steps/s at a load of {loads[-1]:.1f}", flush=True)
    middle = {name: statistics.median(rates) for name, rates in measured.items()}
    two, threads, core = middle.values()
    print(f"medians: {', '.join(f'{name} {rate:,.0f}' for name, rate in middle.items())}")
    print(
        f"two processes: {two / threads:.2f} x two threads, {two / core:.2f} x one core; load {max(loads):.1f} at most"
    )


if __name__ == "__main__":
    main()
