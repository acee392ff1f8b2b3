"""A figure is known to the task that declares it, and to nothing else."""

import re
from pathlib import Path

import gymnasium as gym
import pytest

from mmrl.evaluation.figures import figures_of
from tests.envs.matrix import TASKS

TREE = Path(__file__).parents[1]
OF_ONE_TASK = ("slot_laps.py", "telling.py", "walking.py")
"""Benchmarks of a single task, which name its figures as the task does."""
SOURCES = [
    path
    for room in ("mmrl", "envs/mmrl_envs", "agents/mmrl_agents", "benchmarks")
    for path in (TREE / room).rglob("*.py")
    if "tasks" not in path.parts and path.name not in OF_ONE_TASK
]


@pytest.mark.parametrize("env_id", TASKS)
def test_no_other_file_names_a_figure_of_a_task(env_id: str) -> None:
    envs = gym.make_vec(env_id, num_envs=1)
    names = [figure.name for figure in figures_of(envs) if "_" in figure.name]  # else it may be any word
    envs.close()
    texts = {path: path.read_text() for path in SOURCES}
    assert len(texts) > 100
    assert [(path, name) for path, text in texts.items() for name in names if re.search(rf"\b{name}\b", text)] == []
