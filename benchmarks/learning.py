"""Learning results over seeds: trains one after another, judges each policy, draws the curves.

    python -m benchmarks.learning --env mmrl/PegInsertion-v0 --seeds 1 2 3 4 5 --output docs/results/peg_square
    python -m benchmarks.learning --output docs/results/peg_all_shapes --seeds 1 -- --context shape=all

What stands behind `--` is handed to `mmrl train`. Every seed is a process of its own, so its wall clock and
peak memory are those of `mmrl train` from start to end; the evaluation comes after all of them.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table


def run_seed(env: str, seed: int, folder: Path, arguments: list[str]) -> float:
    """Trains one seed in its own process, its output in a log beside the run.

    Returns:
        Seconds of wall clock from start to end of the process.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mmrl_agents", "train", env, "--seed", str(seed), "--run-dir", str(folder)]
    start = time.perf_counter()
    with open(folder.parent / f"{folder.name}.log", "w") as log:
        subprocess.run(
            [*command, "--evaluate-episodes", "0", *arguments], check=True, stdout=log, stderr=subprocess.STDOUT
        )
    return time.perf_counter() - start


def judge(folder: Path, episodes: int) -> dict[str, Any]:
    """Success of the last weights over fixed episodes."""
    command = [sys.executable, "-m", "mmrl_agents", "evaluate", str(folder)]
    subprocess.run(
        [*command, "--checkpoint", "last", "--no-senses", "--episodes", str(episodes)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    report: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return report


def curve(folder: Path) -> tuple[list[float], list[float], list[int]]:
    """Minutes of wall clock, success rate of the last 200 training episodes, environment steps."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    lines = [line for line in lines if "success_rate" in line]
    return (
        [line["wall_time_s"] / 60 for line in lines],
        [line["success_rate"] for line in lines],
        [line["step"] for line in lines],
    )


def first_reaching(folder: Path, level: float) -> tuple[int, float] | None:
    """Environment steps and seconds after which the training success first reached a level."""
    for minutes, rate, step in zip(*curve(folder), strict=True):
        if rate >= level:
            return step, minutes * 60
    return None


def draw(folders: list[Path], path: Path, title: str) -> None:
    """Training success of every seed against minutes of wall clock."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6), dpi=120)
    for folder in folders:
        minutes, rate, _ = curve(folder)
        axes.plot(minutes, [100 * r for r in rate], linewidth=1.6, label=folder.name.replace("_", " "))
    axes.axhline(95, color="0.6", linewidth=0.8, linestyle="--")
    axes.set(xlabel="minutes of training (wall clock)", ylabel="success of the last 200 episodes, %", title=title)
    axes.set_ylim(0, 102)
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def summarise(folder: Path, seed: int, seconds: float, report: dict[str, Any]) -> dict[str, Any]:
    """The figures of one seed."""
    _, _, steps = curve(folder)
    row = report["rows"][0]
    reached = first_reaching(folder, 0.95)
    return {
        "seed": seed,
        "steps": steps[-1],
        "minutes": round(seconds / 60, 2),
        "steps_to_95": reached[0] if reached else None,
        "seconds_to_95": round(reached[1], 1) if reached else None,
        "evaluation": row,
    }


def show(results: list[dict[str, Any]], peak_mib: float) -> None:
    """One line a seed."""
    columns = ("seed", "steps", "minutes", "steps to 95 %", "s to 95 %", "success", "95 % interval")
    table = Table(*columns, title="Learning")
    for result in results:
        success = result["evaluation"]["success_at_end"]
        low, high = success["wilson_95"]
        table.add_row(
            str(result["seed"]),
            f"{result['steps']:,}",
            f"{result['minutes']:.2f}",
            f"{result['steps_to_95']:,}" if result["steps_to_95"] else "-",
            f"{result['seconds_to_95']:.0f}" if result["seconds_to_95"] else "-",
            f"{100 * success['rate']:.1f} %",
            f"[{100 * low:.1f}, {100 * high:.1f}]",
        )
    Console().print(table)
    Console().print(f"peak memory of the largest process: {peak_mib:,.0f} MiB")


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="mmrl/PegInsertion-v0")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--runs", type=Path, default=Path("runs/learning"))
    parser.add_argument("--output", type=Path, required=True, help="prefix of the .json and .png written")
    parser.add_argument("--title", default="Peg insertion from camera, force-torque and proprioception")
    parser.add_argument("train", nargs="*", help="arguments for mmrl train, behind --")
    options = parser.parse_args()
    folders, seconds, results = [], [], []
    for seed in options.seeds:
        folder = options.runs / options.output.name / f"seed_{seed}"
        if folder.exists():
            shutil.rmtree(folder)
        seconds.append(run_seed(options.env, seed, folder, options.train))
        folders.append(folder)
    # of the trainings alone: the evaluations come after
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    for seed, folder, wall in zip(options.seeds, folders, seconds, strict=True):
        results.append(summarise(folder, seed, wall, judge(folder, options.episodes)))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "env": options.env,
        "train_arguments": options.train,
        "machine": f"{os.cpu_count()} cores, {platform.processor() or platform.machine()}",
        "peak_memory_mib": round(peak_mib),
        "seeds": results,
    }
    options.output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    draw(folders, options.output.with_suffix(".png"), options.title)
    show(results, peak_mib)


if __name__ == "__main__":
    main()
