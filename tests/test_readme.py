"""The README is true: its code runs, its commands, goals, extras and files exist, and it is short."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl.encoders import build_encoder
from mmrl.modality import Custom
from mmrl_envs.sensors.force_torque import ForceTorque

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
SENSOR = (ROOT / "tests" / "plugin_package" / "mmrl_rangefinder.py").read_text()


def python_in(page: str) -> list[str]:
    return re.findall(r"```python\n(.*?)```", page, re.DOTALL)


PYTHON_BLOCKS = python_in(README)
NETWORK = next(block for block in PYTHON_BLOCKS if "nn.Module" in block)
TASK = next(block for block in PYTHON_BLOCKS if "(Task)" in block)
# In a process of its own, whose registry of environments nobody else looks at.
REACHES = """
import gymnasium as gym
import numpy as np

envs = gym.make_vec("reach:mine/Reach-v0", num_envs=2)
observation, _ = envs.reset(seed=0)
for _ in range(40):
    tip = observation["proprioception"][:, -1, :3]
    observation, _, _, _, info = envs.step(np.clip(-tip / 0.006, -1, 1).astype(np.float32))
assert info["is_success"].all(), tip
envs.close()
"""


def after(block: str) -> dict[str, Any]:
    """The names that a block leaves behind."""
    names: dict[str, Any] = {}
    exec(compile(block, "README.md", "exec"), names)
    return names


def test_it_is_short() -> None:
    assert len(README.split()) <= 900


@pytest.mark.parametrize("block", [block for block in PYTHON_BLOCKS if block != TASK])
def test_code_runs(block: str) -> None:
    after(block)


def test_the_shipped_policy_succeeds_in_ten_lines() -> None:
    (block,) = [block for block in PYTHON_BLOCKS if "mmrl.load" in block]
    names = after(block)
    assert len(block.strip().splitlines()) <= 11
    assert names["info"]["is_success"].all()


def test_the_sensor_reaches_the_observation() -> None:
    (block,) = [block for block in PYTHON_BLOCKS if "(Sensor)" in block]
    env = gym.make("mmrl/PegInsertion-v0", sensors=("proprioception", after(block)["RangeFinder"]()))
    observation, _ = env.reset(seed=0)
    env.close()
    # The hand looks down at a scene within arm's reach.
    assert ((observation["range_finder"] > 0) & (observation["range_finder"] < 1.5)).all()


def test_the_task_can_be_fulfilled(tmp_path: Path) -> None:
    (tmp_path / "reach.py").write_text(TASK)
    ran = subprocess.run([sys.executable, "-c", REACHES], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr


def test_the_network_encodes_a_sense(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_networks.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    assert build_encoder(ForceTorque(encoder=Custom("my_networks:Touch")).modality).features == 64


def test_the_whole_sensor_of_the_docs_is_the_tested_one() -> None:
    assert SENSOR in python_in((ROOT / "docs" / "sensors.md").read_text())
    assert len(SENSOR.splitlines()) < 30


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_linked_files_exist(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text()):
        assert target.startswith("http") or (page.parent / target).exists(), target


def test_extras_exist() -> None:
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    (named,) = re.findall(r"pip install '\.\[(.*?)\]'", README)
    assert set(named.split(",")) <= set(known)


def test_make_goals_and_commands_exist() -> None:
    from mmrl_agents.cli.commands import COMMANDS

    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    untagged = re.sub(r"```\w+\n.*?```", "", README, flags=re.DOTALL)
    blocks = "\n".join(re.findall(r"```\n(.*?)```", untagged, re.DOTALL))
    made = set(re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE))
    assert {"train", "test"} <= made <= goals
    called = set(re.findall(r"^(?:\.venv/bin/)?mmrl ([a-z]+)", blocks, re.MULTILINE))
    assert {"train", "evaluate", "watch"} <= called <= set(COMMANDS)
