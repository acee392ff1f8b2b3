"""The race of `benchmarks.against_sb3`: seconds of wall clock to 90 % success on peg insertion, seed by seed."""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from benchmarks.pong_against_sb3 import in_process
from benchmarks.sb3_contenders import ENV_ID, SENSES, peak_mib, sb3_model, single_world

LEVEL, EPISODES = 0.9, 200
# Over which SB3 lets its step size fall; the level or the clock ends its training.
SB3_STEPS = 2_000_000


def setting(text: str) -> tuple[str, float]:
    """`n_epochs=5` or `learning_rate=5e-4` as a name and a number."""
    name, _, value = text.partition("=")
    number = float(value)
    return name, int(number) if number.is_integer() else number


def our_race(seed: int, limit_s: float, threads: int) -> dict[str, Any]:
    """`mmrl train` with the recipe of peg insertion, stopped at the level."""
    from mmrl_agents.settings.starting_points import recipe_for
    from mmrl_agents.training.train import train

    with tempfile.TemporaryDirectory() as folder:
        config = replace(
            recipe_for(ENV_ID),
            seed=seed,
            stop_at_success=LEVEL,
            time_limit_minutes=limit_s / 60,
            evaluate_episodes=0,
            device="cpu",
            threads=threads,
            run_dir=Path(folder) / "run",
        )
        start = time.perf_counter()
        result = train(config, Console(quiet=True))
        seconds = time.perf_counter() - start
        lines = [json.loads(line) for line in (result.run_dir / "metrics.jsonl").read_text().splitlines()]
    # What came before the first update counts too.
    before = seconds - lines[-1]["wall_time_s"]
    curve = [(before + line["wall_time_s"], line["success_rate"]) for line in lines if "success_rate" in line]
    return outcome(seconds, result.steps, curve, int(lines[-1]["episodes"]))


def sb3_race(
    seed: int, limit_s: float, threads: int, changes: Mapping[str, Any], own_network: bool, own_worlds: bool
) -> dict[str, Any]:
    """SB3's PPO with the settings of our recipe that it has and `changes`, stopped at the level.

    With `own_worlds` a `DummyVecEnv` over single environments.
    """
    import torch
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.monitor import Monitor
    from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

    from mmrl_agents.sb3 import make_vec_env
    from mmrl_agents.settings.starting_points import recipe_for

    torch.set_num_threads(threads)
    start = time.perf_counter()
    successes, curve = deque[bool](maxlen=EPISODES), list[tuple[float, float]]()

    class UntilLevel(BaseCallback):
        def _on_step(self) -> bool:
            # An episode that the worlds began in its middle has no "episode".
            successes.extend(bool(info["is_success"]) for info in self.locals["infos"] if "episode" in info)
            arrived = len(successes) == EPISODES and bool(curve) and curve[-1][1] >= LEVEL
            return not arrived and time.perf_counter() - start < limit_s

        def _on_rollout_end(self) -> None:
            if successes:
                curve.append((time.perf_counter() - start, statistics.fmean(successes)))

    recipe = recipe_for(ENV_ID).ppo
    rate, final = recipe.learning_rate, recipe.final_learning_rate
    settings = {
        "learning_rate": lambda left: final + left * (rate - final),
        "gamma": recipe.gamma,
        "gae_lambda": recipe.gae_lambda,
        "clip_range": recipe.clip,
        "ent_coef": recipe.entropy_coef,
        "vf_coef": recipe.value_coef,
        "max_grad_norm": recipe.max_grad_norm,
    }
    if own_network:
        settings["policy_kwargs"] = {"log_std_init": recipe_for(ENV_ID).policy.log_std_init}
    worlds = recipe_for(ENV_ID).num_worlds
    singles: list[Callable[[], Any]] = [lambda: Monitor(single_world(SENSES["camera and windows"]))] * worlds
    with (
        closing(make_vec_env(ENV_ID, 1 if own_worlds else worlds)) as ours,
        closing(DummyVecEnv(singles) if own_worlds else ours) as envs,
    ):
        if not own_worlds:
            # So that the worlds do not all end at once, as `mmrl train` has it.
            envs.set_options({"elapsed_steps": np.arange(worlds) * 100 // worlds})
        # Its own network knows no scales; images it divides by 255 itself.
        windows = [name for name, sense in ours.modalities.items() if sense.dtype != "uint8"]
        given = VecNormalize(envs, norm_obs_keys=windows, gamma=recipe.gamma) if own_network else envs
        model = sb3_model(ours, given, recipe.num_steps, seed, **{**settings, **changes})
        model.learn(SB3_STEPS, callback=UntilLevel())
    # The level counts where a rollout ends, as in our log.
    return outcome(time.perf_counter() - start, model.num_timesteps, curve, len(successes))


def outcome(seconds: float, steps: int, curve: list[tuple[float, float]], episodes: int) -> dict[str, Any]:
    """The result of a race."""
    reached = bool(curve) and episodes >= EPISODES and curve[-1][1] >= LEVEL
    return {"reached": reached, "seconds": seconds, "steps": steps, "curve": curve, "peak_mib": peak_mib()}


def race(options: argparse.Namespace) -> dict[str, Any]:
    """A table of seconds to the level, and a picture of all curves."""
    changes = dict(options.sb3_settings)
    contenders: dict[str, tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = {
        "mmrl": (our_race, ()),
        "SB3, mmrl's network and worlds": (sb3_race, (changes, False, False)),
        "SB3, mmrl's network": (sb3_race, (changes, False, True)),
        "SB3, mmrl's worlds": (sb3_race, (changes, True, False)),
        "SB3 alone": (sb3_race, (changes, True, True)),
    }
    limit = 60 * options.limit_minutes
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in contenders}
    for seed in options.seeds:
        for name, (work, more) in contenders.items():
            file = options.runs / f"{name}, seed {seed}.json"
            settings = {"seed": seed, "threads": options.threads, "more": list(more)}
            race_on = partial(in_process, work, seed, limit, options.threads, *more)
            results[name].append(kept(file, settings, limit, race_on))
    table = Table("", "reached", "median s", "seconds", "steps", "mmrl is faster", "peak MiB", title="To 90 % success")
    ours = statistics.median(run["seconds"] for run in results["mmrl"])
    all_ours = all(run["reached"] for run in results["mmrl"])
    for name, runs in results.items():
        median, reached = statistics.median(run["seconds"] for run in runs), sum(run["reached"] for run in runs)
        table.add_row(
            name,
            f"{reached} of {len(runs)}",
            f"{median:,.0f}",
            ", ".join(f"{run['seconds']:,.0f}" for run in runs),
            ", ".join(f"{run['steps']:,}" for run in runs),
            faster(median / ours, all_ours, reached == len(runs)),
            f"{max(run['peak_mib'] for run in runs):,.0f}",
        )
    Console(width=120).print(table)
    if options.output is not None:
        draw(results, options.output.with_suffix(".png"))
    return {"level": LEVEL, "episodes": EPISODES, "limit_minutes": options.limit_minutes, "results": results}


def kept(file: Path, settings: dict[str, Any], limit_s: float, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The result in `file` of an earlier run with the same settings, else that of `work`, with the seed.

    A run that arrived within the limit is the same under every limit; one that did not, only under its own.
    """
    if file.exists():
        earlier: dict[str, Any] = json.loads(file.read_text())
        arrived = earlier["outcome"]["reached"] and earlier["outcome"]["seconds"] <= limit_s
        if earlier["settings"] == settings and (arrived or earlier["limit_s"] == limit_s):
            Console().print(f"{file.stem}: from {file}")
            return {"seed": settings["seed"], **earlier["outcome"]}
    Console().print(f"{file.stem} ...")
    result = work()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"settings": settings, "limit_s": limit_s, "outcome": result}))
    return {"seed": settings["seed"], **result}


def faster(ratio: float, ours_arrived: bool, they_arrived: bool) -> str:
    """A ratio of seconds in words; a dash where the clock stopped ours."""
    return "-" if not ours_arrived else f"{ratio:.1f} x" if they_arrived else f"at least {ratio:.1f} x"


def draw(results: Mapping[str, list[dict[str, Any]]], path: Path) -> None:
    """Success against minutes of wall clock, a colour for each contender and a line for each seed."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from mmrl_agents.records.line_styles import line_style

    figure, axes = plt.subplots(figsize=(6.4, 3.6), dpi=120)
    for index, (name, runs) in enumerate(results.items()):
        for run in runs:
            minutes = [seconds / 60 for seconds, _ in run["curve"]]
            success = [100 * rate for _, rate in run["curve"]]
            axes.plot(minutes, success, linewidth=1.4, label=name if run is runs[0] else None, **line_style(index))
    axes.axhline(100 * LEVEL, color="0.6", linewidth=0.8, linestyle="--")
    axes.set(xlabel="minutes of wall clock", ylabel=f"success of the last {EPISODES} episodes, %", ylim=(0, 102))
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, fontsize=8, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncol=3)
    figure.tight_layout()
    figure.savefig(path)
