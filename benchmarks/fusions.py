"""Every fusion on the same task: size, time, and how fast and how well it learns.

    python -m benchmarks.fusions --output docs/results/fusions
    python -m benchmarks.fusions --fusions concat transformer --no-learning --output /tmp/fusions

Trains `mmrl/PegInsertion-v0` by its recipe from camera, force-torque and proprioception with nothing changed but
`--policy.fusion` and the end. Every 16,384 steps the mean action is judged on 64 fixed episodes, from which come the
steps to 90 % and, at 63 of 64, the end. Drawn actions, whose success a training shows, may come to 90 % much later or
much earlier. Steps do not depend on the machine's speed. Times are CPU time of PPO itself on one thread, in rounds that
alternate with `concat`: others who use the machine matter little. What was cut off goes on in the same `--runs`.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from rich.console import Console
from rich.progress import track
from rich.table import Table

from benchmarks.learning import judge
from benchmarks.training import Training, finish_all, first_step_at
from mmrl.fusion import FUSIONS
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.judge import SUCCESS
from mmrl_agents.training.trainer import Trainer

ENV = "mmrl/PegInsertion-v0"
CONTROL, LEVEL = "concat", 0.9
JUDGE_EVERY, ENOUGH, EPISODES = 16_384, 0.98, 200
ROUNDS, CALLS = 3, 20


class Timed:
    """A policy with one fusion, ready to act and to be updated."""

    def __init__(self, fusion: str, folder: Path) -> None:
        recipe = recipe_for(ENV)
        config = replace(recipe, policy=replace(recipe.policy, fusion=fusion), run_dir=folder / fusion, threads=1)
        self.trainer = Trainer(config, RunFolder.create(folder / fusion))
        self.trainer.begin()
        self.samples = config.num_worlds * config.ppo.num_steps
        self.epochs = config.ppo.epochs
        space = self.trainer.envs.single_observation_space
        assert isinstance(space, spaces.Dict)
        self.acting = TorchPolicy(self.trainer.policy, self.trainer.envs.single_action_space)
        self.observation = {name: np.stack([space[name].sample()] * config.num_worlds) for name in space}

    @property
    def parameters(self) -> int:
        """Trained numbers, those of the critic and of the auxiliary loss included."""
        return sum(parameter.numel() for parameter in self.trainer.policy.parameters())

    def measure(self) -> tuple[float, float]:
        """Microseconds per sample: of choosing an action, and of an epoch's forward and backward pass."""
        agent, policy = self.trainer.agent, self.trainer.policy
        policy.eval()
        agent.collect()
        policy.train()
        start = time.process_time()
        agent.update()
        update = (time.process_time() - start) / (self.samples * self.epochs)
        policy.eval()
        self.acting.act(self.observation)  # the first call allocates
        start = time.process_time()
        for _ in range(CALLS):
            self.acting.act(self.observation)
        act = (time.process_time() - start) / (CALLS * self.trainer.config.num_worlds)
        return 1e6 * act, 1e6 * update

    def close(self) -> None:
        """Close the worlds."""
        self.trainer.close()


def time_all(fusions: list[str], record: Path) -> dict[str, dict[str, Any]]:
    """Parameters and medians of the times and of their ratios to `concat` of the same round.

    Each is written to a file as soon as it is known, and what is there already is not measured again.
    """
    torch.set_num_threads(1)
    times: dict[str, dict[str, Any]] = json.loads(record.read_text()) if record.exists() else {}
    missing = [name for name in fusions if name not in times]
    if not missing:
        return {name: times[name] for name in fusions}
    with tempfile.TemporaryDirectory() as folder:
        control = Timed(CONTROL, Path(folder) / "control")
        control.measure()
        for name in track(missing, "times"):
            timed = Timed(name, Path(folder))
            timed.measure()  # the first round warms caches and allocators
            rounds = [(control.measure(), timed.measure()) for _ in range(ROUNDS)]
            times[name] = {
                "parameters": timed.parameters,
                "act_us": statistics.median(own[0] for _, own in rounds),
                "update_us": statistics.median(own[1] for _, own in rounds),
                "act_ratio": statistics.median(own[0] / reference[0] for reference, own in rounds),
                "update_ratio": statistics.median(own[1] / reference[1] for reference, own in rounds),
            }
            timed.close()
            record.parent.mkdir(parents=True, exist_ok=True)
            record.write_text(json.dumps(times, indent=1) + "\n")
        control.close()
    return {name: times[name] for name in fusions}


def training(fusion: str, seed: int, folder: Path) -> Training:
    """The run of one fusion."""
    arguments = ("--seed", str(seed), "--policy.fusion", fusion, "--evaluate-episodes", "0", "--threads", "1")
    stop = ("--stop-at-success", "None", "--judge-every", str(JUDGE_EVERY), "--stop-at-judged-success", str(ENOUGH))
    return Training(ENV, folder / fusion / f"seed_{seed}", (*arguments, *stop))


def learned(runs: list[Training]) -> dict[str, Any]:
    """Steps to 90 % of the episodes that are judged in training, and the evaluation at the end, seed by seed."""
    reports = [judge(run.folder, EPISODES) for run in runs]
    return {
        "steps_to_level": [first_step_at(run.folder, SUCCESS, LEVEL) for run in runs],
        "success": [report["rows"][0]["success_at_end"]["rate"] for report in reports],
    }


def show(results: dict[str, dict[str, Any]]) -> None:
    """One line a fusion."""
    table = Table("fusion", "parameters", "act, us", "x", "update, us", "x", "steps to 90 %", "success")
    for name, entry in results.items():
        table.add_row(
            name,
            f"{entry['parameters']:,}",
            f"{entry['act_us']:.0f}",
            f"{entry['act_ratio']:.2f}",
            f"{entry['update_us']:.0f}",
            f"{entry['update_ratio']:.2f}",
            ", ".join("never" if step is None else f"{step:,}" for step in entry.get("steps_to_level", ())),
            ", ".join(f"{100 * rate:.1f} %" for rate in entry.get("success", ())),
        )
    Console(width=120).print(table)


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--fusions", nargs="+", default=list(FUSIONS), choices=list(FUSIONS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--jobs", type=int, default=2, help="trainings side by side, one thread each")
    parser.add_argument("--runs", type=Path, default=Path("runs/fusions"))
    parser.add_argument("--learning", action=argparse.BooleanOptionalAction, default=True, help="also train")
    parser.add_argument("--output", type=Path, required=True, help="prefix of the .json written")
    options = parser.parse_args()
    results = time_all(options.fusions, options.runs / "times.json")
    if options.learning:
        runs = {name: [training(name, seed, options.runs) for seed in options.seeds] for name in options.fusions}
        finish_all([run for of_one in runs.values() for run in of_one], options.jobs)
        for name, entry in track(results.items(), "evaluations"):
            entry.update(learned(runs[name]))
    options.output.parent.mkdir(parents=True, exist_ok=True)
    document = {"env": ENV, "seeds": options.seeds, "versions": library_versions(), "fusions": results}
    options.output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")
    show(results)


if __name__ == "__main__":
    main()
