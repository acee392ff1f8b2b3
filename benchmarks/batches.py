"""Updates to 95 % by the samples of an update: `python -m benchmarks.batches --runs FOLDER [--seeds 1 2 3]`.

More processes give more samples in the same time, not more updates. So a training gains from them as long as larger
updates need fewer of each other. The square peg is learned with 2,048, 8,192 and 32,768 samples an update, more worlds
beside each other and minibatches as much larger; the learning rate stays. The minutes are worked out from
`--steps-per-core-s`. The same command goes on where it was interrupted; 32,768 samples take up to two hours of a core.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.training import Training, finish_all, first_step_at

ENV, LEVEL = "mmrl/PegInsertion-v0", 0.95
STEPS, WORLDS, MINIBATCH = 32, 64, 512
"""Of the recipe, with 2,048 samples an update."""
MOST_UPDATES = 100
"""That the recipe has; no batch is given more."""


def training(runs: Path, batch: int, seed: int, most_steps: int, device: str) -> Training:
    """The training with so many samples an update."""
    times = batch // (WORLDS * STEPS)
    sizes = ("--num-worlds", str(WORLDS * times), "--ppo.minibatch-size", str(MINIBATCH * times))
    steps = min(batch * MOST_UPDATES, most_steps)
    ends = ("--total-steps", str(steps), "--stop-at-success", str(LEVEL), "--evaluate-episodes", "0")
    return Training(ENV, runs / f"{batch}_s{seed}", (*sizes, *ends, "--seed", str(seed), "--device", device))


def row(runs: Path, batch: int, seeds: list[int], steps_per_core_s: float) -> list[str]:
    """Samples, seeds that arrived, updates and steps to get there, and minutes on one core and on as many as fit."""
    arrived = [first_step_at(runs / f"{batch}_s{seed}", "success_rate", LEVEL) for seed in seeds]
    steps = [step for step in arrived if step is not None]
    texts = [f"{batch:,}", f"{len(steps)} of {len(seeds)}"]
    if not steps:
        return [*texts, "", "", "", ""]
    middle, cores = statistics.median(steps), batch // 1024
    minutes = middle / steps_per_core_s / 60
    return [*texts, f"{middle / batch:.0f}", f"{middle:,.0f}", f"{minutes:.1f}", f"{minutes / cores:.1f} on {cores}"]


def main() -> None:
    """Train what is missing, and print a line for each batch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    parser.add_argument("--batches", type=int, nargs="+", default=[2048, 8192, 32_768], help="multiples of 2,048")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, on a thread each")
    parser.add_argument("--most-steps", type=int, default=2_500_000, help="of a training")
    parser.add_argument("--steps-per-core-s", type=float, default=508.0, help="as benchmarks.ranks measures it")
    parser.add_argument("--device", default="cpu")
    asked = parser.parse_args()
    if odd := [batch for batch in asked.batches if batch <= 0 or batch % (WORLDS * STEPS)]:
        parser.error(f"--batches takes multiples of {WORLDS * STEPS:,}, got {odd}")
    pairs = [(batch, seed) for seed in asked.seeds for batch in asked.batches]  # so that all batches have a seed soon
    finish_all([training(asked.runs, *pair, asked.most_steps, asked.device) for pair in pairs], asked.jobs)
    table = Table(
        "samples an update", "at 95 %", "updates", "steps", "minutes on one core", "with 1,024 samples a core"
    )
    for batch in asked.batches:
        table.add_row(*row(asked.runs, batch, asked.seeds, asked.steps_per_core_s))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
