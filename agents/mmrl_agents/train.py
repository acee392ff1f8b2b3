"""Training: build the worlds and the policy, collect, update, save, evaluate."""

import dataclasses
import shlex
import time
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from mmrl.policy import ActorCritic
from mmrl_agents.agents import AGENTS, Setting
from mmrl_agents.allocator import keep_freed_memory, use_cores
from mmrl_agents.checkpoint import load_checkpoint, require_same_senses
from mmrl_agents.config import (
    TrainConfig,
    action_space_of,
    config_to_dict,
    make_envs,
    modalities_and_privileged_size,
    require_context_known,
    world_kwargs,
)
from mmrl_agents.episodes import RETURN_WINDOW, Episode, EpisodeStatistics
from mmrl_agents.interruption import listening_for_stop
from mmrl_agents.player import load_weights
from mmrl_agents.progress import TrainingProgress, headline
from mmrl_agents.runs import RunFolder, library_versions, run_name
from mmrl_envs.vector_env import RobotVectorEnv

# Fewer finished episodes than this say too little to call a checkpoint the best.
_EPISODES_TO_JUDGE = 50


@dataclass(frozen=True)
class TrainResult:
    """What a finished training leaves behind."""

    run_dir: Path
    steps: int
    metrics: dict[str, float]
    wall_time_s: float
    interrupted: bool


def choose_device(name: str) -> torch.device:
    """The torch device of a name; "auto" is CUDA where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    device = torch.device(name)
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ValueError(f"device {name!r} was asked for, but torch sees no CUDA device")
    return device


def seeds(entropy: int | list[int], count: int) -> list[int]:
    """Independent seeds of 31 bits, the most that every environment takes."""
    state = np.random.SeedSequence(entropy).generate_state(count)
    return [int(word) >> 1 for word in state]


class Trainer:
    """A training run in memory: worlds, policy, algorithm, counters and their folder."""

    def __init__(self, config: TrainConfig, run: RunFolder) -> None:
        """Build everything at step 0; `restore` moves it to a checkpoint."""
        self.config, self.run = config, run
        self.device = choose_device(config.device)
        self.envs = make_envs(config.env, config.num_worlds, world_kwargs(config))
        require_context_known(config.env, config.context, self.envs)
        modalities, privileged_size = modalities_and_privileged_size(self.envs)
        self.senses = {name: modality.describe() for name, modality in modalities.items()}
        action_space = action_space_of(self.envs)
        weights_seed, shuffle_seed, actions_seed = seeds(config.seed, 3)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights_seed)
            policy = ActorCritic(modalities, action_space, config.policy, privileged_size)
        self.policy = policy.to(self.device)
        self.actions = torch.Generator(self.device).manual_seed(actions_seed)
        self.statistics = EpisodeStatistics()
        setting = Setting(
            config,
            self.envs,
            modalities,
            self.policy,
            self.statistics,
            self.device,
            shuffling=torch.Generator().manual_seed(shuffle_seed),
            acting=self.actions,
        )
        self.agent = AGENTS[config.agent](setting)
        self.step = 0
        self.updates = 0
        self.seconds = 0.0
        self.best_score = -np.inf
        self.metrics: dict[str, float] = {}

    def describe(self) -> dict[str, Any]:
        """The document of config.json."""
        return {
            "env_id": self.config.env,
            "env_kwargs": config_to_dict(self.config)["env_kwargs"],
            "sensors": list(self.config.sensors),
            "seed": self.config.seed,
            "train": config_to_dict(self.config),
            "senses": self.senses,
            "versions": library_versions(),
        }

    def start_worlds(self) -> None:
        """Reset the worlds; seeds of a resumed run follow from its step, so none is repeated."""
        (seed,) = seeds([self.config.seed, self.step], 1)
        options: dict[str, Any] = {}
        worlds = self.envs.unwrapped
        if isinstance(worlds, RobotVectorEnv) and self.agent.begins_in_mid_episode:
            # Worlds in step would all end, and all be reset and judged, in the same few updates.
            limit = worlds.max_episode_steps or 0
            numbers = np.arange(self.config.num_worlds)
            options["elapsed_steps"] = numbers * limit // self.config.num_worlds
        if self.config.context:
            options["context"] = dict(self.config.context)
        self.agent.start(seed, options or None)

    def advance(self) -> None:
        """Collect once and update once."""
        start = time.perf_counter()
        rate = self.agent.set_progress(self.step / self.config.total_steps)
        self.policy.eval()
        taken = self.agent.collect()
        collected = time.perf_counter()
        self.policy.train()
        update = self.agent.update()
        duration = time.perf_counter() - start
        self.step += taken
        self.updates += 1
        self.seconds += duration
        self.metrics = {
            **self.statistics.metrics(),
            **update,
            "learning_rate": rate,
            "steps_per_second": taken / duration,
            "collect_seconds": collected - start,
            "update_seconds": duration - (collected - start),
            "wall_time_s": self.seconds,
        }
        self.run.log(self.step, self.metrics)

    def warm_up(self) -> None:
        """What the agent has to see before its first update."""
        self.policy.eval()
        self.step += self.agent.warm_up()

    def reason_to_stop(self) -> str | None:
        """Why the training is over, or None."""
        config, recent = self.config, self.statistics.recent
        if self.step >= config.total_steps:
            return "all steps done"
        limit = config.time_limit_minutes
        if limit is not None and self.seconds >= 60 * limit:
            return f"the time limit of {limit} min is reached"
        goal = config.stop_at_success
        if goal is not None and len(recent) == recent.maxlen:
            rate = self.metrics.get("success_rate", 0.0)
            if rate >= goal:
                return f"success rate {rate:.1%} reached {goal:.1%}"
        goal, mean = config.stop_at_return, self.statistics.mean_of_newest
        if goal is not None and mean is not None and mean >= goal:
            return f"mean return {mean:.2f} of the last {RETURN_WINDOW} episodes reached {goal:g}"
        return None

    def save(self) -> Path:
        """Write a checkpoint, and call it the best if no earlier one scored as high."""
        score = self.metrics.get("success_rate", self.metrics.get("mean_return", -np.inf))
        judged = len(self.statistics.recent) >= _EPISODES_TO_JUDGE
        best = judged and score >= self.best_score
        if best:
            self.best_score = score
        return self.run.save(self.step, self._state(), best=best, keep=self.config.keep_checkpoints)

    def _state(self) -> dict[str, Any]:
        return {
            "policy": self.policy.state_dict(),
            "agent": self.agent.state_dict(),
            "senses": self.senses,
            "step": self.step,
            "updates": self.updates,
            "seconds": self.seconds,
            "best_score": self.best_score,
            "episodes": [dataclasses.asdict(episode) for episode in self.statistics.recent],
            "episode_count": self.statistics.count,
            "physics_errors": self.statistics.physics_errors,
            "device": self.device.type,
            "actions": self.actions.get_state(),
        }

    def restore(self, path: Path) -> None:
        """Continue from a checkpoint: weights, optimiser, counters, statistics, random states."""
        state = load_checkpoint(path)
        require_same_senses(path, state["senses"], self.senses)
        load_weights(self.policy, state["policy"], path)
        self.agent.load_state_dict(state["agent"])
        self.step, self.updates = state["step"], state["updates"]
        self.seconds, self.best_score = state["seconds"], state["best_score"]
        for episode in state["episodes"]:
            self.statistics.recent.append(Episode(**episode))
        self.statistics.count = state["episode_count"]
        self.statistics.physics_errors = state["physics_errors"]
        if state["device"] == self.device.type:
            self.actions.set_state(state["actions"])
        else:  # the generators of two kinds of device share no state
            self.actions.manual_seed(*seeds([self.config.seed, self.step], 1))


def train(config: TrainConfig, console: Console | None = None) -> TrainResult:
    """Train a policy, leave a run folder, evaluate it if the config asks for episodes.

    Raises FileExistsError where `config.run_dir` is in use, CheckpointError where `config.resume`
    holds no usable checkpoint, ValueError where the worlds give a number that is not finite.
    """
    console = console or Console()
    start = time.perf_counter()
    use_cores(config.threads)
    keep_freed_memory()
    run = open_run(config)
    try:
        trainer = Trainer(config, run)
        with closing(trainer.envs), closing(run):
            if config.resume is not None:
                trainer.restore(run.checkpoint("last"))
                run.forget_metrics_after(trainer.step)
            run.write_config(trainer.describe())
            interrupted = _loop(trainer, console)
    except BaseException:
        if config.resume is None:
            run.discard_unused()
        raise
    result = TrainResult(run.path, trainer.step, trainer.metrics, time.perf_counter() - start, interrupted)
    _say_what_next(result, console)
    if config.evaluate_episodes and not interrupted:
        _evaluate(result, config, console)
    return result


def open_run(config: TrainConfig) -> RunFolder:
    """The folder to continue, or a new one."""
    if config.resume is not None:
        return RunFolder.open(config.resume)
    name = run_name(config.env, config.agent, config.seed, datetime.now())
    return RunFolder.create(config.run_dir or config.runs_root / name)


def _loop(trainer: Trainer, console: Console) -> bool:
    """Update until there is a reason to stop; returns whether a person or the system asked."""
    config = trainer.config
    bar = TrainingProgress(config.total_steps, trainer.step, console)
    with listening_for_stop() as stop:
        console.print(f"{config.env} on {trainer.device}, run folder {trainer.run.path}")
        trainer.start_worlds()
        if trainer.updates == 0:
            trainer.warm_up()
        saved = time.monotonic()
        with bar:
            while (reason := trainer.reason_to_stop()) is None and not stop.asked:
                trainer.advance()
                bar.update(trainer.step, trainer.metrics)
                if time.monotonic() - saved >= 60 * config.checkpoint_every_minutes:
                    trainer.save()
                    saved = time.monotonic()
        trainer.save()
        console.print(f"stopped: {reason or 'interrupted'}")
        return reason is None


def _say_what_next(result: TrainResult, console: Console) -> None:
    run = shlex.quote(str(result.run_dir))
    rate = result.metrics.get("steps_per_second", 0.0)
    console.print(f"{result.steps:,} steps, {headline(result.metrics)}, {rate:,.0f} steps/s")
    if result.interrupted:
        console.print(f"resume with:   mmrl train --resume {run}", soft_wrap=True)
    console.print(f"evaluate with: mmrl evaluate {run}", soft_wrap=True)
    console.print(f"watch with:    mmrl watch {run}", soft_wrap=True)


def _evaluate(result: TrainResult, config: TrainConfig, console: Console) -> None:
    from mmrl_agents.evaluate import EvaluateConfig, evaluate_run

    console.print(f"evaluating {config.evaluate_episodes} episodes")
    evaluate_run(EvaluateConfig(run=str(result.run_dir), episodes=config.evaluate_episodes))
