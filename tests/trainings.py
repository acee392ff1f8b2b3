"""Trainings of a moment, for tests of what a run leaves behind."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

from rich.console import Console

from mmrl_agents.learning.ppo import PPOConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train

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


def trained_quietly(config: TrainConfig) -> Path:
    """The folder of the run, with nothing printed."""
    return train(config, Console(file=StringIO())).run_dir


def json_lines(path: Path) -> list[dict[str, Any]]:
    """The lines of a log, such as metrics.jsonl."""
    return [json.loads(line) for line in path.read_text().splitlines()]
