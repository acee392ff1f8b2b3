"""Published figures: none is older than the physics it speaks of, but those on the list of what to measure again."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mmrl_envs.physics.version import PHYSICS_VERSION

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PRETRAINED = ROOT / "agents" / "mmrl_agents" / "policies" / "pretrained"


def is_of_the_robot(name: str) -> bool:
    """Whether a result speaks of the robot tasks: those of emulators do not depend on their physics."""
    return not name.startswith("pong")


def physics_of(document: dict[str, Any]) -> int:
    """Version 1 recorded none."""
    return int(document.get("versions", {}).get("physics", 1))


def old_results() -> set[str]:
    documents = {path.name: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    documents |= {path.parent.name: json.loads(path.read_text()) for path in PRETRAINED.glob("*/config.json")}
    assert {"peg_square.json", "peg_insertion"} <= documents.keys()
    return {n for n, d in documents.items() if is_of_the_robot(n) and physics_of(d) != PHYSICS_VERSION}


def to_be_measured_again() -> set[str]:
    path = RESULTS / "README.md"
    return set(re.findall(r"^- `([^`]+)`", path.read_text(), re.MULTILINE)) if path.exists() else set()


def test_old_results_are_those_that_are_to_be_measured_again() -> None:
    assert old_results() == to_be_measured_again()


@pytest.mark.skipif(not to_be_measured_again(), reason="every figure is of the present physics")
def test_the_page_of_results_says_that_some_figures_are_old() -> None:
    assert "(results/README.md)" in (ROOT / "docs" / "results.md").read_text()
