"""The steps that a curriculum saves: environment steps to 80 % success on tight insertion, each against `uniform`.

    python -m benchmarks.curricula --output docs/results/curricula
    python -m benchmarks.curricula --reward dense --output docs/results/curricula_dense

The task is the recipe `tight`: the square peg at 0.3 mm clearance, a hole at any place and any yaw, friction 0.2 to
1.0, four-dimensional actions, senses `hole_estimate` (exact), `force_torque` and `proprioception`. The reward is 1 in
every step in which the task is done and 0 in all others, or with `--reward dense` the shaped one. A curriculum may ease
clearance, yaw, place of the hole and the start, down to one at the bottom of the hole; friction is drawn from its whole
range by all of them.
`uniform` draws from the whole box between easy and hard. "target" is no curriculum at all: the task itself.

Every 16,384 steps the policy is judged on 64 fixed episodes of the task, whatever it practises; a training ends at 80 %
or after `--total-steps`. Stopped anywhere, the command goes on where it was. Steps do not depend on the machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from benchmarks.training import Training, finish_all, first_step_at, metric_over_steps
from mmrl_agents.records.line_styles import line_style
from mmrl_agents.records.runs import library_versions
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.judge import SUCCESS

ENV = "mmrl/PegInsertion-v0"
GOAL = 0.8
TASK = (
    *("--recipe", "tight", "--evaluate-episodes", "0"),
    *("--judge-every", "16384", "--judge-episodes", "64", "--stop-at-judged-success", str(GOAL), "--threads", "1"),
)
OPTIONS: dict[str, tuple[str, ...]] = {
    "uniform": (),
    "linear": ("over_steps=150000",),
    "stepwise": ("every_steps=30000",),
    "staged": ("episodes=64",),
    "success_gated": ("episodes=32", "harder_above=0.7", "step_harder=0.15", "step_easier=0.06"),
    "learning_progress": (),
    "prioritized": (),
}


def training(name: str, seed: int, steps: int, reward: str, folder: Path) -> Training:
    """The run of one scheduler, or of "target", for at most so many steps."""
    if name == "target":
        target = recipe_for(ENV, name="tight").vary
        hard = [f"{axis}={json.dumps(ends[1])}".replace(" ", "") for axis, ends in target.items()]
        how: tuple[str, ...] = (
            "--curriculum",
            "None",
            "--vary",
            "--curriculum-options",
            "--context",
            "friction=[0.2,1.0]",
            *hard,
        )
    else:
        how = ("--curriculum", name, "--curriculum-options", *OPTIONS[name])
    length = ("--seed", str(seed), "--total-steps", str(steps))
    return Training(ENV, folder / reward / name / f"seed_{seed}", (*length, *TASK, "--set", f"reward={reward}", *how))


def result(name: str, runs: list[Training]) -> dict[str, Any]:
    """Steps to the goal of each seed, None where it was not reached, and the last and the best judged success."""
    return {
        "name": name,
        "steps_to_goal": [first_step_at(run.folder, SUCCESS, GOAL) for run in runs],
        "last_success": [next(reversed(metric_over_steps(run.folder, SUCCESS)[1]), None) for run in runs],
        "best_success": [max(metric_over_steps(run.folder, SUCCESS)[1], default=None) for run in runs],
    }


def median_steps(steps: list[int | None]) -> float | None:
    """The median; a seed that never got there counts as later than any that did."""
    middle = statistics.median(float("inf") if step is None else float(step) for step in steps)
    return None if middle == float("inf") else middle


def show(results: list[dict[str, Any]], total_steps: int) -> None:
    """One line a scheduler, the fewest steps first."""
    controls = [median_steps(r["steps_to_goal"]) for r in results if r["name"] == "uniform"]
    control = (controls[0] or total_steps) if controls else None
    bound = "" if controls and controls[0] else " or more"
    table = Table("curriculum", "median steps to 80 %", "each seed", "uniform / this", "last judged success")
    for entry in sorted(results, key=lambda r: median_steps(r["steps_to_goal"]) or float("inf")):
        median = median_steps(entry["steps_to_goal"])
        table.add_row(
            entry["name"],
            _steps(median, total_steps),
            ", ".join(_steps(step, total_steps) for step in entry["steps_to_goal"]),
            f"{control / median:.1f}{bound}" if median and control else "",
            ", ".join("-" if value is None else f"{100 * value:.0f} %" for value in entry["last_success"]),
        )
    Console().print(table)


def _steps(steps: float | None, total: int) -> str:
    return f"over {total:,}" if steps is None else f"{steps:,.0f}"


def draw(names: list[str], runs: dict[str, list[Training]], path: Path) -> None:
    """Judged success of every seed against steps, one colour a scheduler."""
    figure, axes = plt.subplots(figsize=(7.2, 4.0), dpi=120)
    for index, name in enumerate(names):
        for number, run in enumerate(runs[name]):
            steps, success = metric_over_steps(run.folder, SUCCESS)
            label = name if number == 0 else None
            axes.plot([s / 1000 for s in steps], [100 * s for s in success], label=label, lw=1.4, **line_style(index))
    axes.axhline(100 * GOAL, color="0.6", linewidth=0.8, linestyle="--")
    axes.set(xlabel="environment steps, thousands", ylabel="success on the task, % of 64 episodes", ylim=(0, 102))
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curricula", nargs="+", default=[*OPTIONS, "target"], choices=[*OPTIONS, "target"])
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument("--reward", choices=["sparse", "dense"], default="sparse")
    parser.add_argument("--total-steps", type=int, default=250_000, help="after which a training ends anyway")
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, one thread each")
    parser.add_argument("--runs", type=Path, default=Path("runs/curricula"))
    parser.add_argument("--output", type=Path, required=True, help="prefix of the .json and .png written")
    options = parser.parse_args()
    runs = {
        name: [training(name, seed, options.total_steps, options.reward, options.runs) for seed in options.seeds]
        for name in options.curricula
    }
    # Seed by seed, so that what there is after some of the time compares all of them.
    finish_all([run for seeds in zip(*runs.values(), strict=True) for run in seeds], options.jobs)
    results = [result(name, runs[name]) for name in options.curricula]
    options.output.parent.mkdir(parents=True, exist_ok=True)
    document = {
        "env": ENV,
        "reward": options.reward,
        "train_arguments": TASK,
        "vary": recipe_for(ENV, name="tight").vary,
        "options": OPTIONS,
        "seeds": options.seeds,
        "versions": library_versions(),
    }
    document["total_steps"] = options.total_steps
    options.output.with_suffix(".json").write_text(json.dumps({**document, "results": results}, indent=1) + "\n")
    draw(options.curricula, runs, options.output.with_suffix(".png"))
    show(results, options.total_steps)


if __name__ == "__main__":
    main()
