"""Docstrings say what a thing is, beginning with a noun or a verb."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("mmrl", "envs/mmrl_envs", "agents/mmrl_agents", "benchmarks")


@pytest.mark.parametrize("package", PACKAGES)
def test_none_begins_with_what(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in re.findall(r'^\s*r?"""\s?What\b.*', path.read_text(), re.MULTILINE)
    ]
    assert found == []
