"""The README is true: its code runs, its sensor is the tested one, its files and commands exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON_BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
SENSOR = (ROOT / "tests" / "plugin_package" / "mmrl_rangefinder.py").read_text()


def test_the_sensor_shown_is_the_tested_one() -> None:
    assert SENSOR in PYTHON_BLOCKS
    assert len(SENSOR.splitlines()) < 30


@pytest.mark.parametrize("block", [block for block in PYTHON_BLOCKS if block != SENSOR])
def test_code_runs(block: str) -> None:
    exec(compile(block, "README.md", "exec"), {})


def test_linked_files_exist() -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", README):
        assert target.startswith("http") or (ROOT / target).exists(), target


def test_make_goals_and_commands_exist() -> None:
    from mmrl_agents.cli import COMMANDS

    goals = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    untagged = re.sub(r"```\w+\n.*?```", "", README, flags=re.DOTALL)
    blocks = "\n".join(re.findall(r"```\n(.*?)```", untagged, re.DOTALL))
    made = set(re.findall(r"^make ([a-z-]+)", blocks, re.MULTILINE))
    assert {"train", "test"} <= made <= goals
    called = set(re.findall(r"^(?:\.venv/bin/)?mmrl ([a-z]+)", blocks, re.MULTILINE))
    assert {"train", "evaluate", "watch"} <= called <= set(COMMANDS)
