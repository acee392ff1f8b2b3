"""Learning results over seeds: trains one after another, judges each policy, draws the curves.

    python -m benchmarks.learning --env mmrl/PegInsertion-v0 --seeds 1 2 3 4 5 --output docs/results/peg_square
    python -m benchmarks.learning --output docs/results/peg_all_shapes --seeds 1 -- --context shape=all
    python -m benchmarks.learning --env pong --metric mean_return_20 --level 18 --output docs/results/pong_fast

What stands behind `--` is handed to `mmrl train`. Every seed is a process of its own, so its wall clock and
peak memory are those of `mmrl train` from start to end; the evaluation comes after all of them. With `--jobs 2` two
seeds run side by side, each bound to half the cores. Trainings that have ended already are not lost by mistake: say
`--keep` to take them as they are, with the minutes of the training without its start, or `--again` to repeat them.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import matplotlib
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from benchmarks.training import is_finished, lines_with
from mmrl_agents.machine.description import machine
from mmrl_agents.records.line_styles import line_style
from mmrl_agents.records.runs import RunFolder, library_versions

Result = TypeVar("Result")

# Label of the axis, factor, and limits of each metric that can be drawn.
AXES: dict[str, tuple[str, float, tuple[float | None, float | None]]] = {
    "success_rate": ("success of the last 200 episodes, %", 100.0, (0.0, 102.0)),
    "mean_return_20": ("mean return of the last 20 episodes", 1.0, (None, None)),
    "mean_return_100": ("mean return of the last 100 episodes", 1.0, (None, None)),
}


def run_side_by_side(jobs: int, work: Callable[[int], Result], seeds: Sequence[int]) -> list[Result]:
    """The results of all seeds in order, `jobs` at a time, each and all that it starts bound to its own cores."""
    cores = sorted(os.sched_getaffinity(0))
    shares: SimpleQueue[list[int]] = SimpleQueue()
    for job in range(jobs):
        shares.put(cores[job::jobs])
    with ThreadPoolExecutor(jobs, initializer=lambda: os.sched_setaffinity(0, shares.get())) as pool:
        return list(pool.map(work, seeds))


def run_seed(env: str, seed: int, folder: Path, arguments: list[str]) -> float:
    """Trains one seed in its own process, its output in a log beside the run.

    Returns:
        Seconds of wall clock from start to end of the process.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "mmrl_agents", "train", env, "--seed", str(seed), "--run-dir", str(folder)]
    start = time.perf_counter()
    path = folder.parent / f"{folder.name}.log"
    with open(path, "w") as log:
        command += ["--evaluate-episodes", "0", *arguments]
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        raise RuntimeError(f"the training of {folder} ended with {code}: see {path}")
    return time.perf_counter() - start


def judge(folder: Path, episodes: int) -> dict[str, Any]:
    """Success of the last weights over fixed episodes."""
    command = [sys.executable, "-m", "mmrl_agents", "evaluate", str(folder)]
    subprocess.run(
        [*command, "--checkpoint", "last", "--no-without", "--episodes", str(episodes)],
        check=True,
        stdout=subprocess.DEVNULL,
    )
    report: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return report


def curve(folder: Path, metric: str) -> tuple[list[float], list[float], list[int]]:
    """Minutes of wall clock, a figure of the newest training episodes, environment steps."""
    lines = lines_with(folder, metric)
    return (
        [line["wall_time_s"] / 60 for line in lines],
        [line[metric] for line in lines],
        [line["step"] for line in lines],
    )


def first_reaching(folder: Path, metric: str, level: float) -> tuple[int, float] | None:
    """Environment steps and seconds after which a figure of the training first reached a level."""
    for minutes, value, step in zip(*curve(folder, metric), strict=True):
        if value >= level:
            return step, minutes * 60
    return None


def draw(folders: list[Path], path: Path, title: str, metric: str, level: float) -> None:
    """A figure of every seed's training against minutes of wall clock."""
    figure, axes = plt.subplots(figsize=(6.4, 3.6), dpi=120)
    label, unit, limits = AXES[metric]
    for index, folder in enumerate(folders):
        minutes, values, _ = curve(folder, metric)
        seed = folder.name.replace("_", " ")
        axes.plot(minutes, [unit * value for value in values], linewidth=1.6, label=seed, **line_style(index))
    axes.axhline(unit * level, color="0.6", linewidth=0.8, linestyle="--")
    axes.set(xlabel="minutes of training (wall clock)", ylabel=label, title=title)
    axes.set_ylim(*limits)
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def summarise(
    folder: Path, seed: int, seconds: float, report: dict[str, Any], metric: str, level: float
) -> dict[str, Any]:
    """The figures of one seed."""
    _, _, steps = curve(folder, metric)
    reached = first_reaching(folder, metric, level)
    return {
        "seed": seed,
        "steps": steps[-1],
        "minutes": round(seconds / 60, 2),
        "steps_to_level": reached[0] if reached else None,
        "seconds_to_level": round(reached[1], 1) if reached else None,
        "evaluation": report["rows"][0],
    }


def show(results: list[dict[str, Any]], peak_mib: float, level: float) -> None:
    """One line a seed."""
    columns = ("seed", "steps", "minutes", f"steps to {level:g}", f"s to {level:g}", "evaluation")
    table = Table(*columns, title="Learning")
    for result in results:
        table.add_row(
            str(result["seed"]),
            f"{result['steps']:,}",
            f"{result['minutes']:.2f}",
            f"{result['steps_to_level']:,}" if result["steps_to_level"] else "-",
            f"{result['seconds_to_level']:.0f}" if result["seconds_to_level"] else "-",
            verdict(result["evaluation"]),
        )
    Console().print(table)
    Console().print(f"peak memory of the largest process: {peak_mib:,.0f} MiB")


def verdict(row: dict[str, Any]) -> str:
    """Success with its interval, or the mean return with its interval where the environment knows no success."""
    success = row["success_at_end"]
    if success["trials"]:
        low, high = success["wilson_95"]
        return f"{100 * success['rate']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    low, high = row["mean_return_bootstrap_95"]
    return f"{row['mean_return']:.2f} [{low:.2f}, {high:.2f}]"


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="mmrl/PegInsertion-v0")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--metric", choices=sorted(AXES), default="success_rate")
    parser.add_argument("--level", type=float, default=0.95, help="of the metric; the first time at it is printed")
    parser.add_argument("--jobs", type=int, default=1, help="seeds side by side, each on its share of the cores")
    ended = parser.add_mutually_exclusive_group()
    ended.add_argument("--keep", action="store_true", help="do not train again what has been trained")
    ended.add_argument("--again", action="store_true", help="train again what has been trained")
    parser.add_argument("--runs", type=Path, default=Path("runs/learning"))
    parser.add_argument("--output", type=Path, required=True, help="prefix of the .json and .png written")
    parser.add_argument("--title", default="Peg insertion from camera, force-torque and proprioception")
    parser.add_argument("train", nargs="*", help="arguments for mmrl train, behind --")
    options = parser.parse_args()
    if not 1 <= options.jobs <= len(os.sched_getaffinity(0)):
        parser.error(f"--jobs must be 1 to {len(os.sched_getaffinity(0))}, the cores there are, got {options.jobs}")
    folders = {seed: options.runs / options.output.name / f"seed_{seed}" for seed in options.seeds}
    finished = {seed for seed, folder in folders.items() if is_finished(RunFolder(folder))}
    if finished and not (options.keep or options.again):
        parser.error(f"seeds {sorted(finished)} have ended in {options.runs / options.output.name}: --keep or --again?")
    kept = finished if options.keep else set()
    for seed in set(folders) - kept:
        shutil.rmtree(folders[seed], ignore_errors=True)

    def seconds_of(seed: int) -> float:
        if seed in kept:
            return 60 * curve(folders[seed], "wall_time_s")[0][-1]
        return run_seed(options.env, seed, folders[seed], options.train)

    seconds = run_side_by_side(options.jobs, seconds_of, options.seeds)
    # of the trainings alone: the evaluations come after
    peak_mib = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    reports = run_side_by_side(options.jobs, lambda seed: judge(folders[seed], options.episodes), options.seeds)
    results = [
        summarise(folders[seed], seed, wall, report, options.metric, options.level)
        for seed, wall, report in zip(options.seeds, seconds, reports, strict=True)
    ]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "env": options.env,
        "train_arguments": options.train,
        "jobs": options.jobs,
        "machine": machine(torch.device("cpu")),
        "versions": library_versions(),
        "peak_memory_mib": round(peak_mib),
        "metric": options.metric,
        "level": options.level,
        "seeds": results,
    }
    options.output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    draw(list(folders.values()), options.output.with_suffix(".png"), options.title, options.metric, options.level)
    show(results, peak_mib, options.level)


if __name__ == "__main__":
    main()
