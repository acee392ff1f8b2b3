"""Seconds to a mean return of 0 on Pong: our PPO, Stable-Baselines3's with its own settings, and with ours.

    python -m benchmarks.pong_against_sb3 --seed 1 --limit-minutes 30
    taskset -c 0 python -m benchmarks.pong_against_sb3    # on one core

All three play the same native emulators in this process's order, one after another, each in a process of its own,
from the four 84 x 84 frames of the standard protocol with six actions, until the last 20 games have a mean return of
at least 0 or the time is up. Handing SB3 the native emulators instead of its own Python wrappers is in its favour.
"Its own settings" are those of rl-baselines3-zoo for Atari: 8 worlds x 128 steps, minibatch 256, 4 epochs, Adam
2.5e-4 and clip 0.1 both annealed to 0 over 10M steps, entropy 0.01, value 0.5, NatureCNN.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import tempfile
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from rich.console import Console
from rich.table import Table

from mmrl_agents.settings.starting_points import recipe_for

GOAL, GAMES = 0.0, 20
ZOO_WORLDS, ZOO_STEPS = 8, 10_000_000


def ours(seed: int, limit_s: float) -> dict[str, Any]:
    """`mmrl train pong --recipe standard`, stopped at the goal."""
    from rich.console import Console as Quiet

    from mmrl_agents.training.train import train

    recipe = recipe_for("pong", name="standard")
    with tempfile.TemporaryDirectory() as folder:
        config = replace(
            recipe,
            seed=seed,
            stop_at_return=GOAL,
            time_limit_minutes=limit_s / 60,
            evaluate_episodes=0,
            device="cpu",  # as SB3's below
            run_dir=Path(folder) / "run",
        )
        start = time.perf_counter()
        result = train(config, Quiet(quiet=True))
        seconds = time.perf_counter() - start
    reached = result.metrics.get("mean_return_20", -np.inf) >= GOAL
    return {"seconds": seconds, "steps": result.steps, "reached": bool(reached)}


def sb3_worlds(count: int, seed: int) -> Any:
    """The native emulators as a VecEnv of SB3, images (4, 84, 84)."""
    from ale_py.vector_env import AtariVectorEnv
    from stable_baselines3.common.vec_env import VecEnv

    class NativeAtari(VecEnv):
        def __init__(self) -> None:
            self.worlds = AtariVectorEnv("pong", count, autoreset_mode=AutoresetMode.SAME_STEP, use_fire_reset=False)
            space = self.worlds.single_observation_space
            assert isinstance(space, spaces.Box)
            super().__init__(count, space, self.worlds.single_action_space)
            self.totals, self.lengths = np.zeros(count), np.zeros(count, np.int64)
            self.last: deque[float] = deque(maxlen=GAMES)

        def reset(self) -> Any:
            return self.worlds.reset(seed=seed)[0]

        def step_async(self, actions: Any) -> None:
            self.worlds.send(np.asarray(actions, np.int64))

        def step_wait(self) -> Any:
            frames, rewards, terminated, truncated, info = self.worlds.recv()
            done = terminated | truncated
            self.totals += rewards
            self.lengths += 1
            infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
            for world in np.flatnonzero(done):
                infos[world] = {
                    "terminal_observation": info["final_obs"][world],
                    "TimeLimit.truncated": bool(truncated[world] and not terminated[world]),
                    "episode": {"r": self.totals[world], "l": int(self.lengths[world]), "t": 0.0},
                }
                self.last.append(float(self.totals[world]))
                self.totals[world], self.lengths[world] = 0.0, 0
            return frames, rewards.astype(np.float32), done, infos

        def close(self) -> None: ...

        def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
            return [None] * self.num_envs

        def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None: ...

        def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
            raise NotImplementedError(method_name)

        def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
            return [False] * self.num_envs

    return NativeAtari()


def sb3(seed: int, limit_s: float, with_our_settings: bool) -> dict[str, Any]:
    """SB3's PPO with `CnnPolicy`, stopped at the goal."""
    from stable_baselines3 import PPO
    from stable_baselines3.common.callbacks import BaseCallback

    recipe = recipe_for("pong", name="standard").ppo
    worlds = sb3_worlds(16 if with_our_settings else ZOO_WORLDS, seed)
    start = time.perf_counter()

    class UntilGoal(BaseCallback):
        def _on_step(self) -> bool:
            arrived = len(worlds.last) == GAMES and np.mean(worlds.last) >= GOAL
            return not arrived and time.perf_counter() - start < limit_s

    if with_our_settings:
        total = recipe_for("pong", name="standard").total_steps
        first, final = recipe.learning_rate, recipe.final_learning_rate
        model = PPO(
            "CnnPolicy",
            worlds,
            learning_rate=lambda left: final + left * (first - final),
            n_steps=recipe.num_steps,
            batch_size=recipe.minibatch_size,
            n_epochs=recipe.epochs,
            gamma=recipe.gamma,
            gae_lambda=recipe.gae_lambda,
            clip_range=recipe.clip,
            ent_coef=recipe.entropy_coef,
            vf_coef=recipe.value_coef,
            max_grad_norm=recipe.max_grad_norm,
            seed=seed,
            device="cpu",
        )
    else:
        total = ZOO_STEPS
        model = PPO(
            "CnnPolicy",
            worlds,
            learning_rate=lambda left: 2.5e-4 * left,
            n_steps=128,
            batch_size=256,
            n_epochs=4,
            clip_range=lambda left: 0.1 * left,
            ent_coef=0.01,
            vf_coef=0.5,
            seed=seed,
            device="cpu",
        )
    model.learn(total, callback=UntilGoal())
    seconds = time.perf_counter() - start
    reached = len(worlds.last) == GAMES and bool(np.mean(worlds.last) >= GOAL)
    return {"seconds": seconds, "steps": model.num_timesteps, "reached": reached}


def in_process(work: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
    """Runs in a fresh process, so that no allocator or thread setting of one touches another."""
    # Not multiprocessing.Pool, whose processes may have none of their own, as SubprocVecEnv needs.
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(work, *args).result()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--limit-minutes", type=float, default=30.0)
    parser.add_argument("--output", type=Path, default=None, help="a JSON file to write, contender by contender")
    options = parser.parse_args()
    limit = 60 * options.limit_minutes
    contenders: dict[str, tuple[Callable[..., dict[str, Any]], tuple[Any, ...]]] = {
        "mmrl, standard recipe": (ours, ()),
        "SB3, our settings": (sb3, (True,)),
        "SB3, its own settings": (sb3, (False,)),
    }
    cores = len(os.sched_getaffinity(0))
    about = {"seed": options.seed, "cores": cores, "goal": GOAL, "limit_minutes": options.limit_minutes}
    if options.output is not None:
        options.output.parent.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, Any]] = {}
    table = Table("", "reached", "seconds", "steps", "steps/s", "ratio", title=f"Pong to a mean return of {GOAL:g}")
    for name, (work, more) in contenders.items():
        Console().print(f"{name} ...")
        results[name] = result = in_process(work, options.seed, limit, *more)
        ratio = result["seconds"] / next(iter(results.values()))["seconds"]
        table.add_row(
            name,
            "yes" if result["reached"] else "no, time is up" if result["seconds"] >= limit else "no, all steps done",
            f"{result['seconds']:.0f}",
            f"{result['steps']:,}",
            f"{result['steps'] / result['seconds']:,.0f}",
            f"{ratio:.1f}" if result["reached"] else f"> {ratio:.1f}",
        )
        if options.output is not None:
            options.output.write_text(json.dumps({**about, "results": results}, indent=1) + "\n")
    Console().print(table)


if __name__ == "__main__":
    main()
