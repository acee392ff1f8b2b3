"""Representations learned without rewards, compared by policies learned on them without privileged state.

    python -m benchmarks.representing --seeds 1 2 3 --output docs/results/representations
    python -m benchmarks.representing --cases autoencoder --context shape=round --output runs/round
    python -m benchmarks.representing --cases autoencoder --output runs/seen -- --sensors camera proprioception

An objective first teaches encoders and fusion from 100,000 readings of actions that seek contact, with pegs of all
shapes; then PPO learns a policy on them as they are. Beside that stand PPO end to end without privileged information,
PPO with it, and PPO on encoders that nobody taught. Nothing but `privileged` reads the state: the critic sees what the
actor sees, and no objective reads the state off. An episode of the peg is 100 steps, so "episode 300" comes after
30,720 steps. All of them learn from 512 samples an update, a quarter of what the recipe has, which is slower by the
clock and takes fewer steps. The cases `sac_...` learn a policy by SB3's SAC on the frozen perception instead.

What stands behind `--` is handed to all trainings. They are continued where they stopped; what was taught before, with
the same `--runs`, is not taught again.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import matplotlib
import torch

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from benchmarks.training import Training, finish_all, first_step_at, metric_over_steps
from mmrl.evaluation.rates import Rate
from mmrl_agents.machine.description import machine
from mmrl_agents.records.line_styles import line_style
from mmrl_agents.records.runs import library_versions

JUDGED = "judged/success_rate"
EPISODE_300 = 30_720
GOAL = 0.95
FEW_STEPS = ("--num-worlds", "16", "--ppo.minibatch-size", "128", "--ppo.epochs", "4", "--total-steps", "61440")
"""Of every policy: PPO with four times as many updates in as many steps as the recipe has."""
REPLAYED = ("--recipe", "replayed")
"""Of every policy by SAC, to episode 307."""
UNPRIVILEGED = ("--policy.no-privileged-critic", "--objectives", "state=null")


@dataclass(frozen=True)
class Case:
    """One way to come to a policy."""

    taught: tuple[str, ...] = ()
    """Objectives of a pretraining, as `--objectives` takes them; none leaves it out."""
    network: tuple[str, ...] = ()
    """Arguments for both trainings, such as a fusion that an objective needs."""
    policy: tuple[str, ...] = ()
    """Arguments for the training of the policy alone."""
    method: tuple[str, ...] = FEW_STEPS
    """Of the training of the policy: what learns, and for how long."""
    judge_every: int = 5_120
    """Steps between two evaluations."""


def _frozen(*taught: str, network: tuple[str, ...] = ()) -> Case:
    return Case(taught, network, (*UNPRIVILEGED, "--freeze", "perception"))


def _replayed(*taught: str, policy: tuple[str, ...] = ()) -> Case:
    return Case(taught, policy=("--freeze", "perception", *policy), method=REPLAYED, judge_every=2_560)


CASES: Mapping[str, Case] = MappingProxyType(
    {
        "privileged": Case(),
        "end_to_end": Case(policy=UNPRIVILEGED),
        "untaught": Case(policy=(*UNPRIVILEGED, "--freeze", "perception")),
        "autoencoder": _frozen("autoencoder.weight=1"),
        "denoising": _frozen("denoising.weight=1"),
        "bimodal": _frozen("bimodal.weight=1"),
        "translation": _frozen("translation.weight=1"),
        "vision_touch": _frozen("vision_touch.weight=1"),
        "clip": _frozen("clip.weight=1"),
        "masked": _frozen("masked.weight=1", network=("--fusion", "transformer")),
        "sac_untaught": _replayed(policy=("--sb3.policy-options", "share_features_extractor=true")),
        "sac_autoencoder": _replayed("autoencoder.weight=1"),
        "sac_bimodal": _replayed("bimodal.weight=1"),
        "tuned": Case(("vision_touch.weight=1",), policy=UNPRIVILEGED),
    }
)
"""Which policies are compared. `tuned` begins with the perception of `vision_touch` and learns on in all of it."""


def taught(case: Case, seed: int, options: argparse.Namespace) -> Path:
    """The run in which the perception of a case is taught, one for all that begin with the same."""
    name = "_".join([*case.taught, *case.network, *options.taught_on, *options.train]).replace("/", "_")
    return Path(options.runs / "taught" / f"{name}_{seed}")


def pretraining(case: Case, seed: int, options: argparse.Namespace) -> Training:
    """The training that teaches a perception."""
    steps, data = str(options.pretrain_steps), options.data
    method = ("--agent", "pretrain", "--pretrain.data", data, "--total-steps", steps, "--objectives", *case.taught)
    words = (*_common(seed, options), *case.network, *_context(options.taught_on), *method)
    return Training(options.env, taught(case, seed, options), words)


def learning(case: Case, seed: int, folder: Path, options: argparse.Namespace) -> Training:
    """The training of the policy."""
    begun = ("--init", str(taught(case, seed, options))) if case.taught else ()
    judging = ("--judge-every", str(case.judge_every), "--judge-episodes", str(options.episodes))
    words = (*_common(seed, options), *case.network, *_context(options.context), *case.method, *case.policy)
    return Training(options.env, folder / f"policy_{seed}", (*words, *begun, *judging))


def _context(words: Sequence[str]) -> tuple[str, ...]:
    return ("--context", *words) if words else ()


def _common(seed: int, options: argparse.Namespace) -> tuple[str, ...]:
    return ("--seed", str(seed), "--threads", "1", "--evaluate-episodes", "0", *options.train)


def result(run: Path, episodes: int) -> dict[str, Any]:
    """Judged success at episode 300 with its interval, best of all, and steps to the goal."""
    steps, rates = metric_over_steps(run, JUDGED)
    early = next((rate for step, rate in zip(steps, rates, strict=True) if step >= EPISODE_300), None)
    interval = None if early is None else Rate(round(early * episodes), episodes).interval
    return {
        "run": run.name,
        "episode_300": early,
        "wilson_95": interval,
        "steps_to_goal": first_step_at(run, JUDGED, GOAL),
        "steps": steps,
        "judged": rates,
    }


def table(found: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    """One line a policy."""
    shown = Table("trained", "run", "judged at episode 300, %", "steps to 95 %", "judged last, %")
    for name, results in found.items():
        for one in results:
            low, high = one["wilson_95"] or (float("nan"),) * 2
            early = "-" if one["episode_300"] is None else f"{one['episode_300']:.0%} [{low:.0%}, {high:.0%}]"
            reached = f"{one['steps_to_goal']:,}" if one["steps_to_goal"] else "-"
            shown.add_row(name, one["run"], early, reached, f"{one['judged'][-1]:.0%}")
    return shown


def draw(found: Mapping[str, Sequence[Mapping[str, Any]]], path: Path) -> None:
    """Judged success of every policy against steps of its learning."""
    figure, axes = plt.subplots(figsize=(7.6, 3.6), dpi=120)
    for index, (name, results) in enumerate(found.items()):
        for number, one in enumerate(results):
            shares = [100 * rate for rate in one["judged"]]
            axes.plot(one["steps"], shares, label=None if number else name, **line_style(index))
    axes.axvline(EPISODE_300, color="0.6", linewidth=0.8, linestyle="--")
    axes.set(xlabel="environment steps of policy learning", ylabel="judged success, %", ylim=(0, 102))
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    figure.tight_layout()
    figure.savefig(path)


def parsed() -> argparse.Namespace:
    """The options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--env", default="mmrl/PegInsertion-v0")
    parser.add_argument("--cases", nargs="+", choices=list(CASES), default=list(CASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--pretrain-steps", type=int, default=100_000)
    parser.add_argument("--data", default="contact", help="what the objectives learn from, as mmrl pretrain takes it")
    parser.add_argument("--taught-on", nargs="*", default=["shape=all"], help="context of the pretraining")
    parser.add_argument("--context", nargs="*", default=[], help="context of the policy, such as shape=round")
    parser.add_argument("--episodes", type=int, default=100, help="of each evaluation during training")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side, one thread each")
    parser.add_argument("--runs", type=Path, default=Path("runs/representing"))
    parser.add_argument("--output", type=Path, required=True, help="prefix of the .json and .png written")
    parser.add_argument("train", nargs="*", help="arguments for all trainings, behind --")
    return parser.parse_args()


def main() -> None:
    """Command line."""
    options = parsed()
    folders = {name: options.runs / options.output.name / name for name in options.cases}
    pairs = [(CASES[name], seed, folder) for seed in options.seeds for name, folder in folders.items()]
    first = {taught(case, seed, options): pretraining(case, seed, options) for case, seed, _ in pairs if case.taught}
    finish_all(list(first.values()), options.jobs)
    finish_all([learning(case, seed, at, options) for case, seed, at in pairs], options.jobs)
    found = {
        name: [result(folder / f"policy_{seed}", options.episodes) for seed in options.seeds]
        for name, folder in folders.items()
    }
    about = {name: vars(options)[name] for name in ("env", "context", "taught_on", "seeds", "data", "pretrain_steps")}
    versions = {"machine": machine(torch.device("cpu")), "versions": library_versions()}
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.with_suffix(".json").write_text(json.dumps({**about, **versions, "cases": found}, indent=1) + "\n")
    draw(found, options.output.with_suffix(".png"))
    Console().print(table(found))


if __name__ == "__main__":
    main()
