"""Our PPO against Stable-Baselines3's PPO with `MultiInputPolicy` on the same environments.

    python -m benchmarks.against_sb3 throughput --output docs/results/sb3_throughput.json
    python -m benchmarks.against_sb3 race --seeds 1 2 3 --limit-minutes 60 --output docs/results/sb3_race

`throughput`: environment steps per second of rollout and update, with the same network, rollouts of 2,048 steps,
minibatches of 512, 3 epochs and no privileged critic; with a camera and with windows alone, at 8 and 64 worlds.
`race`: seconds of wall clock until 90 % of the last 200 training episodes on PegInsertion succeed, building worlds and
networks included. Ours is `mmrl train` with its recipe. SB3 gets the settings of that recipe as far as it has them, on
our network and our vector environment, on either with what it has itself in place of the other, and on neither.

Every measurement is a process of its own, with its peak memory beside it; contenders take turns. Handing SB3 our
vector environment is in its favour; `DummyVecEnv` over single environments is what it has itself, or, up to 8 of them,
`SubprocVecEnv` with a process for each.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.pong_against_sb3 import in_process
from benchmarks.race_against_sb3 import race, setting
from benchmarks.sb3_contenders import ENV_ID, EPOCHS, MINIBATCH, SENSES, peak_mib, sb3_model, single_world

WORLDS = (8, 64)
ROLLOUT = 2048
RATES = ("steps_per_second", "steps_per_cpu_second")


MOST_PROCESSES = 8


def processor_seconds(others: Sequence[int]) -> float:
    """Processor time that this process and `others` have used."""
    # The fields 14 and 15 of proc(5), counted behind the name in parentheses, which may hold spaces.
    stats = [Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split() for process in others]
    return time.process_time() + sum(int(s[11]) + int(s[12]) for s in stats) / os.sysconf("SC_CLK_TCK")


def speed(step: Callable[[], None], updates: int, others: Sequence[int] = ()) -> dict[str, float]:
    """Environment steps per second of wall clock and of processor time, medians over updates; the first warms up.

    Processor time and peak memory are those of this process and of `others`.
    """
    step()
    seconds, processor = list[float](), list[float]()
    for _ in range(updates):
        start, used = time.perf_counter(), processor_seconds(others)
        step()
        seconds.append(time.perf_counter() - start)
        processor.append(processor_seconds(others) - used)
    return {
        "steps_per_second": ROLLOUT / statistics.median(seconds),
        "steps_per_cpu_second": ROLLOUT / statistics.median(processor),
        "peak_mib": peak_mib(*others),
    }


def our_speed(worlds: int, senses: tuple[str, ...], threads: int, updates: int) -> dict[str, float]:
    """Rollout and update of our PPO."""
    import torch

    from mmrl.policy.actor_critic import ActorCritic
    from mmrl_agents.experience.episodes import EpisodeStatistics
    from mmrl_agents.experience.rollout import Rollout
    from mmrl_agents.experience.storage import RolloutStorage
    from mmrl_agents.learning.ppo import PPO
    from mmrl_agents.learning.ppo_config import PPOConfig
    from mmrl_agents.machine.cpu import keep_freed_memory
    from mmrl_agents.settings.starting_points import recipe_for
    from mmrl_agents.worlds.making import action_space_of, make_envs, senses_of

    torch.set_num_threads(threads)
    keep_freed_memory()
    settings = PPOConfig(num_steps=ROLLOUT // worlds, minibatch_size=MINIBATCH, epochs=EPOCHS)
    with closing(make_envs(ENV_ID, worlds, {"sensors": senses})) as envs:
        modalities = senses_of(envs)
        policy = ActorCritic(modalities, action_space_of(envs), recipe_for(ENV_ID).policy)
        storage = RolloutStorage(settings.num_steps, worlds, modalities, action_space_of(envs), torch.device("cpu"))
        ppo = PPO(policy, settings, torch.Generator().manual_seed(1))
        rollout = Rollout(envs, policy, storage, EpisodeStatistics(), torch.Generator().manual_seed(2))
        rollout.start(1)

        def step() -> None:
            rollout.collect()
            ppo.update(storage)
            rollout.learn_statistics()

        return speed(step, updates)


def sb3_speed(worlds: int, senses: tuple[str, ...], threads: int, updates: int, kind: str) -> dict[str, float]:
    """Rollout and update of SB3's PPO, on our vector environment or on a `kind` of SB3's over single ones."""
    import gymnasium as gym
    import torch
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv

    from mmrl_agents.sb3 import make_vec_env

    torch.set_num_threads(threads)
    singles: list[Callable[[], gym.Env[Any, Any]]] = [partial(single_world, senses)] * worlds
    kinds: dict[str, Callable[[], Any]] = {
        "ours": lambda: make_vec_env(ENV_ID, worlds, sensors=senses),
        "dummy": lambda: DummyVecEnv(singles),
        "processes": lambda: SubprocVecEnv(singles, start_method="spawn"),
    }
    with closing(make_vec_env(ENV_ID, 1, sensors=senses)) as declared, closing(kinds[kind]()) as envs:
        model = sb3_model(declared, envs, ROLLOUT // worlds, seed=1)

        def step() -> None:
            model.learn(ROLLOUT, reset_num_timesteps=False)

        others = [process.pid for process in envs.processes] if kind == "processes" else []
        return speed(step, updates, others)


def throughput(options: argparse.Namespace) -> dict[str, Any]:
    """A table of ratios; contenders take turns `repeats` times, and the median counts."""
    contenders: dict[str, tuple[Callable[..., dict[str, float]], tuple[Any, ...]]] = {
        "mmrl": (our_speed, ()),
        "SB3, our worlds": (sb3_speed, ("ours",)),
        "SB3, DummyVecEnv": (sb3_speed, ("dummy",)),
        "SB3, SubprocVecEnv": (sb3_speed, ("processes",)),
    }
    rows: list[dict[str, Any]] = []
    columns = ("senses", "worlds", "", "steps/s", "mmrl is faster", "by CPU time", "peak MiB")
    table = Table(*columns, title="Rollout and update")
    for label in options.senses:
        for worlds in options.worlds:
            entered = {n: who for n, who in contenders.items() if "processes" not in who[1] or worlds <= MOST_PROCESSES}
            runs: dict[str, list[dict[str, float]]] = {name: [] for name in entered}
            for _ in range(options.repeats):
                for name, (work, more) in entered.items():
                    Console().print(f"{label}, {worlds} worlds, {name} ...")
                    arguments = (worlds, SENSES[label], options.threads, options.updates, *more)
                    runs[name].append(in_process(work, *arguments))
            ours = medians(runs["mmrl"])
            for name, measured in runs.items():
                theirs = medians(measured)
                wall, processor = (ours[rate] / theirs[rate] for rate in RATES)
                row = {"senses": label, "worlds": worlds, "contender": name, "ratio": wall, "cpu_ratio": processor}
                rows.append({**row, **theirs, "runs": measured})
                cells = (
                    f"{theirs[RATES[0]]:,.0f}",
                    f"{wall:.2f} x",
                    f"{processor:.2f} x",
                    f"{theirs['peak_mib']:,.0f}",
                )
                table.add_row(label, str(worlds), name, *cells)
    Console(width=120).print(table)
    return {"rollout": ROLLOUT, "minibatch": MINIBATCH, "epochs": EPOCHS, "rows": rows}


def medians(runs: list[dict[str, float]]) -> dict[str, float]:
    """The rates of the median run, and the largest peak."""
    rates = {rate: statistics.median(run[rate] for run in runs) for rate in RATES}
    return {**rates, "peak_mib": max(run["peak_mib"] for run in runs)}


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = top.add_subparsers(required=True)
    speeds = commands.add_parser("throughput")
    speeds.add_argument("--updates", type=int, default=5, help="measured, after one that warms up")
    speeds.add_argument("--repeats", type=int, default=3)
    speeds.add_argument("--worlds", type=int, nargs="+", default=list(WORLDS))
    speeds.add_argument("--senses", nargs="+", choices=list(SENSES), default=list(SENSES))
    speeds.set_defaults(work=throughput)
    races = commands.add_parser("race")
    races.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    races.add_argument("--limit-minutes", type=float, default=60.0)
    races.add_argument("--sb3-settings", type=setting, nargs="*", default=[], help="such as learning_rate=5e-4")
    races.add_argument("--runs", type=Path, default=Path("runs/sb3_race"), help="keeps what was raced already")
    races.set_defaults(work=race)
    for command in (speeds, races):
        command.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)), help="of the networks")
        command.add_argument("--output", type=Path, default=None, help="a JSON file to write, of a race a picture too")
    return top


def main() -> None:
    """Command line."""
    import torch

    from mmrl_agents.machine.description import machine
    from mmrl_agents.records.runs import library_versions

    options = parser().parse_args()
    if options.output is not None:  # before hours of work, in case there is no place for it
        options.output.parent.mkdir(parents=True, exist_ok=True)
    result = options.work(options)
    if options.output is not None:
        measured_on = {**machine(torch.device("cpu")), "threads": options.threads}
        document = {**result, "machine": measured_on, "versions": library_versions()}
        options.output.with_suffix(".json").write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
