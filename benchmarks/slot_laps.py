"""Laps of the slot car by seconds of driving: `python -m benchmarks.slot_laps --output docs/results/slot_laps`.

Trains by each of the named recipes of `mmrl/SlotCar-v0`, one after another, and judges the best actions on the same
episodes again and again: the share of the optimum, the time of a flying lap, and in how many episodes the car left its
slot. Seconds of driving are those of all cars together, random driving included; those of judging count nowhere.
Recipes that are in the file already and are not named stay as they are.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import matplotlib
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from rich.console import Console
from rich.table import Table

from mmrl.evaluation.rates import evaluate
from mmrl_agents.machine.description import machine
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.records.line_styles import line_style
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.records.terminal import say
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.trainer import Trainer
from mmrl_envs.tasks.slot.tracks import DATA

ENV_ID = "mmrl/SlotCar-v0"
CONTROL_HZ = 10
WORLDS = 32


@dataclass(frozen=True)
class DriveResult:
    """A policy after some driving."""

    driving_s: float
    """Seconds of driving of all cars together."""
    cpu_s: float
    """Seconds of the processor since the training began."""
    share: float
    """Mean share of the optimum, an episode in which the car left its slot counting as 0."""
    lap_s: float | None
    """Median time of the newest flying lap; None where half of the cars drove none."""
    off: float
    """Share of the episodes in which the car left its slot."""


def judged(trainer: Trainer, worlds: Any, episodes: int, cpu_s: float) -> DriveResult:
    """The best actions of a policy in fixed episodes."""
    trainer.policy.eval()
    policy = TorchPolicy(trainer.policy, worlds.single_action_space)
    table = evaluate(worlds, lambda: policy, episodes, seed=0).rows[0].episodes
    lap = float(np.median(table.figures["lap_time"]))
    share, off = table.figures["share_of_optimum"].mean(), table.figures["times_off"].mean()
    return DriveResult(trainer.step / CONTROL_HZ, cpu_s, float(share), lap if np.isfinite(lap) else None, float(off))


def training(config: TrainConfig, every_s: float, most_s: float, episodes: int) -> Iterator[DriveResult]:
    """Trains until the cars have driven for `most_s`, and judges whenever they have driven for `every_s` again."""
    most = min(config.total_steps, most_s * CONTROL_HZ)
    worlds = config.worlds.in_this_process().make(WORLDS)
    worlds.reset(options={"context": dict(config.context)})
    with TemporaryDirectory() as folder:
        trainer = Trainer(config, RunFolder.create(Path(folder) / "run"))
        spent, start, due = 0.0, time.process_time(), every_s
        trainer.begin()
        while trainer.step < most:
            trainer.advance()
            if trainer.step >= min(due * CONTROL_HZ, most):
                spent += time.process_time() - start
                yield judged(trainer, worlds, episodes, spent)
                start, due = time.process_time(), trainer.step / CONTROL_HZ + every_s
        trainer.close()
    worlds.close()


def constant_share(track: str) -> float:
    """Share of the optimum that the best constant voltage has on a track of the suite."""
    laps = json.loads(DATA.read_text())[track]
    return float(laps["optimal_lap_s"] / laps["constant_lap_s"])


def known_courses(path: Path, track: str) -> dict[str, list[DriveResult]]:
    """The results in a file, by recipe; none where there is no file. ValueError where they are of another track."""
    if not path.exists():
        return {}
    document = json.loads(path.read_text())
    if document["track"] != track:
        raise ValueError(f"{path} is of the track {document['track']}, asked for is {track}: name another file")
    return {name: [DriveResult(**point) for point in course] for name, course in document["recipes"].items()}


def show(courses: Mapping[str, Sequence[DriveResult]]) -> None:
    """One line for every time that a policy was judged."""
    table = Table("recipe", "driving", "CPU s", "share of optimum, %", "lap s", "off, %")
    for name, course in courses.items():
        for point in course:
            lap = "none" if point.lap_s is None else f"{point.lap_s:.2f}"
            cells = (f"{100 * point.share:.1f}", lap, f"{100 * point.off:.0f}")
            table.add_row(name, f"{point.driving_s / 60:,.0f} min", f"{point.cpu_s:.0f}", *cells)
    Console().print(table)


def draw(path: Path, courses: Mapping[str, Sequence[DriveResult]], constant: float) -> None:
    """Share of the optimum by minutes of driving."""
    figure, axes = plt.subplots(figsize=(7, 4), dpi=100)
    for number, (name, course) in enumerate(courses.items()):
        minutes, shares = [point.driving_s / 60 for point in course], [100 * point.share for point in course]
        axes.plot(minutes, shares, label=name, marker=".", **line_style(number))
    axes.axhline(100 * constant, color="0.5", linestyle=":", label="the best constant voltage")
    axes.set(xlabel="minutes of driving, all cars together", ylabel="share of the optimum, %", ylim=(0, 102))
    axes.legend(loc="lower right")
    figure.tight_layout()
    figure.savefig(path)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", default=["default", "fitted_q"])
    parser.add_argument("--track", default="oval")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--episodes", type=int, default=WORLDS, help=f"of a judgement, a multiple of {WORLDS}")
    parser.add_argument("--every", type=float, default=15.0, help="minutes of driving between two judgements")
    parser.add_argument(
        "--most", type=float, default=1e9, help="minutes of driving, schedules being those of the recipe"
    )
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--output", type=Path, required=True, help="prefix of the .json and .png written")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    written = options.output.with_suffix(".json")
    courses = known_courses(written, options.track)
    for name in options.recipes:
        recipe = recipe_for(ENV_ID, name=name)
        chosen = {"context": {"track": options.track}, "seed": options.seed, "threads": options.threads}
        config = replace(recipe, device="cpu", **chosen)
        courses[name] = []
        for point in training(config, 60 * options.every, 60 * options.most, options.episodes):
            courses[name].append(point)
            say(Console(), f"{name}: {point.driving_s / 60:.0f} min of driving, {point.share:.1%} of the optimum")
        document = {
            "env": ENV_ID,
            "track": options.track,
            "seed": options.seed,
            "episodes": options.episodes,
            "machine": machine(torch.device("cpu")),
            "versions": library_versions(),
            "recipes": {name: [asdict(point) for point in course] for name, course in courses.items()},
        }
        options.output.parent.mkdir(parents=True, exist_ok=True)
        written.write_text(json.dumps(document, indent=1) + "\n")
        draw(options.output.with_suffix(".png"), courses, constant_share(options.track))
    show(courses)


if __name__ == "__main__":
    main()
