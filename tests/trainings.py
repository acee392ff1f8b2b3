"""Trainings of a moment, for tests of what a run leaves behind."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train
from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.watching.watch import watch_run

POLE = TrainConfig(
    env="CartPole-v1",
    num_worlds=2,
    total_steps=64,
    threads=1,
    device="cpu",
    ppo=PPOConfig(num_steps=16, minibatch_size=16, epochs=1),
    evaluate_episodes=0,
)
"""Two updates on the pole that wants to be balanced."""


def moment_in(env: str) -> TrainConfig:
    """Two updates of 2 worlds x 8 steps in an environment."""
    ppo = PPOConfig(num_steps=8, minibatch_size=8, epochs=1)
    return replace(POLE, env=env, total_steps=32, ppo=ppo)


def recipe_cut_short(env: str, **changes: Any) -> TrainConfig:
    """The recipe of a task, cut to four updates of 2 worlds x 8 steps in episodes of 5 steps, with changes."""
    recipe = recipe_for(env)
    ppo = replace(recipe.ppo, num_steps=8, minibatch_size=16, epochs=1)
    short = replace(recipe, ppo=ppo, num_worlds=2, total_steps=64, threads=1, device="cpu", evaluate_episodes=0)
    return replace(short, **{"env_kwargs": {"max_episode_steps": 5}} | changes)


def rates_of_the_recipe(env: str, run_dir: Path, **judged: Any) -> dict[str, tuple[float, float]]:
    """The intervals of success of a whole training with a seed that no recipe was tuned with, by what is unplugged."""
    train(replace(recipe_for(env), seed=11, evaluate_episodes=0, run_dir=run_dir))
    return rates_of(run_dir, **judged)


def rates_of(run_dir: Path, **judged: Any) -> dict[str, tuple[float, float]]:
    """The intervals of success in 200 episodes of the weights of the end of training, by what is unplugged."""
    report = evaluate_run(EvaluateConfig(run=str(run_dir), checkpoint="last", episodes=200, **judged))
    intervals = {row.label: row.success_at_end.interval for row in report.rows}
    return {label: interval for label, interval in intervals.items() if interval is not None}


def require_goes_on(run: Path, env: str, steps: int) -> None:
    """The run is resumed and ends after so many steps in all."""
    assert train(TrainConfig(env, resume=run, total_steps=steps), Console(file=StringIO())).steps == steps


def filmed(run: Path, film: Path, **changes: Any) -> Path:
    """The film of an episode of a run, which must be one."""
    made = watch_run(WatchConfig(run=str(run), output=film, episodes=1, **changes), Console(file=StringIO()))
    assert made.stat().st_size > 1000
    return made


def trained_quietly(config: TrainConfig) -> Path:
    """The folder of the run, with nothing printed."""
    return train(config, Console(file=StringIO())).run_dir


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, such as metrics.jsonl."""
    return [json.loads(line) for line in path.read_text().splitlines()]
